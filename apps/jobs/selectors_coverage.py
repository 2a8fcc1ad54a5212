"""An artist's coverage: every group of a profile with the edition that stands for it, track by track where the tracklist is known. Reads only.

The whole list costs two or three queries whatever its length; a page of it some fifteen more, whatever it holds.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from apps.catalog.selectors_editions_brief import editions_slim, groups_of_releases, groups_slim, official_editions
from apps.catalog.selectors_graph import merged_into
from apps.catalog.selectors_tracklists import TrackLine, tracklists
from apps.common.pagination import CursorInvalid
from apps.domain.catalog.coverage import GroupCover, TrackCover, counted, group_cover, track_cover
from apps.domain.catalog.discography import Profile, edition_of, kind_of, left_out, profile_of
from apps.domain.catalog.graph import GroupDetail, ReleaseBrief
from apps.domain.jobs.lifecycle import JOB_ENDED, TRACK_ENDED
from apps.domain.jobs.selection import Selection
from apps.domain.jobs.sentences import sentence
from apps.domain.library.canonical import CanonicalCandidate
from apps.jobs.models import Job, JobKind, JobTrack
from apps.jobs.selectors_discography import filters_of
from apps.library.selectors_canonical import canonical_of
from apps.library.selectors_held import places_held, releases_touched, tracks_held_by_release

PAGE = 12
"""Groups of a page: some hundred tracks."""
MAX_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageTrack:
    """A track of the edition."""

    medium: int
    position: int
    number: str
    title: str
    length_ms: int | None
    recording_mbid: uuid.UUID
    state: TrackCover


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageGroup:
    """A release group. `tracks` is empty while the edition's tracklist was never fetched; `counts` then counts the files that lie in its places."""

    group_mbid: uuid.UUID
    title: str
    kind: str
    year: str
    state: GroupCover
    reason: str
    release_mbid: uuid.UUID | None
    edition: str
    """its date (where it says more than the year), country and media, as far as they are known"""
    editions: int
    track_count: int
    tracks: tuple[CoverageTrack, ...]
    counts: Mapping[TrackCover, int]
    job_id: uuid.UUID | None

    @property
    def sentence(self) -> str:
        """Why this edition, or why none."""
        return sentence(self.reason, {})

    @property
    def held(self) -> int:
        """Tracks that are here."""
        return self.counts[TrackCover.HELD] + self.counts[TrackCover.BETTER]

    @property
    def askable(self) -> bool:
        """Something of it is missing, and no job is after it."""
        return self.release_mbid is not None and self.state in (GroupCover.PART, GroupCover.MISSING)

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "group_mbid": self.group_mbid,
            "title": self.title,
            "kind": self.kind,
            "year": self.year,
            "state": self.state.value,
            "reason": self.reason,
            "release_mbid": self.release_mbid,
            "edition": self.edition,
            "editions": self.editions,
            "track_count": self.track_count,
            "counts": {state.value: count for state, count in self.counts.items()},
            "job_id": self.job_id,
            "tracks": [
                {
                    "medium": one.medium,
                    "position": one.position,
                    "number": one.number,
                    "title": one.title,
                    "length_ms": one.length_ms,
                    "recording_mbid": one.recording_mbid,
                    "state": one.state.value,
                }
                for one in self.tracks
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePage:
    """A page of groups, by the year of their first release. Over the whole list: `total` groups, `complete` ones, and those of which a part is here."""

    groups: tuple[CoverageGroup, ...]
    total: int
    complete: int
    begun: int
    next_cursor: str | None
    previous_cursor: str | None


def coverage_page(
    artist_mbid: uuid.UUID,
    selection: Selection,
    *,
    only_missing: bool = False,
    cursor: str | None = None,
    limit: int = PAGE,
) -> CoveragePage:
    """A page of the artist's coverage. `only_missing`: without what is complete. Raises CursorInvalid."""
    limit = max(1, min(limit, MAX_PAGE))
    artist_mbid = merged_into("artist", artist_mbid) or artist_mbid
    groups = _of_profile(artist_mbid, selection)
    complete, begun = _progress(artist_mbid, groups)
    shown = [one for one in groups if not (only_missing and one.facts.mbid in complete)]
    start = _after(shown, cursor)
    some = shown[start : start + limit]
    return CoveragePage(
        groups=_covered(some, selection),
        total=len(groups),
        complete=len(complete),
        begun=len(begun),
        next_cursor=_write(some[-1]) if start + limit < len(shown) else None,
        previous_cursor=None if start == 0 else _write(shown[start - limit - 1]) if start > limit else "",
    )


def _of_profile(artist_mbid: uuid.UUID, selection: Selection) -> list[GroupDetail]:
    profile, filters = profile_of(selection.profile), filters_of(selection)
    official = official_editions(artist_mbid) if profile is Profile.EXTENDED else {}
    return [
        one
        for one in groups_slim(artist_mbid)
        if left_out(one, official=official.get(one.facts.mbid, 0), profile=profile, filters=filters) is None
    ]


def _progress(artist_mbid: uuid.UUID, groups: Sequence[GroupDetail]) -> tuple[set[uuid.UUID], set[uuid.UUID]]:
    """Groups of which an edition is here with all its tracks, and groups of which some tracks are, by the files in their places."""
    ours = {one.facts.mbid for one in groups}
    files = tracks_held_by_release(artist_mbid)
    complete: set[uuid.UUID] = set()
    begun: set[uuid.UUID] = set()
    for release, (group, tracks) in groups_of_releases(files).items():
        if group in ours:
            (complete if 0 < tracks <= files[release] else begun).add(group)
    return complete, begun - complete


def _covered(groups: Sequence[GroupDetail], selection: Selection) -> tuple[CoverageGroup, ...]:
    filters = filters_of(selection)
    editions = editions_slim(groups)
    releases = [one.mbid for some in editions.values() for one in some]
    touched = releases_touched(releases)
    chosen: dict[uuid.UUID, tuple[ReleaseBrief | None, str]] = {}
    for group in groups:
        found = edition_of(editions.get(group.facts.mbid, ()), filters=filters, held=touched)
        chosen[group.facts.mbid] = (None, found) if isinstance(found, str) else found
    mbids = [release.mbid for release, _ in chosen.values() if release is not None]
    listed = tracklists(mbids)
    recordings = {line.recording_mbid for lines in listed.values() for line in lines}
    candidates = canonical_of(recordings) if recordings else {}
    wanted = _wanted(recordings)
    asked = _asked(releases)
    places = places_held([one for one in mbids if one not in listed])
    improvement = settings.CONFIG.audio.canonical_scoring.min_quality_improvement
    cover = {mbid: _cover(found, wanted=mbid in wanted, by=improvement) for mbid, found in candidates.items()}
    return tuple(
        _group(
            group,
            editions.get(group.facts.mbid, ()),
            *chosen[group.facts.mbid],
            listed=listed,
            cover=cover,
            asked=asked,
            held={release: len(some) for release, some in places.items()},
        )
        for group in groups
    )


def _group(
    group: GroupDetail,
    editions: Sequence[ReleaseBrief],
    release: ReleaseBrief | None,
    reason: str,
    *,
    listed: Mapping[uuid.UUID, Sequence[TrackLine]],
    cover: Mapping[uuid.UUID, TrackCover],
    asked: Mapping[uuid.UUID, uuid.UUID],
    held: Mapping[uuid.UUID, int],
) -> CoverageGroup:
    lines = listed.get(release.mbid, ()) if release else ()
    tracks = tuple(
        CoverageTrack(
            medium=line.medium,
            position=line.position,
            number=line.number,
            title=line.title,
            length_ms=line.length_ms,
            recording_mbid=line.recording_mbid,
            state=cover[line.recording_mbid],
        )
        for line in lines
    )
    total = len(tracks) or (release.track_count if release else 0)
    counts = counted(one.state for one in tracks)
    job_id = next((asked[one.mbid] for one in editions if one.mbid in asked), None)
    if release and not tracks:
        here = min(held.get(release.mbid, 0), total)
        rest = TrackCover.WANTED if job_id else TrackCover.MISSING
        counts = {**counts, TrackCover.HELD: here, rest: total - here}
    year = group.facts.first_release_date[:4] or (release.year if release else "")
    words = (release.date if release.date != year else "", release.country, release.format_words) if release else ()
    return CoverageGroup(
        group_mbid=group.facts.mbid,
        title=group.facts.title,
        kind=kind_of(group),
        year=year,
        state=group_cover(counts, asked=job_id is not None) if release else GroupCover.NO_EDITION,
        reason=reason,
        release_mbid=release.mbid if release else None,
        edition=" · ".join(word for word in words if word),
        editions=len(editions),
        track_count=total,
        tracks=tracks,
        counts=counts,
        job_id=job_id,
    )


def _cover(candidates: Sequence[CanonicalCandidate], *, wanted: bool, by: float) -> TrackCover:
    held = [one.score for one in candidates if one.held]
    told = [one.score for one in candidates if not one.held and one.complete]
    better = bool(held and told) and max(told) >= max(held) + by
    return track_cover(held=bool(held), better=better, wanted=wanted)


def _wanted(recordings: set[uuid.UUID]) -> set[uuid.UUID]:
    """Recordings that a job is after."""
    rows = JobTrack.objects.filter(recording_mbid__in=recordings).exclude(state__in=sorted(TRACK_ENDED))
    return set(rows.order_by().values_list("recording_mbid", flat=True))


def _asked(releases: Sequence[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """release → the newest job for it that has not ended."""
    rows = Job.objects.filter(target_mbid__in=releases, kind=JobKind.MB_RELEASE).exclude(state__in=sorted(JOB_ENDED))
    return dict(rows.order_by("created_at", "id").values_list("target_mbid", "id"))


def _key(group: GroupDetail) -> list[str]:
    return [group.facts.first_release_date or "9999", group.facts.title, str(group.facts.mbid)]


def _write(group: GroupDetail) -> str:
    return base64.urlsafe_b64encode(json.dumps(_key(group)).encode()).rstrip(b"=").decode()


def _after(groups: Sequence[GroupDetail], cursor: str | None) -> int:
    """Where the page behind `cursor` begins: a key, so that it stands still while groups come and go."""
    if not cursor:
        return 0
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        if len(key) != 3 or not all(isinstance(part, str) for part in key):
            raise CursorInvalid("This cursor is not from this list.")
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise CursorInvalid("This cursor is not from this list.") from error
    return next((at for at, one in enumerate(groups) if _key(one) > key), len(groups))
