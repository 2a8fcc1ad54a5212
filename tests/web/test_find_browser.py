"""Finding and targets in a real Chromium, at 0, 1 and 1,000 rows, light and dark, wide and narrow; the keyboard; an answer that comes while one looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, in_site, pytestmark, see_clean, sign_in, start_seeded
from tests.web.find_seed import ANSWERS, TEXTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
MBID = json.loads(next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).read_text("utf-8"))["id"]
PAGES = {
    "find-empty": "/find",
    **{f"find-{which}": f"/find?q={text.replace(' ', '+')}" for which, text in TEXTS.items()},
    "find-refused": "/find?q=0720642442525",
    "ask": f"/ask?kind=mb_release&mbid={MBID}",
    "ask-artist": f"/ask?kind=discography&mbid={MBID}",
    "targets": "/targets",
    "targets-none": "/targets?q=never+heard+of",
    "target": f"/targets/release/{MBID}",
    "target-unknown": "/targets/release/00000000-0000-4000-8000-000000000001",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-rows", "one-row", "thousand-rows"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("find"), seed="find_seed", rows=request.param)


@each_look
def test_every_page_of_finding_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    see_clean(watched, site, PAGES, name=f"{site.rows}-{theme}-{width}")


def test_it_is_found_by_keyboard_and_asked_for(browser: Browser, site: Site) -> None:
    if site.rows != 1:
        pytest.skip("needs one row")
    watched = sign_in(browser, site)
    page = watched.page
    page.keyboard.press("/")
    page.keyboard.type(f"https://musicbrainz.org/release/{MBID}")
    page.keyboard.press("Enter")
    page.locator("tr[data-row]").first.wait_for()
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Get 2 missing tracks").click()
    page.wait_for_url("**/jobs/*")
    page.context.close()
    assert not watched.complaints


def test_an_answer_appears_while_one_looks(browser: Browser, site: Site) -> None:
    if site.rows != 1:
        pytest.skip("needs one row")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/find?q=something+new")
    page.get_by_text("Looking it up").wait_for()
    in_site(
        site,
        "from apps.jobs.models import Find\n"
        "from apps.jobs.services_find import find_claim, find_done\n"
        "from tests.web.find_seed import candidate\n"
        "claim = find_claim(Find.objects.get(text='something new').id, lease_s=60)\n"
        "find_done(claim, [candidate(0)])",
    )
    page.locator("tr[data-row]").first.wait_for(timeout=15_000)
    page.context.close()
    assert not watched.complaints
