"""Search, hunt and wishlist pages: what is shown, what is refused, what a click does; foreign text is harmless, queries are counted."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.soulseek.models import Batch, Candidate, Download, Hunt, Search, SearchAnswer
from apps.soulseek.selectors_search import search_offers, search_view
from tests.web import search_seed as seed

pytestmark = pytest.mark.django_db


def page_of(client: Client, path: str, *, status: int = 200, **query: str) -> str:
    answer = client.get(path, query)
    assert answer.status_code == status
    return answer.content.decode()


def tokens(page: str, name: str) -> list[str]:
    return [one.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&#x27;", "'").replace("&amp;", "&") for one in re.findall(rf'name="{name}" value="([^"]*)"', page)]  # fmt: skip


def test_words_become_a_search_and_its_page_fills_by_itself(operator: Client, viewer: Client) -> None:
    assert "Nothing was searched for yet" in page_of(viewer, "/search")
    answer = operator.post("/search", {"words": "  winter   garden -live "})
    row = Search.objects.get()
    assert answer.headers["Location"] == reverse("search-answers", args=[row.id])
    assert (row.query, row.urgency, row.origin) == ("winter garden -live", 0, "person")
    page = page_of(viewer, reverse("search-answers", args=[row.id]))
    assert "It waits its turn" in page
    assert reverse("live-search", args=[row.id]) in page
    assert viewer.post("/search", {"words": "winter"}).status_code == 403
    refused = operator.post("/search", {"words": "ab"})
    assert refused.status_code == 400
    assert "at least 3" in refused.content.decode()
    operator.post(reverse("search-withdraw", args=[row.id]))
    assert "Withdrawn" in page_of(viewer, reverse("search-answers", args=[row.id]))


def test_answers_are_filtered_sorted_and_paged(viewer: Client) -> None:
    seed.fill(100)
    address = reverse("search-answers", args=[seed.OVER])
    page = page_of(viewer, address)
    assert "100 offers" in page
    assert "<img" not in page
    assert "data-live=" not in page.replace("live-frame", "")
    assert "Download folder" not in page, "a viewer downloads nothing"
    assert re.search(r'href="/soulseek/users/sharer%20\d+/files\?folder=[^"]+"', page), "their list, at this folder"
    lossless = page_of(viewer, address, lossless="1")
    assert "50 offers" in lossless
    assert "1 offer," in page_of(viewer, address, user="sharer 1")
    assert "flac" not in page_of(viewer, address, q="-flac mp3").split('id="search-offers"')[1].split("<h2")[0]
    view = search_view(seed.OVER)
    assert view is not None
    seen: list[tuple[str, str]] = []
    cursor = None
    while True:
        found = search_offers(view, cursor=cursor, limit=30)
        seen += [(one.user, one.folder) for one in found.items]
        cursor = found.next
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 100
    assert page_of(viewer, address, cursor="nonsense", status=404)
    assert "Nothing matches this filter" in page_of(viewer, address, q="neverheardof")


def test_a_folder_and_single_files_are_downloaded_as_they_are(operator: Client) -> None:
    seed.fill(4)
    address = reverse("search-answers", args=[seed.OVER])
    page = page_of(operator, address)
    folder = next(one for one in tokens(page, "folder") if "sharer 1" in one)
    answer = operator.post(reverse("search-take", args=[seed.OVER]), {"folder": folder})
    batch = Batch.objects.get()
    assert answer.headers["Location"] == reverse("download-batch", args=[batch.id])
    assert (batch.user, batch.downloads.count()) == ("sharer 1", 11)
    assert not Download.objects.exclude(external=True, want=None).exists()
    files = [one for one in tokens(page, "file") if "sharer 0" in one or "sharer 2" in one]
    operator.post(reverse("search-take", args=[seed.OVER]), {"file": [files[0], files[-1]]})
    assert set(Batch.objects.values_list("user", flat=True)) == {"sharer 0", "sharer 1", "sharer 2"}
    before = Download.objects.count()
    made_up = json.dumps(["sharer 1", None, "made\\up.mp3"])
    operator.post(reverse("search-take", args=[seed.OVER]), {"file": [made_up, "not json", "[1]"]})
    assert Download.objects.count() == before


def test_thousands_of_files_are_one_page_of_offers(
    viewer: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    seed.fill(500)
    with django_assert_max_num_queries(25):
        page = page_of(viewer, reverse("search-answers", args=[seed.OVER]))
    assert "500 offers" in page
    assert page.count("<article") == 30
    assert len(page) < 900_000


def test_a_hunt_shows_every_candidate_with_its_reasons_and_takes_a_persons_pick(
    operator: Client, viewer: Client
) -> None:
    seed.fill(8)
    page = page_of(viewer, reverse("hunt", args=[seed.HUNT]))
    assert "Your choice" in page
    assert "candidates were found; choose one" in page
    assert "<img" not in page
    assert "Take this" not in page
    best = Candidate.objects.filter(hunt_id=seed.HUNT).order_by("rank").first()
    assert best is not None
    assert "Would be taken" in page
    assert "A slot is free" in page
    on_job = page_of(viewer, reverse("hunt-on-job", args=[seed.JOB]))
    assert "All candidates and reasons" in on_job
    assert reverse("hunt-on-job", args=[seed.JOB]) in page_of(viewer, reverse("job", args=[seed.JOB]))
    assert page_of(viewer, reverse("hunt-on-job", args=[uuid.UUID(int=5)])).strip() == ""
    take = f'formaction="{reverse("hunt-act", args=[seed.HUNT, "pick"])}"'
    assert take not in on_job, "who only looks is offered nothing to do"
    assert take in page_of(operator, reverse("hunt-on-job", args=[seed.JOB]))
    assert take in page_of(operator, reverse("job", args=[seed.JOB]))
    refused = operator.post(reverse("hunt-act", args=[seed.HUNT, "pick"]), {"candidate": 0, "back": "job"})
    assert refused["Location"] == reverse("job", args=[seed.JOB])
    answer = operator.post(reverse("hunt-act", args=[seed.HUNT, "pick"]), {"candidate": best.id})
    assert answer.status_code == 302  # its tracks have no wants here, so none is open
    assert "None of it is wanted any more" in page_of(operator, reverse("hunt", args=[seed.HUNT]))


def test_wishes_are_made_looked_for_held_and_removed(operator: Client, viewer: Client) -> None:
    assert "Nothing is wished for" in page_of(viewer, "/wishlist")
    operator.post("/wishlist", {"words": "rare record", "auto": "1"})
    operator.post("/wishlist", {"words": "rare  record"})
    wish = Hunt.objects.get()
    assert (wish.words, wish.auto_download, wish.job_id, wish.origin) == ("rare record", True, None, "wishlist")
    assert "rare record" in page_of(viewer, "/wishlist")
    for name, state in (("hold", "paused"), ("resume", "searching"), ("now", "searching")):
        operator.post(reverse("hunt-act", args=[wish.id, name]), {"back": "wishlist"})
        wish.refresh_from_db()
        assert wish.state == state
    operator.post(reverse("hunt-act", args=[wish.id, "manual"]))
    wish.refresh_from_db()
    assert not wish.auto_download
    assert viewer.post(reverse("hunt-act", args=[wish.id, "remove"])).status_code == 403
    operator.post(reverse("hunt-act", args=[wish.id, "remove"]))
    assert not Hunt.objects.exists()
    assert operator.post("/wishlist", {"words": "a"}).status_code == 400


def test_a_job_whose_hunt_waits_is_on_the_wishlist_and_is_not_removed_there(operator: Client) -> None:
    seed.fill(1)
    Hunt.objects.filter(id=seed.HUNT).update(state="wishing", code="hunt_nothing_found")
    assert "Niedrigwasser" in page_of(operator, "/wishlist", show="jobs")
    operator.post(reverse("hunt-act", args=[seed.HUNT, "remove"]))
    assert Hunt.objects.filter(id=seed.HUNT).exists()
    assert SearchAnswer.objects.exists()
