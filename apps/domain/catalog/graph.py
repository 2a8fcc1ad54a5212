"""An artist's or a label's release graph: who they are, their groups, and each release in brief, read from WS/2 lookups and browse pages.

A brief holds what tells editions apart and nothing of their recordings: a browse page then has 100 releases, where with recordings it has a few.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from apps.domain.catalog.fields import (
    MetadataGarbled,
    date_of,
    list_of,
    maybe,
    mbid_of,
    object_of,
    text_of,
)
from apps.domain.catalog.relations import Relation, read_relations
from apps.domain.catalog.release import ArtistFacts, GroupFacts, LabelFacts, credit_of, group_of

MAX_COUNT = 10_000_000
"""No list of MusicBrainz is longer; a page that claims more is garbled."""
MAX_MEDIA = 1000
MAX_ALIASES = 200
MAX_TAGS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A genre or folksonomy tag with its votes."""

    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtistDetail:
    """An artist's own page. `kind`: Person, Group, Orchestra … as MusicBrainz writes it."""

    mbid: uuid.UUID
    name: str
    sort_name: str = ""
    kind: str = ""
    country: str = ""
    disambiguation: str = ""
    begin: str = ""
    end: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDetail:
    """A label's own page."""

    mbid: uuid.UUID
    name: str
    kind: str = ""
    country: str = ""
    disambiguation: str = ""
    label_code: int | None = None
    aliases: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDetail:
    """A release group with its credit."""

    facts: GroupFacts
    artist_credit: str = ""
    artists: tuple[ArtistFacts, ...] = ()
    disambiguation: str = ""
    tags: tuple[Tag, ...] = ()
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelNumber:
    """A label with the catalogue number it gave the release; either may be missing."""

    label: LabelFacts | None
    catalog_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseBrief:
    """An edition in brief. `formats`: one per medium, in order ("CD", "12\\" Vinyl", "")."""

    mbid: uuid.UUID
    title: str
    artist_credit: str = ""
    artists: tuple[ArtistFacts, ...] = ()
    group: GroupFacts | None = None
    labels: tuple[LabelNumber, ...] = ()
    barcode: str = ""
    date: str = ""
    country: str = ""
    status: str = ""
    packaging: str = ""
    language: str = ""
    script: str = ""
    disambiguation: str = ""
    formats: tuple[str, ...] = ()
    track_count: int = 0

    @property
    def year(self) -> str:
        """Of this release, else of its group; "" when unknown."""
        return (self.date or (self.group.first_release_date if self.group else ""))[:4]

    @property
    def format_words(self) -> str:
        """ "2 × CD + DVD"."""
        return format_words(self.formats)


def format_words(formats: Iterable[str]) -> str:
    """ "2 × CD + DVD": equal neighbours counted, unknown media left out."""
    runs: list[tuple[str, int]] = []
    for one in filter(None, formats):
        if runs and runs[-1][0] == one:
            runs[-1] = (one, runs[-1][1] + 1)
        else:
            runs.append((one, 1))
    return " + ".join(name if count == 1 else f"{count} × {name}" for name, count in runs)


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page of a list stands. `taken`: how many entries it had (also those that couldn't be read); `total`: of the whole list."""

    taken: int
    total: int
    unreadable: int


def read_artist(value: object) -> ArtistDetail:
    """An artist lookup with inc=aliases+tags+artist-rels+url-rels (each may be absent). Raises MetadataGarbled."""
    artist = object_of(value, "artist")
    span = maybe(artist, "life-span", lambda one: (date_of(one, "begin"), date_of(one, "end"))) or ("", "")
    return ArtistDetail(
        mbid=mbid_of(artist),
        name=text_of(artist, "name"),
        sort_name=text_of(artist, "sort-name"),
        kind=text_of(artist, "type")[:40],
        country=text_of(artist, "country")[:4],
        disambiguation=text_of(artist, "disambiguation"),
        begin=span[0],
        end=span[1],
        aliases=_aliases(artist),
        tags=_tags(artist),
        relations=read_relations(artist),
    )


def read_label(value: object) -> LabelDetail:
    """A label lookup with inc=aliases+tags+label-rels+url-rels (each may be absent). Raises MetadataGarbled."""
    label = object_of(value, "label")
    code = label.get("label-code")
    return LabelDetail(
        mbid=mbid_of(label),
        name=text_of(label, "name"),
        kind=text_of(label, "type")[:40],
        country=text_of(label, "country")[:4],
        disambiguation=text_of(label, "disambiguation"),
        label_code=code if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 100_000 else None,
        aliases=_aliases(label),
        tags=_tags(label),
        relations=read_relations(label),
    )


def read_group(value: object) -> GroupDetail:
    """A release group from a lookup or a browse page. Raises MetadataGarbled."""
    group = object_of(value, "release-group")
    credit, artists = credit_of(group)
    return GroupDetail(
        facts=group_of(group),
        artist_credit=credit,
        artists=artists,
        disambiguation=text_of(group, "disambiguation"),
        tags=_tags(group),
        relations=read_relations(group),
    )


def read_brief(value: object) -> ReleaseBrief:
    """A release from a browse page with inc=artist-credits+labels+media+release-groups (each may be absent). Raises MetadataGarbled."""
    release = object_of(value, "release")
    credit, artists = credit_of(release)
    media = [object_of(item, "medium") for item in list_of(release, "media")[:MAX_MEDIA]]
    text = maybe(release, "text-representation", lambda one: (text_of(one, "language"), text_of(one, "script")))
    language, script = text or ("", "")
    return ReleaseBrief(
        mbid=mbid_of(release),
        title=text_of(release, "title"),
        artist_credit=credit,
        artists=artists,
        group=maybe(release, "release-group", group_of),
        labels=_labels(release),
        barcode=text_of(release, "barcode")[:40],
        date=date_of(release, "date"),
        country=text_of(release, "country")[:4],
        status=text_of(release, "status")[:40],
        packaging=text_of(release, "packaging")[:80],
        language=language[:10],
        script=script[:10],
        disambiguation=text_of(release, "disambiguation"),
        formats=tuple(text_of(medium, "format")[:80] for medium in media),
        track_count=sum(_count(medium, "track-count") for medium in media),
    )


def read_page(value: object, *, entity: str, read: Callable[[object], T]) -> tuple[Page, tuple[T, ...]]:
    """A browse page of `entity` ("release", "release-group"): where it stands, and what could be read of it, each once.

    One unreadable entry is counted and left out; a page without its list or count is MetadataGarbled.
    """
    answer = object_of(value, entity)
    entries = answer.get(f"{entity}s")
    total = answer.get(f"{entity}-count")
    if not isinstance(entries, list) or isinstance(total, bool) or not isinstance(total, int):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=f"{entity}s")
    if not 0 <= total <= MAX_COUNT:
        raise MetadataGarbled("MusicBrainz answered with an impossible count.", field=f"{entity}-count")
    found: list[T] = []
    unreadable = 0
    for entry in entries:
        try:
            found.append(read(entry))
        except MetadataGarbled:
            unreadable += 1
    return Page(len(entries), total, unreadable), tuple(found)


def _labels(release: Mapping[str, object]) -> tuple[LabelNumber, ...]:
    found: list[LabelNumber] = []
    for item in list_of(release, "label-info"):
        info = object_of(item, "label-info")
        label = maybe(info, "label", lambda one: LabelFacts(mbid=mbid_of(one), name=text_of(one, "name")))
        number = text_of(info, "catalog-number")[:200]
        entry = LabelNumber(label=label, catalog_number=number)
        if (label or number) and entry not in found:
            found.append(entry)
    return tuple(found)


def _aliases(entity: Mapping[str, object]) -> tuple[str, ...]:
    """Other names, each once, the primary ones of a locale first. Legal names of persons are no name to search for."""
    ranked: list[tuple[bool, str]] = []
    for item in list_of(entity, "aliases"):
        alias = object_of(item, "alias")
        if text_of(alias, "type") != "Legal name":
            ranked.append((alias.get("primary") is not True, text_of(alias, "name")))
    names = dict.fromkeys(name for _, name in sorted(ranked, key=lambda one: one[0]) if name)
    return tuple(names)[:MAX_ALIASES]


def _tags(entity: Mapping[str, object]) -> tuple[Tag, ...]:
    """Genres and tags with votes for them, the most voted first."""
    votes: dict[str, int] = {}
    for key in ("genres", "tags"):
        for item in list_of(entity, key):
            tag = object_of(item, key)
            count = tag.get("count")
            name = text_of(tag, "name")[:80].lower()
            if name and isinstance(count, int) and not isinstance(count, bool) and count > 0:
                votes[name] = max(votes.get(name, 0), min(count, MAX_COUNT))
    ranked = sorted(votes.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Tag(name=name, count=count) for name, count in ranked[:MAX_TAGS])


def _count(entity: Mapping[str, object], key: str) -> int:
    value = entity.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000 else 0
