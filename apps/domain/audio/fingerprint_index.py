"""Which of very many known fingerprints sound like this one? An inverted index over slices of them, pure numpy.

A *slice* is up to 120 items from the middle (positions 80..199: past fade-ins and shared intros; for shorter tracks the last 120 items). Keys are the
upper 28 of an item's 32 bits: at a bit-error rate of .06, a bad encode, a slice of 120 still has some 20 keys in common with its twin, while a key of
other music is met by chance once in hundreds of slices. Rows that share keys *at one alignment* are verified by the bit-error rate of the overlap.

A `Segment` is immutable and consists of plain arrays, so that it can be memory-mapped from a file; a `FingerprintIndex` asks several of them. Ids are the
caller's. Measured (100,000 simulated tracks): see `./slskdn bench index` and the README.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.domain.audio.fingerprint import MIN_OVERLAP_ITEMS, SAME_BER, Items, is_low_entropy

SLICE_ITEMS: Final = 120
SLICE_START: Final = 80
_KEY_SHIFT: Final = 4
"""32 − 28 bits: measured in notes/audio.md §5 to find every twin at 6 % bit errors, at 1.4 ms a query."""
_POSITION_BITS: Final = 7
_POSITION_MASK: Final = (1 << _POSITION_BITS) - 1
MAX_ROWS: Final = 1 << (32 - _POSITION_BITS)
"""Of one segment: row and position share 32 bits."""
MAX_POSTINGS: Final = 2_000
"""A key that more places share (silence, a steady tone) tells nothing and costs time."""
MAX_VOTES: Final = 12_000
"""Postings that one query looks at, those of the rarest keys first: they tell most, and it bounds the time."""
_VERIFIED: Final = 24
"""Rows verified per segment and query, by votes. Twins have tens of votes, strangers one or two."""

Ids = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Lengths = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class IndexHit:
    """A known slice that is the same recording."""

    id: int
    ber: float
    overlap: int
    """Items compared, 60..120."""
    offset: int
    """Items by which the known one starts later."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Slices and their keys. `keys` is sorted; `posts` holds row << 7 | position beside it."""

    ids: Ids
    lengths: Lengths
    slices: Words
    """Shape (n, 120); zeros after a row's length."""
    keys: Words
    posts: Words

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        return int(sum(each.nbytes for each in self.arrays().values()))

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """By name, for writing them to files."""
        return {
            "ids": self.ids,
            "lengths": self.lengths,
            "slices": self.slices,
            "keys": self.keys,
            "posts": self.posts,
        }

    def query(self, items: Items) -> list[IndexHit]:
        """Rows that are the same recording as a slice of 60..120 items, best first."""
        if not len(self.keys) or not MIN_OVERLAP_ITEMS <= len(items) <= SLICE_ITEMS:
            return []
        wanted = items >> np.uint32(_KEY_SHIFT)
        low = np.searchsorted(self.keys, wanted, side="left")
        counts = np.searchsorted(self.keys, wanted, side="right") - low
        counts[counts > MAX_POSTINGS] = 0
        rarest = np.argsort(counts, kind="stable")
        counts[rarest[np.cumsum(counts[rarest]) > MAX_VOTES]] = 0
        total = int(counts.sum())
        if not total:
            return []
        # All index ranges [low, low + count) one after the other.
        starts = np.repeat(low - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
        posts = self.posts[starts + np.arange(total)]
        shift = np.repeat(np.arange(len(items)), counts) - (posts & np.uint32(_POSITION_MASK)).astype(np.int64)
        votes, times = np.unique(
            ((posts >> np.uint32(_POSITION_BITS)).astype(np.int64) << 8) | (shift + 128), return_counts=True
        )
        if len(votes) > _VERIFIED:
            best = np.argpartition(-times, _VERIFIED)[:_VERIFIED]
            votes = votes[best]
        hits: dict[int, IndexHit] = {}
        for vote in votes.tolist():
            hit = self._verified(items, vote >> 8, (vote & 255) - 128)
            if hit is not None and (hit.id not in hits or hit.ber < hits[hit.id].ber):
                hits[hit.id] = hit
        return sorted(hits.values(), key=lambda one: (one.ber, one.id))

    def _verified(self, items: Items, row: int, offset: int) -> IndexHit | None:
        """The hit, if the bits of the overlap say so. `offset`: position in `items` minus position in the row."""
        known = self.slices[row, : int(self.lengths[row])]
        left, right = (items[offset:], known) if offset >= 0 else (items, known[-offset:])
        overlap = min(len(left), len(right))
        if overlap < MIN_OVERLAP_ITEMS:
            return None
        ber = float(np.bitwise_count(left[:overlap] ^ right[:overlap]).sum()) / (32 * overlap)
        return IndexHit(id=int(self.ids[row]), ber=ber, overlap=overlap, offset=offset) if ber < SAME_BER else None


def slice_items(items: Items) -> Items:
    """The part of a fingerprint that is indexed, 60..120 items; empty for what is too short or has too little entropy.

    From 200 items (27 s) on positions 80..199; below, the last 120 (both prints of one short track end nearly together), and from 120 down all.
    """
    start = max(0, min(SLICE_START, len(items) - SLICE_ITEMS))
    part = items[start : start + SLICE_ITEMS]
    return part[:0] if len(part) < MIN_OVERLAP_ITEMS or is_low_entropy(part) else part


def segment_of(slices: Mapping[int, bytes]) -> Segment:
    """An index of slices as rows keep them (32-bit little-endian numbers) by id. Rows too short or of low entropy are left out."""
    usable: list[tuple[int, Items]] = []
    for key, packed in slices.items():
        part = np.frombuffer(packed[: min(4 * SLICE_ITEMS, len(packed) // 4 * 4)], dtype="<u4")
        if len(part) >= MIN_OVERLAP_ITEMS and not is_low_entropy(part):
            usable.append((key, part))
    table = np.zeros((len(usable), SLICE_ITEMS), dtype=np.uint32)
    for row, (_, part) in enumerate(usable):
        table[row, : len(part)] = part
    ids = np.array([key for key, _ in usable], dtype=np.int64)
    return segment_built(ids, np.array([len(part) for _, part in usable], dtype=np.uint8), table)


def segment_built(ids: Ids, lengths: Lengths, slices: Words) -> Segment:
    """The keys of rows that are known to be good, sorted. Raises ValueError over MAX_ROWS."""
    count = len(ids)
    if count > MAX_ROWS:
        raise ValueError(f"at most {MAX_ROWS} rows in a segment")
    positions = np.arange(SLICE_ITEMS, dtype=np.uint64)
    rows = np.arange(count, dtype=np.uint64)[:, None]
    packed = ((slices >> np.uint32(_KEY_SHIFT)).astype(np.uint64) << np.uint64(32)) | (
        rows << np.uint64(_POSITION_BITS) | positions
    )
    flat = packed[positions[None, :] < lengths[:, None]]
    flat.sort()
    return Segment(
        ids=ids,
        lengths=lengths,
        slices=np.ascontiguousarray(slices),
        keys=(flat >> np.uint64(32)).astype(np.uint32),
        posts=(flat & np.uint64(0xFFFF_FFFF)).astype(np.uint32),
    )


def merged(segments: Sequence[Segment], *, without: frozenset[int] = frozenset()) -> Segment:
    """One segment of several; ids in `without` are left out."""
    ids = np.concatenate([each.ids for each in segments]) if segments else np.zeros(0, dtype=np.int64)
    keep = np.isin(ids, np.fromiter(without, dtype=np.int64), invert=True) if without else np.ones(len(ids), dtype=bool)
    if not segments:
        return segment_of({})
    lengths = np.concatenate([each.lengths for each in segments])[keep]
    slices = np.concatenate([each.slices for each in segments])[keep]
    return segment_built(ids[keep], lengths, slices)


@dataclass(frozen=True, slots=True, eq=False)
class FingerprintIndex:
    """Several segments asked as one."""

    segments: tuple[Segment, ...] = ()

    def query(self, items: Items, *, limit: int = 20) -> tuple[IndexHit, ...]:
        """Known ones that are the same recording as a slice (`slice_items`), best first."""
        hits = [hit for each in self.segments for hit in each.query(items)]
        return tuple(sorted(hits, key=lambda one: (one.ber, one.id))[:limit])

    def __len__(self) -> int:
        return sum(len(each.ids) for each in self.segments)

    @property
    def nbytes(self) -> int:
        """Of all segments."""
        return sum(each.nbytes for each in self.segments)
