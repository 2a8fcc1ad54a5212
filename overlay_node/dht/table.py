"""The routing table of one address family: k-buckets around our own id (Kademlia §2.4, BEP 5).

Theory. A node enters only after it has answered a question of ours; those that ask us or are told of are merely candidates for a ping.
    good          answered within 15 minutes, or answered once and has asked us something within 15 minutes
    questionable  anything else that has not failed
    failing       did not answer our last question (which was sent twice)
A bucket holds k nodes; only the bucket around our own id splits. A newcomer to a full bucket takes the place of a failing node, or waits in
the replacement cache while the stalest questionable node is pinged: live old nodes are never displaced, which is what resists floods. A
failing node is replaced at once if somebody waits, and dropped at `MAX_FAILURES` otherwise. One host or network gets only a few places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from overlay_node.dht.config import AddressLimits
from overlay_node.dht.ids import ID_BITS, Contact, NodeId

GOOD_FOR_S = 15 * 60.0
"""BEP 5."""
MAX_FAILURES = 3
"""Unanswered questions in a row after which a node goes, even when nobody waits for its place. Each question was sent twice."""


@dataclass(slots=True)
class TableNode:
    """A node that has answered at least once."""

    contact: Contact
    number: int
    """The id as a number: distances are one XOR."""
    answered_at: float
    rtt_s: float
    asked_us_at: float = float("-inf")
    failures: int = 0

    def is_good(self, now: float) -> bool:
        """BEP 5's definition."""
        return self.failures == 0 and now - max(self.answered_at, self.asked_us_at) < GOOD_FOR_S


@dataclass(slots=True)
class _Bucket:
    touched_at: float
    nodes: dict[NodeId, TableNode] = field(default_factory=dict)
    waiting: dict[NodeId, TableNode] = field(default_factory=dict)
    """The replacement cache, oldest first."""


class RoutingTable:
    """Who is out there, as far as we have seen for ourselves. Times are monotonic seconds."""

    def __init__(self, own: NodeId, limits: AddressLimits, now: float, *, k: int = 8) -> None:
        self.own = own
        self._own_number = int.from_bytes(own, "big")
        self._limits = limits
        self._k = k
        # Bucket i holds ids sharing exactly i leading bits with ours; the last one everything nearer.
        self._buckets = [_Bucket(now)]
        self._by_source: Counter[bytes] = Counter()
        self._by_group: Counter[bytes] = Counter()
        self._ids: dict[tuple[bytes, int], NodeId] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def nodes(self) -> Iterator[TableNode]:
        """All nodes, the replacement caches not included."""
        for bucket in self._buckets:
            yield from bucket.nodes.values()

    def get(self, node_id: NodeId) -> TableNode | None:
        """The node with this id."""
        return self._bucket(node_id).nodes.get(node_id)

    def good_count(self, now: float) -> int:
        """How many nodes are good."""
        return sum(node.is_good(now) for node in self.nodes())

    @property
    def waiting_count(self) -> int:
        """How many nodes are in the replacement caches."""
        return sum(len(bucket.waiting) for bucket in self._buckets)

    def closest(self, target: bytes, count: int, *, answering_only: bool = False) -> list[Contact]:
        """Up to `count` nodes, nearest to `target` first. `answering_only` leaves out failing ones: for what we tell others."""
        number = int.from_bytes(target, "big")
        pool = [node for node in self.nodes() if not (answering_only and node.failures)]
        pool.sort(key=lambda node: node.number ^ number)
        return [node.contact for node in pool[:count]]

    def asked_us(self, contact: Contact, now: float) -> bool:
        """A query came from this node. True when it is unknown and worth a ping: it could get a place if it answers."""
        node = self.get(contact.node_id)
        if node is not None:
            if node.contact.endpoint == contact.endpoint:
                node.asked_us_at = now
                return False
            # The same id elsewhere: believed only once the known place has fallen silent.
            return node.failures > 0
        if contact.node_id == self.own or self._over_limits(contact):
            return False
        bucket = self._bucket(contact.node_id)
        if len(bucket.nodes) < self._k or self._can_split(bucket):
            return self._group_fits(contact, bucket)
        return any(not node.is_good(now) for node in bucket.nodes.values())

    def answered(self, contact: Contact, rtt_s: float, now: float) -> list[Contact]:
        """A question of ours was answered by this node. Returns nodes that should be pinged to see whether they must make room."""
        if contact.node_id == self.own:
            return []
        known_id = self._ids.get((contact.endpoint.packed, contact.endpoint.port))
        if known_id is not None and known_id != contact.node_id:
            # It answered just now under another id: restarted, and its old self is gone.
            self.remove(known_id)
        bucket = self._bucket(contact.node_id)
        node = bucket.nodes.get(contact.node_id)
        if node is not None and node.contact.endpoint != contact.endpoint:
            if node.failures == 0:
                return []
            self.remove(contact.node_id)
            node = None
        if node is not None:
            node.answered_at, node.rtt_s, node.failures = now, rtt_s, 0
            bucket.touched_at = now
            return []
        bucket.waiting.pop(contact.node_id, None)
        newcomer = TableNode(contact, int.from_bytes(contact.node_id, "big"), now, rtt_s)
        return self._insert(newcomer, now)

    def failed(self, contact: Contact) -> None:
        """This node did not answer a question, or somebody else answered in its place."""
        node_id = contact.node_id
        bucket = self._bucket(node_id)
        bucket.waiting.pop(node_id, None)
        node = bucket.nodes.get(node_id)
        if node is None or node.contact.endpoint != contact.endpoint:
            return
        node.failures += 1
        if not self._promote(bucket, instead_of=node) and node.failures >= MAX_FAILURES:
            self.remove(node_id)

    def remove(self, node_id: NodeId) -> None:
        """Forget this node; its place stays free for the next that answers."""
        bucket = self._bucket(node_id)
        bucket.waiting.pop(node_id, None)
        node = bucket.nodes.pop(node_id, None)
        if node is None:
            return
        endpoint = node.contact.endpoint
        self._by_source[endpoint.source] -= 1
        self._by_group[endpoint.group] -= 1
        del self._ids[endpoint.packed, endpoint.port]

    def touch(self, target: bytes, now: float) -> None:
        """A lookup for `target` is under way, which refreshes its bucket."""
        self._bucket(target).touched_at = now

    def stale_bucket(self, now: float, max_age_s: float) -> int | None:
        """The index (= shared prefix bits) of the bucket longest without news, if that is over `max_age_s`."""
        index = min(range(len(self._buckets)), key=lambda i: self._buckets[i].touched_at)
        return index if now - self._buckets[index].touched_at >= max_age_s else None

    def sparse_buckets(self) -> list[int]:
        """Indexes of the buckets, the own one excepted, that could hold more: what a fresh node should look up."""
        return [index for index, bucket in enumerate(self._buckets[:-1]) if len(bucket.nodes) < self._k]

    def questionable(self, now: float, count: int) -> list[Contact]:
        """Up to `count` nodes most in need of a ping: failing or long silent ones, the stalest first."""
        pool = [node for node in self.nodes() if not node.is_good(now)]
        pool.sort(key=lambda node: node.answered_at)
        return [node.contact for node in pool[:count]]

    def _bucket(self, node_id: bytes) -> _Bucket:
        prefix = ID_BITS - (int.from_bytes(node_id, "big") ^ self._own_number).bit_length()
        return self._buckets[min(prefix, len(self._buckets) - 1)]

    def _can_split(self, bucket: _Bucket) -> bool:
        return bucket is self._buckets[-1] and len(self._buckets) < ID_BITS

    def _over_limits(self, contact: Contact) -> bool:
        limits, endpoint = self._limits, contact.endpoint
        return (limits.per_source is not None and self._by_source[endpoint.source] >= limits.per_source) or (
            limits.per_table_group is not None and self._by_group[endpoint.group] >= limits.per_table_group
        )

    def _group_fits(self, contact: Contact, bucket: _Bucket, *, leaving: TableNode | None = None) -> bool:
        limit, group = self._limits.per_bucket_group, contact.endpoint.group
        if limit is None:
            return True
        return sum(n.contact.endpoint.group == group for n in bucket.nodes.values() if n is not leaving) < limit

    def _insert(self, newcomer: TableNode, now: float) -> list[Contact]:
        if self._over_limits(newcomer.contact):
            return []
        bucket = self._bucket(newcomer.contact.node_id)
        while len(bucket.nodes) >= self._k and self._can_split(bucket):
            self._split()
            bucket = self._bucket(newcomer.contact.node_id)
        if len(bucket.nodes) < self._k:
            if self._group_fits(newcomer.contact, bucket):
                self._place(newcomer, bucket)
                bucket.touched_at = now
            return []
        bucket.waiting[newcomer.contact.node_id] = newcomer
        while len(bucket.waiting) > self._k:
            del bucket.waiting[next(iter(bucket.waiting))]
        failing = max(bucket.nodes.values(), key=lambda node: node.failures)
        if failing.failures:
            self._promote(bucket, instead_of=failing)
            return []
        doubtful = [node for node in bucket.nodes.values() if not node.is_good(now)]
        return [min(doubtful, key=lambda node: node.answered_at).contact] if doubtful else []

    def _place(self, node: TableNode, bucket: _Bucket) -> None:
        endpoint = node.contact.endpoint
        bucket.nodes[node.contact.node_id] = node
        self._by_source[endpoint.source] += 1
        self._by_group[endpoint.group] += 1
        self._ids[endpoint.packed, endpoint.port] = node.contact.node_id

    def _promote(self, bucket: _Bucket, *, instead_of: TableNode) -> bool:
        """Give the place of `instead_of` to whoever waits and was seen last, within the limits."""
        for node_id, node in reversed(list(bucket.waiting.items())):
            endpoint = node.contact.endpoint
            taken = (endpoint.packed, endpoint.port) in self._ids
            if taken or self._over_limits(node.contact):
                continue
            if not self._group_fits(node.contact, bucket, leaving=instead_of):
                continue
            del bucket.waiting[node_id]
            self.remove(instead_of.contact.node_id)
            self._place(node, bucket)
            return True
        return False

    def _split(self) -> None:
        old = self._buckets[-1]
        near = _Bucket(old.touched_at)
        self._buckets.append(near)
        for source, into in ((old.nodes, near.nodes), (old.waiting, near.waiting)):
            for node_id in [n for n in source if self._bucket(n) is near]:
                into[node_id] = source.pop(node_id)
