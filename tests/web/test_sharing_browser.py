"""Shares, uploads and rules of users in a real Chromium: nothing, everything; light and dark, wide and narrow; used by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {
    "shares": "/soulseek/shares",
    "shares-inside": "/soulseek/shares?root=1",
    "shares-everyone": "/soulseek/shares?root=1&view=everyone",
    "uploads": "/soulseek/uploads",
    "user-rules": "/soulseek/users/rules",
}


@pytest.fixture(scope="module", params=[0, 200], ids=["nothing", "everything"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("sharing"), seed="sharing_seed", rows=request.param)


@each_look
def test_pages_are_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    pages = PAGES if site.rows else {name: PAGES[name] for name in ("shares", "uploads", "user-rules")}
    see_clean(watched, site, pages, name=f"sharing-{site.rows}-{theme}-{width}")


def test_a_folder_is_kept_for_buddies_and_a_stranger_no_longer_sees_it(browser: Browser, site: Site) -> None:
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/soulseek/shares")
    if not site.rows:
        assert page.get_by_text("There is nothing to share here").is_visible()
    else:
        page.get_by_role("link", name="music", exact=True).click()
        row = page.locator("tr", has_text="Band")
        row.get_by_role("button", name="Buddies").click()
        page.locator("tr", has_text="Band").get_by_text("own rule").wait_for()
        page.get_by_role("link", name="As everyone sees it").click()
        page.get_by_text("They see nothing here").wait_for()
        page.get_by_role("link", name="As buddies see it").click()
        page.get_by_role("link", name="Band", exact=True).wait_for()
        page.goto(f"{site.base}/soulseek/users/rules")
        page.get_by_label("Name, pattern or address range").fill("eve")
        page.get_by_role("button", name="Add").click()
        page.get_by_text("The rule holds from now on.").wait_for()
        page.goto(f"{site.base}/soulseek/uploads")
        page.locator("#uploads-live tr", has_text="bob").first.get_by_role("button", name="Ban").click()
        page.get_by_text("They are banned; what waited for them is gone.").wait_for()
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers
