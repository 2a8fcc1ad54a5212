"""The jobs API: asked, refused, repeated, listed, steered; one shape for every refusal."""

from __future__ import annotations

import json
import uuid
from dataclasses import fields
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.domain.jobs.constraints import Constraints
from apps.jobs.api.streams import job_parts, list_parts
from apps.jobs.models import Job
from tests.web import seed

pytestmark = pytest.mark.django_db
MBID = "78db95c6-be79-4c9b-9b27-a6c3a40e2fc5"
RELEASE = "/api/jobs/mb-release"
RECORDING = "/api/jobs/recording"


def refused(response: object, status: int, code: str) -> dict[str, object]:
    """The body, after its shape was checked."""
    body = json.loads(response.content)  # type: ignore[attr-defined]
    assert (response.status_code, body["code"]) == (status, code), body  # type: ignore[attr-defined]
    assert set(body) == {"code", "message", "params", "retryable"}
    assert isinstance(body["message"], str)
    assert body["message"]
    assert isinstance(body["params"], dict)
    assert isinstance(body["retryable"], bool)
    return body


@pytest.mark.parametrize(
    ("path", "field", "kind"), [(RELEASE, "mb_release_id", "mb_release"), (RECORDING, "mb_recording_id", "recording")]
)
def test_asking_is_accepted_and_told_where_to_look(operator_api: APIClient, path: str, field: str, kind: str) -> None:
    response = operator_api.post(path, {field: MBID, "constraints": {"allow_lossy": False}})
    assert response.status_code == 202
    body = response.json()
    assert response.headers["Location"] == f"/api/jobs/{body['id']}"
    assert (body["kind"], body["state"], body["target_mbid"]) == (kind, "pending", MBID)
    assert body["constraints"]["allow_lossy"] is False
    assert body["requested_by"] == "oscar"
    assert operator_api.get(response.headers["Location"]).json() == body


def test_some_tracks_of_a_release_are_a_constraint(operator_api: APIClient) -> None:
    response = operator_api.post(
        RELEASE, {"mb_release_id": MBID, "tracks": [{"position": 3}, {"medium": 2, "position": 1}]}
    )
    assert response.json()["constraints"]["tracks"] == [{"medium": 1, "position": 3}, {"medium": 2, "position": 1}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"),
        ({"mb_release_id": "nonsense"}, "mbid_invalid"),
        ({"mb_release_id": MBID, "constraints": {"colour": "blue"}}, "constraints_invalid"),
        ({"mb_release_id": MBID, "constraints": {"allow_lossy": "yes"}}, "constraints_invalid"),
        ({"mb_release_id": MBID, "constraints": {"use_overlay": False}}, "constraint_unavailable"),
        ({"mb_release_id": MBID, "constraints": []}, "invalid"),
        ({"mb_release_id": MBID, "tracks": [{"position": 0}]}, "invalid"),
        ({"mb_release_id": MBID, "tracks": "all"}, "invalid"),
    ],
)
def test_a_request_that_can_not_be_read_is_refused_and_makes_nothing(
    operator_api: APIClient, body: object, code: str
) -> None:
    refused(operator_api.post(RELEASE, body), 400, code)
    assert not Job.objects.exists()


def test_from_soulseek_only_can_be_asked_for_where_there_is_an_account(operator_api: APIClient, settings: Any) -> None:
    settings.SOULSEEK_REACHABLE = lambda: True
    response = operator_api.post(RELEASE, {"mb_release_id": MBID, "constraints": {"use_overlay": False}})
    assert response.status_code == 202
    assert response.json()["constraints"]["use_overlay"] is False


def test_each_wrong_field_is_named(operator_api: APIClient) -> None:
    body = refused(operator_api.post(RELEASE, {"tracks": [{"position": 1}, {"position": 0}]}), 400, "invalid")
    fields = body["params"]["fields"]  # type: ignore[index]
    assert set(fields) == {"mb_release_id", "tracks.1.position"}


def test_broken_json_other_types_and_other_methods_are_refused_alike(operator_api: APIClient) -> None:
    refused(operator_api.generic("POST", RELEASE, "{", content_type="application/json"), 400, "malformed")
    refused(operator_api.generic("POST", RELEASE, "x", content_type="text/plain"), 415, "unsupported_media_type")
    refused(operator_api.put(RELEASE, {}), 405, "method_not_allowed")
    refused(operator_api.get("/api/nothing/here"), 404, "not_found")


def test_one_key_one_job(operator_api: APIClient) -> None:
    first = operator_api.post(RELEASE, {"mb_release_id": MBID}, headers={"Idempotency-Key": "k1"})
    again = operator_api.post(RELEASE, {"mb_release_id": MBID}, headers={"Idempotency-Key": "k1"})
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]
    assert Job.objects.count() == 1
    other = operator_api.post(RELEASE, {"mb_release_id": str(uuid.uuid4())}, headers={"Idempotency-Key": "k1"})
    refused(other, 409, "idempotency_conflict")
    refused(
        operator_api.post(RELEASE, {"mb_release_id": MBID}, headers={"Idempotency-Key": "x" * 201}),
        400,
        "idempotency_key_invalid",
    )


def test_who_may_not_ask_is_told_so(viewer_api: APIClient, stranger_api: APIClient) -> None:
    refused(viewer_api.post(RELEASE, {"mb_release_id": MBID}), 403, "role_required")
    refused(stranger_api.post(RELEASE, {"mb_release_id": MBID}), 401, "not_authenticated")
    refused(stranger_api.get("/api/jobs"), 401, "not_authenticated")
    stranger_api.credentials(HTTP_X_API_KEY="slk_wrong")
    refused(stranger_api.get("/api/jobs"), 401, "api_key_refused")
    assert not Job.objects.exists()


def test_a_session_needs_its_csrf_token_and_a_key_does_not(operator_api: APIClient) -> None:
    from django.contrib.auth.models import User

    careful = APIClient(enforce_csrf_checks=True)
    careful.force_login(User.objects.get(username="oscar"))
    assert careful.get("/api/jobs").status_code == 200
    assert careful.post(RELEASE, {"mb_release_id": MBID}).status_code == 403
    operator_api.handler.enforce_csrf_checks = True
    assert operator_api.post(RELEASE, {"mb_release_id": MBID}).status_code == 202


@pytest.mark.parametrize(
    ("state", "action", "after"),
    [
        ("running", "pause", "paused"),
        ("paused", "resume", "running"),
        ("running", "cancel", "cancelled"),
        ("partial", "retry", "running"),
        ("paused", "pause", "paused"),
        ("cancelled", "cancel", "cancelled"),
    ],
)
def test_jobs_are_steered(operator_api: APIClient, state: str, action: str, after: str) -> None:
    seed.fill(8)
    job = Job.objects.get(state=state)
    response = operator_api.post(f"/api/jobs/{job.id}/{action}")
    assert response.status_code == 200
    assert response.json()["state"] == after


@pytest.mark.parametrize("action", ["pause", "resume", "cancel", "retry"])
def test_what_can_not_be_done_is_refused_with_a_code(
    operator_api: APIClient, viewer_api: APIClient, action: str
) -> None:
    seed.fill(8)
    done = Job.objects.get(state="completed")
    refused(
        operator_api.post(f"/api/jobs/{done.id}/{action}"),
        409,
        "job_not_retryable" if action == "retry" else "job_ended",
    )
    refused(operator_api.post(f"/api/jobs/{MBID}/{action}"), 404, "job_unknown")
    refused(viewer_api.post(f"/api/jobs/{done.id}/{action}"), 403, "role_required")


def test_an_unknown_job_is_unknown(viewer_api: APIClient) -> None:
    refused(viewer_api.get(f"/api/jobs/{MBID}"), 404, "job_unknown")


def test_a_tree_holds_tracks_sources_and_refused_payloads(viewer_api: APIClient) -> None:
    seed.fill(8)
    body = viewer_api.get(f"/api/jobs/{Job.objects.get(state='running').id}").json()
    assert len(body["tracks"]) == 8
    arriving = body["tracks"][3]
    assert arriving["transfer"]["profile"] == "flac-16-44100-2"
    assert sum(source["share"] for source in arriving["sources"]) == pytest.approx(1)
    assert arriving["rejected"][0]["code"] == "wrong_recording"
    assert "Nardis" in arriving["rejected"][0]["message"]
    assert body["tracks"][6]["progress"]["code"] == "no_source"


def test_the_list_is_filtered(viewer_api: APIClient) -> None:
    seed.fill(16)
    states = [item["state"] for item in viewer_api.get("/api/jobs?state=running&state=paused").json()["items"]]
    assert sorted(states) == ["paused"] * 2 + ["running"] * 2
    assert len(viewer_api.get("/api/jobs?text=skinny").json()["items"]) <= 2
    refused(viewer_api.get("/api/jobs?state=flying"), 400, "invalid")
    refused(viewer_api.get("/api/jobs?limit=0"), 400, "invalid")
    refused(viewer_api.get("/api/jobs?cursor=nonsense"), 400, "cursor_invalid")


def test_a_thousand_jobs_are_listed_once_each_in_few_queries_a_page(
    viewer_api: APIClient, django_assert_max_num_queries: object
) -> None:
    Job.objects.bulk_create([Job(kind="recording", target_mbid=uuid.uuid4()) for _ in range(1000)])
    viewer_api.get("/api/jobs")  # notes the key's use, once a minute
    seen, cursor = [], ""
    while cursor is not None:
        with django_assert_max_num_queries(5):  # type: ignore[operator]  # key, groups, use of the key, rows, their tracks
            page = viewer_api.get("/api/jobs", {"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 1000


def test_a_tree_takes_a_fixed_number_of_queries(viewer_api: APIClient, django_assert_max_num_queries: object) -> None:
    seed.fill(8)
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        viewer_api.get(f"/api/jobs/{Job.objects.get(state='running').id}")


def test_streams_need_a_key_and_hold_json(stranger_api: APIClient, viewer_api: APIClient) -> None:
    seed.fill(8)
    job = Job.objects.get(state="running")
    for path in (f"/api/jobs/{job.id}/events", "/api/events"):
        refused(stranger_api.get(path), 401, "not_authenticated")
        response = viewer_api.get(path)
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
    parts = json.loads(json.dumps(job_parts(job.id), default=str))
    assert parts["job"]["state"] == "running"
    assert sum(key.startswith("track:") for key in parts) == 8
    assert job_parts(uuid.UUID(MBID)) == {"error": {"code": "job_unknown"}}
    assert len(list_parts()) == 8


def test_the_schema_names_every_address_and_the_error_body(viewer_api: APIClient) -> None:
    schema = viewer_api.get("/api/schema?format=json").json()
    for path in (
        RELEASE,
        RECORDING,
        "/api/jobs",
        "/api/jobs/{job_id}",
        "/api/jobs/{job_id}/pause",
        "/api/jobs/{job_id}/events",
        "/api/events",
        "/api/mesh/status",
        "/api/mesh/seeds",
        "/api/mesh/peers",
        "/api/library/files",
        "/api/system/status",
    ):
        assert path in schema["paths"], path
    assert set(schema["components"]["schemas"]["ErrorBody"]["properties"]) == {"code", "message", "params", "retryable"}
    wishes = schema["components"]["schemas"]["ReleaseJobInRequest"]["properties"]["constraints"]["properties"]
    assert set(wishes) == {one.name for one in fields(Constraints)}
    assert "Idempotency-Key" in json.dumps(schema["paths"][RELEASE]["post"]["parameters"])


def test_a_language_without_a_catalogue_gets_english_throughout(operator_api: APIClient) -> None:
    body = operator_api.post(RELEASE, {}, headers={"accept-language": "de"}).json()
    assert body["params"]["fields"] == {"mb_release_id": "This field is required."}


def test_the_schema_is_made_without_a_warning() -> None:
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator

    GENERATOR_STATS.reset()
    SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, GENERATOR_STATS._warn_cache


def test_a_bug_answers_in_the_same_shape(viewer_api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(**_given: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("apps.jobs.api.views.job_page", breaks)
    viewer_api.raise_request_exception = False
    body = refused(viewer_api.get("/api/jobs"), 500, "server_error")
    assert "oops" not in json.dumps(body)
