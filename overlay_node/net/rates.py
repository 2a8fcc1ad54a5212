"""Upload budgets: so many bytes a second for the whole node, and for each link. Pure: the time is passed in.

A seeder asks ``wait_s`` before it reads a chunk, waits that long, and then calls ``spend``. A chunk may be larger than what is saved up:
it is then sent as a debt, so a slow budget makes chunks rare, never impossible.
"""

from __future__ import annotations

from overlay_node.protocol.limits import KIB, MAX_CHUNK_BYTES
from overlay_node.protocol.rates import TokenBucket


class UploadBudget:
    """``kbps`` is KiB/s; None or 0 = unlimited. Keys of links are opaque to it (peer ids are good ones)."""

    def __init__(self, *, now: float, total_kbps: int | None = None, per_link_kbps: int | None = None) -> None:
        self._per_link_kbps = per_link_kbps
        self._total = _bucket(total_kbps, now)
        self._links: dict[str, TokenBucket] = {}

    def wait_s(self, link: str, now: float) -> float:
        """Seconds until the next chunk may be sent on this link; 0.0 = now."""
        waits = [bucket.wait_s(now, 1.0) for bucket in self._buckets(link, now)]
        return max(waits, default=0.0)

    def spend(self, link: str, size_bytes: int, now: float) -> None:
        """``size_bytes`` were handed to the link."""
        for bucket in self._buckets(link, now):
            bucket.take_debt(now, float(size_bytes))

    def forget(self, link: str) -> None:
        """The link is gone. A peer that comes back at once would start with a full bucket of one chunk: no gain worth a record."""
        self._links.pop(link, None)

    def _buckets(self, link: str, now: float) -> list[TokenBucket]:
        found = [] if self._total is None else [self._total]
        if self._per_link_kbps:
            mine = self._links.get(link)
            if mine is None:
                mine = _bucket(self._per_link_kbps, now)
                assert mine is not None
                self._links[link] = mine
            found.append(mine)
        return found


def _bucket(kbps: int | None, now: float) -> TokenBucket | None:
    if not kbps:
        return None
    rate = float(kbps * KIB)
    return TokenBucket(rate=rate, burst=min(rate, float(MAX_CHUNK_BYTES)), now=now)
