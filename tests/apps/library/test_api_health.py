"""The Collection Doctor over HTTP."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient

from apps.domain.library.issues import Finding, IssueSeverity, IssueState, IssueType
from apps.library.models import DoctorScan, LibraryIssue
from apps.library.services_issues import issues_move, issues_record

pytestmark = pytest.mark.django_db
BASES = ["/api/library/health", "/api/slskdn/library/health"]
BASE = BASES[0]
ALBUM = uuid.UUID(int=7)


def finding(number: int, kind: IssueType = IssueType.MISSING_TRACK, **facts: object) -> Finding:
    given = {"severity": IssueSeverity.MEDIUM, "artist": "Ada", "album": "First", "release_mbid": ALBUM} | facts
    return Finding(
        type=kind, subject=(number,), code="missing_track", params={"medium": 1, "position": number}, **given
    )  # type: ignore[arg-type]


@pytest.fixture
def issues(db: None) -> list[int]:
    issues_record(
        [
            finding(1),
            finding(2, IssueType.CORRUPTED_FILE, severity=IssueSeverity.CRITICAL, artist="Bob", release_mbid=None),
            finding(
                3,
                IssueType.TAGS_WRONG,
                severity=IssueSeverity.LOW,
                artist="Bob",
                album="Second",
                release_mbid=uuid.UUID(int=8),
            ),
            finding(4),
        ]
    )
    by_position = {row.params["position"]: row.id for row in LibraryIssue.objects.all()}
    issues_move([by_position[4]], to=IssueState.IGNORED)
    return [by_position[number] for number in (1, 2, 3, 4)]


def ids(api: APIClient, query: str = "", base: str = BASE) -> list[int]:
    answer = api.get(f"{base}/issues{query}")
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()["items"]]


@pytest.mark.parametrize("base", BASES)
def test_the_list_begins_with_the_worst_and_leaves_out_what_was_set_aside(
    viewer_api: APIClient, issues: list[int], base: str
) -> None:
    assert ids(viewer_api, base=base) == [issues[1], issues[0], issues[2]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?type=tags_wrong", [2]),
        ("?severity=critical", [1]),
        ("?artist=Bob&sort=newest", None),
        (f"?release={ALBUM}&sort=type", [0]),
        ("?state=ignored", [3]),
        ("?state=all&type=missing_track", None),
        ("?state=resolved", []),
        ("?text=sec", [2]),
        ("?text=bo&sort=type", [1, 2]),
        ("?text=nobody", []),
        ("?sort=album", None),
        ("?sort=artist&type=missing_track", [0]),
    ],
)
def test_filters_and_orders(viewer_api: APIClient, issues: list[int], query: str, expected: list[int] | None) -> None:
    found = ids(viewer_api, query)
    if expected is not None:
        assert found == [issues[index] for index in expected]
    assert set(found) <= set(issues)


@pytest.mark.parametrize("sort", ["worst", "newest", "artist", "album", "type"])
def test_pages_by_cursor_bring_every_issue_once_in_every_order(
    viewer_api: APIClient, issues: list[int], sort: str
) -> None:
    seen: list[int] = []
    url: str | None = f"{BASE}/issues?state=all&limit=1&sort={sort}"
    while url:
        body = viewer_api.get(url).json()
        seen += [item["id"] for item in body["items"]]
        url = f"{BASE}/issues?state=all&limit=1&sort={sort}&cursor={body['next']}" if body["next"] else None
    assert sorted(seen) == sorted(issues)
    assert len(seen) == 4


@pytest.mark.parametrize(
    "query", ["?type=x", "?severity=x", "?state=x", "?sort=x", "?release=x", "?cursor=x", "?limit=0"]
)
def test_what_is_no_filter_is_refused(viewer_api: APIClient, query: str) -> None:
    answer = viewer_api.get(f"{BASE}/issues{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid", "cursor_invalid"}


def test_an_issue_says_in_words_what_is_wrong(viewer_api: APIClient, issues: list[int]) -> None:
    body = viewer_api.get(f"{BASE}/issues/{issues[0]}").json()
    assert body["message"] == "Track 1-1 is not here; – of – tracks are."
    assert (body["code"], body["params"]) == ("missing_track", {"medium": 1, "position": 1})
    assert viewer_api.get(f"{BASE}/issues/999999").json()["code"] == "issue_unknown"
    assert viewer_api.get(f"{BASE}/issues/999999").status_code == 404


def test_an_operator_decides_and_the_issue_says_who(operator_api: APIClient, issues: list[int]) -> None:
    answer = operator_api.patch(f"{BASE}/issues/{issues[0]}", {"state": "ignored"}, format="json")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["outcome"]) == ("ignored", "oscar ignores it.")
    again = operator_api.patch(f"{BASE}/issues/{issues[0]}", {"state": "ignored"}, format="json")
    assert again.status_code == 200
    back = operator_api.patch(f"{BASE}/issues/{issues[0]}", {"state": "detected"}, format="json")
    assert back.json()["state"] == "detected"


def test_what_is_being_fixed_is_not_decided_by_hand(operator_api: APIClient, issues: list[int]) -> None:
    issues_move([issues[0]], to=IssueState.FIXING)
    answer = operator_api.patch(f"{BASE}/issues/{issues[0]}", {"state": "resolved"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "issue_move_refused")
    assert operator_api.patch(f"{BASE}/issues/{issues[1]}", {"state": "fixing"}, format="json").status_code == 400


def test_several_are_decided_at_once_and_those_that_may_not_are_told(
    operator_api: APIClient, issues: list[int]
) -> None:
    issues_move([issues[1]], to=IssueState.FIXING)
    body = operator_api.post(f"{BASE}/issues/state", {"ids": issues[:3], "state": "resolved"}, format="json").json()
    assert (sorted(body["moved"]), body["refused"]) == (sorted([issues[0], issues[2]]), [issues[1]])


def test_a_viewer_may_look_but_not_decide_nor_scan(
    viewer_api: APIClient, stranger_api: APIClient, issues: list[int]
) -> None:
    assert viewer_api.patch(f"{BASE}/issues/{issues[0]}", {"state": "ignored"}, format="json").status_code == 403
    assert (
        viewer_api.post(f"{BASE}/issues/state", {"ids": issues, "state": "ignored"}, format="json").status_code == 403
    )
    assert viewer_api.post(f"{BASE}/scan").status_code == 403
    assert stranger_api.get(f"{BASE}/summary").status_code == 401


@pytest.mark.parametrize("path", ["", "/summary"])
@pytest.mark.parametrize("base", BASES)
def test_the_overview_counts_by_type_severity_and_state(
    viewer_api: APIClient, issues: list[int], base: str, path: str
) -> None:
    DoctorScan.objects.create(state="completed", files=500, started_at=datetime.now(UTC), ended_at=datetime.now(UTC))
    body = viewer_api.get(f"{base}{path}").json()
    assert (body["open"], body["ignored"], body["resolved"], body["tracks"], body["per_1000_tracks"]) == (
        3,
        1,
        0,
        500,
        6.0,
    )
    types = {row["type"]: row for row in body["types"]}
    assert len(types) == 8
    assert types["corrupted_file"] == {
        "type": "corrupted_file", "open": 1, "fixing": 0, "failed": 0, "ignored": 0, "resolved": 0,
        "by_severity": {"critical": 1}, "per_1000_tracks": 2.0,
    }  # fmt: skip
    assert types["missing_track"]["ignored"] == 1
    assert len(body["trend"]) == 30
    assert body["trend"][-1] | {"day": ""} == {"day": "", "detected": 4, "resolved": 0, "open": 3}
    assert [row["key"] for row in body["worst_artists"]] == ["Bob", "Ada"]
    assert body["worst_releases"][0] == {"key": str(ALBUM), "label": "Ada – First", "open": 1, "weight": 2}
    assert body["last_scan"]["state"] == "completed"


def test_an_empty_overview_is_one(viewer_api: APIClient) -> None:
    body = viewer_api.get(f"{BASE}/summary?days=5").json()
    assert (body["open"], body["tracks"], body["per_1000_tracks"], body["last_scan"]) == (0, None, None, None)
    assert len(body["trend"]) == 5


def test_a_look_is_asked_for_once_watched_paused_and_cancelled(operator_api: APIClient) -> None:
    made = operator_api.post(f"{BASE}/scan")
    assert made.status_code == 202
    again = operator_api.post(f"{BASE}/scan")
    assert again.json()["id"] == made.json()["id"]
    where = made.headers["Location"]
    assert operator_api.get(where).json()["state"] == "queued"
    assert operator_api.post(f"{where}/pause").json()["state"] == "paused"
    assert operator_api.post(f"{where}/resume").json()["state"] == "queued"
    assert operator_api.post(f"{where}/cancel").json()["state"] == "cancelled"
    refused = operator_api.post(f"{where}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "doctor_scan_refused")
    assert [row["state"] for row in operator_api.get(f"{BASE}/scan").json()["items"]] == ["cancelled"]
    assert operator_api.get(f"{BASE}/scan/{uuid.uuid4()}").status_code == 404


def test_no_request_asks_more_when_there_are_more_issues(
    viewer_api: APIClient, issues: list[int], django_assert_num_queries: object
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as context:
            assert viewer_api.get(f"{BASE}{path}").status_code == 200
        return len(context)

    paths = ["/summary", "/issues", "/issues?text=a", "/issues?type=missing_track&sort=artist", "/scan"]
    few = [queries(path) for path in paths]
    issues_record([finding(number, artist=f"Artist {number}") for number in range(10, 150)])
    assert [queries(path) for path in paths] == few
    assert max(few) <= 20, few
