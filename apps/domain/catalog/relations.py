"""What MusicBrainz says connects an entity with another one, or with an address outside."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from apps.domain.catalog.fields import MetadataGarbled, clean, date_of, list_of, mbid_of, object_of, text_of

MAX_RELATIONS = 5000
MAX_ADDRESS_CHARS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relationship of an entity. `forward` False: the entity is its target. Either `mbid` (with `target_kind`) or `address` is set."""

    kind: str
    forward: bool
    target_kind: str
    mbid: uuid.UUID | None
    name: str
    address: str = ""
    attributes: tuple[str, ...] = ()
    begin: str = ""
    end: str = ""


def read_relations(entity: Mapping[str, object]) -> tuple[Relation, ...]:
    """The relationships of an entity that name a target; those of a shape unknown here are left out."""
    found: list[Relation] = []
    for item in list_of(entity, "relations")[:MAX_RELATIONS]:
        try:
            relation = _relation(object_of(item, "relation"))
        except MetadataGarbled:
            continue
        if relation is not None:
            found.append(relation)
    return tuple(found)


def _relation(relation: Mapping[str, object]) -> Relation | None:
    target_kind = text_of(relation, "target-type")[:40]
    if not target_kind:
        # Older answers leave it out: the target is the one known entity that is there.
        target_kind = next((kind for kind in _TARGETS if isinstance(relation.get(kind), Mapping)), "")
    target = relation.get(target_kind.replace("-", "_"), relation.get(target_kind))
    if not isinstance(target, Mapping):
        return None
    address = text_of(target, "resource") if target_kind == "url" else ""
    if len(address) > MAX_ADDRESS_CHARS:
        return None
    return Relation(
        kind=text_of(relation, "type")[:80],
        forward=text_of(relation, "direction") != "backward",
        target_kind=target_kind,
        mbid=None if target_kind == "url" else mbid_of(target),
        name=text_of(target, "name") or text_of(target, "title"),
        address=address,
        attributes=tuple(clean(one)[:80] for one in list_of(relation, "attributes") if isinstance(one, str)),
        begin=date_of(relation, "begin"),
        end=date_of(relation, "end"),
    )


_TARGETS = ("artist", "label", "release", "release_group", "recording", "work", "url")
