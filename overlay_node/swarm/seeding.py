"""The seeding side of a node: who is served what, when, and what everybody else is told. No I/O: events and `now` in, actions out.

Theory. What a peer asks for passes four gates.

1. *Is it right?* A transfer that was never offered (or ended long ago) is not_found, a range outside the payload invalid_range.
2. *Is it the peer's turn?* At most `slots` peers are served at once (`upload_slots`); the others are told when to come back. How many slots make
   sense depends on the line: below SHARE_S seconds for a leaf each, there are fewer.
3. *Can it be answered in time?* The rate limits say how long what the peer has queued will take. When that is longer than the peer will wait (twice
   its deadline), it is told so at once: rate_limited, and when to ask again. Queues are bounded, per peer and in all.
4. *Fair order.* Deficit round robin over peers (Shreedhar & Varghese 1995), in bytes: each visit adds QUANTUM_BYTES to what a peer may have, and it is
   served while that covers its next request. Between two peers that always have something queued the bytes served differ by no more than one
   chunk and one quantum. It goes by peer, not by link or transfer, so more of either gain nothing. Priorities order a peer's own requests only.

Costs. Every answer, manifests included, is charged with its bytes, and at least MIN_CHARGE_BYTES, to the peer's share and to the limits of rate: a
request of one byte costs a read and a message like any other. A refusal is charged to the peer's share, and a peer that lives on refusals is
closed (REFUSALS_PER_S); it is not charged to the node's limit, or refusals would be a way to spend everybody's.

The states of a transfer are `protocol.states.SEEDER`. THROTTLED is one whose next chunk waits for a limit. Ended ones are kept for 5 minutes, in which
late duplicates are still answered. A file that changed makes its transfer REJECTED, and everything asked of it not_found.

Who pumps it carries out the actions in order and hands each upload back (`upload_done`, `upload_failed`); at most READS_AT_ONCE of a peer are out.
It tells when a link's socket is full (`link_blocked`) and when it is not (`link_writable`), calls `tick` once a second and at `wake_at`.
Work per request is constant but for a peer's own queue, which is short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from math import ceil, inf
from typing import Final, Generic

from overlay_node.protocol.limits import (
    DEFAULT_LEAF_BYTES,
    DONE_KEPT_S,
    KIB,
    MAX_CHUNK_BYTES,
    MAX_HAVE_RANGES,
    MAX_PRIORITY,
    NEGOTIATING_TIMEOUT_S,
    OFFER_TTL_S,
)
from overlay_node.protocol.messages import ChunkCancel, ChunkError, ChunkRequest, PayloadRequest
from overlay_node.protocol.rates import TokenBucket
from overlay_node.protocol.states import SeederEvent, SeederState
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import largest_ranges, leaves_of, ranges_of
from overlay_node.swarm.rate_limits import ByteBucket, Direction, RateLimits
from overlay_node.swarm.seeding_actions import (
    BlobT,
    CloseLink,
    FindPayload,
    Offer,
    RefuseChunk,
    RefuseManifest,
    SeedingAction,
    SendChunk,
    SendHave,
    SendManifest,
    Served,
    Upload,
)
from overlay_node.swarm.upload_slots import MAX_RETRY_S, UploadSlots

QUANTUM_BYTES: Final = (
    256 * KIB
)  # a leaf of today's format: peers alternate leaf by leaf; the largest request takes two visits
MIN_CHARGE_BYTES: Final = (
    16 * KIB
)  # a message, a lookup and a read cost about as much CPU as sending this much (measured: 15-20 us)
MAX_QUEUED_PER_PEER: Final = 16  # two links (one of them draining) with the 8 requests each that the protocol accepts
MAX_QUEUED: Final = 1024  # over all peers: 0.5 GiB of answers at most, and less than a megabyte of memory
MAX_FINDING_PER_PEER: Final = 8  # manifests being looked for
MAX_SERVED_PER_PEER: Final = 128  # transfers of one link that we remember: a box set at once
MAX_SERVED_OF_ONE_PAYLOAD: Final = (
    4  # of those: each holds a leaf list, and a peer may make up as many transfer ids as it likes
)
READS_AT_ONCE: Final = 2  # per peer: one chunk is read while the one before it is written
SHARE_S: Final = (
    5.0  # a peer that is served gets a leaf at least this often, or there are too many: half of a peer's patience
)
MIN_PATIENCE_S: Final = 1.0  # a deadline below is taken for this
REFUSALS_PER_S: Final = 50.0  # eight transfers of an honest peer, four requests each, once a second, with room
REFUSALS_BURST: Final = 200.0
RATE_DECAY: Final = 0.3  # weight of the last second in a peer's rate

_E = SeederEvent
_ENDED: Final = frozenset({SeederState.DONE, SeederState.REJECTED})
_OFFERED: Final = frozenset(SeederState) - {SeederState.IDLE, SeederState.REJECTED}


class _Link(Generic[BlobT]):
    """One link: the transfers offered over it, and whether its socket is full."""

    __slots__ = ("blocked", "key", "peer", "served", "under_way")

    def __init__(self, key: int, peer: _Peer[BlobT]) -> None:
        self.key = key
        self.peer = peer
        self.served: dict[str, Served[BlobT]] = {}
        self.under_way: list[Upload[BlobT]] = []
        self.blocked = False


class _Peer(Generic[BlobT]):
    """One peer's queue and its account in the round robin."""

    __slots__ = (
        "bucket",
        "deficit",
        "finding",
        "granted",
        "in_ring",
        "key",
        "links",
        "parked_until",
        "queue",
        "queued_cost",
        "rate_bps",
        "reading",
        "refusals",
        "sent_bytes",
        "told_bytes",
    )

    def __init__(self, key: str, bucket: ByteBucket, now: float) -> None:
        self.key = key
        self.bucket = bucket
        self.links: set[int] = set()
        self.queue: deque[Upload[BlobT]] = deque()
        self.queued_cost = 0
        self.deficit = 0
        self.granted = False
        """its visit has begun: the quantum was added"""
        self.in_ring = False
        self.parked_until: float | None = None
        """its own limit holds it"""
        self.reading = 0
        self.finding = 0
        self.refusals = TokenBucket(rate=REFUSALS_PER_S, burst=REFUSALS_BURST, now=now)
        self.sent_bytes = 0
        self.told_bytes = 0
        self.rate_bps = 0.0

    @property
    def is_busy(self) -> bool:
        return bool(self.queue or self.reading or self.finding)


class Seeding(Generic[BlobT]):
    """`slots`: most peers served at once. `policy_code`: why nothing may be served ("" = it may)."""

    def __init__(self, *, limits: RateLimits, slots: int, now: float, policy_code: str = "") -> None:
        self.policy_code = policy_code
        self.wake_at: float | None = None
        """when `tick` has something to do before the next second; None = nothing"""
        self._limits: Final = limits
        self._bucket: Final = limits.node_budget(Direction.UP)
        self._most_slots = slots
        self._slots: Final = UploadSlots(slots)
        self._links: Final[dict[int, _Link[BlobT]]] = {}
        self._peers: Final[dict[str, _Peer[BlobT]]] = {}
        self._ring: Final[deque[_Peer[BlobT]]] = deque()
        self._parked: Final[set[_Peer[BlobT]]] = set()
        self._parked_until = inf
        self._queued = 0
        self._queued_cost = 0
        self._ticked = now
        self._swept = now
        self._fit_slots()

    # ---- events: links

    def link_opened(self, link: int, peer: str, now: float) -> None:
        """A link that may ask. `link` is any number that is not used again."""
        account = self._peers.get(peer)
        if account is None:
            account = self._peers[peer] = _Peer(peer, self._limits.peer_budget(Direction.UP, peer, now), now)
        account.links.add(link)
        self._links[link] = _Link(link, account)

    def link_closed(self, link: int, now: float) -> list[SeedingAction[BlobT]]:
        """Everything of this link ends; nothing of it is answered any more."""
        gone = self._links.pop(link, None)
        if gone is None:
            return []
        peer = gone.peer
        peer.links.discard(link)
        peer.reading -= len(gone.under_way)
        for upload in [upload for upload in peer.queue if upload.link == link]:
            self._unqueue(peer, upload, now)
        if not peer.links:
            self._leave_ring(peer)
            self._slots.leave(peer.key)
            self._peers.pop(peer.key, None)
            self._limits.forget_peer(Direction.UP, peer.key)
        else:
            self._settle(peer, now)
        return self._pump(now, [])

    def link_blocked(self, link: int) -> None:
        """Its socket takes nothing more."""
        blocked = self._links.get(link)
        if blocked is not None and not blocked.blocked:
            blocked.blocked = True
            if (turn := self._slots.turn_of(blocked.peer.key)) is not None:
                turn.stalled = True
            peer = blocked.peer
            if peer.in_ring and peer.queue and peer.queue[0].link == link:
                self._leave_ring(peer)

    def link_writable(self, link: int, now: float) -> list[SeedingAction[BlobT]]:
        """Its socket takes more."""
        writable = self._links.get(link)
        if writable is None or not writable.blocked:
            return []
        writable.blocked = False
        if (turn := self._slots.turn_of(writable.peer.key)) is not None:
            turn.stalled = False
        self._enter_ring(writable.peer)
        return self._pump(now, [])

    # ---- events: requests

    def manifest_requested(self, link: int, request: PayloadRequest, now: float) -> list[SeedingAction[BlobT]]:
        """A peer wants to know a payload's leaves."""
        asker = self._links.get(link)
        if asker is None:
            return []
        if self.policy_code:
            return self._refuse(asker, RefuseManifest(link, request, self.policy_code), now)
        actions: list[SeedingAction[BlobT]] = []
        retry_after_s = self._turn_of(asker.peer, now, actions)
        if not retry_after_s and (asker.peer.finding >= MAX_FINDING_PER_PEER or self._is_full(asker.peer)):
            retry_after_s = self._wait_s(asker.peer, asker.peer.queued_cost, now)
        if retry_after_s:
            return actions + self._refuse(asker, RefuseManifest(link, request, "rate_limited", retry_after_s), now)
        asker.peer.finding += 1
        actions.append(FindPayload(link, request))
        return actions

    def payload_found(
        self, link: int, request: PayloadRequest, offer: Offer[BlobT], now: float
    ) -> list[SeedingAction[BlobT]]:
        """What `FindPayload` asked for is here."""
        asker = self._links.get(link)
        if asker is None:
            return []
        peer = asker.peer
        peer.finding -= 1
        key = PayloadKey(request.payload_format, request.payload_root)
        served = asker.served.get(request.transfer_id)
        if served is None or served.key != key or served.state is SeederState.REJECTED:
            if served is not None:
                self._drop_requests(asker, served, now)
            if not self._has_room(asker, key):
                self._settle(peer, now)
                return self._refuse(asker, RefuseManifest(link, request, "rate_limited", 60), now)
            served = Served(transfer_id=request.transfer_id, key=key, offer=offer, since=now, told=set())
            asker.served[request.transfer_id] = served
        served.offer = offer
        cost = min(max(offer.manifest_bytes, MIN_CHARGE_BYTES), MAX_CHUNK_BYTES)
        if retry_after_s := self._delay(peer, cost, NEGOTIATING_TIMEOUT_S, now):
            self._settle(peer, now)
            return self._refuse(asker, RefuseManifest(link, request, "rate_limited", retry_after_s), now)
        self._enqueue(asker, served, request, cost, now + NEGOTIATING_TIMEOUT_S)
        return self._pump(now, [])

    def payload_missing(self, link: int, request: PayloadRequest, code: str, now: float) -> list[SeedingAction[BlobT]]:
        """What `FindPayload` asked for is not here: `not_found` or `io_error`."""
        asker = self._links.get(link)
        if asker is None:
            return []
        asker.peer.finding -= 1
        self._settle(asker.peer, now)
        return self._refuse(asker, RefuseManifest(link, request, code), now)

    def chunk_requested(self, link: int, request: ChunkRequest, now: float) -> list[SeedingAction[BlobT]]:
        """A peer wants a range."""
        asker = self._links.get(link)
        if asker is None:
            return []
        served = asker.served.get(request.transfer_id)
        if served is None or served.key.payload_root != request.payload_root or served.state not in _OFFERED:
            return self._refuse(asker, RefuseChunk(link, request, ChunkError.NOT_FOUND), now)
        if not 0 < request.length <= MAX_CHUNK_BYTES or not (
            0 <= request.offset <= served.offer.payload_bytes - request.length
        ):
            return self._refuse(asker, RefuseChunk(link, request, ChunkError.INVALID_RANGE), now)
        actions: list[SeedingAction[BlobT]] = []
        peer = asker.peer
        retry_after_s = self._turn_of(peer, now, actions)
        cost = max(request.length, MIN_CHARGE_BYTES)
        patience = max(MIN_PATIENCE_S, request.deadline_ms / 500)
        if not retry_after_s:
            retry_after_s = self._delay(peer, cost, patience, now)
        if retry_after_s:
            self._settle(peer, now)
            return actions + self._refuse(
                asker, RefuseChunk(link, request, ChunkError.RATE_LIMITED, retry_after_s), now
            )
        if served.state is SeederState.SERVING:
            served.since = now
        else:
            served.on(_E.CHUNK_REQUESTED, now)
        self._enqueue(asker, served, request, cost, now + patience)
        return self._pump(now, actions)

    def cancelled(self, link: int, cancel: ChunkCancel, now: float) -> list[SeedingAction[BlobT]]:
        """The peer takes requests back; with no ranges, the whole transfer."""
        asker = self._links.get(link)
        served = asker.served.get(cancel.transfer_id) if asker is not None else None
        if asker is None or served is None:
            return []
        for upload in [one for one in asker.peer.queue if one.link == link and _covers(cancel, one.request)]:
            self._unqueue(asker.peer, upload, now)
        for upload in asker.under_way:
            if _covers(cancel, upload.request):
                upload.cancelled = True
        if not cancel.ranges:
            served.on(_E.CANCELLED, now)
            self._drain(served, now)
        self._settle(asker.peer, now)
        return self._pump(now, [])

    # ---- events: what became of uploads

    def upload_done(self, upload: Upload[BlobT], now: float, *, blocked: bool = False) -> list[SeedingAction[BlobT]]:
        """It was handed to the link. `blocked`: whose socket is full now."""
        link = self._hand_back(upload)
        if isinstance(upload.request, ChunkRequest):
            upload.served.sent_bytes += upload.request.length
        if link is None:
            return []
        link.peer.sent_bytes += upload.cost
        if blocked:
            self.link_blocked(upload.link)
        self._drain(upload.served, now)
        self._settle(link.peer, now)
        return self._pump(now, [])

    def upload_dropped(self, upload: Upload[BlobT], now: float) -> list[SeedingAction[BlobT]]:
        """It was not handed to the link: that closed, or the peer had taken the request back. Charged with the least a request costs."""
        link = self._hand_back(upload)
        self._bucket.give_back(now, upload.cost - MIN_CHARGE_BYTES)
        if link is None:
            return []
        link.peer.bucket.give_back(now, upload.cost - MIN_CHARGE_BYTES)
        self._drain(upload.served, now)
        self._settle(link.peer, now)
        return self._pump(now, [])

    def upload_failed(self, upload: Upload[BlobT], code: str, now: float) -> list[SeedingAction[BlobT]]:
        """It could not be read. `code`: not_found (the file is gone or has changed, or the leaf is not held yet) or io_error."""
        request, served = upload.request, upload.served
        if not isinstance(request, ChunkRequest):
            return self.upload_dropped(upload, now)
        error = ChunkError.IO_ERROR
        if code == "not_found":
            error = ChunkError.NOT_FOUND
            if self._is_not_held(served, request):
                error = ChunkError.INVALID_RANGE
            else:
                served.on(_E.FILE_CHANGED, now)
        actions: list[SeedingAction[BlobT]] = []
        link = self._links.get(upload.link)
        if link is not None:
            if not upload.cancelled:
                actions += self._refuse(link, RefuseChunk(upload.link, request, error), now)
            if served.state is SeederState.REJECTED:
                actions += self._drop_requests(link, served, now)
        return actions + self.upload_dropped(upload, now)

    # ---- events: time

    def tick(self, now: float) -> list[SeedingAction[BlobT]]:
        """Once a second, and at `wake_at`: what waits for a limit goes on, patience ends, new leaves are told, offers expire."""
        actions: list[SeedingAction[BlobT]] = []
        if now - self._ticked >= 1.0:
            self._measure(now)
            self._fit_slots()
            self._unpark(now, everybody=True)
            self._lose_patience(now, actions)
            for peer in self._slots.surplus(now):
                self._evict(peer, now, actions)
            self._tell_haves(actions)
        if now - self._swept >= 30.0:
            self._swept = now
            self._expire(now)
            self._limits.sweep(now)
        return self._pump(now, actions)

    def set_slots(self, most: int) -> None:
        """Another number of upload slots; in force with the next tick at the latest."""
        self._most_slots = most
        self._fit_slots()

    # ---- facts

    @property
    def slots(self) -> int:
        """Upload slots in force: fewer than configured on a slow line."""
        return self._slots.most

    @property
    def peers_served(self) -> int:
        """Peers that hold a slot."""
        return len(self._slots)

    @property
    def peers_waiting(self) -> int:
        """Peers in the line for a slot."""
        return self._slots.waiting

    @property
    def queue_length(self) -> int:
        """Requests accepted and not begun."""
        return self._queued

    def served(self) -> Iterator[tuple[int, str, Served[BlobT]]]:
        """Live transfers: link, peer, and what is known of them."""
        for link in self._links.values():
            for one in link.served.values():
                if one.is_live:
                    yield link.key, link.peer.key, one

    def rates_bps(self) -> Mapping[str, float]:
        """Bytes a second by peer, smoothed over some seconds; as of the last tick."""
        return {peer.key: peer.rate_bps for peer in self._peers.values() if peer.rate_bps >= 1.0}

    # ---- private: gates

    def _turn_of(self, peer: _Peer[BlobT], now: float, actions: list[SeedingAction[BlobT]]) -> int:
        """Seconds until the peer may come again; 0 = it holds a slot. May end somebody's turn."""
        admission = self._slots.admit(peer.key, now)
        if admission.evicted is not None:
            self._evict(admission.evicted, now, actions)
        return admission.retry_after_s

    def _evict(self, key: str, now: float, actions: list[SeedingAction[BlobT]]) -> None:
        """A turn is over: what the peer has queued is given back to it, with the time to ask again."""
        peer = self._peers.get(key)
        if peer is None:
            self._slots.leave(key)
            return
        if not peer.queue:
            self._slots.leave(key)
            return
        retry_after_s = self._slots.queue_up(key, now)
        for upload in list(peer.queue):
            self._give_up(peer, upload, retry_after_s, now, actions)

    def _is_full(self, peer: _Peer[BlobT]) -> bool:
        return len(peer.queue) >= MAX_QUEUED_PER_PEER or self._queued >= MAX_QUEUED

    def _delay(self, peer: _Peer[BlobT], cost: int, patience_s: float, now: float) -> int:
        """0 = it can be queued; otherwise seconds after which it can."""
        if self._bucket.rate is None and peer.bucket.rate is None:
            return self._wait_s(peer, peer.queued_cost, now) if self._is_full(peer) else 0
        wait = self._estimate(peer, peer.queued_cost + cost, now)
        if wait > patience_s or self._is_full(peer):
            return max(1, min(MAX_RETRY_S, ceil(wait)))
        return 0

    def _wait_s(self, peer: _Peer[BlobT], own: int, now: float) -> int:
        return max(1, min(MAX_RETRY_S, ceil(self._estimate(peer, own, now))))

    def _estimate(self, peer: _Peer[BlobT], own: int, now: float) -> float:
        """Seconds until the limits let `own` bytes of this peer pass, its fair share among the others considered."""
        ahead = min(own * max(1, len(self._slots)), self._queued_cost - peer.queued_cost + own)
        return max(self._bucket.wait_s(now, ahead), peer.bucket.wait_s(now, own))

    def _refuse(
        self, link: _Link[BlobT], refusal: RefuseChunk | RefuseManifest, now: float
    ) -> list[SeedingAction[BlobT]]:
        """Say no. That is not free: it costs of the peer's share, and who collects refusals is closed."""
        peer = link.peer
        peer.deficit = max(peer.deficit - MIN_CHARGE_BYTES, -MAX_CHUNK_BYTES)
        if peer.refusals.take(now):
            return [refusal]
        return [CloseLink(link.key, "rate_exceeded")]

    # ---- private: the queue

    def _enqueue(
        self,
        link: _Link[BlobT],
        served: Served[BlobT],
        request: ChunkRequest | PayloadRequest,
        cost: int,
        give_up_at: float,
    ) -> None:
        peer = link.peer
        upload = Upload(link=link.key, peer=peer.key, served=served, request=request, cost=cost, give_up_at=give_up_at)
        queue = peer.queue
        if isinstance(request, ChunkRequest) and queue and _urgency(queue[-1].request) < request.priority:
            at = len(queue)
            while at and _urgency(queue[at - 1].request) < request.priority:
                at -= 1
            queue.insert(at, upload)
        else:
            queue.append(upload)
        served.queued += 1
        peer.queued_cost += cost
        self._queued += 1
        self._queued_cost += cost
        if not peer.in_ring:
            self._enter_ring(peer)

    def _unqueue(self, peer: _Peer[BlobT], upload: Upload[BlobT], now: float) -> None:
        """Take a request out of its queue, answered or not."""
        if peer.queue[0] is upload:
            peer.queue.popleft()
        else:
            peer.queue.remove(upload)
        served = upload.served
        served.queued -= 1
        peer.queued_cost -= upload.cost
        self._queued -= 1
        self._queued_cost -= upload.cost
        if not served.queued and served.state is SeederState.THROTTLED:
            served.on(_E.RESUME, now)
        if not peer.queue:
            peer.deficit = min(peer.deficit, 0)
            self._leave_ring(peer)

    def _give_up(
        self,
        peer: _Peer[BlobT],
        upload: Upload[BlobT],
        retry_after_s: int,
        now: float,
        actions: list[SeedingAction[BlobT]],
    ) -> None:
        """Answer a queued request with "not now"."""
        self._unqueue(peer, upload, now)
        request = upload.request
        if isinstance(request, ChunkRequest):
            actions.append(RefuseChunk(upload.link, request, ChunkError.RATE_LIMITED, retry_after_s))
        else:
            actions.append(RefuseManifest(upload.link, request, "rate_limited", retry_after_s))

    def _drop_requests(self, link: _Link[BlobT], served: Served[BlobT], now: float) -> list[SeedingAction[BlobT]]:
        """Nothing more can be served of this transfer: answer what waits."""
        actions: list[SeedingAction[BlobT]] = []
        for upload in [one for one in link.peer.queue if one.served is served]:
            self._unqueue(link.peer, upload, now)
            if isinstance(upload.request, ChunkRequest):
                actions.append(RefuseChunk(upload.link, upload.request, ChunkError.NOT_FOUND))
            else:
                actions.append(RefuseManifest(upload.link, upload.request, "not_found"))
        self._settle(link.peer, now)
        return actions

    def _enter_ring(self, peer: _Peer[BlobT]) -> None:
        """It has something that could be served. Who left in the middle of its visit goes on with it."""
        if peer.in_ring or not peer.queue or peer.reading >= READS_AT_ONCE or peer.parked_until is not None:
            return
        head = peer.queue[0]
        if self._links[head.link].blocked:
            return
        peer.in_ring = True
        if peer.granted and peer.deficit >= head.cost:
            self._ring.appendleft(peer)
        else:
            peer.granted = False
            self._ring.append(peer)

    def _leave_ring(self, peer: _Peer[BlobT]) -> None:
        if peer.parked_until is not None:
            peer.parked_until = None
            self._parked.discard(peer)
        if peer.in_ring:
            peer.in_ring = False
            if self._ring[0] is peer:
                self._ring.popleft()
            else:
                self._ring.remove(peer)

    def _pump(self, now: float, actions: list[SeedingAction[BlobT]]) -> list[SeedingAction[BlobT]]:
        """Hand out what may be served now, in fair order."""
        self.wake_at = None
        if self._parked_until <= now:
            self._unpark(now)
        if self._parked:
            self.wake_at = self._parked_until
        ring, bucket = self._ring, self._bucket
        while ring:
            peer = ring[0]
            upload = peer.queue[0]
            if upload.give_up_at < now:
                self._give_up(peer, upload, self._wait_s(peer, peer.queued_cost, now), now, actions)
                self._settle(peer, now)
                continue
            if self._links[upload.link].blocked:
                self._leave_ring(peer)
                continue
            cost = upload.cost
            if peer.deficit < cost:
                if peer.granted:  # its visit is over
                    peer.granted = False
                    ring.rotate(-1)
                    continue
                peer.granted = True
                peer.deficit += QUANTUM_BYTES
                continue
            if (wait := peer.bucket.wait_s(now, min(cost, MAX_CHUNK_BYTES))) > 0:
                upload.served.on(_E.THROTTLE, now)
                self._leave_ring(peer)
                peer.parked_until = now + wait
                self._parked.add(peer)
                self._parked_until = min(self._parked_until, now + wait)
                self._wake(now + wait)
                continue
            if (wait := bucket.wait_s(now, min(cost, MAX_CHUNK_BYTES))) > 0:
                upload.served.on(_E.THROTTLE, now)
                self._wake(now + wait)
                break
            self._serve(peer, upload, now, actions)
        return actions

    def _serve(
        self, peer: _Peer[BlobT], upload: Upload[BlobT], now: float, actions: list[SeedingAction[BlobT]]
    ) -> None:
        cost = upload.cost
        peer.bucket.take_debt(now, cost)
        self._bucket.take_debt(now, cost)
        peer.deficit -= cost
        served, request = upload.served, upload.request
        if served.state is SeederState.THROTTLED:
            served.on(_E.RESUME, now)
        self._unqueue(peer, upload, now)
        self._links[upload.link].under_way.append(upload)
        served.reading += 1
        peer.reading += 1
        if peer.in_ring and (peer.reading >= READS_AT_ONCE or self._links[peer.queue[0].link].blocked):
            self._leave_ring(peer)
        if (turn := self._slots.turn_of(peer.key)) is not None:
            turn.served_bytes += cost
        if isinstance(request, ChunkRequest):
            eof = request.offset + request.length == served.offer.payload_bytes
            actions.append(SendChunk(upload, request, eof))
            return
        have = largest_ranges(served.offer.have(), limit=MAX_HAVE_RANGES)
        served.told = set(leaves_of(have, leaf_count=served.offer.leaf_count))
        served.on(_E.MANIFEST_SENT, now)
        actions.append(SendManifest(upload, have))

    def _hand_back(self, upload: Upload[BlobT]) -> _Link[BlobT] | None:
        """An upload is over, well or not. None when its link is gone."""
        upload.served.reading -= 1
        link = self._links.get(upload.link)
        if link is not None:
            link.under_way.remove(upload)
            link.peer.reading -= 1
        return link

    def _settle(self, peer: _Peer[BlobT], now: float) -> None:
        """After a change of what the peer has queued or under way: it may be its turn again, or it has nothing left to do."""
        if peer.queue:
            self._enter_ring(peer)
        elif not peer.is_busy:
            self._slots.idle(peer.key, now)

    def _unpark(self, now: float, *, everybody: bool = False) -> None:
        """Peers whose own limit lets them go on."""
        for peer in list(self._parked):
            assert peer.parked_until is not None
            if everybody or peer.parked_until <= now:
                self._parked.discard(peer)
                peer.parked_until = None
                self._enter_ring(peer)
        self._parked_until = min((peer.parked_until or inf for peer in self._parked), default=inf)

    def _wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    # ---- private: time

    def _fit_slots(self) -> None:
        """On a slow line fewer peers at once, so that each gets a leaf every SHARE_S."""
        rate = self._bucket.rate
        fitting = self._most_slots if rate is None else int(rate * SHARE_S / DEFAULT_LEAF_BYTES)
        self._slots.most = max(1, min(self._most_slots, fitting))

    def _measure(self, now: float) -> None:
        elapsed = now - self._ticked
        self._ticked = now
        for peer in self._peers.values():
            fresh = (peer.sent_bytes - peer.told_bytes) / elapsed
            peer.told_bytes = peer.sent_bytes
            peer.rate_bps += RATE_DECAY * (fresh - peer.rate_bps)

    def _lose_patience(self, now: float, actions: list[SeedingAction[BlobT]]) -> None:
        """Requests that can't be answered before their peer gives up are refused with the time when they could."""
        for key in list(self._slots):
            peer = self._peers.get(key)
            if peer is None:
                continue
            for upload in [one for one in peer.queue if one.give_up_at < now]:
                self._give_up(peer, upload, self._wait_s(peer, peer.queued_cost, now), now, actions)
            self._settle(peer, now)

    def _tell_haves(self, actions: list[SeedingAction[BlobT]]) -> None:
        """Tell interested peers of new leaves."""
        for link in self._links.values():
            for served in link.served.values():
                if not served.is_live or len(served.told) == served.offer.leaf_count:
                    continue
                fresh = leaves_of(served.offer.have(), leaf_count=served.offer.leaf_count) - served.told
                if fresh:
                    ranges = largest_ranges(ranges_of(fresh), limit=MAX_HAVE_RANGES)
                    served.told |= leaves_of(ranges, leaf_count=served.offer.leaf_count)
                    actions.append(SendHave(link.key, served.key.payload_root, ranges))

    def _expire(self, now: float) -> None:
        """Forget offers nobody took up and transfers that ended long ago."""
        for link in self._links.values():
            for served in list(link.served.values()):
                if served.queued or served.reading:
                    continue
                idle = now - served.since
                if served.state in _ENDED and idle > DONE_KEPT_S:
                    del link.served[served.transfer_id]
                elif idle > OFFER_TTL_S and served.on(_E.OFFER_EXPIRED, now):
                    self._drain(served, now)

    # ---- private: transfers

    def _drain(self, served: Served[BlobT], now: float) -> None:
        if served.state is SeederState.TEARDOWN and not served.reading and not served.queued:
            served.on(_E.DRAINED, now)

    def _has_room(self, link: _Link[BlobT], key: PayloadKey) -> bool:
        """May one more transfer be remembered? What has ended makes room first."""
        for full in (False, True):
            if full:
                for name in [name for name, one in link.served.items() if one.state in _ENDED and not one.queued]:
                    del link.served[name]
            same = sum(one.key == key for one in link.served.values())
            if len(link.served) < MAX_SERVED_PER_PEER and same < MAX_SERVED_OF_ONE_PAYLOAD:
                return True
        return False

    @staticmethod
    def _is_not_held(served: Served[BlobT], request: ChunkRequest) -> bool:
        """A partial seeder that does not have all of it yet."""
        offer = served.offer
        held = leaves_of(offer.have(), leaf_count=offer.leaf_count)
        first, last = request.offset // offer.leaf_bytes, (request.offset + request.length - 1) // offer.leaf_bytes
        return not held.issuperset(range(first, last + 1))


def _urgency(request: ChunkRequest | PayloadRequest) -> int:
    """A manifest comes before all chunks: without it none is asked for."""
    return request.priority if isinstance(request, ChunkRequest) else MAX_PRIORITY


def _covers(cancel: ChunkCancel, request: ChunkRequest | PayloadRequest) -> bool:
    if not isinstance(request, ChunkRequest) or cancel.transfer_id != request.transfer_id:
        return False
    end = request.offset + request.length
    return not cancel.ranges or any(start < end and request.offset < stop for start, stop in cancel.ranges)
