"""Search, hunt and wishlist in a real Chromium: 0, 1 and 1,000 answers, light and dark, wide and narrow; answers that come while one looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web import search_seed as seed
from tests.web.browsing import Site, browser, each_look, in_site, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {"search": "/search", "search-none": "/search?q=neverheardof", "wishlist": "/wishlist"}
FILLED = {
    "answers": f"/search/{seed.OVER}",
    "answers-lossless": f"/search/{seed.OVER}?lossless=1&sort=speed",
    "answers-user": f"/search/{seed.OVER}?user=sharer+0",
    "answers-waiting": f"/search/{seed.WAITING}",
    "answers-empty": f"/search/{seed.EMPTY}",
    "hunt": f"/soulseek/hunts/{seed.HUNT}",
    "hunt-job": f"/jobs/{seed.JOB}",
    "wishlist-jobs": "/wishlist?show=jobs",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-rows", "one-row", "thousand-rows"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("search"), seed="search_seed", rows=request.param)


@each_look
def test_every_page_of_searching_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    pages = PAGES | (FILLED if site.rows else {})
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}")


def test_answers_appear_while_one_looks_and_a_folder_is_downloaded(browser: Browser, site: Site) -> None:
    if site.rows != 1:
        pytest.skip("needs one row")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/search")
    page.get_by_label("Words to search for").fill("something new")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("This page fills by itself.").wait_for()
    in_site(
        site,
        "import dataclasses\n"
        "from django.db import transaction\n"
        "from django.utils import timezone\n"
        "from apps.domain.contracts.soulseek_search import SearchReport\n"
        "from apps.domain.soulseek.states import SearchState\n"
        "from apps.soulseek.models import Search\n"
        "from apps.soulseek.services_node_searches import searches_record\n"
        "from tests.web.search_seed import answers\n"
        "one = Search.objects.get(query='something new').id\n"
        "found = [dataclasses.replace(each, search_id=one) for each in answers(2)]\n"
        "with transaction.atomic():\n"
        "    searches_record([SearchReport(search_id=one, state=SearchState.RUNNING, answers_in=one, started_at=timezone.now(), users=2, files=21)], found)",
    )
    page.locator("article.offer").nth(1).wait_for(timeout=15_000)
    page.get_by_role("button", name="Download folder").last.click()
    page.wait_for_url("**/soulseek/downloads/**")
    page.context.close()
    assert not watched.complaints


def test_lists_of_searches_and_wishes_change_while_one_looks(browser: Browser, site: Site) -> None:
    if site.rows == 1000:
        pytest.skip("no row and one row say it")
    watched = sign_in(browser, site)
    page = watched.page
    code = "from apps.soulseek.services_search import search_ask, search_withdraw\nfrom apps.soulseek.services_wishlist import wish_add\nfrom apps.soulseek.models import Search\n"
    page.goto(f"{site.base}/search")
    in_site(site, code + "search_ask('handed in elsewhere')")
    row = page.locator("tr", has_text="handed in elsewhere")
    row.wait_for(timeout=15_000)
    assert row.get_by_text("Waits its turn").is_visible()
    in_site(site, code + "search_withdraw(Search.objects.get(query='handed in elsewhere').id)")
    row.get_by_text("Withdrawn").wait_for(timeout=15_000)
    page.goto(f"{site.base}/wishlist")
    in_site(site, code + "wish_add('wished for elsewhere')")
    page.locator("tr", has_text="wished for elsewhere").wait_for(timeout=15_000)
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers
