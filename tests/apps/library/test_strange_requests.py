"""Ids and cursors that no list gave out are refused, never answered with an error of ours."""

from __future__ import annotations

import base64
import json

import pytest
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

HUGE = 2**63
LISTS = {
    "identifications": 1,
    "scans": 2,
    "health/scan": 2,
    "health/issues": 2,
    "health/remediations": 1,
    "trash": 1,
    "files": 1,
    "folders": 1,
}


def cursor(*key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([0, *key]).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("part", ["", "x", "\0", "\ud800", str(HUGE), "9" * 400, "0001-01-01T00:00:00+14:00"])
@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_cursor_that_no_list_gave_out_is_refused(operator_api: APIClient, name: str, part: str) -> None:
    answer = operator_api.get(f"/api/library/{name}", {"cursor": cursor(*[part] * LISTS[name])})
    assert answer.status_code == 400
    assert answer.json()["code"] in {"cursor_invalid", "invalid"}


@pytest.mark.parametrize("number", [HUGE, 10**30])
def test_an_id_that_no_row_can_have_is_unknown_or_refused(operator_api: APIClient, number: int) -> None:
    for path in ("identifications", "health/issues", "variants", "folders"):
        assert operator_api.get(f"/api/library/{path}/{number}").status_code == 404, path
    answered = operator_api.post(f"/api/library/identifications/{number}/confirm", {}, format="json")
    assert answered.status_code == 404
    for path in ("health/fix", "health/issues/state"):
        body = {"ids": [number], "state": "ignored"}
        assert operator_api.post(f"/api/library/{path}", body, format="json").status_code == 400, path
