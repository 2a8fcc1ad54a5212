"""Rows for the doctor's tests: an album in the catalog, and a library that holds it well; tests then break one thing each."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from django.utils import timezone

from apps.catalog.models import Medium, Recording, Release, Track
from apps.library.models import AudioFile, AudioVariant, LibraryRoot

LENGTH_MS = 200_000


def mbid(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


def root(path: str = "/music", **more: object) -> LibraryRoot:
    return LibraryRoot.objects.get_or_create(path=path, defaults=more)[0]


def release(number: int, *, tracks: int = 4, title: str = "", discs: int = 1) -> Release:
    """Tracks are the recordings `number`01, 02 … (disc 2: 11, 12 …)."""
    made = Release.objects.create(
        mbid=mbid(number), title=title or f"Album {number}", artist_credit="Ada", fetched_at=timezone.now()
    )
    for disc in range(1, discs + 1):
        medium = Medium.objects.create(release=made, position=disc, format="CD")
        for position in range(1, tracks + 1):
            recording = recording_of(number, position, disc)
            Track.objects.create(
                mbid=uuid.uuid4(),
                medium=medium,
                recording=recording,
                position=position,
                title=recording.title,
                length_ms=LENGTH_MS,
            )
    return made


def recording_of(number: int, position: int, disc: int = 1) -> Recording:
    key = number * 100 + (disc - 1) * 50 + position
    return Recording.objects.get_or_create(
        mbid=mbid(key), defaults={"title": f"Song {key}", "artist_credit": "Ada", "length_ms": LENGTH_MS}
    )[0]


def file(
    number: int,
    position: int,
    *,
    disc: int = 1,
    name: str = "",
    within: LibraryRoot | None = None,
    variant: dict[str, Any] | None = None,
    tags: dict[str, Any] | None = None,
    **more: Any,
) -> AudioFile:
    """The file of a release's track, as a good one is: verified, well tagged, scored."""
    recording = recording_of(number, position, disc)
    path = name or f"Ada/{number}/{disc}-{position:02} {recording.title}.flac"
    digest = hashlib.sha256(f"{path} {within}".encode()).digest()
    facts: dict[str, Any] = {
        "payload_format": "flac",
        "payload_root": digest,
        "payload_bytes": 1000,
        "leaf_hashes": b"h" * 32,
        "recording_mbid": recording.mbid,
        "recording_source": "fingerprint",
        "verified": True,
        "profile": "flac-16-44100-2",
        "codec": "flac",
        "container": "flac",
        "lossless": True,
        "duration_ms": LENGTH_MS,
        "quality_score": 0.95,
        "quality_version": 1,
        "transcode_suspect": False,
        "analysed_at": timezone.now(),
    } | (variant or {})
    held = AudioVariant.objects.create(**facts) if "id" not in facts else AudioVariant.objects.get(id=facts["id"])
    said: dict[str, Any] = {
        "title": recording.title,
        "artist": "Ada",
        "album": f"Album {number}",
        "recording_mbid": str(recording.mbid),
        "release_mbid": str(mbid(number)),
        "disc": disc,
        "track": position,
    } | (tags or {})
    columns: dict[str, Any] = {
        "root": within or root(),
        "rel_path": path.encode(),
        "rel_path_hash": digest,
        "display": path,
        "folder_hash": hashlib.sha256(path.rpartition("/")[0].encode()).digest(),
        "size_bytes": 1100,
        "mtime_ns": 1,
        "variant": held,
        "read_at": timezone.now(),
        "tags": said,
        "release_mbid": mbid(number),
        "medium_position": disc,
        "track_position": position,
        "title": said["title"],
        "artist": said["artist"],
        "album": said["album"],
    } | more
    return AudioFile.objects.create(**columns)


def album(number: int, *, tracks: int = 4) -> list[AudioFile]:
    """A release and all of its files, with nothing wrong."""
    release(number, tracks=tracks)
    return [file(number, position) for position in range(1, tracks + 1)]
