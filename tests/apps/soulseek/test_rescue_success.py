"""S4's success metrics from Rescue rows: at /metrics and on the System page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.jobs.metrics import RowCollector
from apps.soulseek.models import Batch, Download, Rescue

pytestmark = pytest.mark.django_db


def rescue(number: int, state: str, *, overlay: int = 0, soulseek: int = 0, waited_s: float | None = None) -> None:
    batch, _ = Batch.objects.get_or_create(title="Album", user="bob", folder="Music\\Album")
    download, _ = Download.objects.get_or_create(
        batch=batch, user="bob", remote_path=f"Music\\Album\\{number}.flac", defaults={"size_bytes": 100}
    )
    now = timezone.now()
    Rescue.objects.create(
        download=download,
        trouble="stalled",
        trouble_at=now,
        started_at=now,
        state=state,
        overlay_bytes=overlay,
        soulseek_bytes=soulseek,
        first_byte_at=now + timedelta(seconds=waited_s) if waited_s is not None else None,
    )


def series() -> dict[tuple[object, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in RowCollector().collect()
        if family.name.startswith("slskdn_rescue")
        for sample in family.samples
    }


def page(client: Client, address: str) -> str:
    client.force_login(User.objects.create_superuser("admin", password="x"))
    return client.get(address).content.decode()


def test_without_rescues_every_outcome_is_nought_and_no_share_is_told() -> None:
    told = series()
    assert told[("slskdn_rescued_downloads", ("outcome", "finished"))] == 0
    assert ("slskdn_rescue_success_ratio",) not in told
    assert told[("slskdn_rescue_wait_seconds_count",)] == 0


def test_share_ratio_and_time_are_series(django_assert_max_num_queries: object) -> None:
    rescue(1, "finished", overlay=30, soulseek=70, waited_s=4)
    rescue(2, "finished", overlay=90, soulseek=10, waited_s=40)
    rescue(3, "no_source")
    rescue(3, "refused")
    rescue(4, "recovered", overlay=1, soulseek=99)
    rescue(5, "active")
    with django_assert_max_num_queries(1):  # type: ignore[operator]
        from apps.soulseek.selectors_rescue_success import rescues_success

        rescues_success()
    told = series()
    assert told[("slskdn_rescue_success_ratio",)] == pytest.approx(2 / 3)
    assert told[("slskdn_rescue_trouble_success_ratio", ("trouble", "stalled"))] == pytest.approx(2 / 3)
    assert told[("slskdn_rescues_running",)] == 1
    assert told[("slskdn_rescue_troubles", ("trouble", "stalled"))] == 5
    assert told[("slskdn_rescue_overlay_to_soulseek_ratio_bucket", ("le", "0.5"))] == 1
    assert told[("slskdn_rescue_overlay_to_soulseek_ratio_bucket", ("le", "+Inf"))] == 2
    assert told[("slskdn_rescue_wait_seconds_bucket", ("le", "5"))] == 1
    assert told[("slskdn_rescue_wait_seconds_sum",)] == pytest.approx(44)


def test_the_system_page_has_a_panel_of_rescues(client: Client) -> None:
    rescue(1, "finished", overlay=30, soulseek=70, waited_s=4)
    rescue(2, "no_source")
    text = page(client, "/system/rescue")
    assert "50" in text and "0.43×" in text and "≤ 0.5×: 1" in text
    assert "stalled: 50 %" in text
    whole = client.get("/system").content.decode()
    assert "/system/rescue" in whole


def test_the_panel_stands_without_a_rescue(client: Client) -> None:
    assert "Rescues" in page(client, "/system/rescue")
