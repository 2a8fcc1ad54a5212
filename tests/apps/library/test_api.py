"""The library API: files with what they hold."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.web import seed

pytestmark = pytest.mark.django_db


def test_files_are_listed_with_their_sound(viewer_api: APIClient, django_assert_max_num_queries: object) -> None:
    seed.fill(6)
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        items = viewer_api.get("/api/library/files").json()["items"]
    assert len(items) == 6
    assert items[-1]["title"] == "So What"
    assert items[-1]["profile"] == "flac-16-44100-2"
    assert len(items[-1]["payload_root"]) == 64
    assert items[-1]["verified"] is True


def test_files_are_filtered_and_paged(viewer_api: APIClient) -> None:
    seed.fill(6)
    assert len(viewer_api.get("/api/library/files", {"text": "miles"}).json()["items"]) == 1
    assert {
        item["verified"] for item in viewer_api.get("/api/library/files", {"unverified": "true"}).json()["items"]
    } == {False}
    first = viewer_api.get("/api/library/files", {"limit": 4}).json()
    second = viewer_api.get("/api/library/files", {"limit": 4, "cursor": first["next"]}).json()
    assert len(second["items"]) == 2
    assert second["next"] is None


def test_strangers_and_wrong_words_are_refused(viewer_api: APIClient, stranger_api: APIClient) -> None:
    assert stranger_api.get("/api/library/files").status_code == 401
    assert viewer_api.get("/api/library/files", {"limit": "many"}).json()["code"] == "invalid"
    assert viewer_api.get("/api/library/files", {"cursor": "x"}).json()["code"] == "cursor_invalid"
