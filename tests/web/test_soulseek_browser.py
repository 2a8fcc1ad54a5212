"""The Soulseek page in a real Chromium: before the first start, healthy, unavailable with a long past; steered, and seen to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browsing import Site, browser, each_look, in_site, pytestmark, see_clean, sign_in, start_seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]


@pytest.fixture(scope="module", params=[0, 1, 60], ids=["never-started", "healthy", "kicked"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_seeded(tmp_path_factory.mktemp("soulseek"), seed="soulseek_session_seed", rows=request.param)


@each_look
def test_the_page_is_clean_and_readable(browser: Browser, site: Site, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    see_clean(watched, site, {"soulseek": "/soulseek"}, name=f"{site.rows}-{theme}-{width}", opened=True)


def test_an_operator_steers_it_and_sees_it_change_without_loading_again(browser: Browser, site: Site) -> None:
    if site.rows != 1:
        pytest.skip("needs a session")
    watched = sign_in(browser, site)
    page = watched.page
    page.goto(f"{site.base}/soulseek")
    page.locator("#soulseek-status .chip").get_by_text("Healthy").wait_for()
    page.get_by_role("button", name="Away").click()
    page.get_by_text("You are shown as away.").wait_for()
    page.get_by_role("button", name="I am back").wait_for()
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_text("Nothing connects until you want it.").wait_for()
    page.get_by_role("button", name="Connect", exact=True).wait_for()
    in_site(
        site,
        "from apps.soulseek.models import SoulseekIntent\n"
        "row = SoulseekIntent.objects.get()\n"
        "assert (row.online, row.away, row.set_by is not None) == (False, True, True)\n"
        "from django.utils import timezone\n"
        "from apps.domain.contracts.soulseek_session import SessionHappening, SessionReport\n"
        "from apps.domain.soulseek.session import Health, Phase\n"
        "from apps.soulseek.services_node_session import session_record\n"
        "report = SessionReport(phase=Phase.WAITING, health=Health.DEGRADED, code='soulseek_unreachable')\n"
        "session_record(report, [SessionHappening(kind='server_said', at=timezone.now(), params={'text': 'tea is ready'})])\n",
    )
    page.locator("#soulseek-status .chip").get_by_text("Degraded").wait_for()
    page.locator("#soulseek-status").get_by_text("can't be reached").wait_for()
    page.locator("#soulseek-events").get_by_text("tea is ready").wait_for()
    page.context.close()
    assert not watched.complaints
