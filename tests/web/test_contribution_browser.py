"""The Contribution page in a real Chromium: nothing, a first hour, two months; light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {"contribution": "/contribution", "contribution-30d": "/contribution?window=30d"}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["nothing", "first-hour", "two-months"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("contribution"), seed="contribution_seed", rows=request.param)


@each_look
def test_the_page_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    see_clean(watched, site, PAGES, name=f"{site.rows}-{theme}-{width}")


def test_the_window_is_chosen_and_the_rail_leads_there(browser: Browser, site: Site) -> None:
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/")
    page.get_by_role("link", name="Contribution").click()
    page.wait_for_url("**/contribution")
    page.get_by_role("link", name="30 days").click()
    page.wait_for_url("**window=30d")
    assert page.locator("nav.tabs [aria-current]").inner_text() == "30 days"
    assert page.locator("svg.days").count() == (1 if site.rows else 0)
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers


def test_in_a_narrow_window_the_bottom_bar_leads_there_by_soulseek(browser: Browser, site: Site) -> None:
    watched = sign_in(browser, site, width=390)
    page = watched.page
    page.goto(f"{site.base}/")
    assert not page.get_by_role("link", name="Contribution").is_visible()
    page.locator(".rail").get_by_role("link", name="Soulseek").click()
    page.wait_for_url("**/soulseek")
    page.locator(".places").get_by_role("link", name="Contribution").click()
    page.wait_for_url("**/contribution")
    page.locator(".places").get_by_role("link", name="Session").click()  # and back
    page.wait_for_url("**/soulseek")
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers
