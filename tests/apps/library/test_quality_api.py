"""Variants, canonical order and duplicates over HTTP."""

from __future__ import annotations

import uuid

import pytest
from rest_framework.test import APIClient

from apps.library.models import TrashedFile
from apps.library.services_canonical import recount_due, variant_scored
from tests.apps.library import canonical_rows as rows

pytestmark = pytest.mark.django_db
SONG = uuid.UUID(int=7)


@pytest.fixture
def pair() -> tuple[int, int]:
    """Files of two variants of one recording; returns their variants' ids."""
    found = []
    for number, profile in ((1, "flac-16-44100-2"), (2, "mp3-320-44100-2")):
        made = rows.variant(number, profile=profile, recording=SONG)
        rows.file(number, made, within=rows.root())
        variant_scored(made.id)
        found.append(made.id)
    recount_due()
    return found[0], found[1]


def test_a_variant_tells_its_score_with_every_term(viewer_api: APIClient, pair: tuple[int, int]) -> None:
    body = viewer_api.get(f"/api/library/variants/{pair[0]}").json()
    assert body["quality_score"] == 0.91
    assert {one["name"]: one["code"] for one in body["terms"]}["encoding"] == "lossless"
    assert viewer_api.get("/api/library/variants/999").json()["code"] == "not_found"


def test_a_recording_tells_its_canonical_variant_and_why(viewer_api: APIClient, pair: tuple[int, int]) -> None:
    body = viewer_api.get(f"/api/library/recordings/{SONG}/canonical").json()
    assert [one["variant_id"] for one in body["candidates"]] == list(pair)
    first = body["candidates"][0]["reasons"][0]
    assert (first["code"], first["message"]) == (
        "canonical_first_quality", "Canonical for its quality (0.91 against 0.65).",
    )  # fmt: skip
    assert {row["profile"]: row["variants"] for row in body["stats"]} == {"flac-16-44100-2": 1, "mp3-320-44100-2": 1}
    empty = viewer_api.get(f"/api/library/recordings/{uuid.UUID(int=9)}/canonical").json()
    assert (empty["candidates"], empty["stats"]) == ([], [])


def test_duplicates_are_listed_and_trashed_by_those_who_may(
    viewer_api: APIClient, operator_api: APIClient, pair: tuple[int, int]
) -> None:
    [group] = viewer_api.get("/api/library/duplicates", {"kind": "recording"}).json()["items"]
    assert [one["variant_id"] for one in group["files"]] == list(pair)
    asked = {"kind": "recording", "key": group["key"], "keep": group["files"][0]["file_id"]}
    assert viewer_api.post("/api/library/duplicates", asked, format="json").status_code == 403
    assert not TrashedFile.objects.exists()
    [done] = operator_api.post("/api/library/duplicates", asked, format="json").json()
    assert (done["file_id"], done["code"]) == (group["files"][1]["file_id"], "")
    assert str(TrashedFile.objects.get().id) == done["trash_id"]
    wrong = operator_api.post("/api/library/duplicates", asked | {"keep": 999_999}, format="json")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "duplicate_not_member")


def test_strangers_and_wrong_words_are_refused(viewer_api: APIClient, stranger_api: APIClient) -> None:
    for path in ("variants/1", f"recordings/{SONG}/canonical", "duplicates"):
        assert stranger_api.get(f"/api/library/{path}").status_code == 401
    assert viewer_api.get("/api/library/duplicates", {"kind": "names"}).json()["code"] == "invalid"
    assert viewer_api.get("/api/library/duplicates", {"cursor": "!"}).json()["code"] == "cursor_invalid"
