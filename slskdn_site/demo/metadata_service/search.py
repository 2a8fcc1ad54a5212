"""Searching as MusicBrainz does it, as much of Lucene's language as clients write: words, "phrases", field:word, field:"phrase", field:(words), AND, OR
and brackets. Pure: JSON objects in, the likeliest out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from slskdn_site.demo.answer_shapes import Json, JsonObject

_TOKEN = re.compile(
    r'\s*(?:(\()|(\))|(AND|&&)(?=\s|\()|(OR|\|\|)(?=\s|\()|((?:\\.|[^\s():"\\])+:)?(?:"((?:\\.|[^"\\])*)"|((?:\\.|[^\s():"\\])+))?)'
)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class _Leaf:
    field: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    """`kind`: all (AND), any (OR), some (side by side: each one helps)."""

    kind: str
    parts: tuple[_Leaf | _Node, ...]


Query = _Leaf | _Node


def search(noun: str, query: str, objects: Iterable[JsonObject]) -> list[JsonObject]:
    """The objects of a kind ("release-group") that fit, likeliest first, each with its `score` of 1..100."""
    parsed = _parse(query)
    if parsed is None:
        return []
    found: list[tuple[float, str, JsonObject]] = []
    for one in objects:
        fields = _fields(noun, one)
        hit = _hit(parsed, fields)
        if hit > 0:
            found.append((hit, str(one.get("id")), one))
    found.sort(key=lambda each: (-each[0], each[1]))
    best = found[0][0] if found else 1.0
    return [{**one, "score": max(1, round(100 * hit / best))} for hit, _, one in found]


def _fold(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return tuple(re.findall(r"[^\W_]+", "".join(char for char in plain if not unicodedata.combining(char))))


def _parse(query: str) -> Query | None:
    tokens = _tokens(query)
    parsed, _ = _group(tokens, 0, "")
    return parsed


def _tokens(query: str) -> list[tuple[str, str, str]]:
    """(kind, field, text): kinds open, close, and, or, leaf."""
    found: list[tuple[str, str, str]] = []
    at = 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None or match.end() == at:
            at += 1
            continue
        at = match.end()
        field = _ESCAPED.sub(r"\1", (match[5] or "")[:-1])
        text = match[6] if match[6] is not None else match[7]
        if match[1]:
            found.append(("open", "", ""))
        elif match[2]:
            found.append(("close", "", ""))
        elif match[3] or match[4]:
            found.append(("and" if match[3] else "or", "", ""))
        elif text is not None:
            found.append(("leaf", field, _ESCAPED.sub(r"\1", text)))
        elif field:
            found.append(("field", field, ""))
    return found


def _group(tokens: Sequence[tuple[str, str, str]], at: int, field: str) -> tuple[Query | None, int]:
    """Everything up to the closing bracket: OR binds weakest, then side by side, then AND."""
    any_of: list[Query] = []
    some: list[list[Query]] = [[]]
    joined = False
    inner = field
    while at < len(tokens):
        kind, named, text = tokens[at]
        at += 1
        part: Query | None = None
        match kind:
            case "close":
                break
            case "and":
                joined = True
                continue
            case "or":
                any_of.append(_some(some))
                some, joined = [[]], False
                continue
            case "field":
                inner = named
                continue
            case "open":
                part, at = _group(tokens, at, inner)
                inner = field
            case _:
                words = _fold(text) if named not in _EXACT else (text.casefold(),)
                part = _Leaf(named or field, words) if words else None
        if part is None:
            continue
        if joined and some[-1]:
            some[-1].append(part)
        else:
            some.append([part])
        joined = False
    any_of.append(_some(some))
    kept = [one for one in any_of if not (isinstance(one, _Node) and not one.parts)]
    if not kept:
        return None, at
    return (kept[0] if len(kept) == 1 else _Node("any", tuple(kept))), at


def _some(some: list[list[Query]]) -> Query:
    parts = [run[0] if len(run) == 1 else _Node("all", tuple(run)) for run in some if run]
    return parts[0] if len(parts) == 1 else _Node("some", tuple(parts))


def _hit(query: Query, fields: Mapping[str, tuple[str, ...]]) -> float:
    if isinstance(query, _Leaf):
        there = fields.get(query.field, ())
        wanted = len(query.words)
        for start in range(len(there) - wanted + 1):
            if there[start : start + wanted] == query.words:
                # A name that is just these words is likelier than one that has them among others.
                return 0.5 + 0.5 * wanted / len(there)
        return 0.0
    hits = [_hit(part, fields) for part in query.parts]
    if query.kind == "all":
        return sum(hits) / len(hits) if all(hits) else 0.0
    return max(hits) if query.kind == "any" else sum(hits) / len(hits)


_EXACT = frozenset({"barcode", "isrc", "rgid", "reid", "rid", "arid", "laid", "catno"})


def _fields(noun: str, one: JsonObject) -> dict[str, tuple[str, ...]]:
    """field → its words; "" is what is searched where no field is named."""
    name = _fold(_text(one, "title") or _text(one, "name"))
    credit = [_item(item, "artist") for item in _list(one, "artist-credit")]
    artists = tuple(word for item in credit for word in _fold(_text(item, "name")))
    group = _object(one.get("release-group"))
    labels = [_object(item) for item in _list(one, "label-info")]
    others = tuple(word for item in _list(one, "aliases") for word in _fold(_text(_object(item), "name")))
    fields: dict[str, tuple[str, ...]] = {
        "": (*name, *artists, *others),
        noun.replace("-", ""): (*name, *others),
        "artist": artists or name,
        "arid": tuple(_text(item, "id") for item in credit) or (_text(one, "id"),),
        "country": (_text(one, "country").casefold(),),
        "type": _fold(_text(one, "primary-type") or _text(group, "primary-type") or _text(one, "type")),
        "status": _fold(_text(one, "status")),
        "date": _fold(_text(one, "date")),
        "barcode": (_text(one, "barcode"),),
        "isrc": tuple(str(item).casefold() for item in _list(one, "isrcs")),
        "label": tuple(word for item in labels for word in _fold(_text(_item(item, "label"), "name"))) or name,
        "laid": tuple(_text(_item(item, "label"), "id") for item in labels),
        "catno": tuple(_text(item, "catalog-number").casefold() for item in labels),
        "rgid": (_text(one, "id") if noun == "release-group" else _text(group, "id"),),
        "reid": (_text(one, "id"),),
        "rid": (_text(one, "id"),),
    }
    return fields


_text: Callable[[JsonObject, str], str] = lambda one, key: str(one.get(key) or "")  # noqa: E731


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _item(value: Json, key: str) -> JsonObject:
    return _object(_object(value).get(key))


def _list(one: JsonObject, key: str) -> list[Json]:
    value = one.get(key)
    return value if isinstance(value, list) else []
