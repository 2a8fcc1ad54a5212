"""Jobs of jobs and webhooks in a real Chromium: 0, 1 and 1,000 rows, light and dark, wide and narrow; unfolding, acting on a selection, the secret shown once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, in_site, pytestmark, see_clean, sign_in, start_seeded
from tests.web.trees_seed import mbid

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
TREE = f"/jobs/{mbid('discography', 'Nirvana', 'Nirvana')}"


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["no-rows", "one-row", "thousand-rows"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("site"), seed="trees_seed", rows=request.param)


@each_look
def test_trees_and_webhooks_are_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    pages = {"trees": "/", "webhooks": "/system/webhooks"}
    if site.rows:
        pages |= {
            "trees-open": f"/?open={mbid('discography', 'Nirvana', 'Nirvana')}",
            "tree": TREE,
            "tree-held": f"{TREE}?show=held",
            "tree-child": f"/jobs/{mbid('Nirvana', 0)}",
            "webhook": f"/system/webhooks/{mbid('hook')}",
            "webhook-dead": f"/system/webhooks/{mbid('hook')}?show=dead",
        }
    if site.rows > 1:
        pages |= {
            "tree-reading": f"/jobs/{mbid('discography', '', 'Kasabian')}",
            "trees-filtered": "/?kind=discography&reason=graph_walking&q=kas",
            "trees-none": "/?q=nobody",
        }
    see_clean(sign_in(browser, site, theme=theme, width=width), site, pages, name=f"{site.rows}-{theme}-{width}")


def test_a_tree_unfolds_pages_and_a_selection_of_its_children_is_paused(browser: Browser, site: Site) -> None:
    if site.rows != 1000:
        pytest.skip("needs pages")
    watched = sign_in(browser, site)
    page = watched.page
    row = page.locator(f"#job-{mbid('discography', 'Nirvana', 'Nirvana')}")
    row.get_by_role("link", name="Show its releases").click()
    page.wait_for_selector(f"#planned-{mbid('release', 'Nirvana', 0)}")
    assert "open=" in page.url
    first = page.locator("tr.below[id]").count()
    assert first == 25
    page.locator("tr.below").get_by_role("link", name="Next").click()
    page.wait_for_selector(f"#planned-{mbid('release', 'Nirvana', 0)}", state="detached")
    assert "at=" in page.url
    page.go_back()
    page.wait_for_selector(f"#planned-{mbid('release', 'Nirvana', 0)}")
    child = page.locator(f"#planned-{mbid('release', 'Nirvana', 0)}")
    child.locator("input[data-select]").check()
    page.locator("#selection").get_by_role("button", name="Pause").click()
    page.get_by_text("1 job paused.").wait_for()
    child.get_by_text("Paused", exact=True).wait_for()  # by the live stream
    row.get_by_role("link", name="Fold").click()
    page.wait_for_selector("tr.below", state="detached")
    assert not watched.complaints


def test_a_childs_progress_appears_while_its_tree_is_looked_at(browser: Browser, site: Site) -> None:
    if site.rows != 1:
        pytest.skip("one is enough")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(site.base + TREE)
    page.locator("#job-head").get_by_text("0 / 1").wait_for()
    key = mbid("Nirvana", 0)
    in_site(
        site,
        "from apps.jobs.models import Job, JobTrack\n"
        f"JobTrack.objects.filter(job_id='{key}').update(state='completed')\n"
        "from apps.jobs.services import job_refresh_state\n"
        f"import uuid; job_refresh_state(uuid.UUID('{key}'))",
    )
    page.locator("#job-head").get_by_text("1 / 1").wait_for()
    page.locator(f"#planned-{mbid('release', 'Nirvana', 0)}").get_by_text("4 of 4 tracks").wait_for()
    page.locator(f"#planned-{mbid('release', 'Nirvana', 0)} a").first.click()
    page.get_by_role("link", name="Nirvana", exact=True).click()
    page.wait_for_url(site.base + TREE)
    assert not watched.complaints


def test_a_webhook_is_made_and_its_secret_is_shown_once(browser: Browser, site: Site) -> None:
    if site.rows != 0:
        pytest.skip("one is enough")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(site.base + "/system")
    page.get_by_role("link", name="Webhooks").click()
    page.fill("#hook-url", "http://127.0.0.1:9/hook")
    page.get_by_role("checkbox", name="job.failed").check()
    page.get_by_role("button", name="Add, and show its secret").click()
    page.get_by_text("Its secret").wait_for()
    assert "whsec_" in page.content()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_text("A test is on its way").wait_for()
    assert "whsec_" not in page.content()
    page.locator("td .mono").get_by_text("test", exact=True).wait_for()
    assert not watched.complaints
