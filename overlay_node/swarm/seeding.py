"""The seeding side of a node: who is served what, when, and what everybody else is told. No I/O: events and `now` in, actions out.

Theory. What a peer asks for passes four gates.

1. *Is it right?* A transfer that was never offered (or ended long ago) is not_found, a range outside the payload invalid_range.
2. *Is it the peer's turn?* At most `slots` peers are served at once (`upload_slots`); the others are told when to come back. How many slots make
   sense depends on the line: there are fewer when each would get a leaf less often than every SHARE_S.
3. *Can it be answered in time?* The rate limits say how long what the peer has queued will take. When that is longer than the peer will wait (twice
   its deadline), it is told so at once: rate_limited, and when to ask again. Queues are bounded, per peer and in all.
4. *Fair order* (`fair_queue`): deficit round robin over peers, in bytes, not over links or transfers: more of either gain nothing. What a peer says of
   priority orders its own requests only; what it says of deadlines is how long it will wait, and nothing else.

Costs. Every answer, manifests included, is charged with its bytes, and at least MIN_CHARGE_BYTES, to the peer's share and to the limits of rate: a
request of one byte costs a read and a message like any other. A refusal is charged to the peer's share, and a peer that lives on refusals is
closed (REFUSALS_PER_S); it is not charged to the node's limit, or refusals would be a way to spend everybody's.

The states of a transfer are `protocol.states.SEEDER`. THROTTLED is one whose next chunk waits for a limit. Ended ones are kept for 5 minutes, in which
late duplicates are still answered. A file that changed makes its transfer REJECTED, and everything asked of it not_found.

Who pumps it carries out the actions in order and hands each upload back (`upload_done`, `upload_dropped`, `upload_failed`); at most READS_AT_ONCE of
a peer are out. It tells when a link's socket is full (`upload_done(blocked=True)`) and when it is not (`link_writable`), calls `tick` once a second
and at `wake_at`. Every request that was taken in is answered, unless its peer took it back or its link closed. Work per request is constant but for
a peer's own queue, which is short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Final, Generic

from overlay_node.protocol.limits import (
    DEFAULT_LEAF_BYTES,
    DONE_KEPT_S,
    KIB,
    MAX_CHUNK_BYTES,
    MAX_HAVE_RANGES,
    NEGOTIATING_TIMEOUT_S,
    OFFER_TTL_S,
)
from overlay_node.protocol.messages import ChunkCancel, ChunkError, ChunkRequest, PayloadRequest
from overlay_node.protocol.states import SeederEvent, SeederState
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.fair_queue import Account, FairQueue
from overlay_node.swarm.piece_map import largest_ranges, leaves_of, ranges_of
from overlay_node.swarm.rate_limits import Direction, RateLimits
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

MIN_CHARGE_BYTES: Final = 16 * KIB
"""A message, a lookup and a read cost about as much CPU as sending this much (measured: 15-20 us)."""
MAX_QUEUED_PER_PEER: Final = 16  # two links (one of them draining) with the 8 requests each that the protocol accepts
MAX_QUEUED: Final = 1024  # over all peers: less than a megabyte of memory
MAX_FINDING_PER_PEER: Final = 8  # payloads being looked for
MAX_SERVED_PER_LINK: Final = 128  # transfers that we remember: a box set at once
MAX_SERVED_OF_ONE_PAYLOAD: Final = 4
"""Of those: each holds a leaf list, and a peer may make up as many transfer ids as it likes."""
ROOM_AGAIN_S: Final = 60  # what a peer with too many transfers is told: some will have ended by then
SHARE_S: Final = 5.0  # half of a peer's patience: a peer that is served gets a leaf this often, or there are too many
MIN_PATIENCE_S: Final = 1.0  # a deadline below is taken for this
PULSE_S: Final = 1.0
SWEEP_S: Final = 30.0

_E = SeederEvent
_ENDED: Final = frozenset({SeederState.DONE, SeederState.REJECTED})
_OFFERED: Final = frozenset(SeederState) - {SeederState.IDLE, SeederState.REJECTED}


class _Link(Generic[BlobT]):
    """One link: the transfers offered over it, and what of them is under way."""

    __slots__ = ("account", "finding", "key", "served", "under_way")

    def __init__(self, key: int, account: Account[BlobT]) -> None:
        self.key = key
        self.account = account
        self.served: dict[str, Served[BlobT]] = {}
        self.under_way: list[Upload[BlobT]] = []
        self.finding = 0


class Seeding(Generic[BlobT]):
    """`slots`: most peers served at once. `policy_code`: why nothing may be served ("" = it may)."""

    def __init__(self, *, limits: RateLimits, slots: int, now: float, policy_code: str = "") -> None:
        self.policy_code = policy_code
        self._limits: Final = limits
        self._bucket: Final = limits.node_budget(Direction.UP)
        self._most_slots: Final = slots
        self._slots: Final = UploadSlots(slots)
        self._links: Final[dict[int, _Link[BlobT]]] = {}
        self._accounts: Final[dict[str, Account[BlobT]]] = {}
        self._queue: Final[FairQueue[BlobT]] = FairQueue(self._bucket)
        self._ticked = now
        self._swept = now
        self._fit_slots()

    # ---- events: links

    def link_opened(self, link: int, peer: str, now: float) -> None:
        """A link that may ask. `link` is any number that is not used again."""
        account = self._accounts.get(peer)
        if account is None:
            account = Account(peer, self._limits.peer_budget(Direction.UP, peer, now), now)
            self._accounts[peer] = account
        account.links.add(link)
        self._links[link] = _Link(link, account)

    def link_closed(self, link: int, now: float) -> list[SeedingAction[BlobT]]:
        """Everything of this link ends; nothing of it is answered any more."""
        gone = self._links.pop(link, None)
        if gone is None:
            return []
        account = gone.account
        account.links.discard(link)
        account.reading -= len(gone.under_way)
        account.finding -= gone.finding
        for upload in [one for one in account.queue if one.link == link]:
            self._queue.remove(account, upload, now)
        self._queue.unblock(link)
        if account.links:
            self._settle(account, now)
        else:
            self._queue.leave(account)
            self._slots.leave(account.peer)
            del self._accounts[account.peer]
            self._limits.forget_peer(Direction.UP, account.peer)
        return self._pump(now, [])

    def link_writable(self, link: int, now: float) -> list[SeedingAction[BlobT]]:
        """Its socket takes more."""
        writable = self._links.get(link)
        if writable is None or not self._queue.unblock(link):
            return []
        if (turn := self._slots.turn_of(writable.account.peer)) is not None:
            turn.stalled = False
        self._settle(writable.account, now)
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
        account = asker.account
        retry_after_s = self._turn_of(account, now, actions)
        if not retry_after_s and (account.finding >= MAX_FINDING_PER_PEER or self._is_full(account)):
            retry_after_s = self._wait_s(account, account.queued_cost, now)
        if retry_after_s:
            return actions + self._refuse(asker, RefuseManifest(link, request, "rate_limited", retry_after_s), now)
        account.finding += 1
        asker.finding += 1
        actions.append(FindPayload(link, request))
        return actions

    def payload_found(
        self, link: int, request: PayloadRequest, offer: Offer[BlobT], now: float
    ) -> list[SeedingAction[BlobT]]:
        """What `FindPayload` asked for is here."""
        asker = self._links.get(link)
        if asker is None:
            return []
        account = asker.account
        account.finding -= 1
        asker.finding -= 1
        actions: list[SeedingAction[BlobT]] = []
        key = PayloadKey(request.payload_format, request.payload_root)
        cost = min(max(offer.manifest_bytes, MIN_CHARGE_BYTES), MAX_CHUNK_BYTES)
        retry_after_s = self._turn_of(account, now, actions)  # its turn may have ended meanwhile
        if not retry_after_s:
            retry_after_s = self._delay(account, cost, NEGOTIATING_TIMEOUT_S, now)
        served = asker.served.get(request.transfer_id)
        if served is None or served.key != key or served.state is SeederState.REJECTED:
            if served is not None:
                del asker.served[request.transfer_id]
                actions += self._drop_requests(asker, served, now)
            if not retry_after_s and not self._has_room(asker, key):
                retry_after_s = ROOM_AGAIN_S
            served = Served(transfer_id=request.transfer_id, key=key, offer=offer, since=now)
        if retry_after_s:
            self._settle(account, now)
            actions += self._refuse(asker, RefuseManifest(link, request, "rate_limited", retry_after_s), now)
            return self._pump(now, actions)
        served.offer = offer
        asker.served[request.transfer_id] = served
        self._enqueue(asker, served, request, cost, now + NEGOTIATING_TIMEOUT_S)
        return self._pump(now, actions)

    def payload_missing(self, link: int, request: PayloadRequest, code: str, now: float) -> list[SeedingAction[BlobT]]:
        """What `FindPayload` asked for is not here: `not_found` or `io_error`."""
        asker = self._links.get(link)
        if asker is None:
            return []
        asker.account.finding -= 1
        asker.finding -= 1
        self._settle(asker.account, now)
        return self._refuse(asker, RefuseManifest(link, request, code), now)

    def chunk_requested(self, link: int, request: ChunkRequest, now: float) -> list[SeedingAction[BlobT]]:
        """A peer wants a range."""
        asker = self._links.get(link)
        if asker is None:
            return []
        served = asker.served.get(request.transfer_id)
        if served is None or served.key.payload_root != request.payload_root or served.state not in _OFFERED:
            return self._refuse(asker, RefuseChunk(link, request, ChunkError.NOT_FOUND), now)
        if request.offset + request.length > served.offer.payload_bytes:
            return self._refuse(asker, RefuseChunk(link, request, ChunkError.INVALID_RANGE), now)
        actions: list[SeedingAction[BlobT]] = []
        account = asker.account
        cost = max(request.length, MIN_CHARGE_BYTES)
        patience = max(MIN_PATIENCE_S, request.deadline_ms / 500)
        retry_after_s = self._turn_of(account, now, actions) or self._delay(account, cost, patience, now)
        if retry_after_s:
            self._settle(account, now)
            refusal = RefuseChunk(link, request, ChunkError.RATE_LIMITED, retry_after_s)
            return self._pump(now, actions + self._refuse(asker, refusal, now))
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
        account = asker.account
        for upload in [one for one in account.queue if one.link == link and _covers(cancel, one.request)]:
            self._queue.remove(account, upload, now)
        for upload in asker.under_way:
            if _covers(cancel, upload.request):
                upload.cancelled = True
        if not cancel.ranges:
            served.on(_E.CANCELLED, now)
        self._drain(served, now)
        self._settle(account, now)
        return self._pump(now, [])

    # ---- events: what became of uploads

    def upload_done(self, upload: Upload[BlobT], now: float, *, blocked: bool = False) -> list[SeedingAction[BlobT]]:
        """It was handed to the link. `blocked`: whose socket is full now; tell `link_writable` when it is not."""
        link = self._hand_back(upload)
        if isinstance(upload.request, ChunkRequest):
            upload.served.sent_bytes += upload.request.length
        if link is None:
            return []
        account = link.account
        account.sent_bytes += upload.cost
        if blocked:
            self._queue.block(upload.link)
            if (turn := self._slots.turn_of(account.peer)) is not None:
                turn.stalled = True
        self._drain(upload.served, now)
        self._settle(account, now)
        return self._pump(now, [])

    def upload_dropped(self, upload: Upload[BlobT], now: float) -> list[SeedingAction[BlobT]]:
        """It was not sent: the link closed, or the peer had taken the request back. Charged all the same: bytes given back to a limit long after
        they were taken would let more pass at once than it allows."""
        link = self._hand_back(upload)
        if link is None:
            return []
        self._drain(upload.served, now)
        self._settle(link.account, now)
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
        if (elapsed := now - self._ticked) >= PULSE_S:
            self._ticked = now
            for account in self._accounts.values():
                account.measure(elapsed)
            self._fit_slots()
            self._queue.unpark(now, everybody=True)
            self._lose_patience(now, actions)
            for peer in self._slots.surplus(now):
                self._evict(peer, now, actions)
            self._tell_haves(actions)
        if now - self._swept >= SWEEP_S:
            self._swept = now
            self._expire(now)
            self._limits.sweep(now)
        return self._pump(now, actions)

    @property
    def wake_at(self) -> float | None:
        """When `tick` has something to do, perhaps before the next second; None = nothing but its pulse."""
        return self._queue.wake_at

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
        return self._queue.count

    def served(self) -> Iterator[tuple[int, str, Served[BlobT]]]:
        """Live transfers: link, peer, and what is known of them."""
        for link in self._links.values():
            for one in link.served.values():
                if one.is_live:
                    yield link.key, link.account.peer, one

    def rates_bps(self) -> Mapping[str, float]:
        """Bytes a second by peer, smoothed over some seconds; as of the last tick."""
        return {account.peer: account.rate_bps for account in self._accounts.values() if account.rate_bps >= 1.0}

    # ---- private: gates

    def _turn_of(self, account: Account[BlobT], now: float, actions: list[SeedingAction[BlobT]]) -> int:
        """Seconds until the peer may come again; 0 = it holds a slot. May end somebody's turn."""
        admission = self._slots.admit(account.peer, now)
        if admission.evicted is not None:
            self._evict(admission.evicted, now, actions)
        return admission.retry_after_s

    def _evict(self, peer: str, now: float, actions: list[SeedingAction[BlobT]]) -> None:
        """A turn is over: what the peer has queued is given back to it, with the time to ask again."""
        account = self._accounts.get(peer)
        if account is None or not account.queue:
            self._slots.leave(peer)
            return
        retry_after_s = self._slots.queue_up(peer, now)
        for upload in list(account.queue):
            self._give_up(account, upload, retry_after_s, now, actions)

    def _is_full(self, account: Account[BlobT]) -> bool:
        return len(account.queue) >= MAX_QUEUED_PER_PEER or self._queue.count >= MAX_QUEUED

    def _delay(self, account: Account[BlobT], cost: int, patience_s: float, now: float) -> int:
        """0 = it can be queued; otherwise seconds after which it can."""
        own = account.queued_cost + cost
        if self._is_full(account):
            return self._wait_s(account, own, now)
        if self._bucket.rate is None and account.bucket.rate is None:
            return 0
        wait = self._estimate_s(account, own, now)
        if wait <= patience_s:
            return 0
        retry_after_s = max(1, min(MAX_RETRY_S, ceil(wait)))
        if self._bucket.wait_s(now, cost) > patience_s:  # what is saved up until then is promised to this peer
            self._slots.keep(account.peer, now + retry_after_s)
        return retry_after_s

    def _wait_s(self, account: Account[BlobT], own: int, now: float) -> int:
        return max(1, min(MAX_RETRY_S, ceil(self._estimate_s(account, own, now))))

    def _estimate_s(self, account: Account[BlobT], own: int, now: float) -> float:
        """Seconds until the limits let `own` bytes of this peer pass, its fair share among the others considered."""
        ahead = min(own * max(1, len(self._slots)), self._queue.cost - account.queued_cost + own)
        return max(self._bucket.wait_s(now, ahead), account.bucket.wait_s(now, own))

    def _refuse(
        self, link: _Link[BlobT], refusal: RefuseChunk | RefuseManifest, now: float
    ) -> list[SeedingAction[BlobT]]:
        """Say no. That is not free: it costs of the peer's share, and who collects refusals is closed."""
        account = link.account
        account.deficit = max(account.deficit - MIN_CHARGE_BYTES, -MAX_CHUNK_BYTES)
        if account.refusals.take(now):
            return [refusal]
        return [CloseLink(link.key, "rate_exceeded")]

    # ---- private: the queue

    def _pump(self, now: float, actions: list[SeedingAction[BlobT]]) -> list[SeedingAction[BlobT]]:
        """Hand out what may be served now, in fair order."""
        queue = self._queue
        while (found := queue.next(now)) is not None:
            account, upload = found
            if upload.give_up_at < now:
                self._give_up(account, upload, self._wait_s(account, account.queued_cost, now), now, actions)
                self._settle(account, now)
            else:
                self._serve(account, upload, now, actions)
        return actions

    def _serve(
        self, account: Account[BlobT], upload: Upload[BlobT], now: float, actions: list[SeedingAction[BlobT]]
    ) -> None:
        self._queue.take(account, upload, now)
        self._links[upload.link].under_way.append(upload)
        served, request = upload.served, upload.request
        served.reading += 1
        if (turn := self._slots.turn_of(account.peer)) is not None:
            turn.served_bytes += upload.cost
        offer = served.offer
        if isinstance(request, ChunkRequest):
            eof = request.offset + request.length == offer.payload_bytes
            actions.append(SendChunk(upload, request, eof))
            return
        have = largest_ranges(offer.have(), limit=MAX_HAVE_RANGES)
        whole = have == ((0, offer.leaf_count),)
        served.told = None if whole else set(leaves_of(have, leaf_count=offer.leaf_count))
        served.on(_E.MANIFEST_SENT, now)
        actions.append(SendManifest(upload, have))

    def _enqueue(
        self,
        link: _Link[BlobT],
        served: Served[BlobT],
        request: ChunkRequest | PayloadRequest,
        cost: int,
        give_up_at: float,
    ) -> None:
        upload = Upload(link=link.key, served=served, request=request, cost=cost, give_up_at=give_up_at)
        self._queue.add(link.account, upload)

    def _give_up(
        self,
        account: Account[BlobT],
        upload: Upload[BlobT],
        retry_after_s: int,
        now: float,
        actions: list[SeedingAction[BlobT]],
    ) -> None:
        """Answer a queued request with "not now"."""
        self._queue.remove(account, upload, now)
        self._drain(upload.served, now)
        request = upload.request
        if isinstance(request, ChunkRequest):
            actions.append(RefuseChunk(upload.link, request, ChunkError.RATE_LIMITED, retry_after_s))
        else:
            actions.append(RefuseManifest(upload.link, request, "rate_limited", retry_after_s))

    def _drop_requests(self, link: _Link[BlobT], served: Served[BlobT], now: float) -> list[SeedingAction[BlobT]]:
        """Nothing more can be served of this transfer: answer what waits."""
        actions: list[SeedingAction[BlobT]] = []
        for upload in [one for one in link.account.queue if one.served is served]:
            self._queue.remove(link.account, upload, now)
            if isinstance(upload.request, ChunkRequest):
                actions.append(RefuseChunk(upload.link, upload.request, ChunkError.NOT_FOUND))
            else:
                actions.append(RefuseManifest(upload.link, upload.request, "not_found"))
        return actions

    def _hand_back(self, upload: Upload[BlobT]) -> _Link[BlobT] | None:
        """An upload is over, well or not. None when its link is gone."""
        upload.served.reading -= 1
        link = self._links.get(upload.link)
        if link is not None:
            link.under_way.remove(upload)
            link.account.reading -= 1
        return link

    def _settle(self, account: Account[BlobT], now: float) -> None:
        """After a change of what the peer has queued or under way: it may be its turn again, or it has nothing left to do."""
        if account.queue:
            self._queue.enter(account)
        elif not account.is_busy:
            self._slots.idle(account.peer, now)

    # ---- private: time

    def _fit_slots(self) -> None:
        """On a slow line fewer peers at once, so that each gets a leaf every SHARE_S."""
        rate = self._bucket.rate
        fitting = self._most_slots if rate is None else int(rate * SHARE_S / DEFAULT_LEAF_BYTES)
        self._slots.most = max(1, min(self._most_slots, fitting))

    def _lose_patience(self, now: float, actions: list[SeedingAction[BlobT]]) -> None:
        """Requests that can't be answered before their peer gives up are refused with the time when they could."""
        for peer in list(self._slots):
            account = self._accounts.get(peer)
            if account is None:
                continue
            for upload in [one for one in account.queue if one.give_up_at < now]:
                self._give_up(account, upload, self._wait_s(account, account.queued_cost, now), now, actions)
            self._settle(account, now)

    def _tell_haves(self, actions: list[SeedingAction[BlobT]]) -> None:
        """Tell interested peers of new leaves."""
        for link in self._links.values():
            for served in link.served.values():
                if served.told is None or not served.is_live:
                    continue
                count = served.offer.leaf_count
                fresh = leaves_of(served.offer.have(), leaf_count=count) - served.told
                if fresh:
                    ranges = largest_ranges(ranges_of(fresh), limit=MAX_HAVE_RANGES)
                    served.told |= leaves_of(ranges, leaf_count=count)
                    actions.append(SendHave(link.key, served.key.payload_root, ranges))
                if len(served.told) == count:
                    served.told = None

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
            if len(link.served) < MAX_SERVED_PER_LINK and same < MAX_SERVED_OF_ONE_PAYLOAD:
                return True
        return False

    @staticmethod
    def _is_not_held(served: Served[BlobT], request: ChunkRequest) -> bool:
        """A partial seeder that does not have all of it yet."""
        offer = served.offer
        held = leaves_of(offer.have(), leaf_count=offer.leaf_count)
        first, last = request.offset // offer.leaf_bytes, (request.offset + request.length - 1) // offer.leaf_bytes
        return not held.issuperset(range(first, last + 1))


def _covers(cancel: ChunkCancel, request: ChunkRequest | PayloadRequest) -> bool:
    if not isinstance(request, ChunkRequest) or cancel.transfer_id != request.transfer_id:
        return False
    end = request.offset + request.length
    return not cancel.ranges or any(start < end and request.offset < stop for start, stop in cancel.ranges)
