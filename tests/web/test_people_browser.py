"""Messages, rooms, users and files in a real Chromium: nothing, a little, a lot; light and dark, wide and narrow; a message that comes while one looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, in_site, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]
PAGES = {
    "messages": "/soulseek/messages",
    "chat": "/soulseek/messages/bob",
    "rooms": "/soulseek/rooms",
    "users": "/soulseek/users",
    "user": "/soulseek/users/bob",
    "files": "/soulseek/users/bob/files",
}
MORE = {
    "room": "/soulseek/rooms/Indie & Vinyl",
    "folder": "/soulseek/users/bob/files?folder=Music%5CBj%C3%B6rk%5C1995%20-%20Post",
    "found": "/soulseek/users/bob/files?q=hunter",
}


@pytest.fixture(scope="module", params=[0, 1, 1000], ids=["nothing", "little", "lots"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("people"), seed="people_seed", rows=request.param)


@each_look
def test_the_pages_are_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    pages = PAGES | (MORE if site.rows else {})
    see_clean(watched, site, pages, name=f"{site.rows}-{theme}-{width}")


def test_a_conversation_stands_at_its_newest_and_what_comes_appears_by_itself(browser: Browser, site: Site) -> None:
    if site.rows != 1000:
        pytest.skip("with a long conversation")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/soulseek/messages/bob")
    assert page.locator(".said .line").count() == 100
    assert page.locator(".said .line").last.is_visible()
    assert page.evaluate("document.getElementById('chat-log').scrollTop") == 0
    page.fill("#say", "half a sentence")
    came = "from tests.apps.soulseek.people_rows import came\n"
    in_site(site, f"{came}came('bob', 'are you still there?', server_id=999)")
    page.get_by_text("are you still there?").last.wait_for(timeout=20_000)
    assert "are you still there?" in page.locator(".said .line").last.inner_text()
    assert page.input_value("#say") == "half a sentence"
    page.goto(f"{site.base}/soulseek/messages")
    assert page.locator(".talk", has_text="bob").first.locator(".count").count() == 0, "what was shown was read"
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers


def test_a_refusal_stays_beside_what_was_written(browser: Browser, site: Site) -> None:
    if site.rows != 1:
        pytest.skip("once is enough")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/soulseek/messages/bob")
    page.fill("#say", "hello?")
    page.get_by_role("button", name="Send").click()
    page.locator("#chat .note").wait_for(timeout=20_000)  # no node runs here: it waits five seconds and says so
    assert page.input_value("#say") == "hello?"
    page.context.close()
    assert not watched.complaints
