"""The mesh API: how it is, what is seeded."""

from __future__ import annotations

import uuid

import pytest
from rest_framework.test import APIClient

from apps.mesh.models import SeededRelease
from tests.web import seed

pytestmark = pytest.mark.django_db
MBID = "78db95c6-be79-4c9b-9b27-a6c3a40e2fc5"


def test_the_mesh_is_told_before_any_node_ran(viewer_api: APIClient) -> None:
    body = viewer_api.get("/api/mesh/status").json()
    assert body["presence"] == "absent"
    assert body["announcements"] == []


def test_the_mesh_is_told_as_the_node_reports_it(viewer_api: APIClient) -> None:
    seed.fill(2)
    body = viewer_api.get("/api/mesh/status").json()
    assert (body["presence"], body["links"], body["dht_nodes"]) == ("alive", 4, 182)
    assert len(body["announcements"]) == 2
    assert body["claims"] == {"refuted": 1}


def test_a_release_is_seeded_once_and_unseeded_once(operator_api: APIClient) -> None:
    assert operator_api.post("/api/mesh/seeds", {"mb_release_id": MBID}).status_code == 201
    again = operator_api.post("/api/mesh/seeds", {"mb_release_id": MBID})
    assert again.status_code == 200
    assert [item["release_mbid"] for item in again.json()["items"]] == [MBID]
    assert operator_api.delete(f"/api/mesh/seeds/{MBID}").status_code == 204
    gone = operator_api.delete(f"/api/mesh/seeds/{MBID}")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_wrong_ids_and_missing_rights_are_refused(
    operator_api: APIClient, viewer_api: APIClient, stranger_api: APIClient
) -> None:
    assert operator_api.post("/api/mesh/seeds", {"mb_release_id": "x"}).json()["code"] == "invalid"
    assert viewer_api.post("/api/mesh/seeds", {"mb_release_id": MBID}).json()["code"] == "role_required"
    assert viewer_api.delete(f"/api/mesh/seeds/{MBID}").json()["code"] == "role_required"
    assert viewer_api.get("/api/mesh/seeds").json() == {"items": []}
    for path in ("/api/mesh/status", "/api/mesh/seeds", "/api/mesh/peers"):
        assert stranger_api.get(path).status_code == 401


def test_at_most_a_hundred_releases_leave_this_machine(operator_api: APIClient) -> None:
    SeededRelease.objects.bulk_create([SeededRelease(release_mbid=uuid.uuid4()) for _ in range(100)])
    response = operator_api.post("/api/mesh/seeds", {"mb_release_id": MBID})
    assert (response.status_code, response.json()["code"]) == (409, "seed_limit_reached")
