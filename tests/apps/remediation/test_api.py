"""Fixes and the trash over HTTP, on the pages and on the command line: reachable, by role, with codes."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from rest_framework.test import APIClient

from apps.common.roles import Role
from apps.domain.library.issues import IssueType
from apps.domain.library.trash import TrashReason
from apps.jobs.models import Job
from apps.library.models import TrashedFile
from apps.library.selectors_trash import trash_list
from apps.remediation.models import Remediation
from slskdn_site.cli.main import main
from tests.workers.assembled import flac
from tests.workers.mending import Home, fix_one, issue
from workers.trash import trash_file, trash_step

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=tmp_path)


@pytest.fixture
def page(db: None) -> Client:
    user = User.objects.create_user("olga", password="x")
    user.groups.add(Group.objects.get(name=Role.OPERATOR.value))
    client = Client()
    client.force_login(user)
    return client


def test_a_fix_is_asked_for_followed_and_found_by_its_job(operator_api: APIClient, home: Home) -> None:
    home.own("a/1.flac", flac())
    ids = [issue(IssueType.MISSING_TRACK, position=position) for position in (2, 3)]
    answer = operator_api.post("/api/library/health/fix", {"ids": [*ids, 999_999]}, format="json")
    assert answer.status_code == 202
    items = answer.json()["items"]
    assert [one["created"] for one in items] == [True, True, False]
    assert (items[2]["code"], items[2]["remediation"]) == ("issue_unknown", None)
    job = Job.objects.get()
    listed = operator_api.get("/api/library/health/remediations", {"job": str(job.id)}).json()
    assert {one["issue"] for one in listed["items"]} == set(ids)
    one = operator_api.get(f"/api/library/health/remediations/{items[0]['remediation']}").json()
    assert (one["state"], one["action"], one["undoable"]) == ("waiting", "fetch_missing", False)
    refused = operator_api.post(f"/api/library/health/remediations/{items[0]['remediation']}/undo", {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "remediation_state")
    again = operator_api.post("/api/slskdn/library/health/fix", {"ids": ids}, format="json").json()["items"]
    assert [one["remediation"] for one in again] == [one["remediation"] for one in items[:2]]


def test_options_of_a_request_beat_the_configuration(operator_api: APIClient, home: Home) -> None:
    file_id = home.own("1.flac", flac(), quality=0.3)
    found = issue(IssueType.SUSPECTED_TRANSCODE, file_id=file_id)
    body = {"ids": [found], "options": {"replace_existing": False, "backup_before_replace": False}}
    operator_api.post("/api/library/health/fix", body, format="json")
    params = Remediation.objects.get().params
    assert (params["replace"], params["backup"]) == (False, False)


def test_the_trash_is_listed_given_back_and_emptied(operator_api: APIClient, home: Home) -> None:
    views = [trash_file(home.own(f"{n}.flac", flac(n), position=n), reason=TrashReason.DUPLICATE) for n in (1, 2)]
    listed = operator_api.get("/api/library/trash", {"limit": 1}).json()
    assert (listed["files"], len(listed["items"]), bool(listed["next"])) == (2, 1, True)
    assert listed["items"][0]["purge_at"] is not None
    back = operator_api.post(f"/api/library/trash/{views[0].id}/restore", {}, format="json")
    assert (back.status_code, back.json()["state"]) == (202, "restoring")
    trash_step(views[0].id)
    assert operator_api.get(f"/api/library/trash/{views[0].id}").json()["state"] == "restored"
    gone = operator_api.post("/api/library/trash/purge", {"ids": [str(views[1].id)]}, format="json")
    assert gone.json() == {"purging": [str(views[1].id)]}
    unknown = operator_api.post(f"/api/library/trash/{uuid.uuid4()}/restore", {}, format="json")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "trash_unknown")


def test_who_may_only_look_may_not_mend(viewer_api: APIClient, stranger_api: APIClient) -> None:
    for address in ("/api/library/trash", "/api/library/health/remediations"):
        assert viewer_api.get(address).status_code == 200
        assert stranger_api.get(address).status_code == 401
    for address in ("/api/library/health/fix", "/api/library/trash/purge"):
        assert viewer_api.post(address, {"ids": [1]}, format="json").status_code == 403


def test_buttons_of_the_pages_begin_fixes_and_the_job_says_what_it_is_for(page: Client, home: Home) -> None:
    file_id = home.own("1.flac", flac(), quality=0.3)
    found = issue(IssueType.SUSPECTED_TRANSCODE, file_id=file_id)
    answer = page.post("/doctor/fix", {"ids": [found]}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer["HX-Trigger"] == "doctor-changed"
    made = Remediation.objects.get()
    assert (made.requested_by.username if made.requested_by else "", made.state) == ("olga", "waiting")
    shown = page.get(f"/doctor/issues/{found}").content.decode()
    assert f"/jobs/{made.job_id}" in shown
    job = page.get(f"/jobs/{made.job_id}").content.decode()
    assert f"/doctor/issues/{found}" in job
    assert "Asked for by the Doctor" in job


def test_the_trash_page_shows_gives_back_and_deletes(page: Client, home: Home) -> None:
    assert "The trash is empty" in page.get("/library/trash").content.decode()
    view = trash_file(home.own("1.flac", flac()), reason=TrashReason.PERSON)
    shown = page.get("/library/trash").content.decode()
    assert "song 1" in shown
    assert str(view.id) in shown
    assert page.post(f"/library/trash/restore?one={view.id}", {"next": "/library/trash"}).status_code == 302
    trash_step(view.id)
    assert TrashedFile.objects.get().state == "restored"
    assert "song 1" in page.get("/library/trash?show=gone").content.decode()
    again = trash_file(view.file_id or 0, reason=TrashReason.PERSON)
    page.post("/library/trash/purge", {"ids": [str(again.id)]})
    assert TrashedFile.objects.get(id=again.id).state == "purging"


def test_the_command_line_mends_takes_back_and_empties(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    file_id = home.own("1.flac", flac(), quality=0.3)
    found = issue(IssueType.SUSPECTED_TRANSCODE, file_id=file_id)
    assert main(["doctor", "fix", str(found)]) == 0
    assert "begun" in capsys.readouterr().out
    assert main(["doctor", "fixes", "--issue", str(found)]) == 0
    assert "waiting" in capsys.readouterr().out
    assert main(["doctor", "undo", str(found)]) == 1
    assert "[remediation_state]" in capsys.readouterr().err
    assert main(["doctor", "fix", "999999"]) == 1
    capsys.readouterr()
    assert main(["library", "trash", "put", str(home.music / "1.flac"), str(home.music), "/nowhere/1.flac"]) == 1
    assert capsys.readouterr().err.count("[file_unknown]") == 2
    assert not (home.music / "1.flac").exists()
    view = trash_list().items[0]
    assert (view.file_id, view.reason, view.state) == (file_id, "person", "trashed")
    assert main(["library", "trash", "list"]) == 0
    assert str(view.id) in capsys.readouterr().out
    assert main(["library", "forbid", str(home.music)]) == 0
    assert main(["library", "trash", "restore", str(view.id)]) == 1
    assert "[root_not_writable]" in capsys.readouterr().err
    assert main(["library", "allow", str(home.music)]) == 0
    assert main(["library", "trash", "restore", str(view.id)]) == 0
    assert (home.music / "1.flac").exists()
    assert main(["library", "trash", "purge"]) == 2
    trash_file(file_id, reason=TrashReason.PERSON)
    assert main(["library", "trash", "purge", "--all"]) == 0
    assert home.names() == []


def test_lists_cost_the_same_whatever_they_hold(home: Home, django_assert_num_queries: pytest.FixtureRequest) -> None:
    from apps.remediation.selectors import remediation_list

    for n in (1, 2, 3):
        fix_one(
            issue(
                IssueType.SUSPECTED_TRANSCODE,
                file_id=home.own(f"{n}.flac", flac(n), position=n, quality=0.2),
                position=n,
            )
        )
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len(remediation_list().items) == 3
