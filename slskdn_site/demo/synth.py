"""The deterministic synthesiser: a track of the demonstration album as 44.1 kHz/16-bit stereo samples, and the album as files.

Rendering is additive mixing of cached notes into one stereo bus and one room send; nothing here depends on time, locale or machine
(single-precision sums and a rational soft clipper are the same everywhere; notes are rounded before they are mixed).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slskdn_site.demo.album import SIZES, DemoAlbum, DemoTrack, Size, album
from slskdn_site.demo.audio_files import safe_stem, write_flac, write_mp3, write_retagged_twin
from slskdn_site.demo.composition import notes_of
from slskdn_site.demo.instruments import Mono, drum, note
from slskdn_site.demo.scores import SCORES, TAIL_FRAMES, Score, frames_of

__all__ = [
    "album",
    "render",
    "render_file",
    "render_score",
    "write_album",
    "write_flac",
    "write_mp3",
    "write_retagged_twin",
]

# Comb delays in samples, mutually prime, one set per side, so that the room is wide and has no pitch of its own.
_COMBS_LEFT = (1_557, 1_913, 2_347)
_COMBS_RIGHT = (1_627, 1_999, 2_281)
_PEAK = 0.89


def render(track: DemoTrack, size: Size) -> NDArray[np.int16]:
    """The track as samples, shape (frames, 2), int16. The same array every time. `size` must be the edition that `track` belongs to."""
    score = SCORES[track.score]
    frames = frames_of(score, size)
    if frames != track.frames:
        raise ValueError(f"track {track.position} is not of the {size} edition")
    return render_score(score, size, frames=frames)


def render_score(score: Score, size: Size, *, frames: int) -> NDArray[np.int16]:
    """The first `frames` of a piece as samples, shape (frames, 2), int16, faded out at their end. What does not sound by then is not played."""
    bus = np.zeros((2, frames), dtype=np.float32)
    send = np.zeros(frames, dtype=np.float32)
    for event in notes_of(score, size):
        if event.start >= frames:
            continue
        sound = drum(event.voice) if event.midi is None else note(event.voice, event.midi, event.held)
        stop = min(frames, event.start + len(sound))
        sound = sound[: stop - event.start]
        span = slice(event.start, stop)
        bus[0, span] += sound * np.float32(event.gain * (1.0 - event.pan) * 0.7)
        bus[1, span] += sound * np.float32(event.gain * (1.0 + event.pan) * 0.7)
        send[span] += sound * np.float32(event.gain * event.send)
    _add_room(bus, send, echo_frames=int(score.echo_beats * score.beat_frames))
    return _mastered(bus, fade_frames=TAIL_FRAMES[size])


def _comb(source: Mono, delay: int, feedback: float) -> Mono:
    """y[n] = x[n] + feedback * y[n - delay], a block of `delay` samples at a time."""
    out = source.copy()
    gain = np.float32(feedback)
    for start in range(delay, len(out), delay):
        block = out[start : start + delay]
        block += gain * out[start - delay : start - delay + len(block)]
    return out


def _add_room(bus: Mono, send: Mono, *, echo_frames: int) -> None:
    dark = send.copy()
    dark[1:] += send[:-1]
    dark *= np.float32(0.5)
    for side, delays in enumerate((_COMBS_LEFT, _COMBS_RIGHT)):
        for delay in delays:
            bus[side, delay:] += _comb(dark, delay, 0.74)[:-delay] * np.float32(0.3)
    echo = _comb(dark, 2 * echo_frames, 0.4)
    bus[0, echo_frames:] += echo[:-echo_frames] * np.float32(0.5)
    bus[1, 2 * echo_frames :] += echo[: -2 * echo_frames] * np.float32(0.5)


def _mastered(bus: Mono, *, fade_frames: int) -> NDArray[np.int16]:
    bus *= np.float32(1.5 / float(np.max(np.abs(bus))))
    squared = bus * bus
    # Padé approximant of tanh: only + * /, which every machine computes alike.
    bus *= (squared + np.float32(27.0)) / (squared * np.float32(9.0) + np.float32(27.0))
    bus *= np.float32(_PEAK / float(np.max(np.abs(bus))))
    bus[:, -fade_frames:] *= np.linspace(1.0, 0.0, fade_frames, dtype=np.float32)
    return np.ascontiguousarray(np.rint(bus * np.float32(32_767.0)).astype(np.int16).T)


@dataclass(frozen=True, slots=True)
class AlbumFile:
    """One written file of the album."""

    track: DemoTrack
    path: Path


def render_file(folder: Path, *, size: Size, position: int) -> AlbumFile:
    """Render one track (9 = the stand-in) into `folder` in the one codec it is offered in, tagged the way Picard tags."""
    facts = album(size)
    track = facts.stand_in if position == facts.stand_in.position else facts.track(position)
    samples = render(track, size)
    stem = folder / f"{track.position:02d} {safe_stem(track.title)}"
    write = write_mp3 if track.mp3_only else write_flac
    return AlbumFile(
        track,
        write(stem.with_name(stem.name + (".mp3" if track.mp3_only else ".flac")), samples, album=facts, track=track),
    )


def write_album(folder: Path, *, size: Size, processes: int = 1, stand_in: bool = True) -> tuple[AlbumFile, ...]:
    """The whole album (and the stand-in) into `folder`, which is made. Files in the order of positions."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = album(size)
    positions: Sequence[int] = [t.position for t in facts.tracks] + ([facts.stand_in.position] if stand_in else [])
    work = partial(_render_position, folder, size)
    if processes <= 1:
        return tuple(work(position) for position in positions)
    with ProcessPoolExecutor(max_workers=processes) as pool:
        return tuple(pool.map(work, positions))


def _render_position(folder: Path, size: Size, position: int) -> AlbumFile:
    return render_file(folder, size=size, position=position)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: make the album in a folder, one JSON line per file."""
    parser = argparse.ArgumentParser(prog="slskdn_site.demo.synth", description="Make the demonstration album.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    size: Size = options.size
    started = time.monotonic()
    for made in write_album(options.folder, size=size, processes=options.processes):
        print(json.dumps({"position": made.track.position, "path": str(made.path), "bytes": made.path.stat().st_size}))
    facts: DemoAlbum = album(size)
    print(json.dumps({"release_mbid": facts.release_mbid, "seconds": round(time.monotonic() - started, 2)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
