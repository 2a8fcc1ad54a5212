"""Artists, labels and release groups over HTTP: who they are, their lists by cursor, and asking MusicBrainz again."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.catalog.models import Walk
from tests.web.catalog_seed import ARTIST, BAND, LABEL, known

pytestmark = pytest.mark.django_db


def test_an_artist_is_told_with_counts_source_and_time(viewer_api: APIClient) -> None:
    known(4)
    body = viewer_api.get(f"/api/catalog/artists/{ARTIST}").json()
    assert (body["name"], body["kind"], body["country"], body["aliases"]) == ("Ánima <b>&", "Person", "XW", ["Also"])
    assert body["known"]["source"] == "musicbrainz" and body["known"]["fetched_at"]
    assert (body["graph"]["state"], body["graph"]["groups_taken"], body["graph"]["releases_total"]) == ("ready", 4, 8)
    assert body["by_type"] == [
        {"type": "Album", "groups": 2, "releases": 4},
        {"type": "Single", "groups": 2, "releases": 4},
    ]
    assert body["tags"] == [{"name": "ambient", "count": 3}]
    assert {one["kind"] for one in body["relations"]} == {"member of band", "discogs", "evil"}


def test_lists_are_told_page_by_page(viewer_api: APIClient) -> None:
    known(7)
    seen: list[str] = []
    path = f"/api/catalog/artists/{ARTIST}/groups?limit=3"
    cursor = ""
    while True:
        body = viewer_api.get(path + cursor).json()
        seen += [one["title"] for one in body["items"]]
        assert all(one["releases"] == 2 for one in body["items"])
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert len(seen) == len(set(seen)) == 7
    assert len(viewer_api.get(f"/api/catalog/artists/{ARTIST}/groups?type=Album").json()["items"]) == 3
    label = viewer_api.get(f"/api/catalog/labels/{LABEL}/releases?limit=200").json()["items"]
    assert len(label) == 14
    assert label[0]["catalog_numbers"] == ["L-6"] and label[0]["formats"] == ["CD", "CD"]
    group = uuid.UUID(int=1000)
    assert len(viewer_api.get(f"/api/catalog/release-groups/{group}/releases").json()["items"]) == 2
    told = viewer_api.get(f"/api/catalog/release-groups/{group}").json()
    assert (told["title"], told["graph"]["state"]) == ("Group 0", "missing")
    assert viewer_api.get(f"/api/catalog/labels/{LABEL}").json()["label_code"] == 99


def test_a_refresh_asks_and_tells_how_far_it_is(operator_api: APIClient, viewer_api: APIClient) -> None:
    path = f"/api/catalog/artists/{ARTIST}"
    assert viewer_api.get(path).json()["code"] == "not_found"
    assert viewer_api.post(f"{path}/refresh").json()["code"] == "role_required"
    asked = operator_api.post(f"{path}/refresh")
    assert (asked.status_code, asked.json()["state"]) == (202, "walking")
    assert Walk.objects.filter(mbid=ARTIST).count() == 2
    assert viewer_api.get(path).json()["graph"]["state"] == "walking"
    assert operator_api.post(f"/api/catalog/labels/{LABEL}/refresh").status_code == 202
    assert operator_api.post(f"/api/catalog/release-groups/{BAND}/refresh").status_code == 202


def test_strangers_see_nothing(stranger_api: APIClient, client: Client) -> None:
    assert stranger_api.get(f"/api/catalog/artists/{ARTIST}").status_code == 401
    assert client.get(f"/catalog/artists/{ARTIST}").status_code == 302
