"""Identifications over HTTP: lists by state, one with its evidence, answers and who may give them."""

from __future__ import annotations

import uuid

import pytest
from rest_framework.test import APIClient

from apps.library.models import Identification
from tests.web.identity_seed import fill, make

pytestmark = pytest.mark.django_db
LIST = "/api/library/identifications"


def test_questions_are_listed_in_pages_with_evidence_in_words(
    viewer_api: APIClient, django_assert_max_num_queries: object
) -> None:
    assert viewer_api.get(LIST).json()["items"] == []
    fill(7)
    make(100, "decided")
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        first = viewer_api.get(LIST, {"limit": 4}).json()
    second = viewer_api.get(LIST, {"limit": 4, "cursor": first["next"]}).json()
    assert [len(first["items"]), len(second["items"]), second["next"]] == [4, 3, None]
    one = first["items"][0]
    assert one["state"] == "ambiguous" and one["message"] and one["path"].endswith(".flac")
    assert one["candidates"][0]["evidence"][0]["message"] == "AcoustID names it by the fingerprint, score 0.95."
    assert len(viewer_api.get(LIST, {"state": "decided"}).json()["items"]) == 1
    assert viewer_api.get(LIST, {"state": "odd"}).json()["code"] == "invalid"


def test_an_answer_is_given_once_by_whom_may(operator_api: APIClient, viewer_api: APIClient) -> None:
    variant = make(1, "ambiguous")
    address = f"{LIST}/{variant}"
    assert viewer_api.post(f"{address}/reject").status_code == 403
    mbid = str(uuid.uuid4())
    assert operator_api.post(f"{address}/confirm", {}, format="json").json()["code"] == "mbid_missing"
    said = operator_api.post(f"{address}/confirm", {"recording_mbid": mbid}, format="json").json()
    assert (said["state"], said["recording_mbid"]) == ("confirmed", mbid)
    assert viewer_api.get(address).json() == said
    for answer, state in (("reject", "rejected"), ("leave", "left"), ("ask", "pending")):
        assert operator_api.post(f"{address}/{answer}").json()["state"] == state
    refused = operator_api.post(f"{address}/ask")
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_move_refused")
    assert operator_api.post(f"{address}/explode").status_code == 404
    assert operator_api.post(f"{LIST}/999/reject").status_code == 404
    assert Identification.objects.get().state == "pending"
