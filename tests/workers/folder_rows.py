"""Rows of a folder as the scan leaves them: files with tags and lengths, and a folder that waits to be matched."""

from __future__ import annotations

import hashlib
import itertools
import uuid

from apps.domain.catalog.release import ReleaseFacts
from apps.library.models import AudioFile, AudioVariant, FolderMatch, LibraryRoot
from apps.library.services_match import folder_due

_numbers = itertools.count(1)


def music_root(path: str = "/music") -> LibraryRoot:
    return LibraryRoot.objects.get_or_create(path=path)[0]


def a_file(
    folder: str,
    name: str,
    *,
    tags: dict[str, object] | None = None,
    duration_ms: int = 200_000,
    recording: uuid.UUID | None = None,
) -> AudioFile:
    number = next(_numbers)
    sound = AudioVariant.objects.create(
        payload_format="flac",
        payload_root=hashlib.sha256(f"match {number}".encode()).digest(),
        payload_bytes=1000,
        leaf_hashes=b"h" * 32,
        profile="flac-16-44100-2",
        container="flac",
        duration_ms=duration_ms,
        recording_mbid=recording,
        verified=recording is not None,
    )
    path = f"{folder}/{name}".encode()
    return AudioFile.objects.create(
        root=music_root(),
        rel_path=path,
        rel_path_hash=hashlib.sha256(path).digest(),
        folder_hash=hashlib.sha256(folder.encode()).digest(),
        display=path.decode(),
        size_bytes=1100,
        mtime_ns=1,
        variant=sound,
        tags={"v": 1, **(tags or {})},
    )


def folder_of_release(
    facts: ReleaseFacts,
    folder: str = "Ada/Album",
    *,
    ids: bool = False,
    only_disc: int = 0,
    skip: int = 0,
    tagged: bool = True,
) -> FolderMatch:
    """Files of every track (of one disc; without the first `skip`). `ids`: the tags name the release."""
    listed = [(medium, track) for medium, track in facts.tracks() if only_disc in (0, medium.position)][skip:]
    for medium, track in listed:
        tags: dict[str, object] = {}
        if tagged:
            tags = {
                "title": track.title,
                "artist": track.artist_credit,
                "album": facts.title,
                "albumartist": facts.artist_credit,
                "track": track.position,
                "disc": 0 if only_disc else medium.position,
            }
        if ids:
            tags["release_mbid"] = str(facts.mbid)
        name = f"{track.position:02} - {track.title.replace('/', '-')}.flac"
        a_file(folder, f"{medium.position}-{name}", tags=tags, duration_ms=track.length_ms or 200_000)
    return waiting(folder)


def waiting(folder: str) -> FolderMatch:
    folder_due(music_root().id, folder.encode())
    return FolderMatch.objects.get(folder_hash=hashlib.sha256(folder.encode()).digest())
