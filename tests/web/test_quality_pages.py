"""The page of one file and the page of duplicates: what they say, how many queries they take, what hostile names do to them."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.library.models import TrashedFile, VariantEvidence
from apps.library.services_canonical import variant_scored
from tests.apps.library import canonical_rows as rows

pytestmark = pytest.mark.django_db
SONG = uuid.UUID(int=7)
CURVES = {
    "spectrum": {"step_hz": 100.0, "levels_db": [-20.0 - at / 3 for at in range(200)]},
    "transcode": {"notch_offset": list(range(40, 61)), "notch_depth": [1.0] * 10 + [30.0] + [1.0] * 10},
}


def a_file(number: int = 1, *, name: str = "", suspect: bool = False, **more: object) -> int:
    made = rows.variant(
        number, recording=SONG, transcode_suspect=suspect, transcode_verdict="mp3_origin" if suspect else "no_evidence", bandwidth_hz=20_000,
        **more,
    )  # fmt: skip
    VariantEvidence.objects.create(
        variant=made, curves=CURVES, verdicts={"transcode": {"evidence": {"bar": 8.0, "family": "mp3", "z": 30.1}}}
    )
    file = rows.file(number, made, within=rows.root(), name=name)
    variant_scored(made.id)
    return file.id


def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_a_file_says_how_good_it_is_on_what_evidence_and_why_another_is_canonical(viewer: Client) -> None:
    fake = a_file(1, suspect=True)
    good = a_file(2)
    text = page(viewer, f"/library/files/{fake}")
    assert "Transcode suspected" in text
    assert "Evidence of MP3" in text
    assert "behind: suspected to be a transcode" in text
    assert f"/library/files/{good}" in text
    assert text.count("<polyline") == 2
    assert "20.0 kHz" in text
    assert ">MP3<" in text
    assert "No evidence of a transcode" in page(viewer, f"/library/files/{good}")


def test_a_file_that_nothing_is_known_of_says_so(viewer: Client) -> None:
    made = rows.variant(1)
    file = rows.file(1, made, within=rows.root())
    text = page(viewer, f"/library/files/{file.id}")
    assert "Not analysed" in text
    assert "There is nothing to draw" in text
    file.variant = None
    file.read_state = "pending"
    file.save()
    assert "This file was not read yet" in page(viewer, f"/library/files/{file.id}")
    assert viewer.get("/library/files/999999").status_code == 404


def test_a_file_of_a_recording_with_many_variants_takes_no_more_queries(viewer: Client) -> None:
    first = a_file(1)
    with CaptureQueriesContext(connection) as few:
        page(viewer, f"/library/files/{first}")
    for number in range(2, 20):
        a_file(number)
    with CaptureQueriesContext(connection) as many:
        page(viewer, f"/library/files/{first}")
    assert len(many) <= len(few) <= 25


def test_foreign_text_stays_text(viewer: Client) -> None:
    file = a_file(1, name="<script>alert(1)</script>\u202e.flac", encoder="<b>LAME</b>")
    text = page(viewer, f"/library/files/{file}")
    assert "<script>alert" not in text
    assert "<b>LAME" not in text


def test_duplicates_show_the_one_to_keep_and_only_operators_may_trash(viewer: Client, client: Client) -> None:
    good, fake = a_file(1), a_file(2, suspect=True)
    text = page(viewer, "/library/duplicates?kind=recording")
    assert text.index(f"/library/files/{good}") < text.index(f"/library/files/{fake}")
    assert '/trash"' not in text.replace(reverse("library-trash") + '"', "")
    path = f"/library/duplicates/recording/{SONG}/trash"
    assert viewer.post(path, {"keep": good}).status_code == 403
    assert not TrashedFile.objects.exists()
    client.force_login(User.objects.create_superuser("root"))
    shown = client.post(path, {"keep": good}, follow=True).content.decode()
    assert "1 file goes to the trash" in shown
    assert TrashedFile.objects.get().file_id == fake


def test_what_is_no_group_or_no_page_is_told_kindly(viewer: Client, client: Client) -> None:
    assert "No duplicates of this kind" in page(viewer, "/library/duplicates?kind=nonsense")
    assert viewer.get("/library/duplicates?cursor=%21").status_code == 302
    client.force_login(User.objects.create_superuser("root"))
    shown = client.post("/library/duplicates/payload/77/trash", {"keep": "x"}, follow=True).content.decode()
    assert "not of that group" in shown
