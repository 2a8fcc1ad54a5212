"""The scores of the demonstration's nine pieces: keys, tempi, chords, form, who plays. Facts for the synthesiser, no sound.

A piece is a form of sections; a section repeats a progression of scale degrees, one chord per bar, and names the layers that play in it.
Melodies are not written out: they grow from the seed under rules in `composition`, and are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# The two editions: a section has eight bars in the full one and four in the sketches; the tail lets the last chord ring out.
SECTION_BARS: Mapping[str, int] = {"full": 8, "small": 4}
# The sketches were played a minor third higher: so they share no stretch of notes with the full takes that a fingerprint could match.
TRANSPOSED: Mapping[str, int] = {"full": 0, "small": 3}
TAIL_FRAMES: Mapping[str, int] = {"full": 3 * 44_100, "small": 44_100 * 3 // 2}

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
DORIAN = (0, 2, 3, 5, 7, 9, 10)
MIXOLYDIAN = (0, 2, 4, 5, 7, 9, 10)
LYDIAN = (0, 2, 4, 6, 7, 9, 11)
HARMONIC_MINOR = (0, 2, 3, 5, 7, 8, 11)

Layer = Literal["drums", "hats", "bass", "chords", "arp", "lead", "counter"]


@dataclass(frozen=True, slots=True)
class Section:
    """`progression`: scale degrees from 0, one per bar, repeated to fill the section. `octave` shifts the lead, in octaves."""

    progression: tuple[int, ...]
    layers: tuple[Layer, ...]
    octave: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """`root`: MIDI number of the tonic near C3; `swing`: share of an eighth by which off-beats come late; drum patterns are sixteenths."""

    seed: int
    bpm: int
    beats: int
    root: int
    scale: tuple[int, ...]
    sections: Mapping[str, Section]
    full: str
    small: str
    lead: str
    chords: str
    bass: str
    arp: str
    counter: str
    bass_rhythm: tuple[float, ...]
    chord_rhythm: tuple[float, ...]
    arp_step: float
    drums: Mapping[str, str] = field(default_factory=dict)
    swing: float = 0.0
    echo_beats: float = 0.75
    room: float = 0.25
    seventh: bool = False

    @property
    def beat_frames(self) -> int:
        """Samples per beat, whole, so that bars never drift against the fact table."""
        return round(44_100 * 60 / self.bpm)


def form_of(score: Score, size: str) -> str:
    """The letters of the sections in order."""
    return score.full if size == "full" else score.small


def frames_of(score: Score, size: str) -> int:
    """Length of the rendered piece in samples per channel."""
    return len(form_of(score, size)) * SECTION_BARS[size] * score.beats * score.beat_frames + TAIL_FRAMES[size]


SCORES: Mapping[str, Score] = {
    "first-ferry": Score(
        seed=101,
        bpm=92,
        beats=4,
        root=48,
        scale=MAJOR,
        lead="flute",
        chords="epiano",
        bass="round",
        arp="pluck",
        counter="strings",
        sections={
            "i": Section((0, 4, 5, 3), ("chords", "arp")),
            "a": Section((0, 4, 5, 3), ("drums", "bass", "chords", "lead")),
            "b": Section((3, 0, 3, 4, 5, 2, 3, 4), ("drums", "hats", "bass", "chords", "lead", "counter"), octave=1),
            "o": Section((0, 4, 3, 0), ("bass", "chords", "counter")),
        },
        full="iaabaabo",
        small="aba",
        bass_rhythm=(1.5, 0.5, 1, 1),
        chord_rhythm=(1.5, 1.5, 1),
        arp_step=0.5,
        seventh=True,
        drums={"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    ),
    "salt-on-the-stairs": Score(
        seed=202,
        bpm=124,
        beats=4,
        root=45,
        scale=MINOR,
        lead="saw",
        chords="pad",
        bass="pulse",
        arp="pluck",
        counter="bell",
        sections={
            "i": Section((0, 0, 5, 5), ("arp", "hats")),
            "a": Section((0, 5, 2, 6), ("drums", "hats", "bass", "arp", "chords")),
            "b": Section((0, 5, 2, 6), ("drums", "hats", "bass", "arp", "chords", "lead")),
            "c": Section((3, 0, 5, 4), ("chords", "counter", "arp")),
            "o": Section((0, 5, 0, 0), ("chords", "arp")),
        },
        full="iaabbcabbbo",
        small="abbo",
        bass_rhythm=(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
        chord_rhythm=(4,),
        arp_step=0.25,
        room=0.18,
        drums={
            "kick": "x...x...x...x...",
            "clap": "....x.......x...",
            "hat": "..x...x...x...x.",
            "shaker": "xxxxxxxxxxxxxxxx",
        },
    ),
    "neap-spring": Score(
        seed=303,
        bpm=84,
        beats=4,
        root=50,
        scale=DORIAN,
        lead="reed",
        chords="organ",
        bass="round",
        arp="epiano",
        counter="flute",
        sections={
            "i": Section((0, 3, 0, 3), ("chords", "hats")),
            "a": Section((0, 3, 0, 3, 6, 2, 1, 4), ("drums", "hats", "bass", "chords", "lead")),
            "b": Section((5, 2, 6, 3), ("drums", "hats", "bass", "chords", "counter", "arp")),
            "o": Section((0, 3, 0, 0), ("bass", "chords")),
        },
        full="iaabaao",
        small="aba",
        bass_rhythm=(1, 1, 1, 1),
        chord_rhythm=(0.5, 1.5, 0.5, 1.5),
        arp_step=0.5,
        swing=0.3,
        seventh=True,
        drums={"kick": "x.........x.....", "rim": "....x.......x..x", "ride": "x...x.x.x...x.x."},
    ),
    "quiet-engine": Score(
        seed=404,
        bpm=140,
        beats=4,
        root=52,
        scale=HARMONIC_MINOR,
        lead="square",
        chords="square",
        bass="pulse",
        arp="square",
        counter="saw",
        sections={
            "i": Section((0, 0, 3, 4), ("arp", "bass")),
            "a": Section((0, 5, 3, 4), ("drums", "bass", "arp", "lead"), octave=1),
            "b": Section((5, 6, 0, 0, 5, 6, 4, 4), ("drums", "hats", "bass", "arp", "lead", "counter"), octave=1),
            "c": Section((3, 3, 0, 0, 3, 3, 4, 4), ("drums", "chords", "bass", "lead")),
            "o": Section((0, 5, 4, 0), ("arp", "bass")),
        },
        full="iaabcaabcbao",
        small="abca",
        bass_rhythm=(0.5, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 1),
        chord_rhythm=(1, 1, 1, 1),
        arp_step=0.25,
        room=0.1,
        echo_beats=0.5,
        drums={"kick": "x..x..x.x..x....", "snare": "....x.......x..x", "hat": "xxx.xxx.xxx.xxx."},
    ),
    "gulls": Score(
        seed=505,
        bpm=102,
        beats=3,
        root=53,
        scale=LYDIAN,
        lead="bell",
        chords="strings",
        bass="round",
        arp="harp",
        counter="flute",
        sections={
            "i": Section((0, 1, 0, 1), ("arp",)),
            "a": Section((0, 1, 5, 4), ("arp", "bass", "lead", "chords")),
            "b": Section((5, 2, 3, 1, 5, 2, 1, 4), ("drums", "arp", "bass", "lead", "chords", "counter")),
            "o": Section((0, 1, 0, 0), ("chords", "lead")),
        },
        full="iaabbaabbo",
        small="abba",
        bass_rhythm=(1, 2),
        chord_rhythm=(3,),
        arp_step=0.5,
        room=0.4,
        drums={"kick": "x...........", "shaker": "....x...x...", "rim": "........x..."},
    ),
    "northwest": Score(
        seed=606,
        bpm=110,
        beats=4,
        root=43,
        scale=MIXOLYDIAN,
        lead="reed",
        chords="harp",
        bass="pulse",
        arp="harp",
        counter="brass",
        sections={
            "i": Section((0, 6, 3, 0), ("arp", "chords")),
            "a": Section((0, 0, 6, 3), ("drums", "hats", "bass", "chords", "arp", "lead")),
            "b": Section((3, 6, 0, 0, 3, 6, 4, 4), ("drums", "hats", "bass", "chords", "counter", "lead"), octave=1),
            "o": Section((0, 6, 3, 0), ("bass", "chords", "counter")),
        },
        full="iaabaabbao",
        small="aab",
        bass_rhythm=(1, 0.5, 0.5, 1, 1),
        chord_rhythm=(1, 0.5, 0.5, 1, 1),
        arp_step=0.5,
        drums={"kick": "x.....x...x.....", "snare": "....x.......x.x.", "shaker": "x.xxx.xxx.xxx.xx"},
    ),
    "drydock": Score(
        seed=707,
        bpm=70,
        beats=4,
        root=46,
        scale=MINOR,
        lead="strings",
        chords="pad",
        bass="sub",
        arp="bell",
        counter="brass",
        sections={
            "i": Section((0, 5), ("chords",)),
            "a": Section((0, 5, 3, 4), ("chords", "bass", "lead", "arp")),
            "b": Section((5, 6, 2, 3, 5, 6, 4, 4), ("drums", "chords", "bass", "lead", "counter", "arp"), octave=1),
            "o": Section((0, 3, 0, 0), ("chords", "bass", "arp")),
        },
        full="iababo",
        small="ab",
        bass_rhythm=(3, 1),
        chord_rhythm=(4,),
        arp_step=1.0,
        room=0.45,
        echo_beats=1.5,
        drums={"kick": "x.......x.......", "tom": "......x.......xx", "rim": "....x.......x..."},
    ),
    "last-light": Score(
        seed=808,
        bpm=96,
        beats=4,
        root=51,
        scale=MAJOR,
        lead="brass",
        chords="organ",
        bass="round",
        arp="epiano",
        counter="strings",
        sections={
            "i": Section((5, 3, 0, 4), ("chords",)),
            "a": Section((5, 3, 0, 4), ("drums", "bass", "chords", "lead")),
            "b": Section((3, 4, 5, 0, 3, 4, 1, 4), ("drums", "hats", "bass", "chords", "lead", "counter", "arp")),
            "c": Section((1, 4, 0, 5), ("chords", "arp", "counter")),
            "o": Section((3, 4, 0, 0), ("chords", "bass", "counter")),
        },
        full="iaabbcabbo",
        small="abc",
        bass_rhythm=(2, 1, 1),
        chord_rhythm=(2, 2),
        arp_step=0.5,
        room=0.3,
        drums={
            "kick": "x.......x.x.....",
            "snare": "....x.......x...",
            "ride": "x.x.x.x.x.x.x.x.",
            "tom": "..............xx",
        },
    ),
    # Not on the album: the recording that the lying peer offers instead of another one.
    "harbour-dues": Score(
        seed=909,
        bpm=109,
        beats=4,
        root=49,
        scale=DORIAN,
        lead="epiano",
        chords="brass",
        bass="sub",
        arp="square",
        counter="reed",
        sections={
            "a": Section((0, 2, 6, 3), ("drums", "bass", "chords", "lead")),
            "b": Section((3, 6, 0, 4), ("drums", "hats", "bass", "arp", "lead", "counter")),
        },
        full="aababbab",
        small="aba",
        bass_rhythm=(0.75, 0.75, 0.5, 2),
        chord_rhythm=(0.5, 0.5, 1, 2),
        arp_step=0.25,
        swing=0.15,
        drums={"kick": "x..x....x.x.....", "clap": "....x.......x...", "shaker": "x.x.x.xxx.x.x.xx"},
    ),
}
