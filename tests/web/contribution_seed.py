"""Fills a database with traffic: `python -m tests.web.contribution_seed COUNT`, in the data folder of SLSKDN_DATA. 0: none; 1: a first hour; more: 60 days."""

from __future__ import annotations

import os
import sys
from datetime import timedelta


def fill(count: int) -> None:
    """`count` actions of the governor at most."""
    from tests.apps.soulseek.traffic_rows import GIB, acted, beats, line, passed

    if not count:
        return
    if count == 1:
        passed(line(700 << 20, plane="soulseek", peer="bob"))
        beats()
        return
    for day in range(60):
        wave = (day * 7) % 11
        passed(
            line((3 + wave) * GIB // 2, plane="soulseek", direction="up", peer="bob", ago=timedelta(days=day)),
            line((2 + (wave * 3) % 5) * GIB // 3, plane="soulseek", peer="bob", ago=timedelta(days=day)),
            line((1 + wave % 4) * GIB, direction="up", ago=timedelta(days=day)),
            line((9 - wave % 5) * GIB, ago=timedelta(days=day)),
        )
    for number in range(min(count, 40)):
        share = (0.75, 0.5, 0.25, 0.5, 0.75, 1.0)[number % 6]
        action = "released" if share == 1.0 else "throttled" if number % 6 < 3 else "eased"
        acted(action, share=share, ago=timedelta(hours=6 * (40 - number)))
    acted("throttled", share=0.5)
    params = {"rule": "min_overlay_upload_download_ratio", "ratio": 0.31, "limit": 0.5, "percent": 50}
    beats(
        code="fairness_min_overlay_upload_download_ratio",
        params=params,
        share=0.5,
        prefer_soulseek=True,
        down_bps=3 << 20,
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
