"""What a person means to have (a release, a recording) against what the library holds: track by track. Pure.

A track is **held** when a file of its recording stands at its place in the release, or a file stands there of which nobody heard anything else and
which is as long; **elsewhere** when a file of its recording lies with another release only; **wrong** when the file at its place is another recording or of
another length; else **missing**. Files of the release that stand at no place of it are **extra**: another edition's bonus tracks, or second copies.

The target is `complete` when every track is held (here or elsewhere) and nothing is extra, `extra` when besides there are files that are not of it,
`wrong` when a place holds another recording, `partial` when tracks are missing, `absent` when all are, `unknown` while its track list is.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.domain.jobs.likeness import Verification
from apps.domain.matching.distance import GRACE_MS, GRACE_SHARE


class TargetKind(StrEnum):
    """What is meant."""

    RELEASE = "release"
    RECORDING = "recording"


class TargetState(StrEnum):
    """See the module."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    PARTIAL = "partial"
    WRONG = "wrong"
    EXTRA = "extra"
    COMPLETE = "complete"


class HeldState(StrEnum):
    """Of one track; see the module."""

    HELD = "held"
    ELSEWHERE = "elsewhere"
    WRONG = "wrong"
    MISSING = "missing"


FAR_FACTOR: Final = 4
"""So many times the grace between two rips: another length is another recording, or a cut one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTrack:
    """A track of the target, in its order. Of a recording: disc and position 1."""

    disc: int
    position: int
    title: str
    recording_mbid: uuid.UUID | None
    length_ms: int | None = None
    artist: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """A file of the library. `here`: it is filed as part of the target's release, at (`disc`, `position`), 0 where nobody knows.

    `proven`: its recording was heard, not only named by tags.
    """

    key: int
    here: bool
    recording_mbid: uuid.UUID | None = None
    proven: bool = False
    disc: int = 0
    position: int = 0
    duration_ms: int | None = None
    title: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackHeld:
    """A track with the file that stands for it. `code`: why it is wrong or how sure it is."""

    track: WantedTrack
    state: HeldState
    file: HeldFile | None = None
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReport:
    """The whole of it."""

    state: TargetState
    tracks: tuple[TrackHeld, ...] = ()
    extra: tuple[HeldFile, ...] = ()

    def count(self, *states: HeldState) -> int:
        """How many tracks are in one of these states."""
        return sum(1 for one in self.tracks if one.state in states)

    @property
    def to_get(self) -> tuple[WantedTrack, ...]:
        """Tracks that a job would fetch: the missing and the wrong."""
        return tuple(one.track for one in self.tracks if one.state in {HeldState.MISSING, HeldState.WRONG})


def target_report(tracks: Sequence[WantedTrack], files: Iterable[HeldFile]) -> TargetReport:
    """Compare. Files of recordings that the target does not have and that are not filed as part of it are ignored."""
    if not tracks:
        return TargetReport(state=TargetState.UNKNOWN)
    pool = sorted(files, key=lambda one: (not one.here, not one.proven, one.key))
    used: set[int] = set()
    held: dict[int, TrackHeld] = {}
    order = sorted(range(len(tracks)), key=lambda index: (tracks[index].disc, tracks[index].position))
    places = {(tracks[index].disc, tracks[index].position): index for index in order}

    def settle(index: int, state: HeldState, file: HeldFile, code: str = "") -> None:
        used.add(file.key)
        held[index] = TrackHeld(track=tracks[index], state=state, file=file, code=code)

    # Files of the very recording: at their own place first, then wherever they stand in the release, then in other releases.
    for at_place, here in ((True, True), (False, True), (False, False)):
        for index in order:
            if index in held:
                continue
            track = tracks[index]
            for file in pool:
                if file.key in used or file.here is not here or track.recording_mbid is None:
                    continue
                if file.recording_mbid != track.recording_mbid:
                    continue
                if at_place and (file.disc, file.position) != (track.disc, track.position):
                    continue
                settle(
                    index,
                    HeldState.HELD if here else HeldState.ELSEWHERE,
                    file,
                    "" if file.proven else "target_by_tags",
                )
                break
    # Then what stands at a place without being that recording.
    for file in pool:
        if file.key in used or not file.here:
            continue
        place = places.get((file.disc, file.position))
        if place is None or (place in held and held[place].state is not HeldState.ELSEWHERE):
            continue
        track = tracks[place]
        if file.proven and file.recording_mbid is not None and track.recording_mbid is not None:
            code = "target_other_recording"
        elif _other_length(file.duration_ms, track.length_ms):
            code = "target_other_length"
        else:
            settle(place, HeldState.HELD, file, "target_by_place")
            continue
        if place not in held:
            settle(place, HeldState.WRONG, file, code)
    found = tuple(held.get(index, TrackHeld(track=tracks[index], state=HeldState.MISSING)) for index in order)
    extra = tuple(sorted((one for one in pool if one.here and one.key not in used), key=_place))
    return TargetReport(state=_state(found, extra), tracks=found, extra=extra)


def report_by_likeness(
    tracks: Sequence[WantedTrack], found: Sequence[tuple[HeldFile, Verification] | None]
) -> TargetReport:
    """Of a release that no recording ids tell apart: for each track the file that is like it, and how sure that is. Nothing can be wrong or extra."""
    if not tracks:
        return TargetReport(state=TargetState.UNKNOWN)
    held = tuple(
        TrackHeld(track=track, state=HeldState.MISSING)
        if one is None
        else TrackHeld(track=track, state=HeldState.HELD, file=one[0], code=f"target_by_{one[1].value}")
        for track, one in zip(tracks, found, strict=True)
    )
    return TargetReport(state=_state(held, ()), tracks=held)


def verification_of(held: TrackHeld) -> str:
    """How sure it is that the file is the track: the level, "" where tags or the place alone say so."""
    if held.file is None or held.state is HeldState.WRONG:
        return ""
    levels = {f"target_by_{one.value}": one.value for one in (Verification.DURATION, Verification.CONSENSUS)}
    return levels.get(held.code) or (Verification.FINGERPRINT.value if held.file.proven and not held.code else "")


def _state(tracks: Sequence[TrackHeld], extra: Sequence[HeldFile]) -> TargetState:
    states = [one.state for one in tracks]
    if HeldState.WRONG in states:
        return TargetState.WRONG
    if HeldState.MISSING in states:
        return TargetState.ABSENT if set(states) == {HeldState.MISSING} and not extra else TargetState.PARTIAL
    return TargetState.EXTRA if extra else TargetState.COMPLETE


def _other_length(mine: int | None, theirs: int | None) -> bool:
    if not mine or not theirs:
        return False
    return abs(mine - theirs) > FAR_FACTOR * max(GRACE_MS, GRACE_SHARE * theirs)


def _place(file: HeldFile) -> tuple[int, int, int]:
    return (file.disc, file.position, file.key)
