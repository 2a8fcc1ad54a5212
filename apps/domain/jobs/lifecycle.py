"""The states of jobs, their tracks, wants and transfers, and the only moves between them.

A **job** is what a person asked for. It is `pending` until a worker resolves it, `resolving` while the tracklist is fetched, `running`
while its tracks are on their way, and ends `completed` (every track placed), `partial` (some), `failed` or `cancelled`. A person may pause
anything that has not ended, and retry what ended badly.

A **job track** waits for its want (`wanted`), follows the node's work (`downloading`), is checked by a worker (`verifying`), and ends
`completed`, `failed` or `cancelled`. A payload that turns out to be another recording sends it back to `wanted`: the next payload is tried.

A **transfer** is one payload on its way into this node; the node alone moves it. `fetching` → `assembled` (all leaves verified, file on
disk) → `accepted` or `rejected` by the worker's verdict, `rejected` also while it is fetched, when its first two minutes are another recording; `stopped` when the want was cancelled or another payload took its place (of a paused want it
stays live, and goes on where it was); `failed` when it can't go on (with a code). A want has at most two live ones: the primary, and beside it a
fallback to another payload while the primary stalls. They share no bytes. When one is accepted the other is stopped and its partial file removed;
when one is rejected or stopped the other goes on, and is the primary from then on.

Tables are data: tests walk them, docs are drawn from them, and rows move only by `apps.common.transitions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """State of a Job row."""

    PENDING = "pending"
    RESOLVING = "resolving"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TrackState(StrEnum):
    """State of a JobTrack row."""

    WANTED = "wanted"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class WantDesired(StrEnum):
    """What the control plane wants of the node; the node never writes it."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    SATISFIED = "satisfied"


class WantPhase(StrEnum):
    """What the node is doing for a want; the control plane never writes it."""

    SEEKING = "seeking"
    NO_SOURCE = "no_source"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    PAUSED = "paused"
    BLOCKED = "blocked"
    DONE = "done"


class TransferState(StrEnum):
    """State of a Transfer row."""

    FETCHING = "fetching"
    ASSEMBLED = "assembled"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    STOPPED = "stopped"
    FAILED = "failed"


class TransferRole(StrEnum):
    """What a live transfer is to its want: there is at most one of each, and a primary wherever there is any."""

    PRIMARY = "primary"
    FALLBACK = "fallback"
    """another payload, fetched beside a primary that stalls; whichever stands complete first is verified first"""


JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.RESOLVING, JobState.PAUSED, JobState.CANCELLED, JobState.FAILED}),
    JobState.RESOLVING: frozenset(
        {JobState.RUNNING, JobState.PENDING, JobState.PAUSED, JobState.CANCELLED, JobState.FAILED}
    ),
    JobState.RUNNING: frozenset(
        {JobState.COMPLETED, JobState.PARTIAL, JobState.FAILED, JobState.PAUSED, JobState.CANCELLED}
    ),
    JobState.PAUSED: frozenset({JobState.PENDING, JobState.RUNNING, JobState.CANCELLED}),
    JobState.PARTIAL: frozenset({JobState.PENDING, JobState.RUNNING}),  # pending: imported, without tracks of its own
    JobState.FAILED: frozenset({JobState.PENDING, JobState.RUNNING}),
    JobState.CANCELLED: frozenset({JobState.PENDING, JobState.RUNNING}),
    JobState.COMPLETED: frozenset(),
}
JOB_ENDED = frozenset({JobState.COMPLETED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED})

TRACK_MOVES: Mapping[TrackState, frozenset[TrackState]] = {
    TrackState.WANTED: frozenset(
        {TrackState.DOWNLOADING, TrackState.VERIFYING, TrackState.FAILED, TrackState.CANCELLED}
    ),
    TrackState.DOWNLOADING: frozenset(
        {TrackState.WANTED, TrackState.VERIFYING, TrackState.FAILED, TrackState.CANCELLED}
    ),
    TrackState.VERIFYING: frozenset({TrackState.WANTED, TrackState.COMPLETED, TrackState.FAILED, TrackState.CANCELLED}),
    TrackState.FAILED: frozenset({TrackState.WANTED}),
    TrackState.CANCELLED: frozenset({TrackState.WANTED}),
    TrackState.COMPLETED: frozenset(),
}
TRACK_ENDED = frozenset({TrackState.COMPLETED, TrackState.FAILED, TrackState.CANCELLED})

TRANSFER_MOVES: Mapping[TransferState, frozenset[TransferState]] = {
    TransferState.FETCHING: frozenset(
        {TransferState.ASSEMBLED, TransferState.REJECTED, TransferState.STOPPED, TransferState.FAILED}
    ),
    TransferState.ASSEMBLED: frozenset(
        {TransferState.ACCEPTED, TransferState.REJECTED, TransferState.STOPPED, TransferState.FETCHING}
    ),
    TransferState.ACCEPTED: frozenset(),
    TransferState.REJECTED: frozenset(),
    TransferState.STOPPED: frozenset(),
    TransferState.FAILED: frozenset(),
}
TRANSFER_LIVE = frozenset({TransferState.FETCHING, TransferState.ASSEMBLED})


def job_state_of_tracks(tracks: Mapping[TrackState, int]) -> JobState:
    """The state of a running job, told by how many of its tracks are in which state."""
    total = sum(tracks.values())
    ended = sum(tracks.get(state, 0) for state in TRACK_ENDED)
    completed = tracks.get(TrackState.COMPLETED, 0)
    if total == 0:
        return JobState.FAILED
    if ended < total:
        return JobState.RUNNING
    if completed == total:
        return JobState.COMPLETED
    return JobState.PARTIAL if completed else JobState.FAILED
