"""How many connections, how many of one address, how many new ones a minute. Pure: the time is passed in.

Per-address and per-group limits bind public addresses only: machines of one home, and test peers on 127.0.0.N, share theirs rightly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from overlay_node.net.addresses import group_of, host_of, is_public
from overlay_node.protocol import limits
from overlay_node.protocol.rates import TokenBucket

_MAX_GROUPS = 1024  # groups whose rate is remembered; a full bucket of an old one is as good as none


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Defaults are those of ``protocol.limits``."""

    connections: int = limits.MAX_CONNECTIONS
    inbound: int = limits.MAX_INBOUND_CONNECTIONS
    per_address: int = limits.MAX_CONNECTIONS_PER_IP
    new_per_min: int = limits.NEW_CONNECTIONS_PER_MIN
    new_per_min_per_group: int = limits.NEW_CONNECTIONS_PER_MIN_PER_GROUP


class ConnectionGate:
    """Counts connections from their first byte on. Each ``enter`` that returned None needs one ``leave`` of the same direction."""

    def __init__(self, *, now: float, gate_limits: GateLimits | None = None) -> None:
        self._limits = gate_limits or GateLimits()
        self._open = 0
        self._inbound = 0
        self._by_address: Counter[str] = Counter()
        per_min = self._limits.new_per_min
        self._new = TokenBucket(rate=per_min / 60.0, burst=float(per_min), now=now)
        self._new_by_group: dict[str, TokenBucket] = {}

    @property
    def open_connections(self) -> int:
        """Connections that are inside now."""
        return self._open

    def enter(self, host: str, now: float, *, inbound: bool) -> str | None:
        """None = come in; otherwise the code of the limit that is reached. Rates bind inbound connections of public addresses."""
        if self._open >= self._limits.connections or (inbound and self._inbound >= self._limits.inbound):
            return "too_many_links"
        public = is_public(host)
        if public and self._by_address[host_of(host)] >= self._limits.per_address:
            return "too_many_links_of_address"
        if inbound and public:
            bucket = self._group_bucket(group_of(host), now)
            if not bucket.take(now):
                return "too_many_new_links_of_group"
            if not self._new.take(now):
                return "too_many_new_links"
        self._open += 1
        self._inbound += inbound
        self._by_address[host_of(host)] += 1
        return None

    def leave(self, host: str, *, inbound: bool) -> None:
        """A connection that entered is gone."""
        self._open -= 1
        self._inbound -= inbound
        source = host_of(host)
        self._by_address[source] -= 1
        if self._by_address[source] <= 0:
            del self._by_address[source]

    def _group_bucket(self, group: str, now: float) -> TokenBucket:
        bucket = self._new_by_group.pop(group, None)
        if bucket is None:
            per_min = self._limits.new_per_min_per_group
            bucket = TokenBucket(rate=per_min / 60.0, burst=float(per_min), now=now)
        while len(self._new_by_group) >= _MAX_GROUPS:
            del self._new_by_group[next(iter(self._new_by_group))]
        self._new_by_group[group] = bucket
        return bucket
