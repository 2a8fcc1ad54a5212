"""A release that only Discogs has, in a real Chromium: its address pasted, seen for what it is, asked for, and how sure its tracks are. Wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from slskdn_site.broker import redis_url
from tests.web.browsing import (
    CHECK,
    Site,
    Watched,
    browser,
    each_look,
    in_site,
    photograph,
    pytestmark,
    sign_in,
    start_seeded,
)
from tests.web.discogs_seed import NUMBER
from tests.workers.conftest import Metadata, metadata

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "metadata", "pytestmark"]
TITLE = "Minutes Of The Tide Board"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("discogs"), seed="discogs_seed", rows=1)


def work(site: Site, step: str, metadata: Metadata) -> None:
    """What a worker would do now."""
    in_site(site, f"from tests.web.discogs_seed import {step}\n{step}({metadata.url!r}, {redis_url()!r})")


def looked_at(watched: Watched, name: str) -> None:
    """The page as it is holds to the rules of `page_check.js` and does not scroll sideways."""
    page = watched.page
    photograph(page, name)
    assert not page.evaluate(CHECK), name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"


@each_look
def test_an_address_at_discogs_becomes_a_target_that_says_how_sure_it_is(
    browser: Browser, site: Site, metadata: Metadata, theme: str, width: int
) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    page, look = watched.page, f"{theme}-{width}"

    page.goto(f"{site.base}/find")
    page.fill("#find-text", f"https://www.discogs.com/release/{NUMBER}-Harbour-Committee-Minutes-Of-The-Tide-Board")
    page.keyboard.press("Enter")
    page.get_by_text("Looking it up").wait_for()
    work(site, "finds_answered", metadata)
    row = page.locator("tr[data-row]")
    row.wait_for(timeout=15_000)
    assert TITLE in row.inner_text()
    assert "only at Discogs" in row.inner_text()
    assert row.inner_text().count("Discogs") == 1
    assert "MBID" not in row.inner_text()
    assert "MusicBrainz does not have it" in page.locator("#find-answer").inner_text()
    found = page.url
    looked_at(watched, f"discogs-found-{look}")

    row.locator("a.button:not(.quiet)").click()
    page.wait_for_url("**/ask?*")
    page.get_by_role("link", name=f"Discogs release {NUMBER}").wait_for()
    looked_at(watched, f"discogs-ask-{look}")
    page.get_by_role("button", name="Fetch it").click()
    page.wait_for_url("**/jobs/*")
    work(site, "jobs_resolved", metadata)
    page.reload()
    page.get_by_text("Apologies For Absence").first.wait_for()
    assert page.get_by_role("link", name=f"Discogs release {NUMBER}").count() == 1
    looked_at(watched, f"discogs-job-{look}")

    page.goto(found)
    page.get_by_role("link", name=TITLE).click()
    page.wait_for_url("**/targets/release/*")
    tracks = page.locator("tr[data-row]")
    assert tracks.count() == 6
    assert "Verified by: length only" in tracks.nth(0).inner_text()
    assert "Verified by: consensus of copies" in tracks.nth(1).inner_text()
    assert all("Verified by" not in tracks.nth(which).inner_text() for which in range(2, 6))
    assert page.get_by_text("no fingerprint proves them").count() == 1
    looked_at(watched, f"discogs-target-{look}")
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers
