"""The states of everything that is asked of Soulseek, and which may follow which. Rows move only along these tables, by one conditional UPDATE. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class SearchState(StrEnum):
    """One caller's search. `queued`: it waits for the budget; `running`: answers are collected."""

    QUEUED = "queued"
    RUNNING = "running"
    OVER = "over"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


class HuntState(StrEnum):
    """What is looked for on Soulseek: a job's release or recording, or the words of a wish.

    `searching`: queries of the ladder are out. `choosing`: answers are being weighed. `asking`: a person picks (automatic downloads are off). `fetching`: a
    batch of downloads is under way. `wishing`: nothing (more) was found; it is looked for again at the wishlist's pace.
    """

    SEARCHING = "searching"
    CHOOSING = "choosing"
    ASKING = "asking"
    FETCHING = "fetching"
    WISHING = "wishing"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


HUNT_MOVES: Final[Mapping[HuntState, frozenset[HuntState]]] = {
    HuntState.SEARCHING: frozenset(HuntState) - {HuntState.SEARCHING},
    HuntState.CHOOSING: frozenset(HuntState) - {HuntState.CHOOSING},
    HuntState.ASKING: frozenset(HuntState) - {HuntState.ASKING},
    HuntState.FETCHING: frozenset(HuntState) - {HuntState.FETCHING},
    HuntState.WISHING: frozenset(HuntState) - {HuntState.WISHING},
    HuntState.PAUSED: frozenset({HuntState.SEARCHING, HuntState.WISHING, HuntState.DONE, HuntState.CANCELLED}),
    HuntState.DONE: frozenset({HuntState.SEARCHING}),
    HuntState.CANCELLED: frozenset({HuntState.SEARCHING}),
}
HUNT_LIVE: Final = frozenset(HuntState) - {HuntState.DONE, HuntState.CANCELLED}


class DownloadDesired(StrEnum):
    """What is wanted of a download. Written by the control plane."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class DownloadState(StrEnum):
    """Where a download stands. Written by the node.

    `waiting`: its turn has not come here (limits per user and in all). `asked`: the sharer was asked and has not answered. `queued`: it waits at the sharer.
    `connecting`: the sharer calls. `receiving`: bytes arrive. `interrupted`: the stream broke and is asked for again. `whole`: every byte is here and is
    being made a payload, or judged. The rest are ends; each says in its own way why.
    """

    WAITING = "waiting"
    ASKED = "asked"
    QUEUED = "queued"
    CONNECTING = "connecting"
    RECEIVING = "receiving"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    WHOLE = "whole"
    SUCCEEDED = "succeeded"
    ENOUGH = "enough"
    """the mesh (or another stream) had the rest first; a good end"""
    REJECTED = "rejected"
    """it is not what was asked for: wrong recording, broken, shorter than told"""
    REFUSED = "refused"
    """the sharer won't: not shared, banned, too many files"""
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    ERRORED = "errored"
    """on our side: disk full, unreadable folder"""
    ABORTED = "aborted"
    """the sharer went away and did not come back"""


DOWNLOAD_ENDS: Final = frozenset(
    {
        DownloadState.SUCCEEDED,
        DownloadState.ENOUGH,
        DownloadState.REJECTED,
        DownloadState.REFUSED,
        DownloadState.TIMED_OUT,
        DownloadState.CANCELLED,
        DownloadState.ERRORED,
        DownloadState.ABORTED,
    }
)
_BEFORE_WHOLE: Final = frozenset(
    {
        DownloadState.WAITING,
        DownloadState.ASKED,
        DownloadState.QUEUED,
        DownloadState.CONNECTING,
        DownloadState.RECEIVING,
        DownloadState.INTERRUPTED,
        DownloadState.PAUSED,
    }
)
DOWNLOAD_MOVES: Final[Mapping[DownloadState, frozenset[DownloadState]]] = {
    **{
        state: (_BEFORE_WHOLE - {state}) | {DownloadState.WHOLE} | (DOWNLOAD_ENDS - {DownloadState.SUCCEEDED})
        for state in _BEFORE_WHOLE
    },
    DownloadState.WHOLE: frozenset(
        {
            DownloadState.SUCCEEDED,
            DownloadState.ENOUGH,
            DownloadState.REJECTED,
            DownloadState.CANCELLED,
            DownloadState.ERRORED,
            DownloadState.WAITING,
        }
    ),
    **{state: frozenset() for state in DOWNLOAD_ENDS},
}


class UploadState(StrEnum):
    """A file that somebody asked of us. Written by the node."""

    QUEUED = "queued"
    CONNECTING = "connecting"
    SENDING = "sending"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    ERRORED = "errored"
    ABORTED = "aborted"


UPLOAD_ENDS: Final = frozenset(UploadState) - {UploadState.QUEUED, UploadState.CONNECTING, UploadState.SENDING}


class RescueState(StrEnum):
    """A rescue of one download. `refused`: a guardrail said no (`code`), recorded and shown. `recovered`: Soulseek does well again and goes on alone."""

    LOOKING = "looking"
    ACTIVE = "active"
    RECOVERED = "recovered"
    FINISHED = "finished"
    REFUSED = "refused"
    NO_SOURCE = "no_source"
    ENDED = "ended"


class Outcome(StrEnum):
    """What came of a source, for a target. Those in FOR_GOOD are never asked again for it."""

    SUCCEEDED = "succeeded"
    WRONG_RECORDING = "wrong_recording"
    BROKEN = "broken"
    NOT_SHARED = "not_shared"
    BANNED = "banned"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    WENT_AWAY = "went_away"
    TOO_SLOW = "too_slow"


FOR_GOOD: Final = frozenset({Outcome.WRONG_RECORDING, Outcome.BROKEN, Outcome.NOT_SHARED, Outcome.BANNED})
