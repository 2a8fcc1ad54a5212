"""Reads of graphs and walks as values: what an artist or label is known to have made, and how far reading it has come."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.catalog.models import (
    Artist,
    EntityTag,
    GroupArtist,
    Label,
    MergedMbid,
    Relation,
    Release,
    ReleaseGroup,
    ReleaseLabel,
    Validator,
    Walk,
)
from apps.domain.catalog.graph import ArtistDetail, GroupDetail, LabelDetail, LabelNumber, ReleaseBrief, Tag
from apps.domain.catalog.relations import Relation as RelationFacts
from apps.domain.catalog.release import ArtistFacts, GroupFacts, LabelFacts
from apps.domain.catalog.validators import HttpValidator
from apps.domain.catalog.walks import NOT_WHOLE, UNREACHABLE, GraphState, WalkKind, WalkState, WalkStatus

GRAPH_FRESH: Final = timedelta(days=30)
"""After this long MusicBrainz is asked again."""
FAILED_FRESH: Final = timedelta(days=1)
"""A walk that failed, or ended with less than was promised, is not begun again before, except by hand: what asks for it again and again would do so
forever."""
_SPEAKS: Final = {WalkState.FAILED.value: 0, WalkState.DONE.value: 2}
CHUNK: Final = 500
"""Ids of one query: below what the oldest SQLite takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where facts come from: source ("musicbrainz") and when; None: as others named them only, never asked for by itself."""

    source: str
    fetched_at: datetime | None


def merged_into(kind: str, mbid: uuid.UUID) -> uuid.UUID | None:
    """What an MBID was merged into, as far as was told; None: nothing. `kind`: release, recording, artist, label, group."""
    return MergedMbid.objects.filter(kind=kind, old=mbid).values_list("mbid", flat=True).first()


def walk_status(kind: WalkKind, mbid: uuid.UUID) -> WalkStatus | None:
    """How a list's walk stands, of a merged MBID that of the one it was merged into; None: nobody asked for it."""
    row = walk_of(kind, mbid)
    return _status(row) if row else None


def walks_of(kind: WalkKind, mbids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, WalkStatus]:
    """The walks of these lists that there are, by their own MBIDs; a query for 500."""
    rows = (row for some in _chunks(mbids) for row in Walk.objects.filter(kind=kind, mbid__in=some))
    return {row.mbid: _status(row) for row in rows}


def graphs_ended(kind: WalkKind, mbid: uuid.UUID) -> frozenset[uuid.UUID]:
    """Artists and labels of whose graph nothing is being read any more, now that this list is at its end; with the MBIDs that were merged into them.

    A group's list belongs to the graphs of the group's artists: of these it counts whether lists of other groups are still read.
    """
    open_ = Walk.objects.filter(state__in=[WalkState.WAITING, WalkState.WALKING])
    if kind is WalkKind.GROUP_RELEASES:
        artists = set(GroupArtist.objects.filter(group_id=mbid).values_list("artist_id", flat=True))
        reading = open_.filter(kind=kind).values("mbid")
        artists -= set(
            GroupArtist.objects.filter(artist_id__in=artists, group_id__in=reading).values_list("artist_id", flat=True)
        )
        ended = artists
    else:
        kinds = [one for one in WalkKind if one.value.split("_")[0] == kind.value.split("_")[0]]
        ended = set() if open_.filter(mbid=mbid, kind__in=kinds).exists() else {mbid}
    merged = MergedMbid.objects.filter(kind__in=["artist", "label"], mbid__in=ended).values_list("old", flat=True)
    return frozenset(ended | set(merged))


def walk_of(kind: WalkKind, mbid: uuid.UUID) -> Walk | None:
    """The walk's row, by a merged MBID too."""
    subject = {"artist": "artist", "label": "label", "group": "group"}[kind.value.split("_")[0]]
    mbid = merged_into(subject, mbid) or mbid
    return Walk.objects.filter(kind=kind, mbid=mbid).first()


def walk_list(*, limit: int = 200, open_only: bool = False) -> tuple[WalkStatus, ...]:
    """Walks, those that go on first, then the newest."""
    rows = Walk.objects.order_by(F("next_step_at").desc(nulls_last=True), "-id")
    if open_only:
        rows = rows.filter(state__in=[WalkState.WAITING, WalkState.WALKING])
    return tuple(_status(row) for row in rows[:limit])


@dataclass(frozen=True, slots=True)
class DueWalk:
    """A walk that waits for a worker."""

    id: int
    attempt: int


def walks_due(*, limit: int = 100) -> tuple[DueWalk, ...]:
    """Walks whose time has come and that nobody holds."""
    rows = Walk.objects.filter(state__in=[WalkState.WAITING, WalkState.WALKING], next_step_at__lte=Now())
    free = rows.filter(lease_until=None) | rows.filter(lease_until__lt=Now())
    return tuple(
        DueWalk(pk, attempt) for pk, attempt in free.order_by("next_step_at").values_list("id", "attempt")[:limit]
    )


def validator_of(kind: str, mbid: uuid.UUID) -> HttpValidator | None:
    """By what the last answer for an artist, label or release_group is known again; None where nothing was kept of it."""
    row = Validator.objects.filter(kind=kind, mbid=mbid).first()
    return HttpValidator(etag=row.etag, last_modified=row.last_modified) if row else None


def graph_state(artist_mbid: uuid.UUID) -> GraphState:
    """What is known of an artist's graph. Four queries."""
    mbid = merged_into("artist", artist_mbid) or artist_mbid
    walks = _walks(mbid, (WalkKind.ARTIST_GROUPS, WalkKind.ARTIST_RELEASES))
    told = Artist.objects.filter(mbid=mbid).values_list("fetched_at", flat=True).first()
    return _graph_state(mbid, walks[0], walks[1], told)


def label_state(label_mbid: uuid.UUID) -> GraphState:
    """What is known of a label's releases."""
    mbid = merged_into("label", label_mbid) or label_mbid
    told = Label.objects.filter(mbid=mbid).values_list("fetched_at", flat=True).first()
    return _graph_state(mbid, None, _walks(mbid, (WalkKind.LABEL_RELEASES,))[0], told, with_groups=False)


def group_state(group_mbid: uuid.UUID) -> GraphState:
    """What is known of a release group's releases."""
    mbid = merged_into("group", group_mbid) or group_mbid
    told = ReleaseGroup.objects.filter(mbid=mbid).values_list("fetched_at", flat=True).first()
    return _graph_state(mbid, None, _walks(mbid, (WalkKind.GROUP_RELEASES,))[0], told, with_groups=False)


def artist_detail(mbid: uuid.UUID) -> ArtistDetail | None:
    """An artist of any age; with a name alone where others named them only. None: unknown."""
    row = Artist.objects.filter(mbid=merged_into("artist", mbid) or mbid).first()
    if row is None:
        return None
    return ArtistDetail(
        mbid=row.mbid,
        name=row.name,
        sort_name=row.sort_name,
        kind=row.kind,
        country=row.country,
        disambiguation=row.disambiguation,
        begin=row.begin,
        end=row.end,
        aliases=tuple(row.aliases),
        tags=_tags("artist", [row.mbid]).get(row.mbid, ()),
        relations=relations_of("artist", row.mbid),
    )


def label_detail(mbid: uuid.UUID) -> LabelDetail | None:
    """A label, as `artist_detail` tells an artist."""
    row = Label.objects.filter(mbid=merged_into("label", mbid) or mbid).first()
    if row is None:
        return None
    return LabelDetail(
        mbid=row.mbid,
        name=row.name,
        kind=row.kind,
        country=row.country,
        disambiguation=row.disambiguation,
        label_code=row.label_code,
        aliases=tuple(row.aliases),
        tags=_tags("label", [row.mbid]).get(row.mbid, ()),
        relations=relations_of("label", row.mbid),
    )


def group_detail(mbid: uuid.UUID) -> GroupDetail | None:
    """A release group with credit, tags and relations, of any age."""
    found = _groups(ReleaseGroup.objects.filter(mbid=merged_into("group", mbid) or mbid), relations=True)
    return found[0] if found else None


def known_of(kind: str, mbid: uuid.UUID) -> Known | None:
    """Source and time of an artist's, label's or release_group's own facts; None: unknown."""
    rows = {"artist": Artist, "label": Label, "release_group": ReleaseGroup}[kind]
    row = rows.objects.filter(mbid=mbid).values_list("source", "fetched_at").first()  # type: ignore[attr-defined]
    return Known(source=row[0], fetched_at=row[1]) if row else None


def subject_name(kind: str, mbid: uuid.UUID) -> str:
    """Name or title of an artist, label or release_group; "" where none is known."""
    rows = {"artist": (Artist, "name"), "label": (Label, "name"), "release_group": (ReleaseGroup, "title")}
    model, field = rows[kind]
    return model.objects.filter(mbid=mbid).values_list(field, flat=True).first() or ""  # type: ignore[attr-defined]


def artist_groups(mbid: uuid.UUID) -> tuple[GroupDetail, ...]:
    """Every release group that credits an artist, by first release date; without relations. Four queries, however many."""
    mbid = merged_into("artist", mbid) or mbid
    return _groups(ReleaseGroup.objects.filter(credits__artist_id=mbid).order_by("first_release_date", "mbid"))


def artist_releases(mbid: uuid.UUID) -> tuple[ReleaseBrief, ...]:
    """Every known release of an artist's groups, by date."""
    mbid = merged_into("artist", mbid) or mbid
    return _briefs(Release.objects.filter(release_group__credits__artist_id=mbid))


def label_releases(mbid: uuid.UUID) -> tuple[ReleaseBrief, ...]:
    """Every known release of a label, by date."""
    mbid = merged_into("label", mbid) or mbid
    return _briefs(Release.objects.filter(mbid__in=ReleaseLabel.objects.filter(label_id=mbid).values("release_id")))


def group_briefs(mbid: uuid.UUID) -> tuple[ReleaseBrief, ...]:
    """Every known release of a group, by date."""
    return _briefs(Release.objects.filter(release_group_id=merged_into("group", mbid) or mbid))


def release_briefs(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ReleaseBrief]:
    """Those of these releases that are known, in brief."""
    return {one.mbid: one for one in _briefs(Release.objects.filter(mbid__in=list(mbids)))}


def counts_by_type(artist_mbid: uuid.UUID) -> Mapping[str, tuple[int, int]]:
    """type ("Album", "Album + Live", "" for none) → (groups, their releases), in the order of how many groups. Two queries."""
    mbid = merged_into("artist", artist_mbid) or artist_mbid
    groups = ReleaseGroup.objects.filter(credits__artist_id=mbid).values_list("mbid", "primary_type", "secondary_types")
    releases = dict(
        Release.objects.filter(release_group__credits__artist_id=mbid)
        .values_list("release_group_id")
        .annotate(n=Count("mbid"))
        .order_by()
    )
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for group, primary, secondary in groups:
        counted = found[" + ".join([primary or "Other", *secondary])]
        counted[0] += 1
        counted[1] += releases.get(group, 0)
    ranked = sorted(found.items(), key=lambda one: (-one[1][0], one[0]))
    return {kind: (groups_, releases_) for kind, (groups_, releases_) in ranked}


def relations_of(kind: str, mbid: uuid.UUID) -> tuple[RelationFacts, ...]:
    """What MusicBrainz says connects an entity ("artist", "label", "release_group", "release") with others, as told with it."""
    rows = Relation.objects.filter(source_kind=kind, source_mbid=mbid).order_by("kind", "name", "id")
    return tuple(
        RelationFacts(
            kind=row.kind,
            forward=row.forward,
            target_kind=row.target_kind,
            mbid=row.target_mbid,
            name=row.name,
            address=row.address,
            attributes=tuple(row.attributes),
            begin=row.begin,
            end=row.end,
        )
        for row in rows
    )


def releases_made_by(artist_mbid: uuid.UUID, *, kinds: Collection[str], limit: int = 50) -> tuple[uuid.UUID, ...]:
    """Releases that name an artist in one of these relationships, as far as they were looked up by themselves."""
    rows = Relation.objects.filter(target_mbid=artist_mbid, source_kind="release", kind__in=kinds)
    return tuple(rows.order_by("id").values_list("source_mbid", flat=True)[:limit])


def related_of(artist_mbid: uuid.UUID) -> tuple[tuple[str, uuid.UUID, str], ...]:
    """(relation, artist, name) of the artists an artist is related to, in either direction, each once: members, bands, collaborations."""
    mbid = merged_into("artist", artist_mbid) or artist_mbid
    found: dict[uuid.UUID, tuple[str, uuid.UUID, str]] = {}
    told = Relation.objects.filter(source_kind="artist", source_mbid=mbid, target_kind="artist").order_by("id")
    for kind, target, name in told.values_list("kind", "target_mbid", "name"):
        if target:
            found.setdefault(target, (kind, target, name))
    back = (
        Relation.objects.filter(target_mbid=mbid, source_kind="artist")
        .values_list("kind", "source_mbid")
        .order_by("id")
    )
    missing = {source: kind for kind, source in back if source not in found and source != mbid}
    names = dict(Artist.objects.filter(mbid__in=missing).values_list("mbid", "name"))
    found.update({source: (kind, source, names[source]) for source, kind in missing.items() if source in names})
    return tuple(found.values())


def sharing_artists(group_mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[ArtistFacts, ...]]:
    """group → the artists of its credit, in order."""
    found: dict[uuid.UUID, list[ArtistFacts]] = defaultdict(list)
    for some in _chunks(list(group_mbids)):
        rows = GroupArtist.objects.filter(group_id__in=some).select_related("artist").order_by("group_id", "position")
        for row in rows:
            found[row.group_id].append(
                ArtistFacts(mbid=row.artist_id, name=row.artist.name, sort_name=row.artist.sort_name)
            )
    return {group: tuple(artists) for group, artists in found.items()}


def tagged_groups(name: str, *, limit: int = 20, without: uuid.UUID | None = None) -> tuple[GroupDetail, ...]:
    """Known release groups that people gave a tag, the most votes first."""
    tagged = EntityTag.objects.filter(entity_kind="release_group", name=name.lower())
    tagged = tagged.exclude(mbid=without) if without else tagged
    order = list(tagged.order_by("-count", "mbid").values_list("mbid", flat=True)[:limit])
    found = {one.facts.mbid: one for one in _groups(ReleaseGroup.objects.filter(mbid__in=order))}
    return tuple(found[mbid] for mbid in order if mbid in found)


def _walks(mbid: uuid.UUID, kinds: Sequence[WalkKind]) -> tuple[Walk | None, ...]:
    rows = {row.kind: row for row in Walk.objects.filter(mbid=mbid, kind__in=list(kinds))}
    return tuple(rows.get(kind) for kind in kinds)


def _status(row: Walk) -> WalkStatus:
    fresh = timezone.now() - GRAPH_FRESH
    return WalkStatus(
        id=row.id,
        kind=WalkKind(row.kind),
        mbid=row.mbid,
        state=WalkState(row.state),
        taken=row.taken,
        total=row.total,
        unreadable=row.unreadable,
        code=row.code,
        params=row.params,
        fresh=row.state == WalkState.DONE and row.ended_at is not None and row.ended_at >= fresh,
        stale=_stale(row),
        read_at=row.read_at,
        next_step_at=row.next_step_at,
    )


def _stale(row: Walk) -> bool:
    if row.ended_at is None:
        return False
    bad = row.state == WalkState.FAILED or row.code in NOT_WHOLE
    return row.ended_at < timezone.now() - (FAILED_FRESH if bad else GRAPH_FRESH)


def _graph_state(
    mbid: uuid.UUID,
    groups: Walk | None,
    releases: Walk | None,
    told: datetime | None,
    *,
    with_groups: bool = True,
) -> GraphState:
    walks = [one for one in (groups, releases) if one is not None]
    wanted = 2 if with_groups else 1
    fresh = timezone.now() - GRAPH_FRESH
    # What failed speaks first, then what is waited for, then what came short.
    spoken = sorted((one for one in walks if one.code), key=lambda one: _SPEAKS.get(one.state, 1))
    speaking = spoken[0] if spoken else None
    code, params = (speaking.code, speaking.params) if speaking else ("", {})
    read = [one.read_at for one in walks if one.read_at is not None]
    readable = len(read) == wanted
    state: str
    if len(walks) < wanted:
        state = "missing"
    elif all(one.state == WalkState.DONE for one in walks):
        state = "ready" if readable and min(read) >= fresh else "missing"
    elif any(one.state == WalkState.FAILED for one in walks):
        state = "failed"
    elif readable and all(
        one.state == WalkState.DONE or (one.state == WalkState.WAITING and one.code in UNREACHABLE) for one in walks
    ):
        state = "ready"  # what was read before has to do: MusicBrainz can't be asked now
    else:
        state = "walking"
    times = [*read, *([told] if told else [])] if readable else []
    return GraphState(
        mbid=mbid,
        state=state,  # type: ignore[arg-type]
        groups_taken=groups.taken if groups else 0,
        groups_total=groups.total if groups else None,
        releases_taken=releases.taken if releases else 0,
        releases_total=releases.total if releases else None,
        unreadable=sum(one.unreadable for one in walks),
        code=code,
        params=params,
        fetched_at=min(times) if times else None,
    )


def _groups(rows: QuerySet[ReleaseGroup], *, relations: bool = False) -> tuple[GroupDetail, ...]:
    found = list(rows)
    mbids = [row.mbid for row in found]
    artists, tags = sharing_artists(mbids), _tags("release_group", mbids)
    return tuple(
        GroupDetail(
            facts=_facts(row),
            artist_credit=row.artist_credit,
            artists=artists.get(row.mbid, ()),
            disambiguation=row.disambiguation,
            tags=tags.get(row.mbid, ()),
            relations=relations_of("release_group", row.mbid) if relations else (),
        )
        for row in found
    )


def _facts(row: ReleaseGroup) -> GroupFacts:
    return GroupFacts(
        mbid=row.mbid,
        title=row.title,
        primary_type=row.primary_type,
        secondary_types=tuple(row.secondary_types),
        first_release_date=row.first_release_date,
    )


def _briefs(rows: QuerySet[Release]) -> tuple[ReleaseBrief, ...]:
    """Sorted by date (unknown last) and MBID. Those that are known to be merged into others are left out."""
    merged = MergedMbid.objects.filter(kind="release").values("old")
    found = list(rows.exclude(mbid__in=merged).select_related("release_group"))
    found.sort(key=lambda row: (row.date or "9999", row.mbid))
    labels: dict[uuid.UUID, list[LabelNumber]] = defaultdict(list)
    for some in _chunks([row.mbid for row in found]):
        named = (
            ReleaseLabel.objects.filter(release_id__in=some).select_related("label").order_by("release_id", "position")
        )
        for one in named:
            label = LabelFacts(mbid=one.label.mbid, name=one.label.name) if one.label else None
            labels[one.release_id].append(LabelNumber(label=label, catalog_number=one.catalog_number))
    wanted = {uuid.UUID(one) for row in found for one in row.artist_mbids}
    artists: dict[str, ArtistFacts] = {}
    for some in _chunks(sorted(wanted)):
        for artist in Artist.objects.filter(mbid__in=some):
            artists[str(artist.mbid)] = ArtistFacts(mbid=artist.mbid, name=artist.name, sort_name=artist.sort_name)
    return tuple(_brief(row, labels.get(row.mbid, ()), artists) for row in found)


def _brief(row: Release, labels: Iterable[LabelNumber], artists: Mapping[str, ArtistFacts]) -> ReleaseBrief:
    return ReleaseBrief(
        mbid=row.mbid,
        title=row.title,
        artist_credit=row.artist_credit,
        artists=tuple(artists[one] for one in row.artist_mbids if one in artists),
        group=_facts(row.release_group) if row.release_group else None,
        labels=tuple(labels),
        barcode=row.barcode,
        date=row.date,
        country=row.country,
        status=row.status,
        packaging=row.packaging,
        language=row.language,
        script=row.script,
        disambiguation=row.disambiguation,
        formats=tuple(row.formats),
        track_count=row.track_count,
    )


def _tags(kind: str, mbids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, tuple[Tag, ...]]:
    found: dict[uuid.UUID, list[Tag]] = defaultdict(list)
    for some in _chunks(mbids):
        rows = EntityTag.objects.filter(entity_kind=kind, mbid__in=some).order_by("-count", "name")
        for mbid, name, count in rows.values_list("mbid", "name", "count"):
            found[mbid].append(Tag(name=name, count=count))
    return {mbid: tuple(tags) for mbid, tags in found.items()}


def _chunks(mbids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    for start in range(0, len(mbids), CHUNK):
        yield mbids[start : start + CHUNK]
