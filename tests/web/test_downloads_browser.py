"""The queue of downloads in a real Chromium: nothing, every state, a thousand rows; light and dark, wide and narrow; files chosen and paused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, in_site, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {"downloads": "/soulseek/downloads"}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["nothing", "every-state", "thousand"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("downloads"), seed="downloads_seed", rows=request.param)


@each_look
def test_the_page_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    see_clean(watched, site, PAGES, name=f"{site.rows}-{theme}-{width}")


def test_files_are_chosen_and_paused_and_the_page_shows_it_by_itself(browser: Browser, site: Site) -> None:
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/soulseek/downloads")
    if not site.rows:
        assert page.get_by_text("Nothing was asked of anybody yet").is_visible()
    else:
        row = page.locator("tr", has_text="Waits here").first
        row.locator("input[type=checkbox]").check()
        page.locator("#selection").get_by_role("button", name="Pause").click()
        page.get_by_text("1 file paused.").wait_for()
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("1 file goes on.").wait_for()
        page.locator("section.panel", has_text="Waits here").first.locator("h2 a").click()
        page.wait_for_url("**/batch/**")
        row = page.locator("tr[id^=download-]", has_text="Waits here").first
        key = (row.get_attribute("id") or "").removeprefix("download-")
        in_site(
            site,
            "from apps.domain.contracts.soulseek_downloads import DownloadReport\n"
            "from apps.domain.soulseek.states import DownloadState\n"
            "from apps.soulseek.services_node_downloads import downloads_record\n"
            f"downloads_record([DownloadReport(download_id='{key}', state=DownloadState.PAUSED)])",
        )
        page.locator(f"#download-{key}").get_by_text("Paused").wait_for(timeout=15_000)
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers
