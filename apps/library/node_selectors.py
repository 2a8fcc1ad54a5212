"""What the node may offer and serve of the library: only releases that are seeded or worked on, never the inventory."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from django.db.models import Q

from apps.catalog.models import Release, Track
from apps.domain.contracts.node_work import HeldFile, HeldPayload, HeldRelease, HeldTrack, HeldVariant
from apps.library.models import AudioFile, AudioVariant

T = TypeVar("T")

SLICE = 400
"""Ids in one statement: SQLite takes as few as 999 variables, and some conditions name theirs twice."""
MAX_RELEASE_RECORDINGS = 1000
"""Recordings looked at per release: the longest box sets have some hundreds."""

_OFFERED = (
    "recording_mbid",
    "profile",
    "payload_format",
    "payload_root",
    "payload_bytes",
    "duration_ms",
    "verified",
    "quality_score",
    "container",
    "bitrate_kbps",
    "pcm_md5",
    "transcode_suspect",
)
"""What is told of a variant. Leaf lists (up to 512 KiB each) stay in the database: strangers ask for many variants at once."""


def variants_offered(
    *, recordings: Collection[uuid.UUID], releases: Collection[uuid.UUID], within: Collection[uuid.UUID], limit: int
) -> list[HeldVariant]:
    """Payloads held of the asked recordings, and of the asked releases' recordings, as far as they belong to a release of `within`."""
    allowed = set(within)
    present = AudioVariant.objects.filter(recording_mbid__isnull=False, files__missing_since__isnull=True)
    present = present.only(*_OFFERED).order_by("id").distinct()
    found: dict[int, AudioVariant] = {}
    for some in _slices(set(recordings)):
        rows = list(present.filter(recording_mbid__in=some))
        kept = _within(rows, allowed)
        found.update((row.pk, row) for row in rows if row.pk in kept)
    for some in _slices(allowed & set(releases)):
        found.update((row.pk, row) for row in present.filter(_belongs_to(some))[:limit])
    rows = [found[key] for key in sorted(found)][:limit]
    return [variant for row in rows if (variant := _variant(row)) is not None]


def release_offered(release_mbid: uuid.UUID) -> HeldRelease | None:
    """A release with the payloads held of its tracks; None when nothing of it is held."""
    rows = AudioVariant.objects.filter(_belongs_to({release_mbid}), recording_mbid__isnull=False)
    held: dict[uuid.UUID, HeldVariant] = {}
    rows = rows.filter(files__missing_since__isnull=True).only(*_OFFERED).order_by("id").distinct()
    for row in rows[:MAX_RELEASE_RECORDINGS]:
        variant = _variant(row)
        if variant is not None:
            held.setdefault(variant.recording_mbid, variant)
    if not held:
        return None
    release = (
        Release.objects.select_related("release_group", "label").prefetch_related("media").filter(mbid=release_mbid)
    ).first()
    if release is None:
        return _release_of_files(release_mbid, held)
    tracks = Track.objects.filter(medium__release=release).order_by("medium__position", "position")
    media = list(release.media.all())
    return HeldRelease(
        release_mbid=release_mbid,
        release_group_mbid=release.release_group_id,
        title=release.title,
        artist=release.artist_credit,
        label=release.label.name if release.label is not None else "",
        label_mbid=release.label_id,
        catalogue_number=release.catalog_number,
        country=release.country,
        date=release.date,
        medium=media[0].format if media else "",
        tracks=tuple(
            HeldTrack(
                number=number,
                recording_mbid=track.recording_id,
                duration_ms=track.length_ms,
                variant=held.get(track.recording_id),
            )
            for number, track in enumerate(tracks, start=1)
        ),
    )


def payload_held(*, payload_format: str, payload_root: bytes, within: Collection[uuid.UUID]) -> HeldPayload | None:
    """What is needed to serve a payload; None when no present file holds it, or when it is of no release of `within`."""
    rows = AudioVariant.objects.filter(payload_format=payload_format, payload_root=payload_root)
    row = rows.first()
    if row is None or not _within([row], set(within)):
        return None
    files = row.files.filter(missing_since__isnull=True).exclude(read_state="unreadable")
    files = files.select_related("root").order_by("id")[:8]
    return HeldPayload(
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root),
        payload_bytes=row.payload_bytes,
        leaf_bytes=row.leaf_bytes,
        rate_hz=row.rate_hz if payload_format != "file" else 0,
        channels=row.channels if payload_format != "file" else 0,
        bits=row.bits if payload_format == "flac" else 0,
        preamble=bytes(row.preamble),
        leaf_hashes=bytes(row.leaf_hashes),
        files=tuple(
            HeldFile(
                path=os.path.join(os.fsencode(one.root.path), bytes(one.rel_path)),  # noqa: PTH118  (paths are raw bytes)
                size_bytes=one.size_bytes,
                mtime_ns=one.mtime_ns,
                payload_offset=one.payload_offset,
            )
            for one in files
        ),
    )


def _belongs_to(releases: Collection[uuid.UUID]) -> Q:
    """Variants of which a file says that it is of one of the releases, or whose recording the catalogue finds on one of them. At most SLICE."""
    on_release = Track.objects.filter(medium__release__in=list(releases)).values("recording_id")
    return Q(files__release_mbid__in=list(releases)) | Q(recording_mbid__in=on_release)


def _within(rows: Sequence[AudioVariant], allowed: AbstractSet[uuid.UUID]) -> set[int]:
    """Ids of those variants that belong to an allowed release, as `_belongs_to` means it.

    Asked from the variants' side: what is offered may be tens of thousands of releases, more than a statement takes.
    """
    kept: set[int] = set()
    for some in _slices(rows):
        by_recording: dict[uuid.UUID | None, list[int]] = {}
        for row in some:
            by_recording.setdefault(row.recording_mbid, []).append(row.pk)
        said = AudioFile.objects.filter(variant__in=[row.pk for row in some], release_mbid__isnull=False)
        kept.update(key for key, mbid in said.values_list("variant_id", "release_mbid").distinct() if mbid in allowed)
        on = Track.objects.filter(recording__in=[mbid for mbid in by_recording if mbid is not None])
        for recording, release in on.values_list("recording_id", "medium__release_id").distinct():
            if release in allowed:
                kept.update(by_recording[recording])
    return kept


def _slices(things: Collection[T]) -> Iterator[list[T]]:
    """In lists of at most SLICE."""
    whole = list(things)
    for at in range(0, len(whole), SLICE):
        yield whole[at : at + SLICE]


def _variant(row: AudioVariant) -> HeldVariant | None:
    if row.recording_mbid is None:
        return None
    return HeldVariant(
        recording_mbid=row.recording_mbid,
        profile=row.profile,
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root),
        payload_bytes=row.payload_bytes,
        duration_ms=row.duration_ms,
        verified=row.verified,
        quality_score=row.quality_score,
        container=row.container,
        bitrate_kbps=row.bitrate_kbps,
        pcm_md5=bytes(row.pcm_md5) if row.pcm_md5 is not None else None,
        transcode_suspect=row.transcode_suspect,
    )


def _release_of_files(release_mbid: uuid.UUID, held: dict[uuid.UUID, HeldVariant]) -> HeldRelease:
    """A release the catalogue does not know: what its files say. Titles of files are a person's own words and stay here."""
    files = AudioFile.objects.filter(release_mbid=release_mbid, variant__recording_mbid__in=list(held))
    order = files.order_by("medium_position", "track_position", "id").values_list("variant__recording_mbid", flat=True)
    recordings = [mbid for mbid in dict.fromkeys(order) if mbid is not None]
    return HeldRelease(
        release_mbid=release_mbid,
        tracks=tuple(
            HeldTrack(number=number, recording_mbid=mbid, duration_ms=held[mbid].duration_ms, variant=held[mbid])
            for number, mbid in enumerate(recordings, start=1)
        ),
    )
