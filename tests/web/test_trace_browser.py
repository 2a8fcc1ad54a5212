"""The timeline of a trace in a real Chromium: at no and at 10,000 chunks, light and dark, wide and narrow, by wheel, keys, buttons and touch."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.browsing import CHECK, CHROMIUM, Site, Watched, browser, each_look, in_site, photograph, sign_in, start

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]  # the fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no Chromium at {CHROMIUM}"),
]
CHUNKS = {"many": 10_000, "some": 60, "none": 0}
JOBS = {name: uuid.UUID(int=number) for number, name in enumerate(CHUNKS, start=700)}
LINES = """
import uuid
from django.conf import settings
from apps.jobs.models import Job, JobTrack
from tests.web.trace_seed import START, write_trace
from apps.domain.swarm.trace_lines import TraceWriter
folder = settings.DATA_DIR / "traces"
for id, chunks in {jobs}.items():
    job = Job.objects.create(id=id, kind="mb_release", target_mbid=id, state="completed", title="Kind of Blue", artist="Miles Davis")
    recordings = [uuid.UUID(int=900 + n) for n in range(8)]
    for n, recording in enumerate(recordings):
        JobTrack.objects.create(job=job, position=n + 1, title="Song " + str(n + 1), recording_mbid=recording)
    if chunks:
        write_trace(folder, job.id, recordings, chunks=chunks)
    else:
        (folder / (str(job.id) + ".jsonl")).write_text(TraceWriter(job.id).header(part=1, at=START))
"""


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for site in start(tmp_path_factory.mktemp("traced"), rows=0, debug=False):
        in_site(site, LINES.format(jobs={str(job): CHUNKS[name] for name, job in JOBS.items()}))
        yield site


def opened(browser: Browser, site: Site, name: str, **looks: Any) -> Watched:
    watched = sign_in(browser, site, **looks)
    watched.page.goto(f"{site.base}/jobs/{JOBS[name]}/trace")
    watched.page.wait_for_function("() => document.querySelector('[data-trace]').dataset.drawn !== undefined")
    return watched


def view(page: Page) -> tuple[float, float]:
    """What part of the time is shown."""
    u0, u1 = page.evaluate(
        "(() => { const t = document.querySelector('[data-trace]').timeline; return [t.u0, t.u1]; })()"
    )
    return u0, u1


def settled(page: Page) -> None:
    """Until the next frame was drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@each_look
@pytest.mark.parametrize("name", list(CHUNKS))
def test_the_page_is_readable_for_everybody(browser: Browser, traced: Site, name: str, theme: str, width: int) -> None:
    watched = opened(browser, traced, name, theme=theme, width=width)
    page = watched.page
    drawn = int(page.evaluate("document.querySelector('[data-trace]').dataset.drawn"))
    assert drawn >= CHUNKS[name]
    faults = page.evaluate(CHECK)
    assert not faults, faults
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(".timeline").scroll_into_view_if_needed()
    photograph(page, f"trace-{name}-{theme}-{width}")
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers


def test_wheel_keys_and_buttons_zoom_and_move(browser: Browser, traced: Site) -> None:
    watched = opened(browser, traced, "many")
    page = watched.page
    whole = view(page)
    lanes = page.locator("[data-lanes]")
    lanes.scroll_into_view_if_needed()
    lanes.hover(position={"x": 500, "y": 20})
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    page.wait_for_function(
        "([a, b]) => { const t = document.querySelector('[data-trace]').timeline; return t.u1 - t.u0 < b - a; }",
        arg=list(whole),
    )
    near = view(page)
    page.locator("[data-act=right]").click()
    assert view(page)[0] > near[0]
    page.locator("[data-act=out]").click()
    wider = view(page)
    assert wider[1] - wider[0] > near[1] - near[0]
    page.locator("[data-act=fit]").click()
    assert view(page) == whole
    page.locator("[data-scroll]").focus()
    page.keyboard.press("+")
    closer = view(page)
    assert closer[1] - closer[0] < whole[1] - whole[0]
    page.keyboard.press("Shift+ArrowLeft")
    assert view(page)[0] < closer[0]
    page.keyboard.press("0")
    assert view(page) == whole
    page.mouse.move(600, 400)
    assert not watched.complaints
    page.context.close()


def test_dragging_moves_the_view(browser: Browser, traced: Site) -> None:
    watched = opened(browser, traced, "many")
    page = watched.page
    page.locator("[data-act=in]").click()
    page.locator("[data-act=in]").click()
    before = view(page)
    box = page.locator("[data-lanes]").bounding_box()
    assert box
    page.mouse.move(box["x"] + 700, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 40, steps=4)
    page.mouse.up()
    assert view(page)[0] > before[0]
    assert not watched.complaints
    page.context.close()


def test_a_chunk_is_described_by_pointer_and_by_keys(browser: Browser, traced: Site) -> None:
    watched = opened(browser, traced, "some")
    page = watched.page
    detail = page.locator("[data-detail]")
    page.locator("[data-act=fault]").click()
    assert "leaf" in detail.inner_text()
    page.locator("[data-scroll]").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    first = detail.inner_text()
    assert "Verified" in first
    page.keyboard.press("ArrowRight")
    assert detail.inner_text() != first
    page.keyboard.press("ArrowDown")
    assert "256 KiB" in detail.inner_text()
    x, y = page.evaluate(
        """(() => { const t = document.querySelector('[data-trace]').timeline, lane = t.picture.lanes.find((one) => one.count);
        return [t.painter.x((lane.rows[0].from[0] + lane.rows[0].to[0]) / 2), lane.body + lane.rowHeight / 2]; })()"""
    )
    page.locator("[data-lanes]").hover(position={"x": x, "y": y})
    assert "256 KiB" in detail.inner_text()
    assert not watched.complaints
    page.context.close()


def test_one_track_can_be_looked_at_alone_also_by_address(browser: Browser, traced: Site) -> None:
    watched = opened(browser, traced, "many")
    page = watched.page
    all_chunks = int(page.evaluate("document.querySelector('[data-trace]').dataset.drawn"))
    page.select_option("[data-tracks]", label="03 Song 3")
    settled(page)
    some = int(page.evaluate("document.querySelector('[data-trace]').dataset.drawn"))
    assert 0 < some < all_chunks / 4
    page.goto(f"{traced.base}/jobs/{JOBS['many']}/trace?track={uuid.UUID(int=902)}")
    page.wait_for_function("() => document.querySelector('[data-trace]').dataset.drawn !== undefined")
    assert int(page.evaluate("document.querySelector('[data-trace]').dataset.drawn")) == some
    assert not watched.complaints
    page.context.close()


def test_a_drawing_that_fails_says_so_and_the_tables_stay(browser: Browser, traced: Site) -> None:
    watched = sign_in(browser, traced)
    page = watched.page
    page.route(
        "**/trace/columns", lambda route: route.fulfill(status=503, json={"code": "x", "message": "The disk is away."})
    )
    page.goto(f"{traced.base}/jobs/{JOBS['some']}/trace")
    page.get_by_text("The disk is away.").wait_for()
    assert page.locator("#events-title").is_visible()
    page.context.close()


def test_it_can_be_read_without_javascript(browser: Browser, traced: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{traced.base}/login")
    page.fill("#id_username", "admin")
    page.fill("#id_password", traced.password)
    page.click("button.main")
    page.goto(f"{traced.base}/jobs/{JOBS['some']}/trace")
    assert page.get_by_text("The drawing needs JavaScript").is_visible()
    assert page.locator(".events tbody tr").count() == 50
    page.get_by_role("link", name="Later").click()
    assert page.locator(".events tbody tr").count() > 0
    context.close()
