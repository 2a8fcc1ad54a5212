"""The pages of folders in a real Chromium, at 0, 1 and 1,000 folders, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {
    "folders": "/library/folders",
    "folders-asked": "/library/folders?show=ambiguous",
    "folders-none": "/library/folders?q=never+heard+of",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-folders", "one-folder", "thousand-folders"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("folders"), seed="folder_seed", rows=request.param)


@each_look
def test_every_page_of_folders_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    page, pages = watched.page, dict(PAGES)
    if site.rows:
        page.goto(f"{site.base}/library/folders")
        pages["folder"] = str(page.locator("#list tbody a").first.get_attribute("href"))
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}")


def test_another_edition_is_chosen_with_a_click(browser: Browser, site: Site) -> None:
    if site.rows != 1:
        pytest.skip("needs one folder")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/library/folders")
    page.locator("#list tbody a").first.click()
    page.get_by_role("button", name="Choose this one").first.click()
    page.locator(".chip", has_text="Waiting").first.wait_for()
    page.context.close()
    assert not watched.complaints
