"""Files that may be tracks which only Discogs knows: by words and length. Reads only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from django.db.models import Q

from apps.domain.jobs.likeness import LENGTH_GRACE_MS, LikeFile, LikeTrack
from apps.library.models import AudioFile

AT_ONCE: Final = 15
"""Tracks of one query: each adds a condition to it."""
MOST: Final = 2000
"""Files of one query. A library that holds more of such words and lengths is looked at in part."""
_LETTERS: Final = re.compile(r"[A-Za-z0-9]{2,}")
_COLUMNS: Final = (
    "id", "title", "artist", "display", "root_id", "folder_hash", "variant__duration_ms", "variant__payload_root",
    "variant__pcm_md5", "variant__total_samples", "variant__rate_hz", "variant__lossless", "variant__quality_score",
    "variant__profile",
)  # fmt: skip


def like_files(
    tracks: Sequence[LikeTrack], *, lossy: bool = True, suspect: bool = True
) -> Mapping[int, Sequence[LikeFile]]:
    """Index of a track → present, decoded files that have its length and a word of its title; one query for 15 tracks. `lossy`, `suspect`: False leaves
    out what is not lossless, or a suspected transcode. What is like what: apps.domain.jobs.likeness."""
    found: dict[int, list[LikeFile]] = {}
    numbered = list(enumerate(tracks))
    for start in range(0, len(numbered), AT_ONCE):
        some = numbered[start : start + AT_ONCE]
        asked = Q(pk__in=[])
        for _, track in some:
            asked |= _asked(track)
        rows = AudioFile.objects.filter(
            asked, missing_since=None, read_state="read", variant__duration_ms__gt=0, variant__analysis_code=""
        )
        if not lossy:
            rows = rows.filter(variant__lossless=True)
        if not suspect:
            rows = rows.exclude(variant__transcode_suspect=True)
        files = [_file(row) for row in rows.order_by("id").values_list(*_COLUMNS)[:MOST]]
        for index, track in some:
            found[index] = [
                one
                for one in files
                if track.length_ms is None or abs(one.duration_ms - track.length_ms) <= LENGTH_GRACE_MS
            ]
    return found


def _asked(track: LikeTrack) -> Q:
    """By the longest run of letters that every database compares without regard to case."""
    title = track.title.split(": ", 1)[-1]
    word = max(_LETTERS.findall(title), key=len, default=title[:40])
    words = Q(title__icontains=word) | Q(title="", display__icontains=word)
    if track.length_ms is None:
        return words
    least, most = track.length_ms - LENGTH_GRACE_MS, track.length_ms + LENGTH_GRACE_MS
    return words & Q(variant__duration_ms__gte=max(0, least), variant__duration_ms__lte=most)


def _file(row: Sequence[object]) -> LikeFile:
    key, title, artist, display, root, folder, duration, payload, md5, samples, rate, lossless, quality, profile = row
    name = str(display).rpartition("/")[2].rpartition(".")[0] or str(display)
    audio = _bytes(payload)
    if lossless and _bytes(md5).strip(b"\0"):
        audio = b"pcm" + _bytes(md5) + f"{samples}/{rate}".encode()
    return LikeFile(
        file_id=int(str(key)),
        title=str(title),
        artist=str(artist),
        name=name,
        path=str(display).rpartition(".")[0],
        duration_ms=int(str(duration)),
        audio=audio,
        profile=str(profile),
        folder=f"{root}/".encode() + _bytes(folder),
        quality=float(str(quality)) if quality is not None else 0.0,
    )


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""
