"""The review pages in a real Chromium, at 0, 1 and 1,000 questions, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {
    "review": "/library/review",
    "review-decided": "/library/review?show=decided",
    "review-left": "/library/review?show=left",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-questions", "one-question", "thousand-questions"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("review"), seed="identity_seed", rows=request.param)


@each_look
def test_every_page_of_the_queue_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    page, pages = watched.page, dict(PAGES)
    if site.rows:
        page.goto(f"{site.base}/library/review")
        pages["question"] = str(page.locator("#list tbody a").first.get_attribute("href"))
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}")


def test_questions_are_walked_and_selected_by_keys_and_a_folder_is_confirmed_at_once(
    browser: Browser, site: Site
) -> None:
    if site.rows < 1000:
        pytest.skip("needs a page of questions")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/library/review")
    page.locator("#list tbody a[title='Only this folder']").first.click()
    page.wait_for_url("**folder=**")
    assert page.locator("tr[data-row]").count() == 10
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    assert page.locator("#selection [data-count]").inner_text() == "2"
    page.locator("#selection button").first.click()
    page.get_by_text("2 files confirmed.").first.wait_for()
    assert page.locator("tr[data-row]").count() == 8
    page.context.close()
    assert not watched.complaints
