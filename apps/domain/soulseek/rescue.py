"""A rescue's life: looking → active → recovered, finished, without a source, refused or ended. Pure; `now` is monotonic seconds.

Whether a stream is in trouble, and when it is well again, has its own hysteresis (`performance`). What the mesh may give follows from the guardrails: a
refusal for the ratio holds until there is room for more than a leaf, so that each byte of Soulseek does not end and begin a rescue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param
from apps.domain.soulseek.guardrails import Ruling
from apps.domain.soulseek.states import DownloadState, RescueState

LOOK_S: Final = 60.0
"""Without a source for so long, it says so; it goes on looking."""
RESUME_BYTES: Final = 1 << 20
"""Room under the ratio from which on a rescue that reached it goes on."""
TAGS_BYTES: Final = 64 << 10
"""A payload may be so much shorter than what a stream's header tells: tags at the end of the file are known only when it is whole."""
RATIO: Final = "rescue_ratio_reached"
RESCUE_LIVE: Final = frozenset({RescueState.LOOKING, RescueState.ACTIVE})
RESCUE_OVER: Final = frozenset({RescueState.RECOVERED, RescueState.FINISHED, RescueState.ENDED})
_UNGOVERNED: Final = frozenset({"rescue_too_many"})
"""Refusals that say nothing against what the mesh gives already."""


class Mesh(StrEnum):
    """What the mesh fetches of the stream's want."""

    NONE = "none"
    UNSURE = "unsure"
    """something; whether it is the stream's payload is not known yet"""
    SAME = "same"
    """the stream's payload: its leaves hashed right"""
    OTHER = "other"
    """another payload of the recording"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is seen of a stream and of the mesh beside it. `budget`: bytes that the mesh may still give; None: as many as it likes."""

    trouble: str = ""
    ruling: Ruling
    budget: int | None = None
    mesh: Mesh = Mesh.NONE
    moves: bool = False
    """peers of the mesh have something to give"""
    mesh_whole: bool = False
    stream_whole: bool = False
    stream_ended: str = ""
    """the code of its end"""


@dataclass(slots=True, kw_only=True)
class RescueCore:
    """One rescue. Told four times a second what is seen, it says how it stands. Mutable."""

    state: RescueState | None = None
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    _idle_since: float | None = None

    @property
    def live(self) -> bool:
        """The mesh helps, or is asked to."""
        return self.state in RESCUE_LIVE

    @property
    def over(self) -> bool:
        """It does not come back; new trouble is a new rescue."""
        return self.state in RESCUE_OVER

    def step(self, sight: Sight, now: float) -> bool:
        """True: it stands otherwise than before."""
        if self.over:
            return False
        before = (self.state, self.code)
        self._look(sight, now)
        return (self.state, self.code) != before

    def allowance(self, budget: int | None) -> float | None:
        """What may be asked of the mesh now: bytes; None: as many as there are."""
        match self.state:
            case None | RescueState.FINISHED | RescueState.ENDED:
                return None
            case RescueState.RECOVERED:
                return 0.0
            case RescueState.REFUSED:
                return None if self.code in _UNGOVERNED else 0.0
            case _:
                return float(budget) if budget is not None else None

    def _look(self, sight: Sight, now: float) -> None:
        if self.state is None and not sight.trouble:
            return
        if sight.mesh_whole:
            self._to(
                RescueState.FINISHED, "rescue_finished" if sight.mesh is not Mesh.OTHER else "rescue_other_payload"
            )
        elif sight.stream_whole:
            self._to(RescueState.RECOVERED, "rescue_stream_whole")
        elif sight.stream_ended:
            self._to(RescueState.ENDED, "rescue_stream_ended", {"end": sight.stream_ended})
        elif not sight.trouble:
            self._to(RescueState.RECOVERED, "rescue_recovered")
        elif not sight.ruling.allowed:
            self._to(RescueState.REFUSED, sight.ruling.code, sight.ruling.params)
        elif self._waits_for_room(sight.budget):
            pass
        elif sight.mesh is not Mesh.NONE and sight.moves:
            self._idle_since = None
            code = {Mesh.SAME: "rescue_same_payload", Mesh.OTHER: "rescue_other_payload"}.get(sight.mesh)
            self._to(RescueState.ACTIVE, code or sight.ruling.code)
        else:
            self._without(sight, now)

    def _without(self, sight: Sight, now: float) -> None:
        """Nobody has anything to give."""
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since >= LOOK_S:
            self._to(RescueState.NO_SOURCE, "rescue_no_source")
        elif self.state not in {RescueState.ACTIVE, RescueState.NO_SOURCE}:
            self._to(RescueState.LOOKING, sight.ruling.code)

    def _waits_for_room(self, budget: int | None) -> bool:
        refused = self.state is RescueState.REFUSED and self.code == RATIO
        return refused and budget is not None and budget < RESUME_BYTES

    def _to(self, state: RescueState, code: str, params: Mapping[str, Param] | None = None) -> None:
        if (state, code) != (self.state, self.code) or params:
            self.state, self.code, self.params = state, code, dict(params or {})


def settled(state: RescueState, end: DownloadState, *, code: str, overlay_bytes: int) -> RescueCore:
    """How a rescue stands whose download ended while nobody looked, because the node was killed: as if it had seen the end."""
    core = RescueCore(state=state)
    sight = Sight(
        ruling=Ruling(allowed=True, code="rescue_allowed", params={}),
        mesh_whole=end is DownloadState.ENOUGH and overlay_bytes > 0,
        stream_whole=end in {DownloadState.WHOLE, DownloadState.SUCCEEDED},
        stream_ended=code or end.value,
    )
    core.step(sight, 0.0)
    return core


def may_equal(*, stream_bytes: int, claimed_bytes: int) -> bool:
    """May a claimed payload be that of a stream whose header tells so many bytes?"""
    return 0 <= stream_bytes - claimed_bytes <= TAGS_BYTES


def stop_leaf(held: Sequence[tuple[int, int]], *, streamed: int, leaves: int, mesh_goes_on: bool) -> int | None:
    """The leaf before which a stream that brought `streamed` whole ones may stop; None: it goes on.

    That is the first one held already, if all behind it is held too; or, while the mesh goes on, at least half of what is behind it: a stream that went on
    would bring more that is here than what is not. Leaves that happen to be held in the middle don't stop it.
    """
    rest = [(max(first, streamed), end) for first, end in held if end > streamed]
    if not rest:
        return None
    first = rest[0][0]
    missing = leaves - first - sum(end - at for at, end in rest)
    return first if missing <= 0 or (mesh_goes_on and 2 * missing <= leaves - first) else None
