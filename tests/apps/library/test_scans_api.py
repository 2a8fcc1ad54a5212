"""Scans over HTTP: begun, watched, paused by whoever may; files by every filter."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.library.selectors_list import file_query
from apps.library.services import root_record
from tests.web import seed

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> int:
    root_id = root_record(Path("/music"))
    LibraryRoot.objects.update(scanned=True)
    return root_id


def test_a_scan_is_begun_watched_paused_and_cancelled(
    operator_api: APIClient, viewer_api: APIClient, root: int
) -> None:
    assert viewer_api.post("/api/library/scans", {}, format="json").status_code == 403
    (made,) = operator_api.post("/api/library/scans", {}, format="json").json()
    assert (made["state"], made["folder"], made["below"]) == ("queued", "/music", "")
    (same,) = operator_api.post("/api/library/scans", {"path": "/music/sub"}, format="json").json()
    assert same["id"] == made["id"]
    address = f"/api/library/scans/{made['id']}"
    assert viewer_api.get(address).json()["progress"]["eta_s"] is None
    assert viewer_api.post(f"{address}/pause").status_code == 403
    assert operator_api.post(f"{address}/pause").json()["state"] == "paused"
    assert operator_api.post(f"{address}/resume").json()["state"] == "queued"
    assert operator_api.post(f"{address}/cancel").json()["state"] == "cancelled"
    refused = operator_api.post(f"{address}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "scan_state")
    assert operator_api.post(f"{address}/explode").status_code == 404
    assert viewer_api.get(f"/api/library/scans/{uuid.uuid4()}").status_code == 404
    (made,) = operator_api.post("/api/library/scans", {"path": "/music/sub"}, format="json").json()
    assert made["below"] == "sub"
    assert [one["state"] for one in viewer_api.get("/api/library/scans").json()["items"]] == ["queued", "cancelled"]
    assert len(viewer_api.get("/api/library/scans", {"live": "true"}).json()["items"]) == 1
    (folder,) = viewer_api.get("/api/library/roots").json()
    assert (folder["path"], folder["scanned"], folder["state_code"]) == ("/music", True, "")


def test_a_folder_outside_the_library_is_refused(operator_api: APIClient, root: int) -> None:
    answer = operator_api.post("/api/library/scans", {"path": "/elsewhere"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "scan_path_outside")
    LibraryRoot.objects.update(scanned=False)
    assert operator_api.post("/api/library/scans", {}, format="json").json()["code"] == "scan_root_unknown"


def test_every_filter_of_the_list_gives_its_files(viewer_api: APIClient) -> None:
    seed.fill(8)
    files = list(AudioFile.objects.order_by("id"))
    AudioFile.objects.filter(id=files[0].id).update(read_state="unreadable", read_code="decode_failed")
    AudioFile.objects.filter(id=files[1].id).update(read_state="pending", variant=None)
    AudioVariant.objects.filter(id=files[2].variant_id).update(transcode_suspect=True, quality_score=0.25)
    for show, shown in (("unreadable", files[0]), ("waiting", files[1]), ("suspect", files[2])):
        items = viewer_api.get("/api/library/files", {"show": show}).json()["items"]
        assert shown.id in [one["id"] for one in items]
    assert items[0]["quality_score"] == 0.25
    waiting = viewer_api.get("/api/library/files", {"show": "waiting"}).json()["items"][0]
    assert (waiting["variant_id"], waiting["profile"], waiting["read_state"]) == (None, None, "pending")
    names = viewer_api.get("/api/library/files", {"show": "name", "limit": 3}).json()
    rest = viewer_api.get("/api/library/files", {"show": "name", "limit": 3, "cursor": names["next"]}).json()
    rows, order = file_query(show="name")
    assert [one["id"] for one in names["items"] + rest["items"]] == [row.id for row in rows.order_by(*order)[:6]]
