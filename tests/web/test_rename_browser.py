"""The pages of renaming in a real Chromium, at 0, 1 and 1,000 lines, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-plan", "one-line", "thousand-lines"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("renames"), seed="rename_seed", rows=request.param)


@each_look
def test_every_page_of_renaming_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    page, pages = watched.page, {"renamings": "/library/renamings"}
    if site.rows:
        page.goto(f"{site.base}/library/renamings")
        pages["renaming"] = str(page.locator("tbody a").first.get_attribute("href"))
        pages["renaming-stays"] = f"{pages['renaming']}?show=stays"
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}", opened=True)


def test_the_next_page_of_a_plan_is_a_click_away(browser: Browser, site: Site) -> None:
    if site.rows != 1000:
        pytest.skip("needs many lines")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/library/renamings")
    page.locator("tbody a").first.click()
    assert page.get_by_role("button", name="Rename 858 files").is_visible()
    page.get_by_role("link", name="Next").click()
    page.wait_for_selector("#line-101")
    page.context.close()
    assert not watched.complaints
