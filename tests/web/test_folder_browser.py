"""The pages of folders in a real Chromium, at 0, 1 and 1,000 folders, light and dark, wide and narrow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.test_browser import CHECK, ROOT, Site, browser, photograph, pytestmark, sign_in, start

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
    for made in start(tmp_path_factory.mktemp("folders"), rows=0, debug=False):
        command = [sys.executable, "-m", "tests.web.folder_seed", str(request.param)]
        subprocess.run(command, cwd=ROOT, env=made.environment, check=True, timeout=120)
        yield Site(base=made.base, password=made.password, rows=request.param, environment=made.environment)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_of_folders_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    page, pages = watched.page, dict(PAGES)
    if site.rows:
        page.goto(f"{site.base}/library/folders")
        pages["folder"] = str(page.locator("#list tbody a").first.get_attribute("href"))
    for name, path in pages.items():
        page.goto(site.base + path)
        page.wait_for_selector("main")
        photograph(page, f"{name}-{site.rows}-{theme}-{width}")
        faults = page.evaluate(CHECK)
        assert not faults, (name, faults)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers


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
