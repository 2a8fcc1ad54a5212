"""Who had what it claimed to have, and who is not asked for it for a while.

Told by transfers as it happens, written to the claims' rows once a second in one call. Pauses grow with every failure in a row and are kept in memory;
those of earlier runs come back with the claims' rows. One delivered leaf clears the slate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from apps.domain.contracts.node_work import DeliveryReport
from apps.domain.errors import DomainError
from apps.domain.mesh.claims import cooling_s
from overlay_node.ports import Store
from overlay_node.swarm.choice import PayloadKey

log = logging.getLogger(__name__)

MAX_KNOWN: Final = 8192  # (peer, payload) pairs; the oldest go, and are asked again a little too early


@dataclass(slots=True)
class _Record:
    undelivered: int = 0
    until: float = 0.0
    delivered: bool = False


class Deliveries:
    """`clock` is monotonic seconds."""

    def __init__(self, *, store: Store, clock: Callable[[], float]) -> None:
        self._store: Final = store
        self._clock: Final = clock
        self._known: Final[dict[tuple[str, PayloadKey], _Record]] = {}
        self._untold: list[DeliveryReport] = []

    def delivered(self, peer: str, key: PayloadKey) -> None:
        """Bytes of this payload that this peer sent hashed right. Only the first time costs anything."""
        record = self._record(peer, key)
        if not record.delivered or record.undelivered:
            record.delivered, record.undelivered, record.until = True, 0, 0.0
            self._tell(peer, key, delivered=True)

    def failed(self, peer: str, key: PayloadKey) -> float:
        """It had nothing to give. Returns the seconds for which it is not asked for this payload."""
        record = self._record(peer, key)
        record.undelivered += 1
        record.delivered = False
        pause = cooling_s(record.undelivered)
        record.until = self._clock() + pause
        self._tell(peer, key, delivered=False)
        return pause

    def restore(self, peer: str, key: PayloadKey, *, cooling_s: float) -> None:
        """What the rows say; what was seen since the start knows better."""
        if cooling_s > 0 and (peer, key) not in self._known:
            self._record(peer, key).until = self._clock() + cooling_s

    def cooling(self, peer: str, key: PayloadKey) -> bool:
        """True while it is not asked for this payload."""
        record = self._known.get((peer, key))
        return record is not None and record.until > self._clock()

    def left_s(self, peer: str, key: PayloadKey) -> float:
        """Seconds until it may be asked for this payload again; 0 when it may now."""
        record = self._known.get((peer, key))
        return max(0.0, record.until - self._clock()) if record is not None else 0.0

    async def flush(self) -> None:
        """Write what was learnt: once a second, and at the end. What could not be written is written with the next."""
        untold, self._untold = self._untold, []
        if not untold:
            return
        try:
            await self._store.claims_delivery(untold)
        except DomainError as error:
            self._untold = (untold + self._untold)[-MAX_KNOWN:]
            log.warning("deliveries_not_written code=%s", error.code)

    def _tell(self, peer: str, key: PayloadKey, *, delivered: bool) -> None:
        self._untold.append(
            DeliveryReport(
                peer=peer, payload_format=key.payload_format, payload_root=key.payload_root, delivered=delivered
            )
        )

    def _record(self, peer: str, key: PayloadKey) -> _Record:
        found = self._known.get((peer, key))
        if found is None:
            while len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            found = self._known[peer, key] = _Record()
        return found
