"""Fills a database with identifications for the review pages: `python -m tests.web.identity_seed COUNT`, in the data folder of SLSKDN_DATA."""

from __future__ import annotations

import hashlib
import os
import sys

from tests.web.seed import NAMES, TITLES, mbid


def fill(count: int) -> None:
    """`count` questions in albums of ten, and a tenth as many of every other state."""
    from apps.domain.library.identity import IdentityState

    states = [state for state in IdentityState if state is not IdentityState.AMBIGUOUS]
    for number in range(count):
        make(number, "ambiguous")
    for number in range(count, count + count // 10):
        make(number, states[number % len(states)].value)


def make(number: int, state: str) -> int:
    """One file with its identification; returns the variant's id."""
    from pathlib import Path

    from django.utils import timezone

    from apps.library.models import AudioFile, AudioVariant, Identification
    from apps.library.services import root_record

    album, artist, _year = NAMES[number // 10 % len(NAMES)]
    title = TITLES[number % len(TITLES)]
    folder = f"{artist}/{album} {number // 10}"
    path = f"{folder}/{number % 10 + 1:02} {title}.flac".encode()
    variant = AudioVariant.objects.create(
        payload_format="flac", payload_root=hashlib.sha256(b"review %d" % number).digest(), payload_bytes=30_000_000, leaf_hashes=b"h" * 32,
        profile="flac-16-44100-2", container="flac", codec="flac", lossless=True, rate_hz=44_100, channels=2, bits=16, duration_ms=241_000,
    )  # fmt: skip
    AudioFile.objects.create(
        root_id=root_record(Path("/music")), rel_path=path, rel_path_hash=hashlib.sha256(path).digest(), display=path.decode(), size_bytes=30_000_100,
        mtime_ns=1, variant=variant, folder_hash=hashlib.sha256(folder.encode()).digest(), title=title, artist=artist, album=album, track_position=number % 10 + 1,
    )  # fmt: skip
    Identification.objects.create(
        variant=variant, state=state, code=CODES[number % len(CODES)] if state == "ambiguous" else "by_fingerprint" if state == "decided" else "",
        params={"tag_recording": str(mbid("recording", 7)), "against": "length"}, confidence=0.48, candidates=candidates(number, title, artist, album),
        recording_mbid=mbid("recording", number) if state in {"decided", "confirmed"} else None, next_step_at=None, decided_at=timezone.now(),
    )  # fmt: skip
    return variant.id


CODES = ("several_recordings", "same_song_several_recordings", "tags_disagree", "length_disagrees", "weak_evidence")


def candidates(number: int, title: str, artist: str, album: str) -> list[dict[str, object]]:
    """Three recordings with evidence of every kind."""
    pieces = [
        {"name": "fingerprint", "points": 2.6, "params": {"score": 0.95}},
        {"name": "length", "points": 1.0, "params": {"actual_s": 241, "expected_s": 241}},
        {"name": "title", "points": 1.5, "params": {"like": 1.0, "theirs": title, "ours": title}},
        {"name": "artist", "points": 1.0, "params": {"like": 1.0, "theirs": artist}},
        {"name": "companions", "points": 1.8, "params": {"with": 8, "of": 9, "album": album}},
        {"name": "version", "points": -2.0, "params": {"words": "live"}},
    ]
    against = [
        {"name": "fingerprint", "points": 2.6, "params": {"score": 0.95}},
        {"name": "length", "points": -2.0, "params": {"actual_s": 241, "expected_s": 251}},
        {"name": "not_named", "points": -2.0, "params": {"score": 0.95}},
    ]
    return [
        {
            "recording": str(mbid("recording", number + 10_000 * rank)), "title": title + (" (live)" if rank else ""), "artist": artist,
            "album": album, "length_ms": 241_000 + 10_000 * rank, "points": 5.9 - rank, "share": (0.48, 0.4, 0.05)[rank], "score": 0.95,
            "groups": [], "releases": [], "evidence": pieces if not rank else against,
        }
        for rank in range(3)
    ]  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
