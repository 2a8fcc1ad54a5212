"""The doctor's pages in a real Chromium, at 0, 1 and 1,000 issues, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {
    "doctor": "/doctor",
    "issues": "/doctor/issues",
    "issues-type": "/doctor/issues?type=missing_track&sort=artist",
    "issues-ignored": "/doctor/issues?show=ignored",
    "issues-none": "/doctor/issues?q=never+heard+of",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-issues", "one-issue", "thousand-issues"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("doctor"), seed="doctor_seed", rows=request.param)


@each_look
def test_every_page_of_the_doctor_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    page, pages = watched.page, dict(PAGES)
    if site.rows:
        page.goto(f"{site.base}/doctor/issues")
        pages["issue"] = str(page.locator("#list tbody a").first.get_attribute("href"))
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}")


def test_issues_are_selected_with_shift_ignored_together_and_taken_back(browser: Browser, site: Site) -> None:
    if site.rows < 1000:
        pytest.skip("needs a page of issues")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/doctor/issues")
    first = page.locator("tr[data-row]").first.get_attribute("id")
    boxes = page.locator("input[data-select]")
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    assert page.locator("#selection [data-count]").inner_text() == "4"
    page.locator("#selection").get_by_role("button", name="Ignore").click()
    page.locator(".toast").first.wait_for()
    page.wait_for_function("id => !document.getElementById(id)", arg=first)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("id => document.getElementById(id)", arg=first)
    page.select_option("#type", "corrupted_file")
    page.wait_for_url("**type=corrupted_file**")
    page.context.close()
    assert not watched.complaints
