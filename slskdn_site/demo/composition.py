"""From a score to a list of notes: chords voiced, bass and arpeggios laid out, melodies grown from the seed. No sound, no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from slskdn_site.demo.scores import SECTION_BARS, TRANSPOSED, Score, Section, form_of

# Durations in beats that fill one bar. Longer cells are likelier at the end of a phrase.
_RHYTHMS: dict[int, tuple[tuple[float, ...], ...]] = {
    4: (
        (1, 1, 1, 1),
        (1.5, 0.5, 1, 1),
        (2, 1, 1),
        (0.5, 0.5, 1, 2),
        (1, 0.5, 0.5, 1, 1),
        (1.5, 1.5, 1),
        (0.5, 1, 0.5, 2),
    ),
    3: ((1, 1, 1), (2, 1), (1.5, 0.5, 1), (1, 0.5, 0.5, 1), (0.5, 0.5, 2)),
}
_STEPS = (-2, -1, -1, 0, 1, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class Note:
    """One stroke or tone. `voice` names an instrument, or a drum when `midi` is None; `pan` from -1 to 1; `send` feeds the room."""

    start: int
    voice: str
    midi: int | None
    held: int
    gain: float
    pan: float
    send: float


def _pitch(score: Score, degree: int) -> int:
    octave, step = divmod(degree, len(score.scale))
    return score.root + 12 * octave + score.scale[step]


def _pick(rng: Random, options: tuple[int, ...]) -> int:
    # Only Random.random() is promised to be the same in every Python.
    return options[int(rng.random() * len(options))]


def _chord(score: Score, degree: int) -> tuple[int, ...]:
    """The chord as MIDI numbers in close position around the middle of the keyboard."""
    degrees = (degree, degree + 2, degree + 4, degree + 6) if score.seventh else (degree, degree + 2, degree + 4)
    centre = 60
    return tuple(sorted(pitch - 12 * round((pitch - centre) / 12) for pitch in (_pitch(score, d) for d in degrees)))


def _melody(score: Score, letter: str, section: Section, bars: int) -> list[tuple[float, float, int]]:
    """(start beat, beats, scale degree) over one section: two-bar cells a b a c, strong beats on chord tones, last note long."""
    rng = Random(f"{score.seed}/{letter}")
    cells = _RHYTHMS[score.beats]
    order = [_pick(rng, tuple(range(len(cells)))) for _ in range(3)]
    steps = [[_pick(rng, _STEPS) for _ in range(8)] for _ in range(3)]
    notes: list[tuple[float, float, int]] = []
    degree = 7 + _pick(rng, (0, 2, 4))
    for bar in range(bars):
        which = (0, 1, 0, 2)[bar % 4]
        chord = section.progression[bar % len(section.progression)]
        at = 0.0
        for index, beats in enumerate(cells[order[which]]):
            degree += steps[which][index]
            if degree > 13 or degree < 4:
                degree = 9 if degree < 4 else 8
            if at == int(at) and int(at) % 2 == 0 and (degree - chord) % 7 not in {0, 2, 4}:
                degree += 1 if (degree + 1 - chord) % 7 in {0, 2, 4} else -1
            if rng.random() > 0.1 or index == 0:
                notes.append((bar * score.beats + at, beats, degree))
            at += beats
        if bar == bars - 1:
            while notes and notes[-1][0] >= bar * score.beats:
                notes.pop()
            notes.append((float(bar * score.beats), float(score.beats), 7 + chord % 7))
    return notes


def notes_of(score: Score, size: str) -> Iterator[Note]:
    """All notes of the piece in the order of its sections. Frames count from the start of the piece."""
    bars = SECTION_BARS[size]
    score = replace(score, root=score.root + TRANSPOSED[size])
    section_beats = bars * score.beats
    for number, letter in enumerate(form_of(score, size)):
        yield from _section_notes(score, letter, number * section_beats, bars, number)


def _frame(score: Score, beat: float) -> int:
    """Sample at which a beat sounds; off-beat eighths come late when the piece swings."""
    whole = int(beat)
    rest = beat - whole
    if score.swing and rest >= 0.5:
        rest += score.swing * 0.5 * (1.0 - rest) * 2.0
    return whole * score.beat_frames + int(rest * score.beat_frames)


def _section_notes(score: Score, letter: str, offset: int, bars: int, number: int) -> Iterator[Note]:
    section = score.sections[letter]
    rng = Random(f"{score.seed}/{letter}/{number}")
    layers = section.layers
    beat_frames = score.beat_frames

    def tone(beat: float, voice: str, midi: int, beats: float, *, gain: float, pan: float, send: float) -> Note:
        lively = gain * (0.88 + 0.24 * rng.random())
        return Note(_frame(score, offset + beat), voice, midi, int(beats * 0.94 * beat_frames), lively, pan, send)

    for bar in range(bars):
        degree = section.progression[bar % len(section.progression)]
        chord = _chord(score, degree)
        first = bar * score.beats
        if "chords" in layers:
            at = 0.0
            for beats in score.chord_rhythm:
                for index, midi in enumerate(chord):
                    yield tone(
                        first + at, score.chords, midi, beats, gain=0.15, pan=-0.45 + 0.3 * index, send=score.room
                    )
                at += beats
        if "bass" in layers:
            low = _pitch(score, degree) - 12
            while low > 48:
                low -= 12
            at = 0.0
            for index, beats in enumerate(score.bass_rhythm):
                yield tone(
                    first + at, score.bass, low + (7 if index % 4 == 3 else 0), beats, gain=0.3, pan=0.0, send=0.02
                )
                at += beats
        if "arp" in layers:
            count = round(score.beats / score.arp_step)
            ladder = (*chord, *(midi + 12 for midi in chord))
            for index in range(count):
                rung = index % (2 * len(ladder) - 2)
                midi = ladder[rung if rung < len(ladder) else 2 * len(ladder) - 2 - rung]
                pan = 0.6 if index % 2 else -0.6
                yield tone(
                    first + index * score.arp_step,
                    score.arp,
                    midi + 12,
                    score.arp_step,
                    gain=0.12,
                    pan=pan,
                    send=score.room,
                )
        yield from _drum_notes(score, section, offset + first, rng, fill=bar == bars - 1)
    if "lead" in layers:
        for beat, beats, step in _melody(score, letter, section, bars):
            yield tone(
                beat, score.lead, _pitch(score, step) + 12 * section.octave, beats, gain=0.27, pan=0.1, send=score.room
            )
    if "counter" in layers:
        for bar in range(0, bars, 2):
            degree = section.progression[bar % len(section.progression)]
            line = _chord(score, degree)[-1] + 12
            yield tone(bar * score.beats, score.counter, line, score.beats, gain=0.14, pan=-0.25, send=score.room)
            after = _chord(score, section.progression[(bar + 1) % len(section.progression)])[-1] + 12
            yield tone(
                (bar + 1) * score.beats, score.counter, after, score.beats, gain=0.14, pan=-0.25, send=score.room
            )


_DRUM_MIX: dict[str, tuple[float, float]] = {  # gain, pan
    "kick": (0.5, 0.0),
    "snare": (0.34, 0.05),
    "clap": (0.3, -0.05),
    "hat": (0.2, 0.3),
    "shaker": (0.16, -0.35),
    "ride": (0.22, 0.35),
    "rim": (0.2, -0.2),
    "tom": (0.34, -0.15),
}
_LIGHT = ("hat", "shaker", "ride")


def _drum_notes(score: Score, section: Section, first: int, rng: Random, *, fill: bool) -> Iterator[Note]:
    for name, pattern in score.drums.items():
        wanted = "hats" in section.layers or "drums" in section.layers if name in _LIGHT else "drums" in section.layers
        if not wanted:
            continue
        gain, pan = _DRUM_MIX[name]
        for step, mark in enumerate(pattern):
            stroke = mark == "x" or (fill and name in {"snare", "tom"} and step >= len(pattern) - 4)
            if stroke:
                accent = 1.0 if step % 4 == 0 else 0.72
                yield Note(
                    _frame(score, first + step / 4),
                    name,
                    None,
                    0,
                    gain * accent * (0.9 + 0.2 * rng.random()),
                    pan,
                    0.04,
                )
