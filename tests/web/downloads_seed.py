"""Downloads for pages: batches in every state."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:
    from apps.soulseek.models import Download

SIZE = 31_000_000


def batch(user: str, title: str, count: int, *, folder: str = "Music\\An Artist\\An Album") -> list[Download]:
    """A batch of files that nobody looked at yet."""
    from apps.domain.contracts.soulseek_downloads import FileAsked
    from apps.soulseek.models import Download
    from apps.soulseek.services_download import batch_create

    files = [FileAsked(path=f"{folder}\\{one:02} - Track {one}.flac", size_bytes=SIZE) for one in range(1, count + 1)]
    made = batch_create(user=user, folder=folder, files=files, title=title)
    return list(Download.objects.filter(batch=made).order_by("order"))


def fill() -> None:
    """An album in the middle of its way, one that is over, one that waits."""
    from apps.domain.contracts.soulseek_downloads import DownloadReport
    from apps.domain.soulseek.states import DownloadState
    from apps.soulseek.services_download_ends import ends_take
    from apps.soulseek.services_node_downloads import downloads_record

    now = timezone.now()
    rows = batch("carol <&> \u202egnp", "Winter Garden — an album with quite a long title, deluxe edition", 8)
    reports = [
        DownloadReport(download_id=rows[0].id, state=DownloadState.SUCCEEDED, bytes_have=SIZE),
        DownloadReport(
            download_id=rows[1].id, state=DownloadState.RECEIVING, bytes_have=SIZE // 3, speed_bps=410_000, size_bytes=SIZE,
            eta_low_s=41, eta_high_s=75, asked_at=now, first_byte_at=now,
        ),
        DownloadReport(
            download_id=rows[2].id, state=DownloadState.QUEUED, place=14, eta_low_s=1200, eta_high_s=2400, asked_at=now,
            trouble="queue_stands", trouble_since=now - timedelta(minutes=9), params={"stood_s": 960, "waited_s": 1200},
        ),
        DownloadReport(
            download_id=rows[3].id, state=DownloadState.INTERRUPTED, code="broke_off", bytes_have=SIZE // 2, attempts=2,
            next_try_at=now + timedelta(seconds=40),
        ),
        DownloadReport(download_id=rows[4].id, state=DownloadState.REFUSED, code="banned_there", params={"reason": "Banned"}),
        DownloadReport(download_id=rows[5].id, state=DownloadState.WHOLE, bytes_have=SIZE),
    ]  # fmt: skip
    downloads_record(reports)
    done = batch("dave", "Another One", 2, folder="Shared\\Another One")
    downloads_record(
        [
            DownloadReport(download_id=done[0].id, state=DownloadState.SUCCEEDED, bytes_have=SIZE, path="/data/x.flac"),
            DownloadReport(download_id=done[1].id, state=DownloadState.REJECTED, code="wrong_recording"),
        ]
    )
    batch("erin", "", 3, folder="x\\Loose files")
    ends_take()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    if count := int(sys.argv[1]):
        fill()
        for number in range(count // 40):
            batch(f"user{number}", f"Album {number}", 40)
