"""Pages of artists, labels and release groups: before anybody asked, while they are read, when they are, and when they can't be."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.catalog.models import MergedMbid, Walk
from apps.catalog.services_walk import artist_graph_ask
from tests.web.catalog_seed import ARTIST, BAND, LABEL, known

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", [f"/catalog/artists/{ARTIST}", f"/catalog/labels/{LABEL}"])
def test_a_page_says_what_is_known_and_from_where(path: str, viewer: Client) -> None:
    known(60)
    page = viewer.get(path)
    html = page.content.decode()
    assert page.status_code == 200
    assert "MusicBrainz" in html and "Fetched" in html
    assert "Group 49" in html and 'rel="next"' in html
    assert "<b>&" not in html.replace("&lt;b&gt;&amp;", "")
    assert "javascript:alert" not in html
    assert "Read it again" not in html  # a viewer may not ask


def test_an_artists_page_leads_to_groups_coverage_and_relations(operator: Client) -> None:
    known(3)
    html = operator.get(f"/catalog/artists/{ARTIST}").content.decode()
    assert f"/catalog/release-groups/{uuid.UUID(int=1000)}" in html
    assert f"/catalog/artists/{ARTIST}/coverage" in html
    assert f"/catalog/artists/{BAND}" in html and "The Band" in html
    assert "https://d.example/1" in html
    assert "Read it again" in html
    group = operator.get(f"/catalog/release-groups/{uuid.UUID(int=1000)}").content.decode()
    assert "Group 0" in group and "2 × CD" in group and "L-0" in group


def test_nobody_asked_yet_is_said_with_a_button_that_asks(operator: Client) -> None:
    for kind in ("artists", "labels", "release-groups"):
        page = operator.get(f"/catalog/{kind}/{ARTIST}")
        assert page.status_code == 200
        assert "Read it from MusicBrainz" in page.content.decode()
        assert operator.post(f"/catalog/{kind}/{ARTIST}/refresh").status_code == 302
        assert "Being read" in operator.get(f"/catalog/{kind}/{ARTIST}").content.decode()
    assert operator.post(f"/catalog/nonsense/{ARTIST}/refresh").status_code == 404


def test_why_it_cant_be_read_is_said_in_words(operator: Client) -> None:
    artist_graph_ask(ARTIST)
    Walk.objects.update(state="failed", code="artist_not_found", ended_at=timezone.now(), next_step_at=None)
    html = operator.get(f"/catalog/artists/{ARTIST}").content.decode()
    assert "MusicBrainz knows no artist with this id." in html
    Walk.objects.update(state="waiting", code="musicbrainz_offline", ended_at=None, next_step_at=timezone.now())
    assert "is not asked" in operator.get(f"/catalog/artists/{ARTIST}").content.decode()


def test_a_merged_artists_page_leads_to_who_it_is_now(viewer: Client) -> None:
    known(1)
    old = uuid.uuid4()
    MergedMbid.objects.create(kind="artist", old=old, mbid=ARTIST)
    assert viewer.get(f"/catalog/artists/{old}").headers["Location"] == f"/catalog/artists/{ARTIST}"


def queries(ask: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as counted:
        ask()
    return len(counted)


@pytest.mark.parametrize("path", [f"/catalog/artists/{ARTIST}", f"/catalog/labels/{LABEL}"])
def test_a_page_costs_as_many_queries_however_long_the_list_is(path: str, viewer: Client) -> None:
    known(5)
    few = queries(lambda: viewer.get(path))
    Walk.objects.all().delete()
    known(300)
    assert queries(lambda: viewer.get(path)) <= few + 1


def test_an_old_reading_shows_its_age(viewer: Client) -> None:
    known(2)
    Walk.objects.update(ended_at=timezone.now() - timedelta(days=40), read_at=timezone.now() - timedelta(days=40))
    html = viewer.get(f"/catalog/artists/{ARTIST}").content.decode()
    assert "Group 1" in html and "Not read yet" in html
