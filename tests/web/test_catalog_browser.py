"""The pages of artists, labels and release groups in a real Chromium: nothing read, one group, a thousand; light and dark, wide and narrow."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded
from tests.web.catalog_seed import ARTIST, LABEL

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
GROUP = uuid.UUID(int=1000)
PAGES = {
    "artist": f"/catalog/artists/{ARTIST}",
    "artist-albums": f"/catalog/artists/{ARTIST}?type=Album",
    "label": f"/catalog/labels/{LABEL}",
    "release-group": f"/catalog/release-groups/{GROUP}",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["not-read", "one-group", "thousand-groups"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("catalog"), seed="catalog_fill", rows=request.param)


@each_look
def test_every_page_of_the_catalog_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    see_clean(watched, site, PAGES, name=f"{site.rows}-{theme}-{width}")


def test_an_artist_is_read_again_with_a_click(browser: Browser, site: Site) -> None:
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/catalog/labels/{LABEL}")
    page.get_by_role("button", name="Read it").click()
    page.locator("#graph .chip", has_text="Being read").wait_for()
    if site.rows == 1000:
        page.goto(f"{site.base}/catalog/artists/{ARTIST}")
        page.get_by_role("link", name="Older").click()
        assert page.locator("table tr[data-row]").count() == 50
        page.locator("table tr[data-row] a").first.click()
        page.get_by_role("link", name="Ánima").first.click()
        page.locator("#graph").wait_for()
    page.context.close()
    assert not watched.complaints
