"""A folder of good and bad files of one album, the album as the metadata services and two neighbours know it, and a platform whose library it is."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import soundfile

from slskdn_site.demo.answer_folder import fingerprint_entry, release_entries, write_answers
from slskdn_site.demo.answer_shapes import ReleaseFacts, TrackFacts
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.plan import NeighbourPlan, Offer, Who
from tests.workers.gateways import sound
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, write_tags

SECONDS = 30
ARTIST = "The Testers"
ARTIST_MBID = str(uuid.UUID("a0000000-0000-4000-8000-00000000000a"))
NAMES = ("Amber", "Birch", "Cedar", "Dahlia", "Elder", "Fern", "Gorse", "Heather", "Iris", "Juniper")
LIVE = 99
"""A take that is on another release."""


def recording_of(position: int) -> str:
    return str(uuid.UUID(int=0x1E57_0000_0000_4000_8000_0000_0000_1000 + position))


def name_of(position: int) -> str:
    return NAMES[position - 1] if position <= len(NAMES) else "Zinnia (live)"


def _release(number: int, title: str, positions: Sequence[int]) -> ReleaseFacts:
    return ReleaseFacts(
        release_mbid=str(uuid.UUID(int=0x1E57_0000_0000_4000_8000_0000_0000_3000 + number)),
        release_group_mbid=str(uuid.UUID(int=0x1E57_0000_0000_4000_8000_0000_0000_4000 + number)),
        title=title,
        artist=ARTIST,
        artist_mbid=ARTIST_MBID,
        date=f"{2018 + number}-05-01",
        tracks=tuple(
            TrackFacts(
                disc=1, position=at, title=name_of(one), artist=ARTIST, artist_mbid=ARTIST_MBID, recording_mbid=recording_of(one),
                track_mbid=str(uuid.UUID(int=0x1E57_0000_0000_4000_8000_0000_0000_2000 + one)), length_ms=SECONDS * 1000,
            )
            for at, one in enumerate(positions, start=1)
        ),
    )  # fmt: skip


ALBUM = _release(1, "First Album", range(1, len(NAMES) + 1))
LIVE_ALBUM = _release(2, "Live at Last", [LIVE])


def music(path: Path, seed: int, seconds: float = SECONDS) -> Path:
    """A tune with sound up to the top of the band, as a microphone hears it."""
    chance = np.random.default_rng(seed)
    tune = sound.tune(seconds, seed=seed)
    hiss = 0.02 * chance.standard_normal(tune.shape)
    soundfile.write(str(path), np.clip(tune + hiss, -1, 1), sound.RATE, subtype="PCM_16")
    return path


def tagged(path: Path, position: int, **changes: object) -> Path:
    said: dict[str, object] = {
        "title": name_of(position),
        "artist": ARTIST,
        "albumartist": ARTIST,
        "album": ALBUM.title,
        "recording_mbid": recording_of(position),
        "release_mbid": ALBUM.release_mbid,
        "track": position,
        "tracks": len(NAMES),
        "disc": 1,
        "discs": 1,
    }
    write_tags(path, AudioTags(**said | changes), expected_root=identify(path).root)  # type: ignore[arg-type]
    return path


@dataclass(frozen=True, slots=True)
class MixedLibrary:
    """Where the good files and the answers of the metadata services are."""

    masters: Path
    answers: Path

    def master(self, position: int) -> Path:
        return self.masters / f"{position:02} {name_of(position)}.flac"

    def neighbours(self) -> tuple[NeighbourPlan, ...]:
        """Two that have the whole album."""
        offers = tuple(
            Offer(
                source=self.master(one),
                recording_mbid=recording_of(one),
                release_mbid=ALBUM.release_mbid,
                medium=1,
                position=one,
            )
            for one in range(1, len(NAMES) + 1)
        )
        return tuple(
            NeighbourPlan(who=cast("Who", who), host=host, release_mbid=ALBUM.release_mbid, offers=offers)
            for who, host in (("north", "127.0.21.1"), ("south", "127.0.22.1"))
        )

    def spoil(self, root: Path) -> None:
        """The person's folder: every kind of fault once, and good files between them."""
        album, loose = root / ARTIST / ALBUM.title, root / "Loose"
        album.mkdir(parents=True)
        loose.mkdir()
        for position in (1, 3, 4, 6, 9, 10):
            shutil.copy(self.master(position), album)
        lossy = sound.convert(self.master(2), root.parent / "lossy.mp3", "-c:a", "libmp3lame", "-b:a", "128k")
        tagged(sound.convert(lossy, album / "02 Birch.flac", "-c:a", "flac", "-sample_fmt", "s16"), 2)
        broken = album / "03 Cedar.flac"
        broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
        tagged(album / "04 Dahlia.flac", 4, title="Somewhere over", artist="Nobody Special")
        shutil.copy(album / "06 Fern.flac", album / "06 Fern (copy).flac")
        tagged(music(album / "07 Gorse.flac", 7, seconds=SECONDS - 8), 7)
        tagged(sound.convert(self.master(8), album / "08 Heather.mp3", "-c:a", "libmp3lame", "-b:a", "64k"), 8)
        flipped = bytearray((album / "09 Iris.flac").read_bytes())
        for at in range(len(flipped) // 3, len(flipped) // 3 + 40):
            flipped[at] ^= 0xFF
        (album / "09 Iris.flac").write_bytes(flipped)
        sound.convert(
            self.master(10), album / "10 Juniper.flac", "-c:a", "flac", "-map_metadata", "-1", "-fflags", "+bitexact"
        )
        tagged(Path(shutil.copy(self.master(LIVE), loose / "live.flac")), LIVE, track=1)


def write_mixed_library(folder: Path) -> MixedLibrary:
    """Masters and answers below `folder`, which is made."""
    masters = folder / "masters"
    masters.mkdir(parents=True)
    made = MixedLibrary(masters, folder / "answers")
    entries = [*release_entries([ALBUM]), *release_entries([LIVE_ALBUM])]
    for release in (ALBUM, LIVE_ALBUM):
        for track in release.tracks:
            number = LIVE if release is LIVE_ALBUM else track.position
            path = tagged(music(made.master(number), number), number)
            heard = measure(path)
            entries.append(fingerprint_entry(track, heard.fingerprint, heard.duration_s, releases=[release]))
    made.answers.mkdir()
    write_answers(made.answers, entries, provenance="made by the tests")
    return made
