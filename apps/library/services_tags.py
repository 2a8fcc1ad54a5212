"""Tags of files that were read when fewer of their fields were kept: read again in the background, without decoding anything.

A row is due while its `tags_version` is older than what reading keeps today. What else a file says (title, release, place) was taken over when it was
read and has not changed with it; a file that has changed is its scan's business.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.domain.library.scans import ReadState
from apps.library.models import AudioFile
from apps.library.services import FileStat, inode_signed, storable


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsDue:
    """A file whose tags are to be read again."""

    file_id: int
    root_id: int
    root: Path
    relative: bytes
    stat: FileStat
    """As it was read; `inode` signed, as rows have it."""

    @property
    def path(self) -> Path:
        """Absolute."""
        return self.root / os.fsdecode(self.relative)

    def same(self, now: FileStat) -> bool:
        """Is it still the file that was read?"""
        known = self.stat
        return (known.size_bytes, known.mtime_ns, known.inode) == (
            now.size_bytes,
            now.mtime_ns,
            inode_signed(now.inode),
        )


def tags_due(*, version: int, limit: int, without: Collection[int] = ()) -> list[TagsDue]:
    """Files whose tags are older than `version`, in the order of the index `file_tags_due`. `without`: roots that do not answer."""
    rows = AudioFile.objects.filter(tags_version__lt=version, missing_since=None, read_state=ReadState.READ)
    if without:
        rows = rows.exclude(root_id__in=list(without))
    return [
        TagsDue(
            file_id=row.id,
            root_id=row.root_id,
            root=Path(row.root.path),
            relative=bytes(row.rel_path),
            stat=FileStat(size_bytes=row.size_bytes, mtime_ns=row.mtime_ns, inode=row.inode),
        )
        for row in rows.select_related("root").order_by("tags_version", "id")[:limit]
    ]


def tags_reread(due: TagsDue, tags: Mapping[str, object] | None, *, version: int) -> bool:
    """Keep what its tags say, if the row still tells of the file that was looked at. `tags` None: it is another file now; nothing but that is noted."""
    changes: dict[str, object] = {"tags_version": version}
    if tags is not None:
        changes["tags"] = storable(tags)
    rows = AudioFile.objects.filter(
        id=due.file_id, size_bytes=due.stat.size_bytes, mtime_ns=due.stat.mtime_ns, inode=due.stat.inode
    )
    return rows.filter(tags_version__lt=version).update(**changes) == 1
