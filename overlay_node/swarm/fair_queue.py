"""The queue of uploads: whose request is served next. Deficit round robin in bytes over peers, under rate limits. Pure: the time is passed in.

Theory (Shreedhar & Varghese, "Efficient fair queueing using deficit round robin", 1995). Peers that have something to serve stand in a ring. A visit
adds QUANTUM_BYTES to what a peer may have, and it is served while that covers its next request; the rest it keeps for its next visit, unless its
queue is empty, when it keeps nothing but debts. So, between two peers that have something queued from some moment on, the bytes served since differ
by no more than one chunk and one quantum, whatever sizes they ask for (and over any later window by one chunk more). A peer leaves the ring while it can't be served: its socket is full, its own limit holds it,
or as much of it is being read as may be. One that left in the middle of its visit goes on with it when it returns.

A request that waits for the node's limit holds up everybody, on purpose: if smaller ones could pass it, it might wait for ever.

Also the peers' accounts live here: what is queued, owed and measured of each.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final, Generic

from overlay_node.protocol.limits import KIB, MAX_PRIORITY
from overlay_node.protocol.messages import ChunkRequest, PayloadRequest
from overlay_node.protocol.rates import TokenBucket
from overlay_node.protocol.states import SeederEvent, SeederState
from overlay_node.swarm.rate_limits import ByteBucket
from overlay_node.swarm.seeding_actions import BlobT, Upload

QUANTUM_BYTES: Final = (
    256 * KIB
)  # a leaf of today's format: peers alternate leaf by leaf; the largest request takes two visits
READS_AT_ONCE: Final = 2  # per peer: one chunk is read while the one before it is written
REFUSALS_PER_S: Final = 50.0  # eight transfers of an honest peer, four requests each, once a second, with room
REFUSALS_BURST: Final = 200.0
RATE_DECAY: Final = 0.3  # weight of the last second in a peer's rate


class Account(Generic[BlobT]):
    """One peer's queue and its place in the round robin. Mutable and slotted: it is worked on at every request."""

    __slots__ = (
        "bucket",
        "deficit",
        "finding",
        "granted",
        "in_ring",
        "links",
        "parked_until",
        "peer",
        "queue",
        "queued_cost",
        "rate_bps",
        "reading",
        "refusals",
        "sent_bytes",
        "told_bytes",
    )

    def __init__(self, peer: str, bucket: ByteBucket, now: float) -> None:
        self.peer = peer
        self.bucket = bucket
        self.links: set[int] = set()
        self.queue: deque[Upload[BlobT]] = deque()
        self.queued_cost = 0
        self.deficit = 0
        """bytes it may have before its visit is over; negative: owed for refusals"""
        self.granted = False
        """its visit has begun: the quantum was added"""
        self.in_ring = False
        self.parked_until: float | None = None
        """its own limit holds it"""
        self.reading = 0
        """uploads under way"""
        self.finding = 0
        """payloads being looked for"""
        self.refusals = TokenBucket(rate=REFUSALS_PER_S, burst=REFUSALS_BURST, now=now)
        self.sent_bytes = 0
        self.told_bytes = 0
        self.rate_bps = 0.0

    @property
    def is_busy(self) -> bool:
        """Something of it is queued, read, sent or looked for."""
        return bool(self.queue or self.reading or self.finding)

    def measure(self, elapsed_s: float) -> None:
        """Smooth its rate; to be called about once a second."""
        fresh = (self.sent_bytes - self.told_bytes) / elapsed_s
        self.told_bytes = self.sent_bytes
        self.rate_bps += RATE_DECAY * (fresh - self.rate_bps)


class FairQueue(Generic[BlobT]):
    """`bucket` is the node's limit."""

    def __init__(self, bucket: ByteBucket) -> None:
        self.count = 0
        """requests queued"""
        self.cost = 0
        """bytes they will be charged with"""
        self.wake_at: float | None = None
        """when a limit lets something go on; as of the last `next`"""
        self._bucket: Final = bucket
        self._blocked: Final[set[int]] = set()
        self._ring: Final[deque[Account[BlobT]]] = deque()
        self._parked: Final[set[Account[BlobT]]] = set()
        self._parked_until = inf

    def add(self, account: Account[BlobT], upload: Upload[BlobT]) -> None:
        """Behind what is as urgent, in its peer's own queue."""
        queue, request = account.queue, upload.request
        at = len(queue)
        if at and isinstance(request, ChunkRequest):
            while at and _urgency(queue[at - 1].request) < request.priority:
                at -= 1
        if at == len(queue):
            queue.append(upload)
        else:
            queue.insert(at, upload)
        upload.served.queued += 1
        account.queued_cost += upload.cost
        self.count += 1
        self.cost += upload.cost
        if not account.in_ring:
            self.enter(account)

    def remove(self, account: Account[BlobT], upload: Upload[BlobT], now: float) -> None:
        """Take a request out: it is served, answered otherwise, or nobody wants it any more."""
        if account.queue[0] is upload:
            account.queue.popleft()
        else:
            account.queue.remove(upload)
        served = upload.served
        served.queued -= 1
        account.queued_cost -= upload.cost
        self.count -= 1
        self.cost -= upload.cost
        if not served.queued and served.state is SeederState.THROTTLED:
            served.on(SeederEvent.RESUME, now)
        if not account.queue:
            account.deficit = min(account.deficit, 0)
            self.leave(account)

    def take(self, account: Account[BlobT], upload: Upload[BlobT], now: float) -> None:
        """It is served: charge it, and take it out."""
        account.bucket.take_debt(now, upload.cost)
        self._bucket.take_debt(now, upload.cost)
        account.deficit -= upload.cost
        if upload.served.state is SeederState.THROTTLED:
            upload.served.on(SeederEvent.RESUME, now)
        account.reading += 1
        self.remove(account, upload, now)
        if account.reading >= READS_AT_ONCE:
            self._leave_ring(account)

    def next(self, now: float) -> tuple[Account[BlobT], Upload[BlobT]] | None:
        """The request that is to be served now, or whose peer has lost patience; it stays until `take` or `remove`. None: nothing can be."""
        if self._parked_until <= now:
            self.unpark(now)
        self.wake_at = self._parked_until if self._parked else None
        ring, bucket = self._ring, self._bucket
        while ring:
            account = ring[0]
            upload = account.queue[0]
            if upload.give_up_at < now:
                return account, upload
            if upload.link in self._blocked:
                self._leave_ring(account)
                continue
            cost = upload.cost
            if account.deficit < cost:
                if (
                    len(ring) == 1
                ):  # nobody to be fair to: it takes what it needs, and saves nothing up for when somebody comes
                    account.deficit, account.granted = cost, True
                elif account.granted:  # its visit is over
                    account.granted = False
                    ring.rotate(-1)
                else:
                    account.granted = True
                    account.deficit += QUANTUM_BYTES
                continue
            if (wait := account.bucket.wait_s(now, cost)) > 0:
                self._park(account, upload, now, wait)
                continue
            if (wait := bucket.wait_s(now, cost)) > 0:
                upload.served.on(SeederEvent.THROTTLE, now)
                self.wake_at = min(self.wake_at or inf, now + wait)
                return None
            return account, upload
        return None

    def enter(self, account: Account[BlobT]) -> None:
        """Into the ring, if something of it could be served. Who left in the middle of its visit goes on with it."""
        if account.in_ring or not account.queue or account.reading >= READS_AT_ONCE or account.parked_until is not None:
            return
        head = account.queue[0]
        if head.link in self._blocked:
            return
        account.in_ring = True
        if account.granted and account.deficit >= head.cost:
            self._ring.appendleft(account)
        else:
            account.granted = False
            self._ring.append(account)

    def leave(self, account: Account[BlobT]) -> None:
        """It has nothing queued, or is gone."""
        if account.parked_until is not None:
            account.parked_until = None
            self._parked.discard(account)
        self._leave_ring(account)

    def block(self, link: int) -> None:
        """Its socket is full."""
        self._blocked.add(link)

    def unblock(self, link: int) -> bool:
        """Its socket takes more; False when it was not blocked. Then `enter` its peer."""
        was = link in self._blocked
        self._blocked.discard(link)
        return was

    def unpark(self, now: float, *, everybody: bool = False) -> None:
        """Peers whose own limit lets them go on; `everybody`: limits may have changed, look again."""
        for account in list(self._parked):
            assert account.parked_until is not None
            if everybody or account.parked_until <= now:
                self._parked.discard(account)
                account.parked_until = None
                self.enter(account)
        self._parked_until = min((one.parked_until or inf for one in self._parked), default=inf)

    # ---- private

    def _park(self, account: Account[BlobT], upload: Upload[BlobT], now: float, wait: float) -> None:
        upload.served.on(SeederEvent.THROTTLE, now)
        self._leave_ring(account)
        account.parked_until = now + wait
        self._parked.add(account)
        self._parked_until = min(self._parked_until, now + wait)
        self.wake_at = self._parked_until

    def _leave_ring(self, account: Account[BlobT]) -> None:
        if account.in_ring:
            account.in_ring = False
            if self._ring[0] is account:
                self._ring.popleft()
            else:
                self._ring.remove(account)


def _urgency(request: ChunkRequest | PayloadRequest) -> int:
    """A manifest comes before all chunks: without it none is asked for."""
    return request.priority if isinstance(request, ChunkRequest) else MAX_PRIORITY
