"""Jobs as files on pages: exported, looked at, made; what is wrong is said with its line; forms are checked before they are read."""

from __future__ import annotations

import base64
import re
import uuid
import zlib

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.domain.jobs.job_manifest import manifest_yaml, read_manifests
from apps.jobs.manifest_trouble import trouble_clear, trouble_note
from apps.jobs.models import Job
from apps.jobs.selectors_manifest import manifest_of
from apps.jobs.services import job_create

pytestmark = pytest.mark.django_db

IMPORT, EXPORT = "/jobs/import", "/jobs/export"


def made(**given: object) -> uuid.UUID:
    return job_create(kind="mb_release", target_mbid=uuid.uuid4(), **given).id  # type: ignore[arg-type]


def text_of(job: uuid.UUID) -> str:
    return manifest_yaml(manifest_of(job))


def packed_of(page: str) -> str:
    found = re.search(r'name="packed" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_what_would_be_made_is_shown_and_then_made(operator: Client, olga: User) -> None:
    job = made()
    Job.objects.filter(id=job).update(title="Love<less>", artist="My Bloody Valentine")
    text = text_of(job)
    Job.objects.all().delete()
    assert "Show what would be made" in operator.get(IMPORT).content.decode()
    upload = SimpleUploadedFile("mine.yaml", text.encode())
    page = operator.post(IMPORT, {"files": [upload]}).content.decode()
    assert "1 job would be made" in page
    assert "Love&lt;less&gt;" in page
    assert "mine.yaml" in page
    assert Job.objects.count() == 0
    answer = operator.post(IMPORT, {"packed": packed_of(page), "same_id": ""})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/jobs/{job}")
    back = Job.objects.get()
    assert (back.id, back.requested_by, back.title) == (job, olga, "Love<less>")
    assert "waits until the library was read" in operator.get(f"/jobs/{job}").content.decode()


def test_pasted_text_and_several_files_are_taken_together(operator: Client) -> None:
    texts = [text_of(made()) for _ in range(3)]
    Job.objects.all().delete()
    files = [SimpleUploadedFile(f"{at}.yaml", text.encode()) for at, text in enumerate(texts[:2])]
    page = operator.post(IMPORT, {"files": files, "text": texts[2].replace("\n", "\r\n")}).content.decode()
    assert "3 jobs would be made" in page
    assert operator.post(IMPORT, {"packed": packed_of(page)}).headers["Location"] == "/"
    assert Job.objects.count() == 3


def test_an_id_that_is_taken_is_said_before(operator: Client) -> None:
    job = made()
    page = operator.post(IMPORT, {"text": text_of(job)}).content.decode()
    assert "another job has its id" in page
    page = operator.post(IMPORT, {"text": text_of(job), "same_id": "keep"}).content.decode()
    assert "All of them are here already." in page
    assert 'name="packed"' not in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is no job in it."),
        ("a: &a [*a]\n", "Line 1: Anchors"),
        ("manifest_version: 1\ntype: mixtape\n", "Line 2: type is one of"),
        ("[" * 100, "nested too deeply"),
        ("<script>alert(1)</script>", "This document is no job"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(operator: Client, text: str, said: str) -> None:
    answer = operator.post(IMPORT, {"text": text})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert said in page
    assert "<script>alert" not in page


def test_what_comes_back_from_the_page_is_checked_as_if_it_were_new(operator: Client) -> None:
    bomb = base64.b64encode(zlib.compress(b"[" + b" " * 40_000_000 + b"]")).decode()
    for packed in ("x", "AAAA", bomb, base64.b64encode(zlib.compress(b'[["a", "b: 1"]]')).decode(), base64.b64encode(zlib.compress(b"7")).decode()):  # fmt: skip
        assert operator.post(IMPORT, {"packed": packed}).status_code == 400
    assert Job.objects.count() == 0


def test_what_is_too_large_is_refused_before_the_form_is_read(operator: Client) -> None:
    answer = operator.generic("POST", IMPORT, b"x", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(2**40))  # fmt: skip
    assert answer.status_code == 413
    assert "larger than 10 MB" in answer.content.decode()


def test_who_may_only_look_may_not_import_and_a_form_from_elsewhere_is_refused(viewer: Client, olga: User) -> None:
    assert viewer.get(IMPORT).status_code == 403
    assert viewer.post(IMPORT, {"text": "x"}).status_code == 403
    assert Client().get(IMPORT).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(olga)
    assert strict.post(IMPORT, {"text": text_of(made())}).status_code == 403


def test_jobs_are_exported_all_some_and_one(viewer: Client) -> None:
    assert viewer.get(EXPORT).status_code == 302
    jobs = {made() for _ in range(3)}
    answer = viewer.get(EXPORT)
    assert 'filename="jobs.yaml"' in answer.headers["Content-Disposition"]
    assert {one.job_id for one in read_manifests(answer.content)} == jobs
    parent = job_create(kind="discography", target_mbid=uuid.uuid4()).id
    child = job_create(kind="mb_release", target_mbid=uuid.uuid4(), parent_id=parent).id
    answer = viewer.post(EXPORT, {"ids": [str(parent), str(child), "nonsense", str(uuid.uuid4())]})
    (one,) = read_manifests(answer.content)
    assert (one.job_id, [inside.job_id for inside in one.children]) == (parent, [child])
    assert viewer.post(EXPORT, {"ids": "nonsense"}).status_code == 302


def test_the_pages_of_jobs_lead_there(operator: Client, viewer: Client) -> None:
    job = made()
    page = operator.get("/").content.decode()
    assert f'href="{IMPORT}"' in page
    assert f'href="{EXPORT}"' in page
    assert f'formaction="{EXPORT}"' in page
    assert f'href="{IMPORT}"' not in viewer.get("/").content.decode()
    assert f'href="/api/jobs/{job}/export"' in viewer.get(f"/jobs/{job}").content.decode()
    assert viewer.get(f"/api/jobs/{job}/export").status_code == 200


def test_files_that_can_not_be_written_are_said_where_jobs_are_shown(viewer: Client) -> None:
    trouble_note(code="disk_full", folder="/data/jobs")
    try:
        assert "The files of jobs can&#x27;t be written" in viewer.get("/").content.decode()
    finally:
        trouble_clear()
    assert "The files of jobs can" not in viewer.get("/").content.decode()
