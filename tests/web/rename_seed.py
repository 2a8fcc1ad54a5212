"""A plan of new names with so many lines, hostile ones among them. As a program: `python -m tests.web.rename_seed N`."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

HOSTILE = b"<script>alert(1)</script>/\xff\xfe \xe2\x80\xae gnp.exe/" + b"Longest" * 25 + b".flac"


def fill(lines: int) -> uuid.UUID:
    """Every seventh line stays, every fifth is no music."""
    from apps.library.models import FileMove, LibraryRenaming
    from apps.library.services import root_record

    root = root_record(Path("/music"), writable=True)
    stays = len([at for at in range(lines) if at % 7 == 6])
    row = LibraryRenaming.objects.create(
        template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}", root_id=root, display="/music", state="planned",
        looked=lines, planned=lines - stays, blocked=stays, requested_by="olga",
    )  # fmt: skip
    FileMove.objects.bulk_create(
        FileMove(
            renaming=row, position=at + 1, root_id=root, sidecar=at % 5 == 4,
            old_path=HOSTILE if at == 3 else b"incoming/album %d/track%02d.flac" % (at // 12, at % 12),
            new_path="Björk/Début (1993)/%02d Human Behaviour.flac".encode() % (at % 12),
            state="blocked" if at % 7 == 6 else "planned", code="rename_target_taken" if at % 7 == 6 else "",
            params={"other": "Björk/<b>x</b>.flac"} if at % 7 == 6 else {},
        )
        for at in range(lines)
    )  # fmt: skip
    return row.id


if __name__ == "__main__":
    from slskdn_site.cli.main import django_setup

    django_setup()
    if int(sys.argv[1]):
        print(fill(int(sys.argv[1])))
