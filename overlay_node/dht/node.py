"""`DhtNode`: one mainline DHT node, both address families, as bytes, events and `now`.

    receive_datagram(data, source, now)      what came in; never raises, whatever it is
    datagrams_to_send()                      what must go out; ask after every other call
    next_timer() · handle_timer(now)         when to come back; coming back
    start_…(…, now) → CallId · cancel        calls; each ends with one event
    next_event()                             what happened, until None
    saved_state() · stats(now)

Times are monotonic seconds from any origin; randomness is injected. Not thread-safe: one loop owns it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overlay_node.dht import krpc
from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.calls import Call, CallKind
from overlay_node.dht.config import MAX_SAVED_NODES, DhtConfig, SavedState
from overlay_node.dht.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.dht.events import CallId, DhtEvent, ExternalAddressLearned, PeersFound
from overlay_node.dht.ids import ID_BYTES, Contact, NodeId, RandomBytes, random_below, random_id_in_bucket
from overlay_node.dht.intake import Intake
from overlay_node.dht.krpc import (
    AnnouncePeer,
    FindNode,
    GetPeers,
    Ping,
    Query,
    Question,
    Refusal,
    Response,
    UnknownQuery,
)
from overlay_node.dht.realm import Realm
from overlay_node.dht.responder import Responder
from overlay_node.dht.stats import DhtStats
from overlay_node.dht.tokens import TokenJar
from overlay_node.dht.transactions import Transaction, Transactions
from overlay_node.dht.traversal import Candidate, Traversal

MAINTENANCE_S = 30.0
PINGS_PER_MAINTENANCE = 3
"""Questionable nodes pinged per tick and family: a full table of 100 is walked in 17 minutes."""
MAX_VERIFYING = 64
"""Pings in flight to nodes that asked us. Further askers are simply not looked at yet."""
SILENT_FOR_S = 300.0
"""A node that asked us but did not answer our ping (behind a NAT, most likely) is not pinged again for this long."""
MAX_SILENT = 2048
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 300.0
"""Between two attempts to join when nobody answers; doubles, with up to half as much again at random."""
MAX_SEEDS = 64
_METHODS: dict[type[Question], str] = {
    Ping: "ping",
    FindNode: "find_node",
    GetPeers: "get_peers",
    AnnouncePeer: "announce_peer",
    UnknownQuery: "unknown",
}


@dataclass(frozen=True, slots=True)
class _Check:
    """A ping to see whether a node answers."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class _Step:
    """One question of a traversal."""

    call: Call
    family: Family
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class _Store:
    """An announce_peer."""

    call: Call


_Purpose = _Check | _Step | _Store


class DhtNode:
    """See the module's text."""

    def __init__(self, config: DhtConfig, now: float, random_bytes: RandomBytes) -> None:
        self._config = config
        self._random_bytes = random_bytes
        families = sorted(config.families, key=lambda family: family.value)
        self._realms = {family: Realm(family, config, now, random_bytes) for family in families}
        self._want = config.families if len(families) > 1 else frozenset[Family]()
        self._responder = Responder(config, self._realms, TokenJar(now, random_bytes))
        self._transactions: Transactions[_Purpose] = Transactions(random_bytes)
        self._intake = Intake(config.per_source_rate, config.total_rate, now)
        self._out: list[tuple[bytes, Endpoint]] = []
        self._events: deque[DhtEvent] = deque()
        self._calls: dict[CallId, Call] = {}
        self._waiting: deque[Call] = deque()
        self._upkeep: deque[Call] = deque()
        self._starting = False
        self._last_call_id = 0
        self._seeds: tuple[Endpoint, ...] = ()
        self._retry_at: float | None = None
        self._retry_s = FIRST_RETRY_S
        self._maintain_at = now + MAINTENANCE_S
        self._verifying = 0
        self._silent: OrderedDict[Endpoint, float] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._queries_in: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    # What comes in

    def receive_datagram(self, data: bytes, source: Endpoint, now: float) -> None:
        """Take one datagram. Whatever it holds: answered, used, or dropped and counted."""
        self._counts["datagrams_in"] += 1
        self._counts["bytes_in"] += len(data)
        if source.family not in self._realms or not source.is_usable(allow_private=self._config.allow_private):
            self._dropped["unusable_source"] += 1
            return
        if not self._transactions.expects(source) and not self._intake.admits(source, now):
            self._dropped["rate_limited"] += 1
            return
        try:
            message = krpc.parse(data)
        except RemoteProtocolError as error:
            self._dropped[error.code] += 1
            if error.transaction_id is not None and not self._config.read_only:
                self._send(krpc.encode_refusal(error.transaction_id, krpc.ERROR_PROTOCOL, b"malformed"), source)
            return
        match message:
            case Query():
                self._on_query(message, source, now)
            case Response():
                self._on_response(message, source, now)
            case Refusal():
                self._on_refusal(message, source, now)

    def _on_query(self, query: Query, source: Endpoint, now: float) -> None:
        self._queries_in[_METHODS[type(query.question)]] += 1
        if self._config.read_only:
            return
        self._send(self._responder.answer(query, source, now), source)
        if query.sender is None or query.read_only:
            return
        contact = Contact(query.sender, source)
        if self._realms[source.family].table.asked_us(contact, now):
            self._verify(contact, now)

    def _verify(self, contact: Contact, now: float) -> None:
        """Ping a node that asked us, to see whether it belongs in the table."""
        silent_at = self._silent.get(contact.endpoint)
        if silent_at is not None and now - silent_at < SILENT_FOR_S:
            return
        if self._verifying < MAX_VERIFYING and not self._transactions.expects(contact.endpoint):
            self._check(contact, now)

    def _check(self, contact: Contact, now: float) -> None:
        self._verifying += 1
        self._ask(contact.endpoint, contact.node_id, Ping(), _Check(contact), now)

    def _on_response(self, response: Response, source: Endpoint, now: float) -> None:
        transaction = self._transactions.close(response.transaction_id, source)
        if transaction is None:
            self._dropped["unexpected_answer"] += 1
            return
        realm = self._realms[source.family]
        if response.sender == realm.table.own:
            # Ourselves, through a loop or a liar.
            self._dropped["answered_as_ourselves"] += 1
            self._give_up(transaction, now)
            return
        rtt_s = now - transaction.sent_at
        realm.rtt.sample(rtt_s)
        for doubtful in realm.table.answered(Contact(response.sender, source), rtt_s, now):
            if not self._transactions.expects(doubtful.endpoint):
                self._check(doubtful, now)
        if transaction.expected_id not in (None, response.sender):
            # Restarted or moved to another id, which the table has just learned: as good an answer as any.
            realm.table.failed(Contact(transaction.expected_id, source))
            self._counts["answers_under_another_id"] += 1
        self._counts["answers_in"] += 1
        if response.observed is not None:
            learned = realm.observed(source, response.observed, now)
            if learned is not None:
                self._events.append(ExternalAddressLearned(*learned))
                if learned[1]:
                    # Join again at the new place, or nobody there knows us.
                    self._retry_at = now
        match transaction.purpose:
            case _Check():
                self._verifying -= 1
            case _Step(call, family, candidate):
                self._on_step(call, family, candidate, response, now)
            case _Store(call):
                call.stored += 1
                self._on_store_settled(call, now)

    def _on_step(self, call: Call, family: Family, candidate: Candidate, response: Response, now: float) -> None:
        if call.call_id not in self._calls:
            return
        for told_family, contacts in response.nodes.items():
            traversal = call.traversals.get(told_family)
            if traversal is not None and told_family is not family:
                traversal.add(self._usable(contacts))
        nodes = self._usable(response.nodes.get(family, ()))
        call.traversals[family].answered(candidate, response.sender, nodes, response.token)
        self._tell_peers(call, list(response.peers))
        self._advance(call, now)

    def _on_refusal(self, refusal: Refusal, source: Endpoint, now: float) -> None:
        transaction = self._transactions.close(refusal.transaction_id, source)
        if transaction is None:
            self._dropped["unexpected_answer"] += 1
            return
        self._counts["refusals_in"] += 1
        # It is alive, so the table is not told; but it gave nothing to go on with.
        match transaction.purpose:
            case _Check():
                self._verifying -= 1
            case _Step(call, family, candidate):
                call.traversals[family].failed(candidate)
                self._advance(call, now)
            case _Store(call):
                call.refused += 1
                self._on_store_settled(call, now)

    # What goes out

    def datagrams_to_send(self) -> list[tuple[bytes, Endpoint]]:
        """Datagrams in order, each handed out once."""
        out, self._out = self._out, []
        return out

    def next_event(self) -> DhtEvent | None:
        """The oldest event not yet handed out."""
        return self._events.popleft() if self._events else None

    def _send(self, datagram: bytes, to: Endpoint) -> None:
        self._counts["datagrams_out"] += 1
        self._counts["bytes_out"] += len(datagram)
        self._out.append((datagram, to))

    def _ask(self, to: Endpoint, expected: NodeId | None, question: Question, purpose: _Purpose, now: float) -> None:
        realm = self._realms[to.family]
        transaction_id = self._transactions.fresh_id()
        datagram = krpc.encode_query(transaction_id, realm.table.own, question, read_only=self._config.read_only)
        known = realm.table.get(expected) if expected is not None else None
        self._transactions.open(
            transaction_id,
            endpoint=to,
            expected_id=expected,
            datagram=datagram,
            purpose=purpose,
            now=now,
            patience=realm.rtt.patience(known.rtt_s if known is not None else None),
        )
        self._counts["queries_out"] += 1
        self._send(datagram, to)

    # Time

    def next_timer(self) -> float:
        """When `handle_timer` should be called at the latest."""
        times = [self._maintain_at, *(call.deadline for call in self._calls.values())]
        transaction_at = self._transactions.next_timer()
        if transaction_at is not None:
            times.append(transaction_at)
        if self._retry_at is not None:
            times.append(self._retry_at)
        return min(times)

    def handle_timer(self, now: float) -> None:
        """Do what is due. Calling too early or too late is harmless."""
        stalled, failed = self._transactions.due(now)
        for transaction in stalled:
            self._send(transaction.datagram, transaction.endpoint)
            if isinstance(transaction.purpose, _Step):
                step = transaction.purpose
                step.call.traversals[step.family].stalled(step.candidate)
                self._advance(step.call, now)
        for transaction in failed:
            self._counts["timeouts"] += 1
            self._give_up(transaction, now)
        for call in [call for call in self._calls.values() if call.deadline <= now]:
            self._finish(call, now)
        if self._retry_at is not None and self._retry_at <= now:
            self._retry_at = None
            self._start_bootstrap_call(now)
        if self._maintain_at <= now:
            self._maintain_at = now + MAINTENANCE_S
            self._maintain(now)

    def _give_up(self, transaction: Transaction[_Purpose], now: float) -> None:
        """A question will not be answered."""
        realm = self._realms[transaction.endpoint.family]
        if transaction.expected_id is not None:
            realm.table.failed(Contact(transaction.expected_id, transaction.endpoint))
        match transaction.purpose:
            case _Check(contact):
                self._verifying -= 1
                if realm.table.get(contact.node_id) is None:
                    self._silent.pop(contact.endpoint, None)
                    self._silent[contact.endpoint] = now
                    if len(self._silent) > MAX_SILENT:
                        self._silent.popitem(last=False)
            case _Step(call, family, candidate):
                call.traversals[family].failed(candidate)
                self._advance(call, now)
            case _Store(call):
                self._on_store_settled(call, now)

    def _maintain(self, now: float) -> None:
        for realm in self._realms.values():
            realm.store.expire(now)
            for contact in realm.table.questionable(now, PINGS_PER_MAINTENANCE):
                if not self._transactions.expects(contact.endpoint):
                    self._check(contact, now)
            stale = realm.table.stale_bucket(now, self._config.bucket_refresh_s)
            if stale is not None and len(realm.table) and not self._upkeep:
                self._refresh(realm, stale, now)
        live = [sum(not node.failures for node in realm.table.nodes()) for realm in self._realms.values()]
        if not any(live):
            self._schedule_retry(now)
        elif min(live) < self._config.k:
            # A small network, or half of us alone: look in at the seeds now and then, they may know others by now.
            self._schedule_retry(now, at_least_s=MAX_RETRY_S)
        self._start_waiting(now)

    def _refresh(self, realm: Realm, bucket: int, now: float) -> None:
        target = random_id_in_bucket(realm.table.own, bucket, self._random_bytes)
        realm.table.touch(target, now)
        self._upkeep.append(self._new_call(CallKind.REFRESH, {realm.family: target}))

    # Calls

    def start_bootstrap(self, seeds: Sequence[Endpoint], now: float) -> CallId:
        """Join (again): ask the saved nodes, then these endpoints, for the nodes nearest to us. Ends with BootstrapFinished.

        The endpoints are remembered for later attempts (up to 64) and become ordinary nodes of the table when they answer.
        """
        self.add_seeds(seeds)
        self._retry_at = None
        return self._start_bootstrap_call(now)

    def add_seeds(self, seeds: Iterable[Endpoint]) -> None:
        """Remember endpoints for the next attempt to join, without starting one."""
        private = self._config.allow_private
        usable = [s for s in seeds if s.family in self._realms and s.is_usable(allow_private=private)]
        self._seeds = tuple(dict.fromkeys([*usable, *self._seeds]))[:MAX_SEEDS]

    def start_find_node(self, target: bytes, now: float) -> CallId:
        """Find the nodes nearest to a 20-byte id. Ends with FindNodeFinished."""
        return self._start(CallKind.FIND_NODE, target, now)

    def start_get_peers(self, key: bytes, now: float) -> CallId:
        """Find who has announced a 20-byte key, in every family. PeersFound as they come; ends with GetPeersFinished."""
        return self._start(CallKind.GET_PEERS, key, now)

    def start_announce(self, key: bytes, port: int, now: float) -> CallId:
        """Announce that our address takes connections for `key` on `port`, to the k nearest nodes. Ends with AnnounceFinished.

        Others forget it after 30 to 45 minutes: repeat every 15.
        """
        if self._config.read_only:
            raise LocalProtocolError("a read-only node announces nothing (BEP 43)", code="read_only")
        if not 1 <= port <= 0xFFFF:
            raise LocalProtocolError("a port is 1 to 65535", code="bad_port")
        return self._start(CallKind.ANNOUNCE, key, now, port=port)

    def cancel(self, call_id: CallId) -> None:
        """Forget a call; no event will tell of it. Unknown ids are ignored: it may just have ended."""
        self._calls.pop(call_id, None)
        self._waiting = deque(call for call in self._waiting if call.call_id != call_id)

    def _new_call(self, kind: CallKind, targets: dict[Family, bytes], *, port: int = 0) -> Call:
        self._last_call_id += 1
        return Call(CallId(self._last_call_id), kind, targets, port)

    def _start(self, kind: CallKind, target: bytes, now: float, *, port: int = 0) -> CallId:
        if len(target) != ID_BYTES:
            raise LocalProtocolError("a key or an id is 20 bytes", code="bad_key")
        if len(self._waiting) >= self._config.max_waiting_calls:
            raise LocalProtocolError("too many calls are waiting", code="too_many_calls")
        call = self._new_call(kind, dict.fromkeys(self._realms, target), port=port)
        self._waiting.append(call)
        self._start_waiting(now)
        return call.call_id

    def _start_bootstrap_call(self, now: float) -> CallId:
        call = self._new_call(CallKind.BOOTSTRAP, {f: bytes(realm.table.own) for f, realm in self._realms.items()})
        self._begin(call, now)
        return call.call_id

    def _start_waiting(self, now: float) -> None:
        if self._starting:
            # A call that ends as soon as it begins comes back here: the loop below goes on, the stack does not grow.
            return
        self._starting = True
        while len(self._calls) < self._config.max_active_calls and (self._waiting or self._upkeep):
            self._begin((self._waiting or self._upkeep).popleft(), now)
        self._starting = False

    def _begin(self, call: Call, now: float) -> None:
        call.deadline = now + self._config.call_deadline_s
        self._calls[call.call_id] = call
        for family, target in call.targets.items():
            realm = self._realms[family]
            traversal = Traversal(
                target, realm.table.own, self._config.addresses, k=self._config.k, alpha=self._config.alpha
            )
            call.traversals[family] = traversal
            traversal.add(realm.table.closest(target, 2 * self._config.k))
            realm.table.touch(target, now)
            if call.kind is CallKind.BOOTSTRAP or not len(realm.table):
                traversal.add(self._usable(c for c in self._config.saved.nodes if c.endpoint.family is family))
                traversal.add_seeds(seed for seed in self._seeds if seed.family is family)
            if call.kind is CallKind.GET_PEERS:
                self._tell_peers(call, realm.store.peers(target, self._config.max_peers_per_call, now))
        self._advance(call, now)

    def _advance(self, call: Call, now: float) -> None:
        """Ask whom the traversals want asked; when they are done, go on to storing or to the end."""
        if call.call_id not in self._calls or call.storing:
            return
        for family, traversal in call.traversals.items():
            for candidate in traversal.take():
                question = call.question(family, self._want)
                self._ask(candidate.endpoint, candidate.node_id, question, _Step(call, family, candidate), now)
        if not call.looked_up:
            return
        if call.kind is not CallKind.ANNOUNCE:
            self._finish(call, now)
            return
        call.storing = True
        storers = call.storers()
        call.store_open = len(storers)
        for storer in storers:
            announcement = AnnouncePeer(call.targets[storer.endpoint.family], call.port, storer.token or b"")
            self._ask(storer.endpoint, storer.node_id, announcement, _Store(call), now)
        if not storers:
            self._finish(call, now)

    def _on_store_settled(self, call: Call, now: float) -> None:
        call.store_open -= 1
        if call.store_open == 0:
            self._finish(call, now)

    def _tell_peers(self, call: Call, peers: list[Endpoint]) -> None:
        if call.kind is not CallKind.GET_PEERS:
            return
        usable = [peer for peer in peers if peer.is_usable(allow_private=self._config.allow_private)]
        fresh = call.add_peers(usable, self._config.max_peers_per_call)
        if fresh:
            self._events.append(PeersFound(call.call_id, fresh))

    def _finish(self, call: Call, now: float) -> None:
        if self._calls.pop(call.call_id, None) is None:
            return
        event = call.finished_event(sum(len(realm.table) for realm in self._realms.values()))
        if event is not None:
            self._events.append(event)
        if call.answered == 0:
            # Nobody is there: whoever is in the table has just failed.
            self._schedule_retry(now)
        elif call.kind is CallKind.BOOTSTRAP:
            self._retry_s = FIRST_RETRY_S
            for realm in self._realms.values():
                for bucket in realm.table.sparse_buckets():
                    self._refresh(realm, bucket, now)
        self._start_waiting(now)

    def _schedule_retry(self, now: float, *, at_least_s: float = 0.0) -> None:
        joining = any(call.kind is CallKind.BOOTSTRAP for call in self._calls.values())
        if joining or not (self._seeds or self._config.saved.nodes):
            return
        wait_s = max(self._retry_s, at_least_s)
        if self._retry_at is not None and self._retry_at <= now + 1.5 * wait_s:
            return
        self._retry_at = now + wait_s * (1 + random_below(1000, self._random_bytes) / 2000)
        self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)

    def _usable(self, contacts: Iterable[Contact]) -> list[Contact]:
        return [c for c in contacts if c.endpoint.is_usable(allow_private=self._config.allow_private)]

    # What is known

    def node_id(self, family: Family) -> NodeId:
        """Our id in that family."""
        return self._realms[family].table.own

    def saved_state(self) -> SavedState:
        """What to keep for the next start: our ids and the nodes most likely to answer then."""
        nodes: list[Contact] = []
        for family, realm in self._realms.items():
            known = sorted(realm.table.nodes(), key=lambda node: (node.failures, -node.answered_at))
            contacts = [node.contact for node in known]
            if len(contacts) < self._config.k:
                # Cut off now is no reason to forget whom we knew.
                contacts += [c for c in self._config.saved.nodes if c.endpoint.family is family]
            nodes += list(dict.fromkeys(contacts))[:MAX_SAVED_NODES]
        ids = tuple((family, realm.table.own) for family, realm in self._realms.items())
        return SavedState(ids, tuple(nodes))

    def stats(self, now: float) -> DhtStats:
        """Counters and gauges."""
        realms = {f"v{family.value}": realm for family, realm in self._realms.items()}
        return DhtStats(
            nodes={name: len(realm.table) for name, realm in realms.items()},
            good_nodes={name: realm.table.good_count(now) for name, realm in realms.items()},
            waiting_nodes={name: realm.table.waiting_count for name, realm in realms.items()},
            rtt_ms={name: realm.rtt.mean_s * 1000 for name, realm in realms.items()},
            stored_keys=sum(realm.store.keys for realm in realms.values()),
            stored_peers=sum(realm.store.entries for realm in realms.values()),
            in_flight=len(self._transactions),
            active_calls=len(self._calls),
            waiting_calls=len(self._waiting),
            datagrams_in=self._counts["datagrams_in"],
            datagrams_out=self._counts["datagrams_out"],
            bytes_in=self._counts["bytes_in"],
            bytes_out=self._counts["bytes_out"],
            queries_in=dict(self._queries_in),
            queries_out=self._counts["queries_out"],
            answers_in=self._counts["answers_in"],
            answers_under_another_id=self._counts["answers_under_another_id"],
            refusals_in=self._counts["refusals_in"],
            timeouts=self._counts["timeouts"],
            dropped=dict(self._dropped),
        )
