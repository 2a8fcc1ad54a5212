"""The pages of labels in a real Chromium, at 0, 1 and 1,000 labels, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded
from tests.web.label_seed import MOTOWN, SUB_POP

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {
    "labels": "/mesh/labels",
    "labels-none": "/mesh/labels?q=never+heard+of",
    "label": f"/mesh/labels/{SUB_POP}",
    "label-lossless": f"/mesh/labels/{SUB_POP}?codec=lossless",
    "label-more": f"/mesh/labels/{SUB_POP}?more=1",
    "label-musicbrainz": f"/mesh/labels/{MOTOWN}",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-labels", "one-label", "thousand-labels"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("labels"), seed="label_seed", rows=request.param)


@each_look
def test_every_page_of_labels_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    see_clean(watched, site, PAGES, name=f"{site.rows}-{theme}-{width}")


def test_a_label_is_found_narrowed_and_its_crate_made(browser: Browser, site: Site) -> None:
    if site.rows < 1000:
        pytest.skip("needs labels to look through")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/mesh")
    page.locator("main").get_by_role("link", name="Labels").click()
    assert page.locator("tr[data-row] a").first.inner_text() == "Sub Pop"
    page.locator(".pager a[rel=next]").click()
    page.wait_for_url("**cursor=**")
    page.fill("#filter", "sub pop")
    page.wait_for_url("**q=sub%20pop**")
    page.wait_for_function("document.querySelectorAll('tr[data-row]').length === 1")
    page.locator("tr[data-row] a").click()
    page.wait_for_selector("text=Releases that peers have")
    page.select_option("#codec", "mp3")
    page.wait_for_url("**codec=mp3**")
    page.select_option("#size", "20")
    page.locator("input[name=studio]").check()
    page.get_by_role("button", name="Make the crate").click()
    page.wait_for_url("**/jobs/*")
    assert "Sub Pop" in page.locator("main").inner_text() or "crate" in page.locator("main").inner_text().lower()
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers
