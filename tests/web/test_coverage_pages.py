"""The coverage page as a server gives it: one click makes one job, strangers and viewers can't, few queries at a thousand groups."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.catalog.models import Walk
from apps.jobs.models import Job
from tests.apps.jobs.tree_rows import ARTIST, an_id, graph_store, group_of, hold

pytestmark = pytest.mark.django_db
PAGE = f"/catalog/artists/{ARTIST.mbid}/coverage"


def test_an_artist_of_whom_nothing_is_known_can_be_read(operator: Client) -> None:
    assert "Nothing is known of this artist yet" in operator.get(PAGE).content.decode()
    assert operator.post(f"{PAGE}/read").status_code == 302
    assert Walk.objects.filter(mbid=ARTIST.mbid).count() == 2
    page = operator.get(PAGE).content.decode()
    assert "list is being read" in page
    assert 'hx-trigger="every 3s"' in page


def test_one_click_asks_for_one_release_once(operator: Client, olga: User) -> None:
    graph_store([group_of(0)], editions=1)
    release = an_id("release", 0, 0)
    for _ in range(2):
        answer = operator.post(f"{PAGE}/get", {"release": str(release), "key": "k", "query": "profile=all"})
        assert answer["Location"] == f"{PAGE}?profile=all"
    job = Job.objects.get()
    assert (job.kind, job.target_mbid, job.requested_by) == ("mb_release", release, olga)
    page = operator.get(PAGE).content.decode()
    assert "On its way" in page
    assert f"/jobs/{job.id}" in page


def test_one_click_asks_for_the_whole_profile_with_its_filters(operator: Client) -> None:
    graph_store([group_of(0)], editions=1)
    answer = operator.post(f"{PAGE}/get", {"profile": "extended", "live": "1", "lossless": "1", "key": "k"})
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.id}"
    assert (job.kind, job.selection["profile"], job.selection["exclude_live"]) == ("discography", "extended", False)
    assert job.constraints["allow_lossy"] is False


def test_what_is_refused_is_said_on_the_page(operator: Client) -> None:
    answer = operator.post(f"{PAGE}/get", {"release": "x"}, follow=True)
    assert "not a MusicBrainz id" in answer.content.decode()


def test_who_may_only_look_sees_no_button_and_can_not_ask(viewer: Client, client: Client) -> None:
    graph_store([group_of(0)], editions=1)
    page = viewer.get(PAGE).content.decode()
    assert "Album 0000" in page
    assert "Get it" not in page
    assert viewer.post(f"{PAGE}/get", {"profile": "core"}).status_code == 403
    assert viewer.post(f"{PAGE}/read").status_code == 403
    assert client.get(PAGE).status_code == 302
    assert not Job.objects.exists()


def test_names_of_others_are_shown_as_text(operator: Client) -> None:
    from dataclasses import replace

    group = group_of(0)
    named = replace(group, facts=replace(group.facts, title="<script>alert(1)</script>\u202e"))
    graph_store([named], editions=1)
    assert "<script>alert" not in operator.get(PAGE).content.decode()


@pytest.mark.parametrize("query", ["?profile=best", "?cursor=x", "?missing=1&profile=all", "?live=1&compilations=1"])
def test_every_address_gives_a_page(operator: Client, query: str) -> None:
    graph_store([group_of(0)], editions=1)
    assert operator.get(PAGE + query, follow=True).status_code == 200


def test_a_thousand_groups_take_no_more_queries_than_a_few(operator: Client) -> None:
    graph_store([group_of(at) for at in range(12)], editions=1)
    for at in range(12):
        hold(an_id("release", at, 0), tracks=2)
    with CaptureQueriesContext(connection) as few:
        operator.get(PAGE)
    graph_store([group_of(at) for at in range(1000)], editions=1)
    with CaptureQueriesContext(connection) as many:
        assert "of 1000 on this page" in operator.get(PAGE).content.decode()
    assert len(many) <= len(few) + 1
    assert len(many) < 40
    assert operator.get(f"/catalog/artists/{uuid.uuid4()}/coverage").status_code == 200
