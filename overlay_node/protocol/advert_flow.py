"""The order of adverts: what a sender has told whom, and what a reader may believe next. No clock, no rows, no links.

Owns sequences, steps and snapshots, not the content of what is held (`services.adverts`) nor where it is kept. A reader keeps nothing of an
advert but its place: each part goes to the rows as it comes, so that no peer makes us hold 2 MiB in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from overlay_node.protocol import limits
from overlay_node.protocol.sharing import BundleRecording, BundleVariant, FingerprintBundleAdvert, write_bundle
from overlay_node.protocol.states import ADVERT_READER, AdvertReaderEvent, AdvertReaderState, advance

MAX_STEPS: Final = 16
"""Steps that are kept for readers who lag; who lags more gets a snapshot"""


@dataclass(frozen=True, slots=True)
class AdvertMark:
    """What a reader holds of a sender: all up to `sequence` of the series `bundle_id`."""

    bundle_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class AdvertPart:
    """One message to send, with its attachment."""

    advert: FingerprintBundleAdvert
    attachment: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """One payload as it is told."""

    recording: str
    variant: BundleVariant


@dataclass(frozen=True, slots=True)
class _Step:
    sequence: int
    changed: tuple[Told, ...]
    withdrawn: tuple[str, ...]


class AdvertSeries:
    """What this node tells, as a series of sequences under one `bundle_id`. Mutable; one per node."""

    def __init__(self, bundle_id: str) -> None:
        self.bundle_id: Final = bundle_id
        self.sequence = 0
        """0 = nothing was ever told"""
        self.more = False
        self._held: dict[str, Told] = {}
        self._steps: Final[deque[_Step]] = deque(maxlen=MAX_STEPS)
        self._snapshot: tuple[int, list[AdvertPart]] = (0, [])
        """the newest one that was asked for, and its sequence: after a start everybody asks"""

    @property
    def mark(self) -> AdvertMark:
        """Where the series stands."""
        return AdvertMark(self.bundle_id, self.sequence)

    def update(self, held: Sequence[Told]) -> bool:
        """Take over what is held now; True when that differs from before (or is the first). Beyond MAX_VARIANTS_PER_ADVERT the rest is not told."""
        few = bounded(held)
        self.more = len(few) < len(held)
        fresh = {one.variant.variant_id: one for one in few}
        changed = tuple(one for name, one in fresh.items() if self._held.get(name) != one)
        withdrawn = tuple(name for name in self._held if name not in fresh)
        if self.sequence and not changed and not withdrawn:
            return False
        self._held = fresh
        self.sequence += 1
        self._steps.append(_Step(self.sequence, changed, withdrawn))
        return True

    def parts_for(self, held: AdvertMark | None) -> list[AdvertPart]:
        """What brings a reader that holds `held` up to date: a renewal, the steps it lacks, or a snapshot."""
        if held == self.mark:
            return [self._part(self.sequence, b"", full=False, part=1, parts=1)]
        lacking = [step for step in self._steps if held is not None and step.sequence > held.sequence]
        follows = (
            held is not None
            and held.bundle_id == self.bundle_id
            and lacking
            and lacking[0].sequence == held.sequence + 1
        )
        if not follows:
            if self._snapshot[0] != self.sequence:
                self._snapshot = self.sequence, self._cut(self.sequence, tuple(self._held.values()), (), full=True)
            return self._snapshot[1]
        return [part for step in lacking for part in self._cut(step.sequence, step.changed, step.withdrawn, full=False)]

    def _cut(self, sequence: int, told: Sequence[Told], withdrawn: Sequence[str], *, full: bool) -> list[AdvertPart]:
        attachments = write_bundle(recordings=_by_recording(told), withdrawn=withdrawn)
        return [
            self._part(sequence, attachment, full=full, part=number, parts=len(attachments))
            for number, attachment in enumerate(attachments, start=1)
        ]

    def _part(self, sequence: int, attachment: bytes, *, full: bool, part: int, parts: int) -> AdvertPart:
        advert = FingerprintBundleAdvert(
            bundle_id=self.bundle_id, sequence=sequence, full_snapshot=full, part=part, parts=parts, more=self.more
        )
        return AdvertPart(advert, attachment)


def bounded(held: Sequence[Told]) -> list[Told]:
    """The first MAX_VARIANTS_PER_ADVERT, at most MAX_VARIANTS_PER_RECORDING of each recording, in their order."""
    counts: dict[str, int] = {}
    kept: list[Told] = []
    for one in held:
        counts[one.recording] = counts.get(one.recording, 0) + 1
        if counts[one.recording] <= limits.MAX_VARIANTS_PER_RECORDING:
            kept.append(one)
        if len(kept) == limits.MAX_VARIANTS_PER_ADVERT:
            break
    return kept


def _by_recording(told: Sequence[Told]) -> list[BundleRecording]:
    found: dict[str, list[BundleVariant]] = {}
    for one in told:
        found.setdefault(one.recording, []).append(one.variant)
    return [BundleRecording(recording=recording, variants=tuple(variants)) for recording, variants in found.items()]


class Heard(StrEnum):
    """What a reader does with a part."""

    KEEP = "keep"
    RENEW = "renew"
    """what is held stays good for longer"""
    IGNORE = "ignore"
    """nobody asked, or it is older than what is held"""
    ASK_AGAIN = "ask_again"
    """something between is missing"""


class AdvertIntake:
    """What one linked peer tells, in order. Mutable; one per link."""

    def __init__(self, held: AdvertMark | None = None) -> None:
        self.held = held
        """what is known whole"""
        self.state = AdvertReaderState.SILENT
        self._next: AdvertMark | None = None
        self._next_part = 0
        self._next_parts = 0
        self._next_full = False

    def asked(self) -> None:
        """The request was sent."""
        self._move(AdvertReaderEvent.REQUEST_SENT)
        self._next = None

    def take(self, advert: FingerprintBundleAdvert) -> Heard:
        """Place one part. KEEP: write it down now, before the next one is taken."""
        if self.state is AdvertReaderState.SILENT:
            return Heard.IGNORE
        mark = AdvertMark(advert.bundle_id, advert.sequence)
        if self._next is not None:
            expected = (self._next, self._next_part, self._next_parts, self._next_full)
            if (mark, advert.part, advert.parts, advert.full_snapshot) == expected:
                return self._keep(mark, advert)
            return self._gap()
        same = self.held is not None and self.held.bundle_id == advert.bundle_id
        held = self.held.sequence if self.held is not None else 0
        if advert.is_renewal and mark == self.held:
            self._move(AdvertReaderEvent.RENEWED)
            return Heard.RENEW
        if same and advert.sequence < held:
            return Heard.IGNORE
        if advert.part != 1:
            return self._gap()
        if advert.full_snapshot or (same and advert.sequence == held + 1):
            return self._keep(mark, advert)
        return Heard.IGNORE if same and advert.sequence == held else self._gap()

    def _keep(self, mark: AdvertMark, advert: FingerprintBundleAdvert) -> Heard:
        if advert.part == advert.parts:
            self._move(AdvertReaderEvent.LAST_PART)
            self.held, self._next = mark, None
        else:
            self._move(AdvertReaderEvent.PART)
            self._next, self._next_part, self._next_parts = mark, advert.part + 1, advert.parts
            self._next_full = advert.full_snapshot
        return Heard.KEEP

    def _gap(self) -> Heard:
        waiting = self.state is AdvertReaderState.ASKED
        self._move(AdvertReaderEvent.GAP)
        self._next = None
        return Heard.IGNORE if waiting else Heard.ASK_AGAIN

    def lost(self) -> None:
        """A part could not be written down, or was dropped: what is held is not whole any more."""
        self._next = None
        self.held = None
        if self.state is not AdvertReaderState.SILENT:
            self._move(AdvertReaderEvent.GAP)

    def _move(self, event: AdvertReaderEvent) -> None:
        self.state = advance(ADVERT_READER, self.state, event)
