"""Whether the library's folders were read since this database began: what waits for it asks here."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from apps.domain.library.scans import ReadState
from apps.library.models import AudioFile, LibraryRoot, LibraryScan


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryReading:
    """`unscanned`: ids of folders that no whole walk has ended in; `unasked`: those of them that no walk was ever asked for; `unread`: folders with files that were found and not read yet."""

    roots: int
    unscanned: tuple[int, ...]
    unasked: tuple[int, ...]
    unread: int

    @property
    def done(self) -> bool:
        """Every folder was walked and what was found was read. False before the first folder is known."""
        return self.roots > 0 and not self.unscanned and not self.unread


def library_reading() -> LibraryReading:
    """Of the folders that scans walk; one query."""
    pending = AudioFile.objects.filter(root_id=OuterRef("id"), read_state=ReadState.PENDING, missing_since=None)
    asked = LibraryScan.objects.filter(root_id=OuterRef("id"), below=b"")
    rows = LibraryRoot.objects.filter(scanned=True).annotate(reads=Exists(pending), asked=Exists(asked)).order_by("id")
    found = list(rows.values_list("id", "last_scan_at", "reads", "asked"))
    return LibraryReading(
        roots=len(found),
        unscanned=tuple(key for key, scanned_at, _, _ in found if scanned_at is None),
        unasked=tuple(key for key, scanned_at, _, asked in found if scanned_at is None and not asked),
        unread=sum(reads for _, scanned_at, reads, _ in found if scanned_at is not None),
    )
