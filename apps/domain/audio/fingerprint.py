"""Chromaprint fingerprints as values: the compressed text, the raw 32-bit items, and whether two of them are one recording.

Compressed format (chromaprint 1.5, `fingerprint_compressor.cpp`): URL-safe base64 without padding of
`u8 algorithm ‖ u24 count ‖ 3-bit gaps ‖ (byte boundary) ‖ 5-bit excesses`. Each item is XORed with its predecessor; of the result the distances
between set bits are stored (lowest bit = 1), a 0 ends the item, a distance ≥ 7 is stored as 7 with `distance − 7` among the excesses.
Both bit streams are filled from the lowest bit of each byte.

Equal sound gives *similar* items, never equal text: compare with `same_recording`, never with `==`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from apps.domain.errors import DomainError

Items = npt.NDArray[np.uint32]
"""Raw fingerprint, shape (n,), uint32; one item per 0.1238 s (1365/11025 s), the first covering about 2.5 s."""

ITEM_SECONDS: Final = 1365 / 11_025
MAX_ITEMS: Final = 32_768
"""68 minutes; we make at most 120 s (948 items), peers and AcoustID up to whole tracks. Bounds what a length from elsewhere may allocate."""
ALGORITHM: Final = 1
"""CHROMAPRINT_ALGORITHM_TEST2, the default of every tool and the only one AcoustID takes."""
SAME_BER: Final = 0.15
"""Measured (notes' corpus): 494 same pairs all below .07, 2926 different pairs all above .19."""
MIN_OVERLAP_ITEMS: Final = 60
"""7.4 s: below it chance alignments of different music come close to the threshold."""
MIN_DISTINCT_ITEMS: Final = 16
MIN_DISTINCT_SHARE: Final = 0.05
"""A fingerprint of silence or of a steady tone has a handful of distinct items and resembles every other such one. Of 337 fingerprints
of real music the poorest has 529 distinct items of 948 (.56); silence has one. Loops of few seconds (synthesised music) lie between."""
_SCAN_OFFSETS: Final = 80
"""±80 items (9.9 s): the offsets tried one by one when votes alone do not say "same" (gap hunting of different masterings, crops)."""
_VOTE_SHIFT: Final = np.uint32(12)
"""Votes compare the upper 20 of 32 bits, as AcoustID does: fewer bits, fewer misses by single bit errors."""

Verdict = Literal["same", "different", "undecidable"]


class FingerprintError(DomainError):
    """A fingerprint text or list that is none."""

    default_code = "fingerprint_invalid"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two fingerprints are at their best alignment."""

    ber: float
    """Share of differing bits in the overlap, 0..1; 1.0 when nothing could be compared."""
    overlap: int
    """Items compared."""
    offset: int
    """Items by which `b` starts later than `a` (negative: earlier)."""
    verdict: Verdict
    reason: str
    """Stable code: ber, overlap_short, low_entropy."""


def decode(text: str) -> tuple[Items, int]:
    """Read the compressed text; (items, algorithm). Raises FingerprintError on anything malformed, truncated or over MAX_ITEMS."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise FingerprintError("This is not a compressed fingerprint.") from error
    if len(data) < 4:
        raise FingerprintError("This compressed fingerprint is too short.", length=len(data))
    algorithm, count = data[0], int.from_bytes(data[1:4], "big")
    if count > MAX_ITEMS or count * 3 > (len(data) - 4) * 8:
        raise FingerprintError("This compressed fingerprint states a wrong number of items.", count=count)
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8, offset=4), bitorder="little")
    gaps = _groups(bits, 3)
    ends = np.flatnonzero(gaps == 0)
    if len(ends) < count:
        raise FingerprintError("This compressed fingerprint is truncated.", count=count)
    used = int(ends[count - 1]) + 1 if count else 0
    gaps = gaps[:used]
    large = np.flatnonzero(gaps == 7)
    excesses = _groups(bits[-(-used * 3 // 8) * 8 :], 5)
    if len(excesses) < len(large):
        raise FingerprintError("This compressed fingerprint is truncated.", count=count)
    gaps[large] += excesses[: len(large)]
    items: list[int] = []
    previous = current = bit = 0
    for gap in gaps.tolist():
        if gap == 0:
            previous ^= current
            items.append(previous)
            current = bit = 0
            continue
        bit += gap
        if bit > 32:
            raise FingerprintError("This compressed fingerprint has an item of more than 32 bits.", item=len(items))
        current |= 1 << (bit - 1)
    return np.array(items, dtype=np.uint32), algorithm


def encode(items: Items, *, algorithm: int = ALGORITHM) -> str:
    """Write the compressed text. Raises FingerprintError over MAX_ITEMS."""
    if len(items) > MAX_ITEMS:
        raise FingerprintError("A fingerprint has at most 32768 items.", count=len(items))
    gaps: list[int] = []
    excesses: list[int] = []
    previous = 0
    for item in items.tolist():
        difference, last = item ^ previous, 0
        previous = item
        while difference:
            bit = (difference & -difference).bit_length()
            difference &= difference - 1
            gap, last = bit - last, bit
            gaps.append(min(gap, 7))
            if gap >= 7:
                excesses.append(gap - 7)
        gaps.append(0)
    head = bytes([algorithm]) + len(items).to_bytes(3, "big")
    return base64.urlsafe_b64encode(head + _packed(gaps, 3) + _packed(excesses, 5)).rstrip(b"=").decode("ascii")


def items_of(values: list[int]) -> Items:
    """Raw items from a tool's list (fpcalc and ffmpeg print them signed or unsigned). Raises FingerprintError outside 32 bits."""
    if len(values) > MAX_ITEMS or any(not -(1 << 31) <= value < 1 << 32 for value in values):
        raise FingerprintError("Raw fingerprint items are 32-bit numbers, at most 32768 of them.", count=len(values))
    return np.array([value & 0xFFFF_FFFF for value in values], dtype=np.uint32)


def is_low_entropy(items: Items) -> bool:
    """True for fingerprints of near silence or steady tones: too few distinct items to tell anything apart."""
    distinct = len(np.unique(items))
    return distinct < MIN_DISTINCT_ITEMS or distinct < MIN_DISTINCT_SHARE * len(items)


def same_recording(a: Items, b: Items) -> Comparison:
    """Compare two fingerprints at their best alignment; symmetric in the verdict.

    First the alignment most equal 20-bit keys vote for; if that does not say "same", every offset of ±80 items. "undecidable" when a
    fingerprint is too short or has too little entropy: such a pair proves nothing either way.
    """
    if min(len(a), len(b)) < MIN_OVERLAP_ITEMS:
        return Comparison(ber=1.0, overlap=min(len(a), len(b)), offset=0, verdict="undecidable", reason="overlap_short")
    offsets = [0, *_voted_offsets(a, b)]
    ber, offset, overlap = _best(a, b, offsets)
    if ber >= SAME_BER:
        ber, offset, overlap = _best(a, b, [*offsets, *range(-_SCAN_OFFSETS, _SCAN_OFFSETS + 1)])
    if overlap == 0:
        return Comparison(ber=1.0, overlap=0, offset=0, verdict="undecidable", reason="overlap_short")
    left, right = _overlap(a, b, offset)
    if is_low_entropy(left) or is_low_entropy(right):
        return Comparison(ber=ber, overlap=overlap, offset=offset, verdict="undecidable", reason="low_entropy")
    return Comparison(
        ber=ber, overlap=overlap, offset=offset, verdict="same" if ber < SAME_BER else "different", reason="ber"
    )


def _best(a: Items, b: Items, offsets: list[int]) -> tuple[float, int, int]:
    """(BER, offset, overlap) of the offset with the lowest BER; ties go to the smaller shift. Overlap 0 = none was long enough."""
    best = (1.0, 0, 0)
    for offset in sorted(set(offsets), key=lambda shift: (abs(shift), shift)):
        left, right = _overlap(a, b, offset)
        if len(left) < MIN_OVERLAP_ITEMS:
            continue
        ber = float(np.bitwise_count(left ^ right).sum()) / (32 * len(left))
        if best[2] == 0 or ber < best[0]:
            best = (ber, offset, len(left))
    return best


def _overlap(a: Items, b: Items, offset: int) -> tuple[Items, Items]:
    """The parts of both that sound at the same time when item i of `b` belongs to item i + offset of `a`."""
    left, right = (a[offset:], b) if offset >= 0 else (a, b[-offset:])
    length = min(len(left), len(right))
    return left[:length], right[:length]


def _voted_offsets(a: Items, b: Items) -> list[int]:
    """Up to three offsets at which the most 20-bit keys agree. Keys that occur often (silence) do not vote."""
    keys_a, at_a, counts_a = np.unique(a >> _VOTE_SHIFT, return_index=True, return_counts=True)
    keys_b, at_b, counts_b = np.unique(b >> _VOTE_SHIFT, return_index=True, return_counts=True)
    _, in_a, in_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    rare = (counts_a[in_a] <= 8) & (counts_b[in_b] <= 8)
    if not rare.any():
        return []
    shifts, votes = np.unique(at_a[in_a][rare] - at_b[in_b][rare], return_counts=True)
    return [int(shift) for shift in shifts[np.argsort(-votes, kind="stable")][:3]]


def _groups(bits: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.int64]:
    """Numbers of `width` bits each, lowest bit first; a short rest is dropped."""
    whole = len(bits) // width
    weights = 1 << np.arange(width, dtype=np.int64)
    return bits[: whole * width].reshape(whole, width).astype(np.int64) @ weights


def _packed(numbers: list[int], width: int) -> bytes:
    """The reverse of `_groups`, filled with zero bits to a whole byte."""
    values = np.array(numbers, dtype=np.int64)
    bits = (values[:, None] >> np.arange(width)) & 1
    return np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes()
