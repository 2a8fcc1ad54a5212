"""What belongs to a release: other editions, the artist's other albums, the label's, who else is on it, what sounds alike. From catalog rows alone.

Each section has at most SHOWN items and costs a query or two, however large the graph is; nobody is asked. What the catalog has not met is not there:
looking the artist up fills it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.db.models import Q, QuerySet

from apps.catalog.models import Artist, EntityTag, GroupArtist, Recording, Release, ReleaseGroup, ReleaseLabel, Track
from apps.catalog.selectors_graph import related_of, relations_of, releases_made_by, tagged_groups
from apps.domain.catalog.candidates import CandidateKind
from apps.domain.catalog.discography import Filters, edition_of
from apps.domain.catalog.graph import ReleaseBrief
from apps.domain.matching.values import VARIOUS_ARTISTS
from apps.jobs.models import Job
from apps.library.models import AudioFile

SHOWN: Final = 8
MAX_ROWS: Final = 1500
"""Editions of the groups of a sidebar that are looked at to choose the one that a click asks for."""
MAX_CREDITS: Final = 400
REMASTER: Final = "remaster"


CREW: Final = ("producer", "co-producer", "mix", "engineer", "recording", "mastering", "audio", "sound")
"""MusicBrainz' relationships of a release with those who made its sound, the best known first."""


class Section(StrEnum):
    """Why something is related, in the order of the sidebar."""

    EDITIONS = "editions"
    ARTIST = "artist"
    LABEL = "label"
    PERSONNEL = "personnel"
    CREW = "crew"
    FEATURED = "featured"
    GENRE = "genre"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedItem:
    """Something to look at or to ask for. `add`: the release that one click asks for; None: there is none, or it is an artist. `note`: a relation, a tag,
    "remaster"."""

    kind: CandidateKind
    mbid: uuid.UUID
    title: str
    artist: str = ""
    facts: tuple[str, ...] = ()
    note: str = ""
    add: uuid.UUID | None = None
    held: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedSection:
    """One heading. `about`: whose (the artist, the label, the tag)."""

    section: Section
    about: str
    items: tuple[RelatedItem, ...]


def related_to_release(mbid: uuid.UUID) -> tuple[RelatedSection, ...]:
    """Sections with something in them; at most some twenty queries. Empty for what the catalog does not know."""
    row = Release.objects.filter(mbid=mbid).values_list("release_group_id", "artist_id", "artist_mbids").first()
    if row is None:
        return ()
    group_mbid: uuid.UUID | None = row[0]
    artist: uuid.UUID | None = row[1]
    credited = row[2]
    found = [_editions(mbid, group_mbid)]
    if artist is not None and artist != VARIOUS_ARTISTS:
        found.append(_artist(artist, without=group_mbid))
    found.append(_label(mbid, without=group_mbid))
    if artist is not None and artist != VARIOUS_ARTISTS:
        found.append(_personnel(artist))
    found.append(_crew(mbid, group_mbid))
    found.append(_featured(Track.objects.filter(medium__release_id=mbid), credited))
    found.append(_genre(group_mbid, artist))
    return _finished(one for one in found if one.items)


def related_to_recording(mbid: uuid.UUID) -> tuple[RelatedSection, ...]:
    """Releases that a recording stands on, as `editions`; the artist's albums and who else is on it."""
    credited = Recording.objects.filter(mbid=mbid).values_list("artist_mbids", flat=True).first() or []
    rows = Release.objects.filter(media__tracks__recording_id=mbid).distinct().order_by("date", "mbid")
    items = tuple(_release_item(one) for one in rows[:SHOWN])
    found = [RelatedSection(section=Section.EDITIONS, about="", items=items)]
    artist = uuid.UUID(credited[0]) if credited else None
    if artist is not None:
        found += [_artist(artist, without=None), _personnel(artist)]
    return _finished(one for one in found if one.items)


def _editions(mbid: uuid.UUID, group: uuid.UUID | None) -> RelatedSection:
    """Other editions: remasters told as such, then by date; one of a country first."""
    rows = Release.objects.filter(release_group_id=group).exclude(mbid=mbid) if group else Release.objects.none()
    listed = list(rows.order_by("date", "mbid")[:200])
    remastered = {
        one.mbid
        for one in relations_of("release_group", group)
        if one.mbid is not None and REMASTER in one.kind.lower()
    } if group else set()  # fmt: skip
    seen: set[str] = set()
    first: list[Release] = []
    rest: list[Release] = []
    for one in listed:
        place = f"{one.country} {_is_remaster(one)}"
        (rest if place in seen else first).append(one)
        seen.add(place)
    items = tuple(_release_item(one, remaster=one.mbid in remastered) for one in [*first, *rest][:SHOWN])
    return RelatedSection(section=Section.EDITIONS, about="", items=items)


def _is_remaster(row: Release) -> bool:
    return REMASTER in f"{row.title} {row.disambiguation}".lower()


def _release_item(row: Release, *, remaster: bool = False) -> RelatedItem:
    formats = [str(one) for one in row.formats if one]
    facts = (row.date, row.country, ", ".join(dict.fromkeys(formats)), row.catalog_number, row.disambiguation[:60])
    return RelatedItem(
        kind=CandidateKind.RELEASE,
        mbid=row.mbid,
        title=row.title,
        artist=row.artist_credit,
        facts=tuple(one for one in facts if one),
        note=REMASTER if remaster or _is_remaster(row) else "",
        add=row.mbid,
    )


def _artist(artist: uuid.UUID, *, without: uuid.UUID | None) -> RelatedSection:
    """Other albums, plain ones before live albums and compilations, by year."""
    ids = GroupArtist.objects.filter(artist_id=artist).values("group_id")
    rows = ReleaseGroup.objects.filter(mbid__in=ids)
    if without is not None:
        rows = rows.exclude(mbid=without)
    some = sorted(rows.order_by("first_release_date", "mbid")[:300], key=_plain_first)
    name = Artist.objects.filter(mbid=artist).values_list("name", flat=True).first() or ""
    return RelatedSection(section=Section.ARTIST, about=name, items=tuple(_group_item(one) for one in some[:SHOWN]))


def _plain_first(row: ReleaseGroup) -> tuple[bool, bool, str, str]:
    return (
        bool(row.secondary_types),
        row.primary_type.lower() != "album",
        row.first_release_date or "9999",
        str(row.mbid),
    )


def _group_item(row: ReleaseGroup, *, note: str = "", artist: str = "") -> RelatedItem:
    kind = " + ".join(filter(None, (row.primary_type, *row.secondary_types)))
    facts = tuple(filter(None, (row.first_release_date[:4], kind)))
    return RelatedItem(
        kind=CandidateKind.RELEASE_GROUP,
        mbid=row.mbid,
        title=row.title,
        artist=artist or row.artist_credit,
        facts=facts,
        note=note,
    )


def _label(mbid: uuid.UUID, *, without: uuid.UUID | None) -> RelatedSection:
    """Albums of the same label, each once, the newest first."""
    told = ReleaseLabel.objects.filter(release_id=mbid, label__isnull=False).select_related("label").first()
    label = told.label if told is not None else None
    if label is None:
        label = (Release.objects.filter(mbid=mbid).select_related("label").first() or Release()).label
    if label is None:
        return RelatedSection(section=Section.LABEL, about="", items=())
    ids = ReleaseLabel.objects.filter(label_id=label.mbid).values("release_id")
    rows = Release.objects.filter(Q(mbid__in=ids) | Q(label_id=label.mbid)).exclude(mbid=mbid).order_by("-date", "mbid")
    once: dict[object, Release] = {}
    for row in rows[:200]:
        if row.release_group_id is None or row.release_group_id != without:
            once.setdefault(row.release_group_id or row.mbid, row)
        if len(once) == SHOWN:
            break
    return RelatedSection(
        section=Section.LABEL, about=label.name, items=tuple(_release_item(one) for one in once.values())
    )


def _personnel(artist: uuid.UUID) -> RelatedSection:
    """Members, bands, collaborations."""
    items = [
        RelatedItem(kind=CandidateKind.ARTIST, mbid=mbid, title=name, note=kind)
        for kind, mbid, name in related_of(artist)[:SHOWN]
    ]
    return RelatedSection(section=Section.PERSONNEL, about="", items=tuple(items))


def _crew(mbid: uuid.UUID, group: uuid.UUID | None) -> RelatedSection:
    """Producers, mixers and engineers of a release, each with another album of theirs that the catalog knows."""
    told = [
        one
        for one in relations_of("release", mbid)
        if one.mbid is not None and one.target_kind == "artist" and one.kind in CREW
    ]
    people = {one.mbid: one for one in sorted(told, key=lambda one: CREW.index(one.kind), reverse=True)}
    items: list[RelatedItem] = []
    for person in sorted(people.values(), key=lambda one: (CREW.index(one.kind), one.name))[: SHOWN // 2]:
        assert person.mbid is not None
        items.append(RelatedItem(kind=CandidateKind.ARTIST, mbid=person.mbid, title=person.name, note=person.kind))
        others = Release.objects.filter(mbid__in=releases_made_by(person.mbid, kinds=CREW)).exclude(mbid=mbid)
        if group is not None:
            others = others.exclude(release_group_id=group)
        items += [_release_item(one) for one in others.order_by("date", "mbid")[:1]]
    return RelatedSection(section=Section.CREW, about="", items=tuple(items[:SHOWN]))


def _featured(tracks: QuerySet[Track], credited: Sequence[str]) -> RelatedSection:
    """Artists of the tracks that the release itself does not name."""
    rows = Recording.objects.filter(mbid__in=tracks.values("recording_id")).values_list("artist_mbids", flat=True)[
        :MAX_CREDITS
    ]
    counted: dict[str, int] = {}
    for mbids in rows:
        for mbid in mbids:
            if mbid not in credited:
                counted[mbid] = counted.get(mbid, 0) + 1
    best = sorted(counted, key=lambda mbid: (-counted[mbid], mbid))[:SHOWN]
    names = {str(mbid): name for mbid, name in Artist.objects.filter(mbid__in=best).values_list("mbid", "name")}
    items = [
        RelatedItem(kind=CandidateKind.ARTIST, mbid=uuid.UUID(mbid), title=names[mbid])
        for mbid in best
        if mbid in names
    ]
    return RelatedSection(section=Section.FEATURED, about="", items=tuple(items))


def _genre(group: uuid.UUID | None, artist: uuid.UUID | None) -> RelatedSection:
    """Albums under the tag that this one has most votes for; where nobody tagged it, its artist's."""
    for kind, mbid in (("release_group", group), ("artist", artist)):
        if mbid is None:
            continue
        tags = EntityTag.objects.filter(entity_kind=kind, mbid=mbid).order_by("-count", "name")
        for name in tags.values_list("name", flat=True)[:3]:
            albums = tagged_groups(name, limit=SHOWN, without=group)
            if albums:
                items = tuple(
                    RelatedItem(
                        kind=CandidateKind.RELEASE_GROUP,
                        mbid=one.facts.mbid,
                        title=one.facts.title,
                        artist=one.artist_credit,
                        facts=tuple(filter(None, (one.facts.first_release_date[:4], one.facts.primary_type))),
                    )
                    for one in albums
                )
                return RelatedSection(section=Section.GENRE, about=name, items=items)
    return RelatedSection(section=Section.GENRE, about="", items=())


def _finished(sections: Iterable[RelatedSection]) -> tuple[RelatedSection, ...]:
    """With what a click asks for, and what is held or asked for already; three queries for all sections."""
    listed = list(sections)
    groups = {item.mbid for one in listed for item in one.items if item.kind is CandidateKind.RELEASE_GROUP}
    chosen = _chosen(groups)
    releases = {item.mbid for one in listed for item in one.items if item.kind is CandidateKind.RELEASE} | set(
        chosen.values()
    )
    held, asked = _held(releases), _asked(releases)
    return tuple(
        RelatedSection(
            section=one.section,
            about=one.about,
            items=tuple(_finished_item(item, chosen, held, asked) for item in one.items),
        )
        for one in listed
    )


def _finished_item(
    item: RelatedItem, chosen: Mapping[uuid.UUID, uuid.UUID], held: Collection[uuid.UUID], asked: Collection[uuid.UUID]
) -> RelatedItem:
    add = chosen.get(item.mbid) if item.kind is CandidateKind.RELEASE_GROUP else item.add
    return RelatedItem(
        kind=item.kind,
        mbid=item.mbid,
        title=item.title,
        artist=item.artist,
        facts=item.facts,
        note=item.note,
        add=add,
        held=add in held,
        asked=add in asked,
    )


def _chosen(groups: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """group → the edition that discographies would take (apps.domain.catalog.discography)."""
    if not groups:
        return {}
    rows = Release.objects.filter(release_group_id__in=list(groups)).order_by("release_group_id", "date", "mbid")
    briefs: dict[uuid.UUID, list[ReleaseBrief]] = {}
    for mbid, group, title, status, date, country, count, formats in rows.values_list(
        "mbid", "release_group_id", "title", "status", "date", "country", "track_count", "formats"
    )[:MAX_ROWS]:
        if group is not None:
            briefs.setdefault(group, []).append(
                ReleaseBrief(
                    mbid=mbid,
                    title=title,
                    status=status,
                    date=date,
                    country=country,
                    track_count=count,
                    formats=tuple(str(one) for one in formats),
                )
            )
    found: dict[uuid.UUID, uuid.UUID] = {}
    for group, editions in briefs.items():
        edition = edition_of(editions, filters=Filters(official_only=False))
        if not isinstance(edition, str):
            found[group] = edition[0].mbid
    return found


def _held(releases: Collection[uuid.UUID]) -> set[uuid.UUID]:
    if not releases:
        return set()
    rows = AudioFile.objects.filter(release_mbid__in=list(releases), missing_since=None)
    return {mbid for mbid in rows.values_list("release_mbid", flat=True).distinct() if mbid is not None}


def _asked(releases: Collection[uuid.UUID]) -> set[uuid.UUID]:
    if not releases:
        return set()
    return set(Job.objects.filter(target_mbid__in=list(releases)).values_list("target_mbid", flat=True))
