"""The local fingerprint index of this process: memory-mapped from the data folder, kept fresh from the rows.

`DATA/index/fingerprints/` holds immutable segments, each a folder `<rows>-<last id>-<token>` of .npy files that all worker processes map into memory (one copy
in the page cache for all of them). What is newer is a small segment in memory; when it reaches TAIL_ROWS it is written as one more, and when there are
more than MAX_SEGMENTS they are merged. A segment appears by a rename and is never changed, so a reader sees all of it or nothing; writers take
turns by a lock file. The whole folder is a cache: if it is lost or unreadable, it is built again from FingerprintSlice rows.

Freshness: rows beyond the greatest known id are read each time; every CHECK_S the number of rows is compared with the number known, so that a print that
came late to an old variant is found too. Hits of variants that are gone are the caller's to ignore.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import numpy as np

from apps.domain.audio.fingerprint import MIN_OVERLAP_ITEMS, Items
from apps.domain.audio.fingerprint_index import (
    FingerprintIndex,
    Ids,
    IndexHit,
    Lengths,
    Segment,
    Words,
    merged,
    segment_of,
)
from apps.library.selectors_identity import slice_ids, slices_after, slices_counted, slices_of

log = logging.getLogger(__name__)

TAIL_ROWS: Final = 2_000
"""Built anew at each refresh: some 10 ms."""
MAX_SEGMENTS: Final = 6
CHECK_S: Final = 60.0
_READ: Final = 5_000
_ARRAYS: Final = ("ids", "lengths", "slices", "keys", "posts")


@dataclass(slots=True)
class FingerprintStore:
    """One per process. Mutable: what it has seen. Not for several threads at once."""

    folder: Path
    _segments: dict[str, Segment] = field(default_factory=dict)
    _tail: dict[int, bytes] = field(default_factory=dict)
    _skipped: set[int] = field(default_factory=set)
    """Ids of rows without usable items: known, though no segment holds them."""
    _known: set[int] = field(default_factory=set)
    """Ids in the segments."""
    _last: int = 0
    _checked: float = -CHECK_S
    _index: FingerprintIndex = field(default_factory=FingerprintIndex)

    def refreshed(self, *, now: float | None = None) -> FingerprintIndex:
        """The index with all rows committed until now. `now`: monotonic seconds."""
        at = time.monotonic() if now is None else now
        changed = self._map_first() if not self._segments else False
        changed |= self._read_new()
        if at - self._checked >= CHECK_S:
            self._checked = at
            changed |= self._read_missed()
        if len(self._tail) >= TAIL_ROWS:
            self._write_tail()
            changed = True
        if changed:
            tail = (segment_of(self._tail),) if self._tail else ()
            self._index = FingerprintIndex((*self._segments.values(), *tail))
        return self._index

    def query(self, items: Items, *, limit: int = 20) -> tuple[IndexHit, ...]:
        """Hits in the index as it was at the last `refreshed`."""
        return self._index.query(items, limit=limit)

    def _take(self, rows: dict[int, bytes]) -> None:
        for key, items in rows.items():
            if key in self._known or key in self._tail:
                continue
            if len(items) >= 4 * MIN_OVERLAP_ITEMS:
                self._tail[key] = items
            else:
                self._skipped.add(key)

    def _read_new(self) -> bool:
        before = len(self._tail)
        while rows := slices_after(self._last, limit=_READ):
            self._take(rows)
            self._last = max(rows)
            if len(self._tail) >= 50_000:  # the first build of a large library: in pieces, not all in memory at once
                self._write_tail()
        return len(self._tail) != before

    def _read_missed(self) -> bool:
        known = len(self._known) + len(self._tail) + len(self._skipped)
        if slices_counted(up_to=self._last)[0] == known:
            return False
        there = slice_ids(up_to=self._last)
        missed = sorted(there - self._known - self._tail.keys() - self._skipped)
        for start in range(0, len(missed), 400):
            self._take(slices_of(missed[start : start + 400]))
        gone = self._known - there
        for key in [key for key in self._tail if key not in there]:
            del self._tail[key]
        self._skipped &= there
        # Rows that are gone stay in their segments until a merge; counted as unknown, so that numbers agree again.
        self._known -= gone
        return bool(missed or gone)

    def _map_first(self) -> bool:
        """Map what is there while nobody merges it away."""
        if not self.folder.is_dir():
            return False
        try:
            with self._locked():
                return self._map_new()
        except OSError:
            log.warning("the fingerprint index could not be read: folder=%s", self.folder, exc_info=True)
            return False

    def _map_new(self) -> bool:
        """Map what the folder holds. Unreadable segments are left out (their rows are then read as missed)."""
        found: dict[str, Segment] = {}
        for path in sorted(self.folder.glob("*-*-*")) if self.folder.is_dir() else []:
            if path.name.startswith("."):
                continue
            segment = _loaded(path)
            if segment is not None:
                found[path.name] = segment
        if found.keys() == self._segments.keys():
            return False
        self._segments = found
        self._known = {int(key) for segment in found.values() for key in segment.ids}
        self._tail = {key: items for key, items in self._tail.items() if key not in self._known}
        self._last = max([self._last, *self._known], default=0)
        return True

    def _write_tail(self) -> None:
        """Write the tail as a segment; another process may have written the same rows meanwhile: then theirs are taken."""
        try:
            with self._locked():
                self._map_new()
                if not self._tail:
                    return
                made = segment_of(self._tail)
                usable = {int(key) for key in made.ids}
                self._skipped |= self._tail.keys() - usable
                self._publish(made)
                self._map_new()
                if len(self._segments) > MAX_SEGMENTS:
                    self._merge()
                    self._map_new()
                self._tail.clear()
        except OSError:
            # A full or read-only disk costs memory, no answers.
            log.warning("the fingerprint index could not be written: folder=%s", self.folder, exc_info=True)

    def _merge(self) -> None:
        old = dict(self._segments)
        there = slice_ids(up_to=max(self._last, *self._known))
        gone = frozenset(self._known) - there
        self._publish(merged(list(old.values()), without=gone))
        for name in old:
            # Who has it mapped keeps reading it: the pages live as long as their mapping.
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _publish(self, segment: Segment) -> None:
        last = int(segment.ids.max()) if len(segment.ids) else 0
        name = f"{len(segment.ids)}-{last}-{uuid.uuid4().hex[:8]}"
        work = self.folder / f".{name}"
        work.mkdir(parents=True)
        for array, values in segment.arrays().items():
            with (work / f"{array}.npy").open("wb") as handle:
                np.save(handle, values)
                handle.flush()
                os.fsync(handle.fileno())
        work.rename(self.folder / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for left in self.folder.glob(".*-*-*"):
                shutil.rmtree(left, ignore_errors=True)  # of a writer that was killed
            yield


def _loaded(path: Path) -> Segment | None:
    try:
        arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
    except (OSError, ValueError, EOFError):
        log.warning("a segment of the fingerprint index is unreadable and left out: %s", path)
        return None
    rows = len(arrays["ids"])
    fits = (
        arrays["slices"].shape == (rows, 120)
        and arrays["lengths"].shape == (rows,)
        and arrays["keys"].shape == arrays["posts"].shape
        and [arrays[name].dtype for name in _ARRAYS] == [np.int64, np.uint8, np.uint32, np.uint32, np.uint32]
    )
    if not fits:
        log.warning("a segment of the fingerprint index has another form and is left out: %s", path)
        return None
    return Segment(
        ids=cast("Ids", arrays["ids"]),
        lengths=cast("Lengths", arrays["lengths"]),
        slices=cast("Words", arrays["slices"]),
        keys=cast("Words", arrays["keys"]),
        posts=cast("Words", arrays["posts"]),
    )
