"""The time below which no schedule can finish, knowing every rate of the future.

Theory. A *supply* is one peer during one stay: it can carry bytes from `start` on, at its uplink's rate, until `end`; what it sends arrives half a
round trip later. `start` is when the first request for a chunk reaches it, at the earliest: link open, manifest asked (half a round trip), its
bytes sent, chunk asked (one round trip). Its completion times t(1) < t(2) < … are those at which it would have delivered k whole leaves.

*Whole leaves.* All leaves are equal jobs, supplies are machines whose speed varies with time but not with the job. Then assigning the next leaf to
whoever would complete it earliest is optimal for the last completion: any schedule that finishes n leaves by T has at most
floor(C_i(T) / leaf) of them with supply i (C_i: bytes it can have delivered by T), so T is feasible exactly when these numbers add up to n, and
the earliest such T is the n-th smallest of all completion times. The last leaf may be short: then T is feasible also when they add up to n - 1
and one supply has room for the short leaf on top.

*Who holds what.* With partial holders, T is feasible when a maximum flow from leaves to supplies of those quotas covers every leaf (leaves with
the same holders are one node). The short leaf counts as nothing there, so that bound and short leaf can be combined by taking the later.

*Shared downlink.* No schedule brings more than the integral of min(downlink, sum of what the supplies can deliver). Combined with the above by
taking the later of both: a relaxation, and still a bound.

*Fluid.* For 300 MB and more only the integral counts (the leaf is less than 0.1 % of it).

*Several downloaders that pass on what they have* (Kumar and Ross, Peer-assisted file distribution: the minimum distribution time, 2006): each byte
must leave the seeds once; nobody gets it faster than its own downlink allows; all uplinks together must carry every copy.

Peers that lie are no supply: the rule is that nothing of theirs stays where there is a choice. Envelopes (0.1 %) and jitter are left out. All
of this makes the bound lower, never higher. A policy that splits leaves between peers may finish slightly before the whole-leaf schedule: a
ratio below 1 is possible there, and not an error.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.profile import FOREVER, Profile

FLUID_BYTES = 300_000_000


@dataclass(frozen=True, slots=True)
class Supply:
    """One peer during one stay. Times are virtual seconds."""

    rate: Profile
    start: float
    end: float
    delay_s: float
    """from its uplink to the downloader"""
    holds: frozenset[int] | None = None
    """leaves; None = all"""

    def delivered(self, time: float) -> float:
        """Bytes it can have delivered by `time`."""
        return self.rate.carried(self.start, min(time - self.delay_s, self.end))

    def completion(self, amount: float) -> float:
        """When it can have delivered so many bytes; infinity for never."""
        sent = self.rate.when(self.start, amount)
        return sent + self.delay_s if sent <= self.end else FOREVER

    def arrivals(self) -> Profile:
        """Its rate as the downloader sees it."""
        first, last = self.start + self.delay_s, self.end + self.delay_s
        steps = [(0.0, 0.0), (first, self.rate.at(self.start))]
        steps += [
            (time + self.delay_s, value)
            for time, value in zip(self.rate.times, self.rate.values, strict=True)
            if self.start < time < self.end
        ]
        if last < FOREVER:
            steps.append((last, 0.0))
        return Profile.steps(steps)


def supply_of(
    rate: Profile,
    *,
    opened: float,
    end: float,
    rtt_s: float,
    manifest_bytes: int,
    holds: frozenset[int] | None = None,
) -> Supply:
    """A stay: the link is open at `opened`, the peer is gone at `end`."""
    manifest_sent = rate.when(opened + rtt_s / 2, manifest_bytes)
    return Supply(rate, manifest_sent + rtt_s, end, rtt_s / 2, holds)


def whole_leaf_bound(supplies: Sequence[Supply], *, payload_bytes: int, leaf_bytes: int) -> float:
    """The optimal whole-leaf schedule, whoever holds what. Infinity when they can never carry it."""
    count, short = divmod(payload_bytes, leaf_bytes)
    full = _nth_completion(supplies, count, leaf_bytes)
    if not short:
        return full
    low, high = full, _nth_completion(supplies, count + 1, leaf_bytes)
    if high == FOREVER:
        high = max((one.completion(payload_bytes) for one in supplies), default=FOREVER)
        high = min(high, 1e7)
    if low == FOREVER or not _room_for_short(supplies, high, count, leaf_bytes, short):
        return FOREVER
    for _ in range(60):
        middle = (low + high) / 2
        if _room_for_short(supplies, middle, count, leaf_bytes, short):
            high = middle
        else:
            low = middle
    return high


def _nth_completion(supplies: Sequence[Supply], count: int, leaf_bytes: int) -> float:
    heap = [(one.completion(leaf_bytes), index, 1) for index, one in enumerate(supplies)]
    heapq.heapify(heap)
    found = 0.0
    for _ in range(count):
        if not heap:
            return FOREVER
        found, index, done = heap[0]
        if found == FOREVER:
            return FOREVER
        heapq.heapreplace(heap, (supplies[index].completion((done + 1) * leaf_bytes), index, done + 1))
    return found


def _room_for_short(supplies: Sequence[Supply], time: float, count: int, leaf_bytes: int, short: int) -> bool:
    """Can `count` whole leaves and a short one be delivered by `time`? A hair of rounding is forgiven."""
    wholes, rest = 0, 0.0
    for one in supplies:
        number, over = divmod(one.delivered(time) + 1e-3, leaf_bytes)
        wholes += int(number)
        rest = max(rest, over)
    return wholes > count or (wholes == count and rest >= short)


def fluid_bound(supplies: Sequence[Supply], *, down: Profile, payload_bytes: int) -> float:
    """The earliest time by which uplinks and the shared downlink can have carried the bytes."""
    if not supplies:
        return FOREVER
    return Profile.total(one.arrivals() for one in supplies).least(down).when(0.0, payload_bytes)


def holders_bound(supplies: Sequence[Supply], *, leaf_count: int, leaf_bytes: int, at_least: float) -> float:
    """The earliest time not before `at_least` by which every leaf can have come from one of its holders."""
    if all(one.holds is None for one in supplies):
        return at_least
    kinds: dict[tuple[int, ...], int] = {}
    for leaf in range(leaf_count):
        holders = tuple(index for index, one in enumerate(supplies) if one.holds is None or leaf in one.holds)
        kinds[holders] = kinds.get(holders, 0) + 1

    def feasible(time: float) -> bool:
        quotas = [int((one.delivered(time) + 1e-3) // leaf_bytes) for one in supplies]
        return _covers(kinds, quotas)

    if feasible(at_least):
        return at_least
    low, high = at_least, max(at_least, 1.0)
    while not feasible(high):
        low, high = high, high * 2
        if high > 1e6:
            return FOREVER
    for _ in range(40):
        middle = (low + high) / 2
        if feasible(middle):
            high = middle
        else:
            low = middle
    return high


def _covers(kinds: dict[tuple[int, ...], int], quotas: list[int]) -> bool:
    """Can every leaf be given to one of its holders within the quotas? Maximum flow by augmenting paths over kinds of leaves."""
    given: dict[tuple[int, ...], dict[int, int]] = {kind: {} for kind in kinds}
    room = list(quotas)

    def augment(kind: tuple[int, ...], amount: int, seen: set[int]) -> int:
        """Place up to `amount` leaves of a kind, moving others if need be."""
        placed = 0
        for holder in kind:
            if holder in seen or placed == amount:
                continue
            take = min(room[holder], amount - placed)
            if take:
                room[holder] -= take
                given[kind][holder] = given[kind].get(holder, 0) + take
                placed += take
            if placed == amount:
                break
            seen.add(holder)
            for other, shares in given.items():
                movable = shares.get(holder, 0)
                if other == kind or not movable:
                    continue
                moved = augment(other, min(movable, amount - placed), seen)
                if moved:
                    shares[holder] -= moved
                    given[kind][holder] = given[kind].get(holder, 0) + moved
                    placed += moved
                if placed == amount:
                    break
        return placed

    for kind in sorted(kinds, key=lambda one: (len(one), one)):
        missing = kinds[kind]
        while missing:
            placed = augment(kind, missing, set())
            if not placed:
                return False
            missing -= placed
    return True


def optimum(
    supplies: Sequence[Supply], *, down: Profile, payload_bytes: int, leaf_bytes: int, whole_leaves: bool = True
) -> float:
    """The bound for one downloader of `payload_bytes`."""
    fluid = fluid_bound(supplies, down=down, payload_bytes=payload_bytes)
    if not whole_leaves or payload_bytes >= FLUID_BYTES:
        return fluid
    whole = whole_leaf_bound(supplies, payload_bytes=payload_bytes, leaf_bytes=leaf_bytes)
    return holders_bound(
        supplies,
        leaf_count=payload_bytes // leaf_bytes,
        leaf_bytes=leaf_bytes,
        at_least=max(whole, fluid),
    )


def crowd_bound(supplies: Sequence[Supply], *, ups: Sequence[Profile], down: Profile, payload_bytes: int) -> float:
    """The bound for the last of several downloaders with these uplinks, which begin with nothing and pass on what they have."""
    alone = fluid_bound(supplies, down=down, payload_bytes=payload_bytes)
    if not supplies:
        return FOREVER
    first_byte = min(one.start + one.delay_s for one in supplies)
    passing_on = [Profile.steps([(0.0, 0.0), (first_byte, up.at(first_byte))]) for up in ups]
    total = Profile.total([*(one.arrivals() for one in supplies), *passing_on])
    return max(alone, total.when(0.0, len(ups) * payload_bytes))
