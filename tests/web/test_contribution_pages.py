"""The Contribution page: at nothing, fair, unfair, generous; its windows; what it never shows."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.domain.soulseek.fairness import FairnessRules
from tests.apps.soulseek.traffic_rows import GIB, acted, beats, line, passed
from tests.web import contribution_seed

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str = "/contribution") -> str:
    response = client.get(address)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def test_at_nothing_the_page_says_so(viewer: Client) -> None:
    page = shown(viewer)
    assert "Nothing was given or taken in this time." in page
    assert "Not a byte in these days." in page
    assert "Nothing was ever held back." in page
    assert "Too little traffic to say" in page
    assert "The node is not running" in page


def test_four_volumes_ratios_and_plain_words_are_there(viewer: Client) -> None:
    passed(
        line(23 * GIB, plane="soulseek", direction="up"), line(10 * GIB, plane="soulseek"),
        line(16 * GIB, direction="up"), line(8 * GIB),
    )  # fmt: skip
    beats()
    page = shown(viewer)
    assert "You've uploaded 2.3× as much as you've downloaded over Soulseek." in page
    assert "Overlay usage: 0.7× Soulseek upload." in page
    for figure in (
        "23.0 GiB",
        "10.0 GiB",
        "16.0 GiB",
        "8.00 GiB",
        "39.0 GiB",
        "18.0 GiB",
        "2.17×",
    ):
        assert figure in page, figure
    assert "Healthy contributor" in page
    assert "What is given and taken is in balance." in page


def test_a_window_is_chosen_in_the_address_and_a_strange_one_is_the_default(viewer: Client) -> None:
    passed(line(5 * GIB, ago=timedelta(days=20)))
    assert "Nothing was given or taken" in shown(viewer)
    assert "5.00 GiB" in shown(viewer, "/contribution?window=30d")
    assert "Nothing was given or taken" in shown(viewer, "/contribution?window=<script>")


def test_what_is_held_back_is_said_with_its_rule_and_history(viewer: Client) -> None:
    contribution_seed.fill(3)
    page = shown(viewer)
    assert "Mesh downloads run at 50 %: in seven days 0.31 bytes were given" in page
    assert "Out of balance" in page
    assert "At work now" in page
    assert "Violated" in page and "at least 0.5×" in page
    assert "Turned down" in page


def test_the_page_of_limits_says_that_something_is_held_back_beneath_them(viewer: Client) -> None:
    assert "Mesh downloads run at" not in shown(viewer, "/uploads")
    contribution_seed.fill(3)
    assert "Mesh downloads run at 50 %" in shown(viewer, "/uploads")


def test_a_track_that_is_slowed_says_so_on_its_job(viewer: Client) -> None:
    from tests.web import seed

    seed.fill(1)
    from apps.jobs.models import Job
    from apps.transfers.models import WantProgress

    params = {"rule": "x", "ratio": 0.2, "limit": 0.5, "percent": 25}
    found = WantProgress.objects.filter(phase="fetching")
    assert found.update(code="fairness_min_overlay_upload_download_ratio", params=params)
    text = " ".join(shown(viewer, f"/jobs/{job}") for job in Job.objects.values_list("id", flat=True))
    assert "Mesh downloads run at 25 %" in text


def test_settings_that_always_hold_are_told(viewer: Client, settings: Any) -> None:
    settings.FAIRNESS = FairnessRules(overlay_bandwidth_cap=900, enforce_per_job=True, generous=True)
    beats(jobs={"x": "fairness_job"})
    page = shown(viewer)
    assert "at most 900 KiB/s" in page
    assert "1 slowed now" in page
    assert "Generous" in page


def test_in_mesh_mode_only_the_meshs_own_ratio_and_volume_are_listed(viewer: Client) -> None:
    passed(line(8 * GIB), line(8 * GIB, direction="up"))
    page = shown(viewer)  # no node runs: the configured mode, which is hybrid
    assert "Don't starve Soulseek" in page
    from apps.soulseek.selectors_traffic import contribution_view

    view = contribution_view(window="7d", rules=settings.FAIRNESS, mode="mesh")
    assert [one.rule for one in view.states] == ["min_overlay_upload_download_ratio", "overlay_day_gib"]


def test_words_of_a_newer_version_are_shown_as_text(viewer: Client) -> None:
    acted("<b>danced</b>", share=0.3, rule="<script>alert(1)</script>")
    page = viewer.get("/contribution").content.decode()
    assert "<script>alert" not in page and "<b>danced" not in page


def test_strangers_are_asked_to_sign_in(client: Client) -> None:
    assert client.get("/contribution").status_code == 302


def test_a_narrow_window_reaches_it_by_what_its_bottom_bar_holds(viewer: Client) -> None:
    page = viewer.get("/soulseek").content.decode()
    rail, rest = page.split('class="rail"')[1].split("</nav>", 1)
    bar = [item for item in rail.split("<li") if not item.startswith(' class="wide"')]
    assert any('href="/soulseek"' in item for item in bar)
    places = rest.split('class="places')[1].split("</nav>")[0]
    assert 'href="/contribution"' in places
    assert 'class="places narrow"' in viewer.get("/contribution").content.decode()
