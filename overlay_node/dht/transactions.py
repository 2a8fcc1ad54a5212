"""Our questions in flight: who was asked what, when to repeat it, when to give up, and whose answer an answer is.

Each question is sent at most twice, under the same transaction id: at once and at the soft timeout. One lost datagram is thus not a dead node.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, TypeVar

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.ids import NodeId, RandomBytes
from overlay_node.dht.rtt import Patience

TRANSACTION_ID_BYTES = 4
"""2 would do for matching; 4 random ones make a blind forger's guess hopeless within the timeout."""

Purpose = TypeVar("Purpose")


@dataclass(slots=True, eq=False)
class Transaction(Generic[Purpose]):
    """One question in flight. `purpose` is what its owner wants to do with the answer."""

    transaction_id: bytes
    endpoint: Endpoint
    expected_id: NodeId | None
    datagram: bytes
    purpose: Purpose
    sent_at: float
    hard_at: float
    repeated: bool = False
    open: bool = True


class Transactions(Generic[Purpose]):
    """All questions in flight of one node, both families. Times are monotonic seconds."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._open: dict[bytes, Transaction[Purpose]] = {}
        self._asked: Counter[Endpoint] = Counter()
        # (when, order, transaction): the order keeps equal times deterministic.
        self._timers: list[tuple[float, int, Transaction[Purpose]]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._open)

    def expects(self, endpoint: Endpoint) -> bool:
        """Whether something we asked that endpoint is still unanswered."""
        return self._asked[endpoint] > 0

    def fresh_id(self) -> bytes:
        """An id no open question has."""
        while True:
            transaction_id = self._random_bytes(TRANSACTION_ID_BYTES)
            if transaction_id not in self._open:
                return transaction_id

    def open(
        self,
        transaction_id: bytes,
        *,
        endpoint: Endpoint,
        expected_id: NodeId | None,
        datagram: bytes,
        purpose: Purpose,
        now: float,
        patience: Patience,
    ) -> None:
        """Remember a question that is being sent now."""
        transaction = Transaction(transaction_id, endpoint, expected_id, datagram, purpose, now, now + patience.hard_s)
        self._open[transaction_id] = transaction
        self._asked[endpoint] += 1
        self._schedule(now + patience.soft_s, transaction)

    def close(self, transaction_id: bytes, endpoint: Endpoint) -> Transaction[Purpose] | None:
        """The question this answer belongs to, no longer in flight; `None` for an answer nobody asked that endpoint for."""
        transaction = self._open.get(transaction_id)
        if transaction is None or transaction.endpoint != endpoint:
            return None
        self._forget(transaction)
        return transaction

    def next_timer(self) -> float | None:
        """When something is due."""
        while self._timers and not self._timers[0][2].open:
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def due(self, now: float) -> tuple[list[Transaction[Purpose]], list[Transaction[Purpose]]]:
        """The questions to be repeated now (once each) and those that have failed (no longer in flight)."""
        stalled: list[Transaction[Purpose]] = []
        failed: list[Transaction[Purpose]] = []
        while self._timers and self._timers[0][0] <= now:
            transaction = heappop(self._timers)[2]
            if not transaction.open:
                continue
            if transaction.repeated or transaction.hard_at <= now:
                self._forget(transaction)
                failed.append(transaction)
            else:
                transaction.repeated = True
                stalled.append(transaction)
                self._schedule(transaction.hard_at, transaction)
        return stalled, failed

    def _schedule(self, when: float, transaction: Transaction[Purpose]) -> None:
        self._order += 1
        heappush(self._timers, (when, self._order, transaction))

    def _forget(self, transaction: Transaction[Purpose]) -> None:
        transaction.open = False
        del self._open[transaction.transaction_id]
        self._asked[transaction.endpoint] -= 1
        if not self._asked[transaction.endpoint]:
            del self._asked[transaction.endpoint]
