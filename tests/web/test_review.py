"""The review queue as pages: who may look, who may answer, and what an answer does."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.library.models import AudioVariant, Identification
from tests.web.identity_seed import fill, make

pytestmark = pytest.mark.django_db


def test_an_empty_queue_says_so_and_a_full_one_costs_few_queries(
    viewer: Client, django_assert_max_num_queries: object
) -> None:
    assert "Nothing needs a decision" in viewer.get("/library/review").content.decode()
    fill(45)
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        page = viewer.get("/library/review").content.decode()
    assert page.count("<tr data-row") == 30 and "AcoustID names it by the fingerprint, score 0.95." in page
    assert "Confirm the best" not in page  # a viewer answers nothing
    assert viewer.get("/library/review?cursor=x").status_code == 302
    for show in ("unknown", "decided", "confirmed", "rejected", "left", "pending", "nonsense"):
        assert viewer.get(f"/library/review?show={show}").status_code == 200


def test_the_rail_tells_how_many_questions_wait(viewer: Client) -> None:
    assert 'title="Review"' not in viewer.get("/library").content.decode()
    make(1, "ambiguous")
    cache.clear()
    with CaptureQueriesContext(connection) as counting:
        assert '/library/review" title="Review"' in viewer.get("/peers").content.decode()
    with CaptureQueriesContext(connection) as kept:
        assert '/library/review" title="Review"' in viewer.get("/peers").content.decode()
    assert ["library_identification" in one["sql"] for one in counting].count(True) == 1
    assert not any("library_identification" in one["sql"] for one in kept)  # no page pays for it twice


def test_one_question_shows_every_candidate_with_what_speaks_for_and_against(viewer: Client) -> None:
    variant = make(3, "ambiguous")
    page = viewer.get(f"/library/review/{variant}").content.decode()
    assert page.count('aria-label="Candidate') == 3
    assert "Only one of the two titles says: live." in page and "Against:" in page
    assert viewer.get("/library/review/999").status_code == 404


def test_an_operator_confirms_names_by_hand_rejects_leaves_and_hands_back(operator: Client, olga: User) -> None:
    variant = make(3, "ambiguous")
    best = str(Identification.objects.get().candidates[0]["recording"])
    back = operator.post(
        f"/library/review/{variant}/confirm", {"recording": best, "next": "/library/review?show=decided"}
    )
    assert back["Location"] == "/library/review?show=decided"
    row = Identification.objects.get()
    assert (row.state, str(row.recording_mbid), row.decided_by) == ("confirmed", best, olga)
    other = uuid.uuid4()
    operator.post(f"/library/review/{variant}/confirm", {"recording": f"https://musicbrainz.org/recording/{other}?x"})
    assert AudioVariant.objects.get().recording_mbid == other
    for answer, state in (("reject", "rejected"), ("leave", "left"), ("ask", "pending")):
        operator.post(f"/library/review/{variant}/{answer}")
        assert Identification.objects.get().state == state


def test_nonsense_and_foreign_ways_back_are_refused(operator: Client, viewer: Client) -> None:
    variant = make(3, "ambiguous")
    away = operator.post(f"/library/review/{variant}/confirm", {"recording": "what", "next": "https://evil.example/"})
    assert away["Location"] == "/library/review"
    assert Identification.objects.get().state == "ambiguous"
    assert operator.post(f"/library/review/{variant}/explode").status_code == 404
    assert viewer.post(f"/library/review/{variant}/reject").status_code == 403


def test_a_folder_is_confirmed_at_once_and_two_folders_are_not(operator: Client) -> None:
    first, second, far = make(1, "ambiguous"), make(2, "ambiguous"), make(11, "ambiguous")
    page = operator.post("/library/review/confirm", {"ids": [first, far]}, follow=True).content.decode()
    assert "Only files of one folder are confirmed together." in page
    page = operator.post("/library/review/confirm", {"ids": [first, second, "x"]}, follow=True).content.decode()
    assert "2 files confirmed." in page
    assert sorted(Identification.objects.values_list("state", flat=True)) == ["ambiguous", "confirmed", "confirmed"]
    folder = page.split("folder=")[1].split('"')[0]
    assert operator.get(f"/library/review?folder={folder}").content.decode().count("<tr data-row") == 1
