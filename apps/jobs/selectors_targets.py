"""Reads of targets: what of a release or recording the library holds, track by track; the list of what people mean to have."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, Q, QuerySet

from apps.catalog.models import MergedMbid, Recording, Release, Track
from apps.catalog.selectors_discogs import discogs_releases_of
from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.catalog.discogs_tracks import tracklist
from apps.domain.jobs.likeness import LikeTrack, Verification, likenesses
from apps.domain.jobs.targets import (
    HeldFile,
    HeldState,
    TargetKind,
    TargetReport,
    TargetState,
    WantedTrack,
    report_by_likeness,
    target_report,
    verification_of,
)
from apps.jobs.models import AlbumTarget
from apps.library.models import AudioFile
from apps.library.selectors_likeness import like_files

TARGET_ORDER: Final = ("-created_at", "-id")
CHUNK: Final = 500
"""Ids of one query: below what the oldest SQLite takes."""
MAX_FILES: Final = 20_000
"""Of one look at some targets; a library with more copies of some recordings has another trouble."""
PROVEN_BY: Final = frozenset({"fingerprint", "person"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What a target is, from the catalog. `mbid` after a merge is what it is now. `tracks` empty: not known here yet."""

    kind: TargetKind
    mbid: uuid.UUID
    title: str = ""
    artist: str = ""
    year: str = ""
    tracks: tuple[WantedTrack, ...] = ()
    source: str = "musicbrainz"
    source_ref: str = ""
    """the number at Discogs of a release that MusicBrainz does not have; `mbid` is derived then"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldView:
    """A file of a track for people."""

    file_id: int
    path: str
    profile: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTrackView:
    """A track with its state. `code`: why it is so, or how sure it is."""

    disc: int
    position: int
    title: str
    artist: str
    length_ms: int
    recording_mbid: uuid.UUID | None
    state: HeldState
    code: str
    file: HeldView | None
    verification: str = ""
    """apps.domain.jobs.likeness.Verification, or "" where tags or the place alone say so"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """A target with every track. `id` None: nobody chose it, it is only looked at. `asked_for`: the MBID that led here, where it was merged into this."""

    id: uuid.UUID | None
    kind: TargetKind
    mbid: uuid.UUID
    asked_for: uuid.UUID | None
    title: str
    artist: str
    year: str
    state: TargetState
    tracks: tuple[TargetTrackView, ...]
    extra: tuple[HeldView, ...]
    held: int
    missing: int
    wrong: int
    to_get: tuple[tuple[int, int], ...]
    created_at: datetime | None
    source: str = "musicbrainz"
    source_ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """A line of the list, as counted last."""

    id: uuid.UUID
    kind: TargetKind
    mbid: uuid.UUID
    title: str
    artist: str
    year: str
    state: TargetState
    tracks: int
    held: int
    missing: int
    wrong: int
    extra: int
    created_at: datetime
    counted_at: datetime | None


def facts_of(pairs: Iterable[tuple[str, uuid.UUID]]) -> dict[uuid.UUID, TargetFacts]:
    """MBID as given → what it is; five queries for any number. Those that the catalog does not know are there without a title."""
    wanted = {mbid: TargetKind(kind) for kind, mbid in pairs}
    merged = {
        (kind, old): mbid
        for kind, old, mbid in MergedMbid.objects.filter(old__in=list(wanted), kind__in=list(TargetKind)).values_list(
            "kind", "old", "mbid"
        )
    }
    now = {mbid: merged.get((kind.value, mbid), mbid) for mbid, kind in wanted.items()}
    releases = {now[mbid] for mbid, kind in wanted.items() if kind is TargetKind.RELEASE}
    recordings = {now[mbid] for mbid, kind in wanted.items() if kind is TargetKind.RECORDING}
    found = {**_releases(releases), **_recordings(recordings)}
    found |= _at_discogs(releases - found.keys())
    return {mbid: found.get(now[mbid]) or TargetFacts(kind=kind, mbid=now[mbid]) for mbid, kind in wanted.items()}


def _releases(mbids: Collection[uuid.UUID]) -> dict[uuid.UUID, TargetFacts]:
    if not mbids:
        return {}
    tracks: dict[uuid.UUID, list[WantedTrack]] = {}
    rows = Track.objects.filter(medium__release_id__in=list(mbids)).order_by("medium__position", "position")
    for release, disc, position, title, recording, length, artist in rows.values_list(
        "medium__release_id", "medium__position", "position", "title", "recording_id", "length_ms", "artist_credit"
    ):
        tracks.setdefault(release, []).append(
            WantedTrack(
                disc=disc, position=position, title=title, recording_mbid=recording, length_ms=length, artist=artist
            )
        )
    named = Release.objects.filter(mbid__in=list(mbids)).values_list("mbid", "title", "artist_credit", "date")
    return {
        mbid: TargetFacts(
            kind=TargetKind.RELEASE,
            mbid=mbid,
            title=title,
            artist=artist,
            year=date[:4],
            tracks=tuple(tracks.get(mbid, ())),
        )
        for mbid, title, artist, date in named
    }


def _at_discogs(derived: Collection[uuid.UUID]) -> dict[uuid.UUID, TargetFacts]:
    return {
        mbid: TargetFacts(
            kind=TargetKind.RELEASE,
            mbid=mbid,
            title=release.title,
            artist=release.credit,
            year=release.year,
            tracks=tuple(
                WantedTrack(
                    disc=track.medium,
                    position=track.position,
                    title=track.title,
                    recording_mbid=track.id,
                    length_ms=track.length_ms,
                    artist=track.artist,
                )
                for medium in tracklist(release)
                for track in medium.tracks
            ),
            source="discogs",
            source_ref=str(release.id),
        )
        for mbid, release in discogs_releases_of(derived).items()
    }


def _by_likeness(target: TargetFacts) -> tuple[TargetReport, Mapping[int, HeldView]]:
    """State of a target whose recordings have no ids: by title and length; a query for 15 tracks."""
    wanted = [LikeTrack(title=one.title, artist=one.artist, length_ms=one.length_ms) for one in target.tracks]
    found: list[tuple[HeldFile, Verification] | None] = []
    views: dict[int, HeldView] = {}
    for like in likenesses(wanted, like_files(wanted)):
        if like is None:
            found.append(None)
            continue
        key, length = like.file.file_id, like.file.duration_ms
        found.append((HeldFile(key=key, here=True, duration_ms=length, title=like.file.title), like.level))
        views[key] = HeldView(file_id=key, path=like.file.path, profile=like.file.profile, duration_ms=length)
    return report_by_likeness(target.tracks, found), views


def _recordings(mbids: Collection[uuid.UUID]) -> dict[uuid.UUID, TargetFacts]:
    if not mbids:
        return {}
    rows = Recording.objects.filter(mbid__in=list(mbids)).values_list("mbid", "title", "artist_credit", "length_ms")
    return {
        mbid: TargetFacts(
            kind=TargetKind.RECORDING,
            mbid=mbid,
            title=title,
            artist=artist,
            tracks=(
                WantedTrack(disc=1, position=1, title=title, recording_mbid=mbid, length_ms=length, artist=artist),
            ),
        )
        for mbid, title, artist, length in rows
    }


def reports_of(facts: Collection[TargetFacts]) -> dict[uuid.UUID, tuple[TargetReport, Mapping[int, HeldView]]]:
    """MBID → (state of every track, files by id); two queries for some hundred tracks, more for those of Discogs."""
    others = [one for one in facts if one.source == "discogs"]
    facts = [one for one in facts if one.source != "discogs"]
    releases = {one.mbid for one in facts if one.kind is TargetKind.RELEASE and one.tracks}
    wanted = {track.recording_mbid for one in facts for track in one.tracks if track.recording_mbid is not None}
    files = _files(releases, sorted(wanted))
    found = {one.mbid: _by_likeness(one) for one in others}
    for one in facts:
        recordings = {track.recording_mbid for track in one.tracks}
        mine = [
            (held, view)
            for release, held, view in files.values()
            if held.recording_mbid in recordings or (release == one.mbid and one.kind is TargetKind.RELEASE)
        ]
        placed = [_seen_from(one, held, files[held.key][0]) for held, _ in mine]
        found[one.mbid] = (target_report(one.tracks, placed), {view.file_id: view for _, view in mine})
    return found


def _seen_from(target: TargetFacts, held: HeldFile, release: uuid.UUID | None) -> HeldFile:
    """A file as this target sees it: it stands here, or it is only the same recording."""
    if target.kind is TargetKind.RECORDING:
        return _replaced(held, here=True, disc=1, position=1)
    return held if release == target.mbid else _replaced(held, here=False, disc=0, position=0)


def _replaced(held: HeldFile, *, here: bool, disc: int, position: int) -> HeldFile:
    return HeldFile(
        key=held.key,
        here=here,
        recording_mbid=held.recording_mbid,
        proven=held.proven,
        disc=disc,
        position=position,
        duration_ms=held.duration_ms,
        title=held.title,
        profile=held.profile,
    )


def _files(
    releases: Collection[uuid.UUID], recordings: Sequence[uuid.UUID]
) -> dict[int, tuple[uuid.UUID | None, HeldFile, HeldView]]:
    """File → (its release, the file, its view): those of the releases, and those of the recordings wherever they stand."""
    found: dict[int, tuple[uuid.UUID | None, HeldFile, HeldView]] = {}
    present = AudioFile.objects.filter(missing_since=None, variant__isnull=False).order_by("id")
    for rows in (
        *(present.filter(release_mbid__in=some) for some in _chunks(sorted(releases))),
        *(present.filter(variant__recording_mbid__in=some) for some in _chunks(recordings)),
    ):
        for row in rows.values_list(*_COLUMNS)[:MAX_FILES]:
            key, release, disc, track, title, display, tags, recording, source, verified, length, profile = row
            recording = recording or _tagged(tags)
            held = HeldFile(
                key=key,
                here=True,
                recording_mbid=recording,
                proven=bool(verified) or source in PROVEN_BY,
                disc=disc or 0,
                position=track or 0,
                duration_ms=length or None,
                title=title,
                profile=profile,
            )
            view = HeldView(file_id=key, path=display, profile=profile, duration_ms=length or 0)
            found[key] = (release, held, view)
    return found


_COLUMNS: Final = (
    "id", "release_mbid", "medium_position", "track_position", "title", "display", "tags", "variant__recording_mbid",
    "variant__recording_source", "variant__verified", "variant__duration_ms", "variant__profile",
)  # fmt: skip


def _tagged(tags: object) -> uuid.UUID | None:
    """The recording that tags name."""
    said = tags.get("recording_mbid") if isinstance(tags, dict) else None
    said = said[0] if isinstance(said, list) and said else said
    try:
        return uuid.UUID(said) if isinstance(said, str) and said else None
    except ValueError:
        return None


def _chunks(mbids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    for start in range(0, len(mbids), CHUNK):
        yield mbids[start : start + CHUNK]


def target_view(kind: TargetKind, mbid: uuid.UUID) -> TargetView:
    """One target with every track, counted now; also of what nobody chose. Eight queries."""
    facts = facts_of([(kind.value, mbid)])[mbid]
    report, files = reports_of([facts])[facts.mbid]
    row = AlbumTarget.objects.filter(mbid__in=[mbid, facts.mbid]).first()
    return TargetView(
        id=row.id if row is not None else None,
        kind=kind,
        mbid=facts.mbid,
        asked_for=mbid if mbid != facts.mbid else None,
        title=facts.title or (row.title if row is not None else ""),
        artist=facts.artist or (row.artist if row is not None else ""),
        year=facts.year or (row.year if row is not None else ""),
        state=report.state,
        tracks=tuple(
            TargetTrackView(
                disc=one.track.disc,
                position=one.track.position,
                title=one.track.title,
                artist=one.track.artist,
                length_ms=one.track.length_ms or 0,
                recording_mbid=one.track.recording_mbid,
                state=one.state,
                code=one.code,
                file=files.get(one.file.key) if one.file is not None else None,
                verification=verification_of(one),
            )
            for one in report.tracks
        ),
        extra=tuple(files[one.key] for one in report.extra if one.key in files),
        held=report.count(HeldState.HELD, HeldState.ELSEWHERE),
        missing=report.count(HeldState.MISSING),
        wrong=report.count(HeldState.WRONG),
        to_get=tuple((one.disc, one.position) for one in report.to_get),
        created_at=row.created_at if row is not None else None,
        source=facts.source,
        source_ref=facts.source_ref,
    )


def target_query(*, state: str = "", text: str = "") -> QuerySet[AlbumTarget]:
    """Targets for lists (TARGET_ORDER); `text`: part of title or artist."""
    rows = AlbumTarget.objects.all()
    if state in set(TargetState):
        rows = rows.filter(state=state)
    if text:
        rows = rows.filter(Q(title__icontains=text) | Q(artist__icontains=text))
    return rows


def target_page(
    *, state: str = "", text: str = "", cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[TargetRow]:
    """A page of the list, newest first; one query. Raises CursorInvalid."""
    page = keyset_page(target_query(state=state, text=text), order=TARGET_ORDER, cursor=cursor, limit=limit)
    return Page([target_row(row) for row in page.items], page.next_cursor, page.previous_cursor)


def target_row(row: AlbumTarget) -> TargetRow:
    """A row as a value."""
    return TargetRow(
        id=row.id,
        kind=TargetKind(row.kind),
        mbid=row.mbid,
        title=row.title,
        artist=row.artist,
        year=row.year,
        state=TargetState(row.state),
        tracks=row.tracks,
        held=row.held,
        missing=row.missing,
        wrong=row.wrong,
        extra=row.extra,
        created_at=row.created_at,
        counted_at=row.counted_at,
    )


def targets_stale(
    *, changed_at: datetime | None, before: datetime, limit: int
) -> tuple[tuple[uuid.UUID, str, uuid.UUID], ...]:
    """(id, kind, mbid) of targets that were counted before the library's last change, or never; the oldest count first. Those whose track list was not
    known are counted again if they were before `before`: the catalog may have it by now."""
    stale = Q(counted_at__isnull=True) | Q(state=TargetState.UNKNOWN.value, counted_at__lt=before)
    if changed_at is not None:
        stale |= Q(counted_at__lte=changed_at, counted_at__lt=before)
    rows = AlbumTarget.objects.filter(stale).order_by(F("counted_at").asc(nulls_first=True), "id")
    return tuple(rows.values_list("id", "kind", "mbid")[:limit])
