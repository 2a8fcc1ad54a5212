"""What Discogs told, over HTTP and in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.catalog.models import Relation
from apps.catalog.services_discogs import discogs_store
from apps.common.dispatch import TaskName
from apps.domain.catalog.discogs import read_discogs
from apps.domain.catalog.identity import discogs_id
from apps.domain.catalog.links import DiscogsKind
from slskdn_site.demo.metadata_service.discogs import ANSWERS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def known() -> None:
    for kind, number in [("release", 9_000_001), ("master", 9_300_001), ("label", 9_200_001), ("artist", 9_100_001)]:
        discogs_store(DiscogsKind(kind), read_discogs(DiscogsKind(kind), ANSWERS[f"/{kind}s/{number}"]), etag='"x"')


def test_a_release_with_tracks_and_links(viewer_api: APIClient, django_assert_max_num_queries: Any) -> None:
    mbid = discogs_id("release", 5)
    Relation.objects.create(
        source_kind="release", source_mbid=mbid, kind="discogs", target_kind="url", address="https://www.discogs.com/release/9000001"
    )  # fmt: skip
    with django_assert_max_num_queries(6):
        told = viewer_api.get("/api/catalog/discogs/release/9000001").json()
    assert (told["name"], told["artist"], told["fresh"]) == ("Minutes Of The Tide Board", "Harbour Committee", True)
    assert told["linked"] == [{"kind": "release", "mbid": str(mbid)}]
    assert [one["number"] for one in told["media"][0]["tracks"]] == ["A1", "A2", "A3", "B1", "B2", "B3"]
    assert told["derived_id"] == str(discogs_id("release", 9_000_001))
    assert told["facts"]["released"] == "1986-11"


@pytest.mark.parametrize(
    ("path", "name"),
    [("master/9300001", "Minutes Of The Tide Board"), ("label/9200001", "Slack Water Tapes"), ("artist/9100001", "Harbour Committee")],
)  # fmt: skip
def test_the_other_kinds(path: str, name: str, viewer_api: APIClient) -> None:
    told = viewer_api.get(f"/api/catalog/discogs/{path}").json()
    assert told["name"] == name
    assert told["media"] == []


@pytest.mark.parametrize("path", ["release/4", "user/9000001", "release/99999999999999999999"])
def test_what_nobody_asked_for_is_not_there(path: str, viewer_api: APIClient) -> None:
    assert viewer_api.get(f"/api/catalog/discogs/{path}").status_code == 404


def test_asking_again_is_a_task_and_for_operators(
    viewer_api: APIClient,
    operator_api: APIClient,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr("apps.common.dispatch._send", lambda *message: sent.append(message))
    assert viewer_api.post("/api/catalog/discogs/release/9000001/refresh").status_code == 403
    with django_capture_on_commit_callbacks(execute=True):
        assert operator_api.post("/api/catalog/discogs/release/9000001/refresh").status_code == 202
    assert sent == [(TaskName.DISCOGS_FETCH, ("release", 9_000_001))]


def test_the_admin_lists_them(admin_client: Client) -> None:
    page = admin_client.get("/admin/catalog/discogsentity/").content.decode()
    assert "Minutes Of The Tide Board" in page
    assert "Harbour Committee (2)" in page
    assert admin_client.get("/admin/catalog/discogsentity/", {"q": "9000001"}).status_code == 200
