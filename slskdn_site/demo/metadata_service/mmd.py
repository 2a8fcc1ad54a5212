"""Recorded XML answers (mmd-2.0) in the words of the JSON ones, for clients that ask for JSON where only XML was recorded: artists, labels, release
groups and lists of release groups."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

from slskdn_site.demo.answer_shapes import Json, JsonObject

_NS = "{http://musicbrainz.org/ns/mmd-2.0#}"


def json_of(xml: bytes) -> JsonObject | None:
    """The JSON answer with the same facts; None where this is no such answer."""
    try:
        root = ET.fromstring(xml)  # noqa: S314 -- our own recordings
    except ET.ParseError:
        return None
    for child in root:
        name = _name(child)
        if name == "release-group-list":
            groups: list[Json] = [_entity(one) for one in child]
            listed: JsonObject = {
                "release-group-count": int(child.get("count", str(len(groups)))),
                "release-group-offset": int(child.get("offset", "0")),
                "release-groups": groups,
            }
            return listed
        if name in {"artist", "label", "release-group"}:
            return _entity(child)
    return None


def _entity(element: ET.Element) -> JsonObject:
    """Text children by their names; lists and relations as JSON has them."""
    out: JsonObject = {"id": element.get("id")}
    if element.get("type") and _name(element) != "release-group":
        out["type"] = element.get("type")
    relations: list[Json] = []
    for child in element:
        name = _name(child)
        if name == "relation-list":
            kind = child.get("target-type", "")
            relations += [_relation(one, kind) for one in child]
        elif name in _LISTS:
            key, read = _LISTS[name]
            out[key] = [read(one) for one in child]
        elif name == "life-span":
            span: JsonObject = {_name(part): part.text for part in child}
            out[name] = {**span, "ended": span.get("ended") == "true"}
        elif name == "label-code":
            out[name] = int(child.text or 0)
        elif len(child) == 0:
            out[name] = child.text
    if relations:
        out["relations"] = relations
    return out


def _relation(element: ET.Element, kind: str) -> JsonObject:
    out: JsonObject = {"type": element.get("type"), "target-type": kind.replace("-", "_"), "direction": "forward"}
    for child in element:
        name = _name(child)
        if name == "target" and kind == "url":
            out["url"] = {"id": child.get("id"), "resource": child.text}
        elif name == kind:
            out[kind.replace("-", "_")] = _entity(child)
        elif name in {"direction", "begin", "end"}:
            out[name] = child.text
        elif name == "attribute-list":
            out["attributes"] = [one.text for one in child]
    return out


def _alias(element: ET.Element) -> Json:
    return {
        "name": element.text,
        "sort-name": element.get("sort-name"),
        "locale": element.get("locale"),
        "primary": element.get("primary") == "primary" or None,
        "type": element.get("type"),
    }


def _tag(element: ET.Element) -> Json:
    return {"name": element.findtext(f"{_NS}name"), "count": int(element.get("count", "0"))}


_LISTS: dict[str, tuple[str, Callable[[ET.Element], Json]]] = {
    "alias-list": ("aliases", _alias),
    "tag-list": ("tags", _tag),
    "secondary-type-list": ("secondary-types", lambda one: one.text),
}


def _name(element: ET.Element) -> str:
    return element.tag.removeprefix(_NS)
