"""Pages of scans, and of the library's files by every filter."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from apps.library.models import AudioFile, AudioVariant, LibraryRoot, LibraryScan
from apps.library.selectors_list import SHOWS
from apps.library.services import root_record
from tests.web import seed

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> int:
    root_id = root_record(Path("/music"))
    LibraryRoot.objects.update(scanned=True)
    return root_id


def test_pages_show_scans_and_let_operators_act(viewer: Client, operator: Client, root: int) -> None:
    begin = reverse("library-scan-begin")
    assert viewer.post(begin).status_code == 403
    assert operator.post(begin, {"path": "/music"}).status_code == 302
    scan = LibraryScan.objects.get()
    page = operator.get(reverse("library-scans")).content.decode()
    assert "Waits for a worker" in page and reverse("library-scan-act", args=[scan.id, "pause"]) in page
    assert "/music" in viewer.get(reverse("library-scans")).content.decode()
    assert reverse("library-scan-act", args=[scan.id, "pause"]) not in viewer.get("/library/scans").content.decode()
    LibraryScan.objects.update(
        state="failed", code="root_missing", ended_at=scan.created_at,
        troubles={"counts": {"folder_permission": 1}, "first": [["folder_permission", "closed<b>", "EACCES"]]},
    )  # fmt: skip
    page = viewer.get(reverse("library-scans")).content.decode()
    assert "is its disk mounted" in page and "closed&lt;b&gt;" in page
    assert page.count("closed&lt;b&gt;") == 1 and "Earlier scans" not in page  # the latest is shown once
    assert operator.post(reverse("library-scan-act", args=[scan.id, "pause"])).status_code == 302
    assert operator.post(reverse("library-scan-act", args=[uuid.uuid4(), "pause"])).status_code == 404
    assert "every 2s" not in viewer.get(reverse("library-scans-panel")).content.decode()


def test_every_filter_of_the_list_is_a_page(viewer: Client) -> None:
    seed.fill(8)
    files = list(AudioFile.objects.order_by("id"))
    AudioFile.objects.filter(id=files[0].id).update(read_state="unreadable", read_code="decode_failed")
    AudioFile.objects.filter(id=files[1].id).update(read_state="pending", variant=None)
    AudioVariant.objects.filter(id=files[2].variant_id).update(transcode_suspect=True, quality_score=0.25)
    words = {"unreadable": "Unreadable", "waiting": "Not read yet", "suspect": "Transcode?"}
    for show in SHOWS:
        page = viewer.get("/library", {"show": show})
        assert page.status_code == 200 and words.get(show, "Library") in page.content.decode()
        assert viewer.get("/library", {"show": show, "cursor": "nonsense"}).status_code == 302
        assert viewer.get("/library", {"show": show, "q": "miles"}).status_code == 200
