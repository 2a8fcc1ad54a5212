"""A release whose every title would like to shape a path or a page, with sound of its own, as the metadata service tells it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import soundfile

from slskdn_site.demo.album import album
from slskdn_site.demo.make_answers import ANSWERS
from slskdn_site.demo.plan import NeighbourPlan, Offer, Who

RELEASE = "0e57110e-0000-4000-8000-000000000001"
ARTIST = "../../\u202eetc"
TITLE = "..\\..\u0000/\nAlmanac"
TITLES = (
    "../../../../etc/passwd\u0000.flac",
    "<script>alert(1)</script>\n\r\t\u202egnp.exe\u2066" + "x" * 300,
)
SECONDS = (120, 6)
RATE_HZ = 44_100


@dataclass(frozen=True, slots=True)
class HostileRelease:
    """Where its answers and its two files are."""

    release_mbid: str
    recordings: tuple[str, ...]
    files: tuple[Path, ...]
    answers: Path

    def neighbour(self, name: str, host: str, *, tracks: tuple[int, ...], kbps: int = 0) -> NeighbourPlan:
        """A neighbour that offers some of the tracks (from 1); `kbps` in KiB/s, 0: no limit."""
        return NeighbourPlan(
            who=cast("Who", name),
            host=host,
            release_mbid=self.release_mbid,
            offers=tuple(
                Offer(
                    source=self.files[position - 1],
                    recording_mbid=self.recordings[position - 1],
                    release_mbid=self.release_mbid,
                    medium=1,
                    position=position,
                )
                for position in tracks
            ),
            upload_kbps=kbps,
        )


def write_hostile_release(folder: Path) -> HostileRelease:
    """Files of noise (it does not compress, so their sizes are sure; AcoustID knows none of them) and one recorded answer."""
    folder.mkdir(parents=True)
    recordings = tuple(str(uuid.UUID(int=0x0E57_2200 + number)) for number in range(len(TITLES)))
    files = []
    for number, seconds in enumerate(SECONDS):
        noise = np.random.default_rng(number).integers(-9000, 9000, size=(RATE_HZ * seconds, 2), dtype=np.int16)
        files.append(folder / f"{number}.flac")
        soundfile.write(files[-1], noise, RATE_HZ, subtype="PCM_16")
    answers = folder / "answers"
    _write_answer(answers, recordings)
    return HostileRelease(RELEASE, recordings, tuple(files), answers)


def _write_answer(folder: Path, recordings: tuple[str, ...]) -> None:
    known = album("small").release_mbid
    index = json.loads((ANSWERS / "index.json").read_text(encoding="utf-8"))
    entry = next(one for one in index["entries"] if one["path"].endswith(known))
    answer: dict[str, Any] = json.loads((ANSWERS / entry["file"]).read_text(encoding="utf-8"))
    credit = answer["artist-credit"]
    credit[0]["name"] = credit[0]["artist"]["name"] = ARTIST
    medium = answer["media"][0]
    tracks = []
    for number, (title, recording) in enumerate(zip(TITLES, recordings, strict=True)):
        track = medium["tracks"][number]
        length = SECONDS[number] * 1000
        track |= {"id": str(uuid.uuid4()), "title": title, "length": length, "artist-credit": credit}
        track["recording"] |= {"id": recording, "title": title, "length": length, "artist-credit": credit}
        tracks.append(track)
    answer |= {"id": RELEASE, "title": TITLE, "media": [{**medium, "tracks": tracks, "track-count": len(tracks)}]}
    file = folder / entry["file"].replace(known, RELEASE)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(answer), encoding="utf-8")
    own = entry | {"path": entry["path"].replace(known, RELEASE), "file": str(file.relative_to(folder))}
    own["bytes"] = file.stat().st_size
    (folder / "index.json").write_text(json.dumps({"format": 1, "entries": [own]}), encoding="utf-8")
