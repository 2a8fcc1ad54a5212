"""The coverage of an artist in a real Chromium: at 0, 1 and 1,000 groups, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.apps.jobs.tree_rows import ARTIST
from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]

PAGE = f"/catalog/artists/{ARTIST.mbid}/coverage"


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["nothing", "one-group", "thousand-groups"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("coverage"), seed="coverage_seed", rows=request.param)


@each_look
def test_the_coverage_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    pages = {"coverage": PAGE, "coverage-all": f"{PAGE}?profile=all&missing=1"}
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}", opened=True)


def test_pages_turn_and_one_click_asks_for_what_is_missing(browser: Browser, site: Site) -> None:
    if site.rows != 1000:
        pytest.skip("needs many groups")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}{PAGE}?profile=all")
    first = page.locator(".cover h2").first.inner_text()
    page.get_by_role("link", name="Later").click()
    page.wait_for_url("**cursor=**")
    assert page.locator(".cover h2").first.inner_text() != first
    page.get_by_role("link", name="Earlier").click()
    page.wait_for_load_state()
    assert page.locator(".cover h2").first.inner_text() == first
    page.get_by_role("link", name="Not complete").click()
    card = page.locator(".cover", has=page.get_by_role("button", name="Get")).first
    title = card.locator("h2").inner_text()
    card.get_by_role("button").click()
    page.wait_for_load_state()
    asked = page.locator(".cover", has_text=title).first
    assert asked.locator(".chip").inner_text() == "On its way"
    page.get_by_role("button", name="Get what is missing").click()
    page.wait_for_url("**/jobs/**")
    page.context.close()
    assert not watched.complaints
