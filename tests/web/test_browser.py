"""The pages in a real Chromium: 0, 1 and 1,000 rows, light and dark, wide and narrow; no error, no stranger's host, readable by everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import (
    Site,
    browser,
    each_look,
    in_site,
    pytestmark,
    see_clean,
    sign_in,
    start,
)
from tests.web.seed import digest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
MBID = "76df3287-6cda-33eb-8e9a-044b5e15ffdd"
PAGES = {
    "arriving": "/",
    "find": f"/find?q={MBID}",
    "find-nothing": "/find?q=kind+of+blue",
    "library": "/library",
    "mesh": "/mesh",
    "peers": "/peers",
    "peers-worst": "/peers?sort=lowest_reputation",
    "system": "/system",
    "uploads": "/uploads",
    "not-found": "/nowhere",
    "kit": "/ui/kit",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-rows", "one-row", "thousand-rows"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start(tmp_path_factory.mktemp("site"), rows=request.param, debug=request.param == 1)


@each_look
def test_every_page_is_clean_readable_and_keeps_to_its_host(
    browser: Browser, site: Site, theme: str, width: int
) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    page, pages = watched.page, dict(PAGES)
    if site.rows:
        for index, link in enumerate(page.locator("#list tbody a").all()[:4]):
            pages[f"job-{index}"] = str(link.get_attribute("href"))
        pages["swarm"] = f"{pages['job-0']}/swarm"
        pages["peer"] = "/peers/" + ("k" + digest("peer", 2).hex())[:52]
    del pages[
        "not-found" if site.rows == 1 else "kit"
    ]  # the kit is there only when debugging, and then 404 is Django's own page
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start(tmp_path_factory.mktemp("small"), rows=16, debug=False)


def test_a_row_changes_in_place_while_one_looks(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    row = page.locator("tr[data-row]").first
    row_id = row.get_attribute("id")
    page.locator("tr[data-row] input[data-select]").nth(2).check()
    page.keyboard.press("j")
    page.mouse.move(5, 600)
    in_site(
        small,
        f"from apps.jobs.models import Job\nJob.objects.filter(id='{str(row_id)[4:]}').update(title='Changed while looking')",
    )
    page.wait_for_function(
        "id => document.getElementById(id).textContent.includes('Changed while looking')", arg=row_id, timeout=15000
    )
    assert page.locator("tr[data-row] input[data-select]").nth(2).is_checked()
    assert "at" in str(row.get_attribute("class")).split(), "the keyboard stays on the row"
    assert not watched.complaints
    page.context.close()


def test_a_new_job_waits_while_the_pointer_is_on_the_list(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    first = page.locator("tr[data-row]").first
    before, count = first.get_attribute("id"), page.locator("tr[data-row]").count()
    first.hover()
    in_site(
        small,
        "from apps.jobs.services import job_create\njob_create(kind='recording', target_mbid='b1a9c0e9-d987-4042-ae91-78d6a3267d69')",
    )
    changed = "from apps.jobs.models import Job\nfrom django.utils import timezone\n"
    in_site(small, changed + f"Job.objects.filter(id='{str(before)[4:]}').update(title='Told after it')")
    page.wait_for_function(
        "id => document.getElementById(id).textContent.includes('Told after it')", arg=before, timeout=15000
    )
    assert page.locator("tr[data-row]").first.get_attribute("id") == before
    page.mouse.move(5, 600)
    page.wait_for_function(
        "count => document.querySelectorAll('tr[data-row]').length > count", arg=count, timeout=15000
    )
    assert page.locator("tr[data-row]").first.get_attribute("id") != before
    assert not watched.complaints
    page.context.close()


def test_an_empty_page_gets_its_first_row_by_itself(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    page.goto(f"{small.base}/?q=never+heard+of")
    page.locator("[data-live-reload]").wait_for()
    lines = "from apps.jobs.models import Job\nJob.objects.create(kind='recording', target_mbid='b1a9c0e9-d987-4042-ae91-78d6a3267d69', title='%s')"
    in_site(small, lines % "Never heard of before")
    page.locator("tr[data-row]").wait_for(timeout=15000)
    assert not watched.complaints
    page.context.close()


def test_a_job_is_paused_and_taken_back_by_undo(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    page.goto(small.base + str(page.locator("tr[data-row]:has(.chip.tone-overlay) a").first.get_attribute("href")))
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("1 job paused.").wait_for()
    page.locator("#job-head .chip", has_text="Paused").wait_for(timeout=15000)
    page.get_by_role("button", name="Undo").click()
    page.locator("#job-head .chip", has_text="Arriving").wait_for(timeout=15000)
    assert not watched.complaints
    page.context.close()


def test_several_are_selected_with_shift_and_steered_together(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    boxes = page.locator("input[data-select]")
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    assert page.locator("#selection [data-count]").inner_text() == "4"
    page.locator("#selection").get_by_role("button", name="Cancel").click()
    page.locator(".toast").first.wait_for()
    assert not watched.complaints
    page.context.close()


def test_keys_work(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert (
        page.evaluate("[...document.querySelectorAll('[data-row]')].findIndex(row => row.classList.contains('at'))")
        == 1
    )
    page.keyboard.press("?")
    assert page.locator("dialog#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    assert not watched.complaints
    page.context.close()


def test_the_filter_changes_the_address_and_back_works(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    page.fill("#filter", "byrjun")
    page.wait_for_url("**/?q=byrjun")
    # Functions: Playwright evaluates a bare expression anew in the page at every look, which our Content Security Policy forbids aloud.
    page.wait_for_function("() => document.querySelectorAll('tr[data-row]').length === 2")
    page.go_back()
    page.wait_for_function("() => document.querySelectorAll('tr[data-row]').length > 2")
    assert not watched.complaints
    page.context.close()


STREAMS_BY_HAND = """
window.streams = [];
window.EventSource = class extends EventTarget {
  static CLOSED = 2;
  constructor(url) { super(); this.url = url; this.readyState = 1; window.streams.push(this); }
  close() { this.readyState = 2; }
};
window.stranger = (id) => window.streams[0].dispatchEvent(new MessageEvent("patch", {
  data: JSON.stringify({parts: {[id]: `<tr id="${id}" data-row><td>A stranger</td></tr>`}, gone: []}),
}));
"""


def test_rows_of_the_former_list_never_come_into_a_filtered_one(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    page.add_init_script(STREAMS_BY_HAND)
    page.goto(f"{small.base}/")
    page.locator("tr[data-row]").first.hover()
    page.evaluate("stranger('job-held-back')")  # waits until the pointer leaves the list
    page.evaluate("document.body.addEventListener('htmx:afterSwap', () => stranger('job-late'), {once: true})")
    page.fill("#filter", "byrjun")
    page.wait_for_function("() => streams.length === 2")
    page.mouse.move(5, 600)
    page.evaluate("streams[1].dispatchEvent(new MessageEvent('patch', {data: JSON.stringify({parts: {}, gone: []})}))")
    assert page.locator("tr[data-row]").count() == 2
    assert not watched.complaints
    page.context.close()


def test_the_theme_is_kept_and_there_before_the_first_paint(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    page = watched.page
    page.locator("[data-theme-switch]").click()
    page.locator("[data-theme-switch]").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert not watched.complaints
    page.context.close()


def test_pages_are_readable_without_javascript(browser: Browser, small: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{small.base}/login")
    page.fill("#id_username", "admin")
    page.fill("#id_password", small.password)
    with page.expect_navigation():  # until it is loaded whole: nothing else waits for rows that are still on their way
        page.click("button.main")
    assert page.locator("tr[data-row]").count() >= 16
    page.goto(small.base + str(page.locator("tr[data-row] a").first.get_attribute("href")))
    assert page.locator("h1").is_visible()
    context.close()


def test_the_api_documentation_works_offline(browser: Browser, small: Site) -> None:
    watched = sign_in(browser, small)
    watched.page.goto(f"{small.base}/api/docs")
    watched.page.locator("#operations-tag-jobs").click()
    watched.page.get_by_text("/api/jobs/mb-release", exact=True).first.wait_for()
    watched.page.goto(f"{small.base}/admin/jobs/job/")
    watched.page.locator("#result_list").wait_for()
    assert not watched.strangers
    assert not watched.complaints
    watched.page.context.close()
