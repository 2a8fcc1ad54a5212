"""One iterative lookup in one address family (Kademlia §2.3): ask the nearest, learn nearer ones, stop when the k nearest have answered.

    FRESH → ASKED → ANSWERED
              ├→ STALLED (soft timeout: its slot is free for another, its answer still welcome) → ANSWERED | FAILED
              └→ FAILED

No messages here: `take` says whom to ask, the caller reports back. Seeds are endpoints without a known id (bootstrap): they are asked after
the nearest candidates, but before the rest as soon as one of those is silent, and become candidates when they answer.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.config import AddressLimits
from overlay_node.dht.ids import Contact, NodeId

MAX_CANDIDATES = 256
"""Candidates kept per lookup, nearest first: 16 full answers of 8 and room for the failing ones."""


class Progress(Enum):
    """Where one candidate stands."""

    FRESH = auto()
    ASKED = auto()
    STALLED = auto()
    ANSWERED = auto()
    FAILED = auto()


class Candidate:
    """A node this lookup may ask. Owned by its traversal; callers hand it back and read `endpoint`, `node_id`, `token`."""

    __slots__ = ("endpoint", "node_id", "progress", "token")

    def __init__(self, endpoint: Endpoint, node_id: NodeId | None) -> None:
        self.endpoint = endpoint
        self.node_id = node_id
        self.progress = Progress.FRESH
        self.token: bytes | None = None


class Traversal:
    """See the module's text. `k` nearest wanted, `alpha` questions in flight."""

    def __init__(self, target: bytes, own: NodeId, limits: AddressLimits, *, k: int, alpha: int) -> None:
        self._target = int.from_bytes(target, "big")
        self._own = own
        self._limits = limits
        self._k = k
        self._alpha = alpha
        self._ranked: list[tuple[int, bytes, Candidate]] = []
        self._known: set[tuple[bytes | None, bytes]] = set()
        self._by_source: Counter[bytes] = Counter()
        self._by_group: Counter[bytes] = Counter()
        self._seeds: list[Candidate] = []
        self._in_flight = 0
        self._doubtful = False
        self.answered_count = 0
        self.failed_count = 0

    def add_seeds(self, endpoints: Iterable[Endpoint]) -> None:
        """Endpoints to ask whatever their id is."""
        for endpoint in endpoints:
            if (None, endpoint.compact) not in self._known:
                self._known.add((None, endpoint.compact))
                self._seeds.append(Candidate(endpoint, None))

    def add(self, contacts: Iterable[Contact]) -> None:
        """Nodes somebody told us of. Repeated, own and over-represented ones are ignored."""
        for contact in contacts:
            key = (contact.node_id, contact.endpoint.compact)
            if contact.node_id == self._own or key in self._known or self._over_limits(contact.endpoint):
                continue
            self._known.add(key)
            self._rank(Candidate(contact.endpoint, contact.node_id), contact.node_id)

    def take(self) -> list[Candidate]:
        """Whom to ask now; each is then ASKED. Empty when enough are in flight or nobody promising is left."""
        chosen: list[Candidate] = []
        if self._doubtful and not self.answered_count:
            self._take_seeds(chosen)
        rank = 0
        for _, _, candidate in self._ranked:
            if self._in_flight >= self._alpha or rank >= self._k:
                break
            if candidate.progress in (Progress.FAILED, Progress.STALLED):
                # A stalled one may be dead: look beyond it meanwhile.
                continue
            rank += 1
            if candidate.progress is Progress.FRESH:
                chosen.append(self._ask(candidate))
        self._take_seeds(chosen)
        return chosen

    def _take_seeds(self, chosen: list[Candidate]) -> None:
        for seed in self._seeds:
            if self._in_flight >= self._alpha:
                break
            if seed.progress is Progress.FRESH:
                chosen.append(self._ask(seed))

    def answered(self, candidate: Candidate, node_id: NodeId, nodes: Iterable[Contact], token: bytes | None) -> None:
        """`candidate` answered as `node_id`, telling of `nodes`. The caller has dropped unusable addresses."""
        if candidate.node_id not in (None, node_id):
            # Told of under an id it has no longer: that rank is empty, it takes its own.
            self._settle(candidate, Progress.FAILED)
            self._release(candidate)
            candidate = Candidate(candidate.endpoint, None)
        self._settle(candidate, Progress.ANSWERED)
        self.answered_count += 1
        candidate.token = token
        if candidate.node_id is None:
            candidate.node_id = node_id
            key = (node_id, candidate.endpoint.compact)
            if key not in self._known and node_id != self._own:
                self._known.add(key)
                self._rank(candidate, node_id)
        self.add(nodes)
        self._trim()

    def stalled(self, candidate: Candidate) -> None:
        """No answer within the soft timeout."""
        if candidate.progress is Progress.ASKED:
            self._settle(candidate, Progress.STALLED)
            self._doubtful = True

    def failed(self, candidate: Candidate) -> None:
        """No answer at all, or a useless one."""
        self._settle(candidate, Progress.FAILED)
        self._doubtful = True
        self.failed_count += 1
        if candidate.node_id is not None:
            self._release(candidate)

    @property
    def done(self) -> bool:
        """Whether the k nearest that are not known dead have answered and every seed had its chance. More nodes may undo it."""
        rank = 0
        for _, _, candidate in self._ranked:
            if candidate.progress is Progress.FAILED:
                continue
            if candidate.progress is not Progress.ANSWERED:
                return False
            rank += 1
            if rank >= self._k:
                break
        # A silent seed is waited for only as long as nobody else has answered.
        waiting = {Progress.FRESH, Progress.ASKED}
        if not self.answered_count:
            waiting.add(Progress.STALLED)
        return not any(seed.progress in waiting for seed in self._seeds)

    def closest(self) -> list[Candidate]:
        """Up to k candidates that answered, nearest first."""
        return [c for _, _, c in self._ranked if c.progress is Progress.ANSWERED][: self._k]

    def _rank(self, candidate: Candidate, node_id: NodeId) -> None:
        entry = (int.from_bytes(node_id, "big") ^ self._target, candidate.endpoint.compact, candidate)
        insort(self._ranked, entry, key=lambda item: item[:2])
        self._by_source[candidate.endpoint.source] += 1
        self._by_group[candidate.endpoint.group] += 1

    def _release(self, candidate: Candidate) -> None:
        """Its place in the limits is free again."""
        self._by_source[candidate.endpoint.source] -= 1
        self._by_group[candidate.endpoint.group] -= 1

    def _ask(self, candidate: Candidate) -> Candidate:
        candidate.progress = Progress.ASKED
        self._in_flight += 1
        return candidate

    def _settle(self, candidate: Candidate, progress: Progress) -> None:
        if candidate.progress is Progress.ASKED:
            self._in_flight -= 1
        candidate.progress = progress

    def _over_limits(self, endpoint: Endpoint) -> bool:
        limits = self._limits
        return (limits.per_source is not None and self._by_source[endpoint.source] >= limits.per_source) or (
            limits.per_lookup_group is not None and self._by_group[endpoint.group] >= limits.per_lookup_group
        )

    def _trim(self) -> None:
        """Forget the farthest fresh candidates beyond the bound; those asked stay, they are few."""
        while len(self._ranked) > MAX_CANDIDATES and self._ranked[-1][2].progress is Progress.FRESH:
            self._release(self._ranked.pop()[2])
