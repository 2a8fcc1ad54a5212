"""What the seeding core wants done, one value per deed. Whoever pumps it carries them out in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from overlay_node.protocol.messages import ChunkError, ChunkRequest, PayloadRequest
from overlay_node.protocol.states import SEEDER, SeederEvent, SeederState, advance
from overlay_node.swarm.choice import PayloadKey

BlobT = TypeVar("BlobT")
"""where the bytes come from; the core hands it through and never looks inside"""
Ranges: TypeAlias = tuple[tuple[int, int], ...]
_E: Final = SeederEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Generic[BlobT]):
    """A payload that can be served, as it was found."""

    blob: BlobT
    payload_bytes: int
    leaf_bytes: int
    leaf_count: int
    manifest_bytes: int
    """of its leaf hashes"""
    have: Callable[[], Ranges]
    """leaves that can be read now; asked for manifests, for partial payloads once a second, and after a failed read"""


@dataclass(slots=True, kw_only=True)
class Served(Generic[BlobT]):
    """One transfer of one peer, as its seeder. Mutable: it is counted at every chunk."""

    transfer_id: str
    key: PayloadKey
    offer: Offer[BlobT]
    since: float
    """when its state was entered, or the peer last asked (not once it has ended)"""
    told: set[int] | None = None
    """leaves the peer knows that we have; None = all there are"""
    state: SeederState = SeederState.IDLE
    queued: int = 0
    """requests that wait"""
    reading: int = 0
    """requests being read or sent"""
    sent_bytes: int = 0

    def on(self, event: SeederEvent, now: float) -> bool:
        """Follow the table; False when the event means nothing in this state."""
        if event not in SEEDER[self.state]:
            return False
        before, self.state = self.state, advance(SEEDER, self.state, event)
        if before is not SeederState.DONE or self.state is not SeederState.DONE:
            self.since = now
        return True

    @property
    def is_live(self) -> bool:
        """An offer, or being served."""
        return self.state in _LIVE


_LIVE: Final = frozenset({SeederState.PENDING, SeederState.SERVING, SeederState.THROTTLED})


@dataclass(slots=True, kw_only=True, eq=False)
class Upload(Generic[BlobT]):
    """A request that was accepted: a chunk, or a manifest. Mutable; handed back to the core when it was carried out."""

    link: int
    served: Served[BlobT]
    request: ChunkRequest | PayloadRequest
    cost: int
    """bytes it is charged with"""
    give_up_at: float
    """by then its peer has lost patience: an answer that says so is worth more than the bytes"""
    cancelled: bool = False
    """its peer took it back while it was under way: nothing need be sent"""


@dataclass(frozen=True, slots=True)
class FindPayload:
    """Look for what is asked for, then `payload_found` or `payload_missing`."""

    link: int
    request: PayloadRequest


@dataclass(frozen=True, slots=True)
class SendManifest(Generic[BlobT]):
    """Then `upload_done`."""

    upload: Upload[BlobT]
    have: Ranges


@dataclass(frozen=True, slots=True)
class SendChunk(Generic[BlobT]):
    """Read the range and send it, then `upload_done`; or `upload_failed`."""

    upload: Upload[BlobT]
    request: ChunkRequest
    eof: bool
    """it ends where the payload ends"""


@dataclass(frozen=True, slots=True)
class RefuseChunk:
    link: int
    request: ChunkRequest
    code: ChunkError
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class RefuseManifest:
    link: int
    request: PayloadRequest
    code: str
    """policy, not_found, io_error or rate_limited"""
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class SendHave:
    link: int
    payload_root: bytes
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class CloseLink:
    """The peer does not stop asking for what it was refused: close, and count it against it."""

    link: int
    code: str


SeedingAction: TypeAlias = (
    FindPayload | SendManifest[BlobT] | SendChunk[BlobT] | RefuseChunk | RefuseManifest | SendHave | CloseLink
)
