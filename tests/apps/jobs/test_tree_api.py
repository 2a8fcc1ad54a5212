"""Discographies, crates, plans and coverage over HTTP: asked, repeated, refused, paged."""

from __future__ import annotations

import json
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.domain.catalog.identity import label_name_id
from apps.jobs.models import Job, PlannedRelease
from tests.apps.jobs.tree_rows import ARTIST, LABEL, an_id, ask_discography, graph_store, group_of, hold

pytestmark = pytest.mark.django_db
DISCOGRAPHY = "/api/jobs/discography"
CRATE = "/api/jobs/label-crate"


def refused(response: object, status: int) -> str:
    body = json.loads(response.content)  # type: ignore[attr-defined]
    assert response.status_code == status, body  # type: ignore[attr-defined]
    assert set(body) == {"code", "message", "params", "retryable"}
    assert body["message"]
    return str(body["code"])


def test_a_discography_is_asked_for_with_its_filters(operator_api: APIClient) -> None:
    asked = {
        "mb_artist_id": str(ARTIST.mbid),
        "profile": "extended",
        "exclude_live": False,
        "secondary_types": ["soundtrack"],
        "countries": ["GB"],
        "constraints": {"allow_lossy": False},
    }
    response = operator_api.post(DISCOGRAPHY, asked, headers={"Idempotency-Key": "once"})
    assert response.status_code == 202
    job = Job.objects.get(id=response.json()["id"])
    assert (job.kind, job.target_mbid, job.constraints["allow_lossy"]) == ("discography", ARTIST.mbid, False)
    chosen = job.selection
    assert (chosen["profile"], chosen["exclude_live"], chosen["exclude_compilations"]) == ("extended", False, None)
    assert (chosen["secondary_types"], chosen["countries"]) == (["soundtrack"], ["GB"])
    again = operator_api.post(DISCOGRAPHY, asked, headers={"Idempotency-Key": "once"})
    assert (again.status_code, again.json()["id"]) == (202, str(job.id))
    other = operator_api.post(DISCOGRAPHY, {**asked, "profile": "all"}, headers={"Idempotency-Key": "once"})
    assert refused(other, 409) == "idempotency_conflict"


@pytest.mark.parametrize(
    ("path", "asked", "code"),
    [
        (DISCOGRAPHY, {}, "invalid"),
        (DISCOGRAPHY, {"mb_artist_id": "x"}, "mbid_invalid"),
        (DISCOGRAPHY, {"mb_artist_id": str(ARTIST.mbid), "profile": "best"}, "invalid"),
        (DISCOGRAPHY, {"mb_artist_id": str(ARTIST.mbid), "only_countries": True}, "selection_invalid"),
        (DISCOGRAPHY, {"mb_artist_id": str(ARTIST.mbid), "constraints": {"tracks": [{"position": 1}]}}, "constraints_invalid"),
        (CRATE, {}, "label_missing"),
        (CRATE, {"label_id": str(LABEL.mbid), "label_name": "Sub Pop"}, "label_missing"),
        (CRATE, {"label_name": "Sub Pop", "limit_releases": 0}, "invalid"),
        (CRATE, {"label_name": "Sub Pop", "limit_releases": 501}, "invalid"),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_for_is_refused_with_a_code(
    operator_api: APIClient, path: str, asked: dict[str, object], code: str
) -> None:
    assert refused(operator_api.post(path, asked, format="json"), 400) == code
    assert not Job.objects.exists()


def test_who_may_only_look_asks_for_nothing(viewer_api: APIClient, stranger_api: APIClient) -> None:
    assert refused(viewer_api.post(DISCOGRAPHY, {"mb_artist_id": str(ARTIST.mbid)}), 403) == "role_required"
    assert refused(stranger_api.post(CRATE, {"label_name": "Sub Pop"}), 401) == "not_authenticated"


def test_a_crate_is_asked_for_by_id_or_by_name(operator_api: APIClient) -> None:
    by_id = operator_api.post(CRATE, {"label_id": str(LABEL.mbid), "limit_releases": 10}, format="json").json()
    by_name = operator_api.post(CRATE, {"label_name": "Sub Pop", "studio_only": True}, format="json").json()
    assert Job.objects.get(id=by_id["id"]).selection["limit_releases"] == 10
    job = Job.objects.get(id=by_name["id"])
    assert (job.target_mbid, job.target_source, job.target_ref) == (label_name_id("Sub Pop"), "name", "Sub Pop")
    assert job.selection["studio_only"] is True
    assert job.title == "Sub Pop", "it is called so also when nobody knows such a label"


def test_the_plan_comes_in_pages_by_state_with_words(viewer_api: APIClient) -> None:
    job_id = ask_discography()
    for at in range(5):
        PlannedRelease.objects.create(
            job_id=job_id, position=at, release_mbid=an_id(at), title=f"t{at}", state="omitted" if at else "wanted",
            reason="type_excluded" if at else "edition_only",
        )  # fmt: skip
    address = f"/api/jobs/{job_id}/releases"
    first = viewer_api.get(address, {"limit": 2}).json()
    assert [item["title"] for item in first["items"]] == ["t0", "t1"]
    assert first["items"][0]["message"] == "This edition: it is the only one."
    rest = viewer_api.get(address, {"limit": 50, "cursor": first["next"]}).json()
    assert [item["title"] for item in rest["items"]] == ["t2", "t3", "t4"]
    assert len(viewer_api.get(address, {"state": "omitted"}).json()["items"]) == 4
    assert refused(viewer_api.get(address, {"cursor": "x"}), 400) == "cursor_invalid"
    assert refused(viewer_api.get(f"/api/jobs/{uuid.uuid4()}/releases"), 404) == "job_unknown"


def test_every_button_works_on_a_tree(operator_api: APIClient) -> None:
    job_id = ask_discography()
    for action, state in (("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled"), ("retry", "pending")):
        assert operator_api.post(f"/api/jobs/{job_id}/{action}").json()["state"] == state


def test_the_coverage_of_an_artist_is_told_in_pages(viewer_api: APIClient) -> None:
    graph_store([group_of(at) for at in range(5)], editions=1)
    hold(an_id("release", 0, 0), tracks=10)
    address = f"/api/catalog/artists/{ARTIST.mbid}/coverage"
    with CaptureQueriesContext(connection) as asked:
        first = viewer_api.get(address, {"limit": 3}).json()
    assert len(asked) < 25
    assert (first["total"], first["complete"], first["begun"]) == (5, 1, 0)
    assert [item["state"] for item in first["items"]] == ["complete", "missing", "missing"]
    assert first["items"][0]["counts"] == {"held": 10, "better": 0, "wanted": 0, "missing": 0}
    rest = viewer_api.get(address, {"limit": 3, "cursor": first["next"]}).json()
    assert ([item["title"] for item in rest["items"]], rest["next"]) == (["Album 0003", "Album 0004"], None)
    missing = viewer_api.get(address, {"only_missing": "true", "profile": "all"}).json()
    assert len(missing["items"]) == 4
    assert refused(viewer_api.get(address, {"cursor": "x"}), 400) == "cursor_invalid"
    assert refused(viewer_api.get(address, {"only_countries": "true"}), 400) == "selection_invalid"
    assert viewer_api.get(f"/api/catalog/artists/{uuid.uuid4()}/coverage").json()["items"] == []
