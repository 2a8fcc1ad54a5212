"""Manifests over HTTP: exported as YAML, imported raw or as files, refused with line and code, limited before they are parsed."""

from __future__ import annotations

import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from apps.domain.jobs.job_manifest import read_manifests
from apps.domain.jobs.marked_yaml import MAX_BYTES
from apps.jobs.models import Job
from apps.jobs.services import job_create
from tests.apps.jobs.test_api import refused

pytestmark = pytest.mark.django_db

IMPORT = "/api/jobs/import"


def exported(api: APIClient) -> tuple[uuid.UUID, bytes]:
    job = job_create(kind="mb_release", target_mbid=uuid.uuid4(), constraints={"target_dir": "a"}).id
    response = api.get(f"/api/jobs/{job}/export", headers={"Accept": "application/yaml"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/yaml")
    assert response.headers["Content-Disposition"] == f'attachment; filename="mb_release-{job}.yaml"'
    return job, bytes(response.content)


def send(api: APIClient, body: bytes, *, query: str = "", content_type: str = "application/yaml") -> object:
    return api.generic("POST", f"{IMPORT}{query}", body, content_type=content_type)


@pytest.mark.parametrize("content_type", ["application/yaml", "application/x-yaml", "text/yaml", "text/plain"])
def test_what_was_exported_is_imported(operator_api: APIClient, content_type: str) -> None:
    job, body = exported(operator_api)
    assert read_manifests(body)[0].job_id == job
    Job.objects.all().delete()
    response = send(operator_api, body, content_type=content_type)
    assert response.status_code == 201  # type: ignore[attr-defined]
    told = response.json()  # type: ignore[attr-defined]
    assert (told["made"], told["renamed"], told["kept"], told["dry_run"]) == (1, 0, 0, False)
    assert (told["jobs"][0]["job_id"], told["jobs"][0]["outcome"]) == (str(job), "made")
    assert str(Job.objects.get().requested_by) == "oscar"


def test_collisions_are_told(operator_api: APIClient) -> None:
    job, body = exported(operator_api)
    told = send(operator_api, body, query="?dry_run=true").json()  # type: ignore[attr-defined]
    assert (told["renamed"], told["dry_run"], Job.objects.count()) == (1, True, 1)
    response = send(operator_api, body, query="?allow_duplicate_id=true")
    assert (response.status_code, response.json()["kept"]) == (200, 1)  # type: ignore[attr-defined]
    told = send(operator_api, body).json()  # type: ignore[attr-defined]
    assert Job.objects.get(id=told["jobs"][0]["job_id"]).imported_from == job


def test_files_are_uploaded_together(operator_api: APIClient) -> None:
    _, one = exported(operator_api)
    _, two = exported(operator_api)
    Job.objects.all().delete()
    files = [SimpleUploadedFile("one.yaml", one), SimpleUploadedFile("two.yaml", two)]
    response = operator_api.post(IMPORT, {"files": files}, format="multipart")
    assert response.status_code == 201
    assert [job["file"] for job in response.json()["jobs"]] == ["one.yaml", "two.yaml"]


def test_what_is_wrong_is_said_with_its_line(operator_api: APIClient) -> None:
    _, body = exported(operator_api)
    response = send(operator_api, body.replace(b"type: mb_release", b"type: mixtape"))
    told = refused(response, 400, "manifest_type_unknown")
    assert told["params"]["line"] == 3  # type: ignore[index]
    assert str(told["message"]).startswith("Line 3: type is one of")
    upload = SimpleUploadedFile("bad.yaml", b"a: &a [*a]\n")
    told = refused(operator_api.post(IMPORT, {"f": upload}, format="multipart"), 400, "manifest_alias")
    assert str(told["message"]).startswith("bad.yaml, line 1: ")
    refused(send(operator_api, b""), 400, "manifest_empty")
    refused(send(operator_api, b"\xff\xfe"), 400, "manifest_not_text")
    refused(send(operator_api, b"[" * 100_000), 400, "manifest_too_deep")
    refused(send(operator_api, b"{}", content_type="image/png"), 415, "unsupported_media_type")
    refused(operator_api.post(IMPORT, {"a": "b"}, format="multipart"), 400, "manifest_empty")


def test_what_is_larger_than_ten_megabytes_is_refused_before_it_is_parsed(operator_api: APIClient) -> None:
    refused(send(operator_api, b"#" * (MAX_BYTES + 1)), 413, "manifest_too_large")
    response = operator_api.generic("POST", IMPORT, b"a: 1", content_type="application/yaml", CONTENT_LENGTH=str(2**40))
    refused(response, 413, "manifest_too_large")
    files = [SimpleUploadedFile(f"{at}.yaml", b"#" * (MAX_BYTES // 2 + 1)) for at in range(2)]
    refused(operator_api.post(IMPORT, {"files": files}, format="multipart"), 413, "manifest_too_large")


def test_viewers_may_export_and_not_import(viewer_api: APIClient, operator_api: APIClient) -> None:
    job, body = exported(operator_api)
    assert viewer_api.get(f"/api/jobs/{job}/export").status_code == 200
    refused(send(viewer_api, body), 403, "role_required")
    refused(viewer_api.get(f"/api/jobs/{uuid.UUID(int=5)}/export"), 404, "job_unknown")
