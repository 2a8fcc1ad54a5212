"""Reads of finds: what the catalog can answer at once, one find as pages, API and CLI show it, and which ones wait for a worker."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from django.db.models import Count, Q
from django.utils import timezone

from apps.catalog.models import Artist, Label, Medium, MergedMbid, Recording, Release, ReleaseGroup, Track
from apps.catalog.selectors import recording_facts, release_facts
from apps.catalog.selectors_graph import (
    GRAPH_FRESH,
    artist_detail,
    group_detail,
    known_of,
    label_detail,
    release_briefs,
)
from apps.catalog.selectors_tracklists import TrackLine, tracklists
from apps.domain.catalog.asked import FIND_ENDED, KINDS_TRIED, FindState, asked_of
from apps.domain.catalog.candidates import (
    MAX_CANDIDATES,
    MAX_MEDIA,
    MAX_NAMES,
    Candidate,
    CandidateKind,
    MediumBrief,
    candidate_of_artist,
    candidate_of_brief,
    candidate_of_group,
    candidate_of_label,
    candidate_of_recording,
)
from apps.domain.catalog.graph import ReleaseBrief
from apps.domain.catalog.links import Asked, EntityKind, MbidAsked
from apps.jobs.find_words import understood_says
from apps.jobs.models import AlbumTarget, Find, Job
from apps.library.models import AudioFile, AudioVariant

MAX_ON: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """What the catalog says without asking anybody."""

    candidates: tuple[Candidate, ...]
    found: int = 0
    merged_from: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBefore:
    """The newest job for a candidate."""

    id: uuid.UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """A candidate with what this house has of it. `held`: files of a release, of a recording; `meant`: it is a target."""

    candidate: Candidate
    held: int = 0
    job: AskedBefore | None = None
    meant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FindView:
    """One find with everything. `understood`: what the text was taken for, in words."""

    id: uuid.UUID
    text: str
    asked: Mapping[str, object]
    understood: str
    state: FindState
    code: str
    params: Mapping[str, object]
    candidates: tuple[CandidateView, ...]
    found: int
    merged_from: uuid.UUID | None
    created_at: datetime
    next_step_at: datetime | None
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self.state in FIND_ENDED


def known_answer(asked: Asked) -> KnownAnswer | None:
    """What the catalog can answer alone; None where MusicBrainz has to be asked. At most a dozen queries, a few for each edition of a group."""
    if not isinstance(asked, MbidAsked):
        return None
    for kind in (asked.kind,) if asked.kind is not None else KINDS_TRIED:
        found = _known(kind, asked.mbid)
        if found:
            main = found[0].mbid
            merged = asked.mbid if kind is not EntityKind.TRACK and main != asked.mbid else None
            return KnownAnswer(candidates=found, merged_from=merged)
    return None


def kind_known(mbid: uuid.UUID) -> EntityKind | None:
    """What an MBID is, where the catalog has met it; at most seven queries."""
    for kind, model in _MODELS:
        if model.objects.filter(mbid=mbid).exists():
            return kind
    merged = MergedMbid.objects.filter(old=mbid).values_list("kind", flat=True).first()
    return _ROW_KINDS.get(merged or "")


_MODELS: Final = (
    (EntityKind.RELEASE, Release),
    (EntityKind.RELEASE_GROUP, ReleaseGroup),
    (EntityKind.RECORDING, Recording),
    (EntityKind.ARTIST, Artist),
    (EntityKind.LABEL, Label),
    (EntityKind.TRACK, Track),
)


_ROW_KINDS: Final[Mapping[str, EntityKind]] = {
    **{one.value: one for one in EntityKind},
    "group": EntityKind.RELEASE_GROUP,
    "release_group": EntityKind.RELEASE_GROUP,
}
"""Rows' names of kinds."""


def recording_on(mbid: uuid.UUID) -> tuple[str, ...]:
    """Titles of releases that a recording is known to stand on; one query."""
    rows = Track.objects.filter(recording_id=mbid).order_by("medium__release__date")
    return tuple(dict.fromkeys(rows.values_list("medium__release__title", flat=True)[: 5 * MAX_ON]))[:MAX_ON]


def finds_waiting(*, limit: int = 50) -> tuple[tuple[uuid.UUID, int], ...]:
    """(id, attempt) of finds that are due and in nobody's hands; one look into an index."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    rows = Find.objects.filter(free, next_step_at__lte=now).exclude(state__in=sorted(FIND_ENDED))
    return tuple(rows.order_by("next_step_at").values_list("id", "attempt")[:limit])


def find_view(find_id: uuid.UUID) -> FindView | None:
    """One find; four queries more than its own. None: unknown or forgotten."""
    row = Find.objects.filter(id=find_id).first()
    if row is None:
        return None
    candidates = candidates_of(row.candidates)
    return FindView(
        id=row.id,
        text=row.text,
        asked=row.asked,
        understood=understood_says(asked_of(row.asked)),
        state=FindState(row.state),
        code=row.code,
        params=row.params,
        candidates=candidate_views(candidates),
        found=row.found,
        merged_from=row.merged_from,
        created_at=row.created_at,
        next_step_at=row.next_step_at,
        ended_at=row.ended_at,
    )


def candidates_of(kept: object) -> tuple[Candidate, ...]:
    """Candidates as a row keeps them; what can't be read is left out."""
    found: list[Candidate] = []
    for one in kept if isinstance(kept, list) else ():
        try:
            found.append(Candidate.from_json(one if isinstance(one, dict) else {}))
        except ValueError:
            continue
    return tuple(found)


def candidate_views(candidates: Sequence[Candidate]) -> tuple[CandidateView, ...]:
    """Candidates with what this house has of them; four queries for any number."""
    releases = [one.mbid for one in candidates if one.kind is CandidateKind.RELEASE]
    recordings = [one.mbid for one in candidates if one.kind is CandidateKind.RECORDING]
    mbids = [one.mbid for one in candidates]
    held = {**_files_of(releases), **_files_with(recordings)}
    jobs = _jobs_for(mbids)
    meant = set(AlbumTarget.objects.filter(mbid__in=mbids).values_list("mbid", flat=True)) if mbids else set()
    return tuple(
        CandidateView(candidate=one, held=held.get(one.mbid, 0), job=jobs.get(one.mbid), meant=one.mbid in meant)
        for one in candidates
    )


def _files_of(releases: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    if not releases:
        return {}
    rows = AudioFile.objects.filter(release_mbid__in=list(releases), missing_since=None, variant__isnull=False)
    return dict(rows.order_by().values_list("release_mbid").annotate(n=Count("id")))


def _files_with(recordings: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    if not recordings:
        return {}
    rows = AudioVariant.objects.filter(recording_mbid__in=list(recordings), files__missing_since=None)
    return dict(rows.order_by().values_list("recording_mbid").annotate(n=Count("files")))


def _jobs_for(mbids: Collection[uuid.UUID]) -> dict[uuid.UUID, AskedBefore]:
    if not mbids:
        return {}
    rows = Job.objects.filter(target_mbid__in=list(mbids)).order_by("created_at", "id")
    return {
        mbid: AskedBefore(id=key, state=state) for mbid, key, state in rows.values_list("target_mbid", "id", "state")
    }


def _known(kind: EntityKind, mbid: uuid.UUID) -> tuple[Candidate, ...]:
    match kind:
        case EntityKind.RELEASE:
            release = release_facts(mbid)
            return edition_candidates([release.mbid]) if release is not None else ()
        case EntityKind.RELEASE_GROUP:
            group = group_detail(mbid)
            editions = editions_listed(group.facts.mbid) if group is not None else None
            return (
                () if group is None or editions is None else (candidate_of_group(group), *edition_candidates(editions))
            )
        case EntityKind.RECORDING:
            recording = recording_facts(mbid)
            if recording is None:
                return ()
            return (candidate_of_recording(recording, on=recording_on(recording.mbid)),)
        case EntityKind.TRACK:
            track = Track.objects.filter(mbid=mbid).values_list("recording_id", "medium__release_id").first()
            if track is None:
                return ()
            return (*_known(EntityKind.RECORDING, track[0]), *_known(EntityKind.RELEASE, track[1]))
        case EntityKind.ARTIST:
            artist = artist_detail(mbid)
            return (candidate_of_artist(artist),) if artist is not None and _fresh("artist", artist.mbid) else ()
        case EntityKind.LABEL:
            label = label_detail(mbid)
            return (candidate_of_label(label),) if label is not None and _fresh("label", label.mbid) else ()
        case _:
            assert_never(kind)


def edition_candidates(editions: Collection[uuid.UUID]) -> tuple[Candidate, ...]:
    """Editions whose tracks are known, with their durations, by date; seven queries for 500 of them."""
    briefs, tracks = release_briefs(editions), tracklists(editions)
    formats: dict[uuid.UUID, dict[int, str]] = {}
    for release, position, kind in Medium.objects.filter(release_id__in=list(tracks)).values_list(
        "release_id", "position", "format"
    ):
        formats.setdefault(release, {})[position] = kind
    rows = Release.objects.filter(mbid__in=list(tracks)).values_list("mbid", "labels", "catalog_numbers")
    named = {mbid: (labels, numbers) for mbid, labels, numbers in rows}
    return tuple(
        _edition(brief, tracks[mbid], formats.get(mbid, {}), *named.get(mbid, ([], [])))
        for mbid, brief in briefs.items()
        if mbid in tracks
    )


def _edition(
    brief: ReleaseBrief,
    tracks: Sequence[TrackLine],
    formats: Mapping[int, str],
    labels: Sequence[str],
    numbers: Sequence[str],
) -> Candidate:
    discs: dict[int, list[int]] = {}
    for one in tracks:
        discs.setdefault(one.medium, []).append(one.length_ms or 0)
    media = tuple(
        MediumBrief(format=formats.get(disc, ""), tracks=len(lengths), length_ms=sum(lengths) if all(lengths) else 0)
        for disc, lengths in sorted(discs.items())[:MAX_MEDIA]
    )
    whole = sum(one.length_ms for one in media) if all(one.length_ms for one in media) else 0
    known = candidate_of_brief(brief)
    return dataclasses.replace(
        known,
        media=media,
        track_count=len(tracks),
        length_ms=whole,
        # A release that was fetched alone has its labels in its own row.
        labels=known.labels or tuple(labels[:MAX_NAMES]),
        catalog_numbers=known.catalog_numbers or tuple(numbers[:MAX_NAMES]),
    )


def editions_listed(group_mbid: uuid.UUID) -> tuple[uuid.UUID, ...] | None:
    """Releases of a group that were fetched with their tracks; None if they were never fetched all, or too long ago."""
    fresh = ReleaseGroup.objects.filter(mbid=group_mbid, editions_at__gte=timezone.now() - GRAPH_FRESH)
    if not fresh.exists():
        return None
    rows = Release.objects.filter(release_group_id=group_mbid, fetched_at__isnull=False)
    return tuple(rows.values_list("mbid", flat=True)[:MAX_CANDIDATES])


def _fresh(kind: str, mbid: uuid.UUID) -> bool:
    known = known_of(kind, mbid)
    return known is not None and known.fetched_at is not None and known.fetched_at >= timezone.now() - GRAPH_FRESH
