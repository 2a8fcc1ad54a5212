"""Rows for tests of scores, statistics and duplicates: one call makes a variant with its files."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from django.utils import timezone

from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.library.services import root_record


def root(path: str = "/music", *, writable: bool = True) -> LibraryRoot:
    return LibraryRoot.objects.get(id=root_record(Path(path), writable=writable))


def variant(
    number: int, *, profile: str = "flac-16-44100-2", recording: uuid.UUID | None = None, **more: object
) -> AudioVariant:
    codec = profile.partition("-")[0]
    values: dict[str, object] = {
        "payload_format": "flac" if codec == "flac" else "mp3",
        "payload_root": hashlib.sha256(str(number).encode()).digest(),
        "payload_bytes": 1000 + number,
        "leaf_hashes": b"h" * 32,
        "recording_mbid": recording,
        "profile": profile,
        "container": codec,
        "codec": codec,
        "lossless": codec == "flac",
        "rate_hz": 44_100,
        "channels": 2,
        "bits": 16 if codec == "flac" else 0,
        "bitrate_kbps": 900 if codec == "flac" else 320,
        "duration_ms": 200_000,
    }
    return AudioVariant.objects.create(**values | more)


def file(
    number: int,
    of: AudioVariant,
    *,
    within: LibraryRoot,
    release: uuid.UUID | None = None,
    track: tuple[int, int] | None = None,
    missing: bool = False,
    name: str = "",
) -> AudioFile:
    path = (name or f"{number:06}.flac").encode()
    return AudioFile.objects.create(
        root=within,
        rel_path=path,
        rel_path_hash=hashlib.sha256(path).digest(),
        display=path.decode(),
        size_bytes=of.payload_bytes + 100,
        mtime_ns=1,
        variant=of,
        release_mbid=release,
        medium_position=track[0] if track else None,
        track_position=track[1] if track else None,
        title=f"Title {number}",
        artist="Ada",
        album="Album",
        missing_since=timezone.now() if missing else None,
    )
