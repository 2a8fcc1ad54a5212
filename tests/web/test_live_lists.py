"""Lists of searches and wishes, and a batch's page, change by themselves: their streams send the rows that are shown, as they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from apps.domain.contracts.soulseek_downloads import DownloadReport
from apps.domain.soulseek.states import DownloadState
from apps.nodelink.web.frame import Rights
from apps.soulseek.models import Download, Hunt, Search, SoulseekSession
from apps.soulseek.services_node_downloads import downloads_record
from apps.soulseek.services_search import search_ask, search_withdraw
from apps.soulseek.services_wishlist import wish_add
from apps.soulseek.web.downloads import batch_parts
from apps.soulseek.web.hunts import wish_parts
from apps.soulseek.web.search import search_parts
from tests.web import downloads_seed
from tests.web import search_seed as seed

pytestmark = pytest.mark.django_db
LOOKS = Rights(operate=False, administer=False)
Parts = Callable[[], Mapping[str, object]]


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def test_what_is_sent_is_on_the_page_and_equal_while_nothing_changes(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    seed.fill(8)
    batch = downloads_seed.batch("bob", "Album", 3)[0].batch_id
    pages: dict[str, Parts] = {
        "/search": lambda: search_parts(QueryDict()),
        "/wishlist": lambda: wish_parts(QueryDict(), LOOKS),
        "/wishlist?show=words": lambda: wish_parts(QueryDict("show=words"), LOOKS),
        f"/soulseek/downloads/batch/{batch}": lambda: batch_parts(batch, {}, operate=False),
    }
    for address, parts in pages.items():
        page = viewer.get(address).content.decode()
        first = parts()
        assert len(first) > 2, address
        assert all(f'id="{part}"' in page for part in first), address
        assert differing(first, parts()) == set(), address


@pytest.mark.parametrize(
    ("address", "stream"),
    [
        ("/search?q=winter", "/live/searches?q=winter"),
        ("/wishlist?show=jobs&q=x", "/live/wishlist?show=jobs&amp;q=x"),
    ],
)
def test_a_list_listens_to_its_own_filter(viewer: Client, address: str, stream: str) -> None:
    seed.fill(1)
    assert f'data-live="{stream}"' in viewer.get(address).content.decode()


def test_a_search_that_is_handed_in_or_changes_is_told_by_its_row_and_the_queue_s_line(viewer: Client) -> None:
    first = search_ask("winter garden").id
    before = search_parts(QueryDict())
    other = search_ask("summer garden").id
    after = search_parts(QueryDict())
    assert differing(before, after) == {f"search-{other}"}
    SoulseekSession.objects.update_or_create(id=1, defaults={"searches_waiting": 2})
    assert differing(after, search_parts(QueryDict())) == {"search-queue"}
    assert [key for key in after if key.startswith("search-")][1:] == [f"search-{other}", f"search-{first}"], "as shown"
    search_withdraw(first)
    changed = search_parts(QueryDict())
    assert f"search-{first}" in differing(after, changed)
    assert "Withdrawn" in str(changed[f"search-{first}"])
    assert differing(search_parts(QueryDict("q=summer")), after) >= {f"search-{first}"}, "only what the filter leaves"
    Search.objects.all().delete()
    SoulseekSession.objects.update(searches_waiting=0)
    assert "hidden" in str(search_parts(QueryDict())["search-queue"])
    assert "data-live-reload" in viewer.get("/search").content.decode(), "an empty list gets its first row"


def test_a_wish_that_is_made_held_or_removed_is_told_by_its_row() -> None:
    wish = wish_add("rare record")
    row = f"wish-{wish}"
    before = wish_parts(QueryDict(), LOOKS)
    Hunt.objects.filter(id=wish).update(state="paused", code="held_by_person")
    after = wish_parts(QueryDict(), LOOKS)
    assert differing(before, after) == {row}
    assert "Held" in str(after[row])
    assert "Look now" not in str(after[row])
    assert "Look now" in str(wish_parts(QueryDict(), Rights(operate=True, administer=False))[row])
    Hunt.objects.all().delete()
    assert row not in wish_parts(QueryDict(), LOOKS)


def test_a_file_that_arrives_changes_its_row_and_the_batch_s_figures() -> None:
    rows = downloads_seed.batch("bob", "Album", 3)
    batch = rows[0].batch_id
    before = batch_parts(batch, {}, operate=True)
    report = DownloadReport(download_id=rows[1].id, state=DownloadState.RECEIVING, bytes_have=600_000, speed_bps=2048)
    downloads_record([report])
    after = batch_parts(batch, {}, operate=True)
    assert differing(before, after) >= {f"download-{rows[1].id}", "batch-figures"}
    assert f"download-{rows[0].id}" not in differing(before, after), "the first one's place in our queue is the same"
    assert "2.00\u202fKiB/s" in str(after["batch-figures"])
    Download.objects.get(id=rows[0].id).batch.delete()
    assert set(batch_parts(batch, {}, operate=True)) == {"frame-status"}, "taken off the list meanwhile"
