"""Renamings over HTTP and on their pages: asked for, looked at, done, taken back by whoever may."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.common.roles import Role
from apps.library.models import FileMove, LibraryRenaming
from apps.library.services import root_record
from tests.web.rename_seed import fill
from tests.workers.test_renaming import AFTER, BEFORE, TEMPLATE, album, tree
from workers.renaming import rename_step

pytestmark = pytest.mark.django_db
ASKED = "/api/library/renamings"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    root_record(folder, writable=True)
    return folder


def test_a_plan_is_made_looked_at_done_and_taken_back(
    operator_api: APIClient, viewer_api: APIClient, music: Path
) -> None:
    album(music)
    assert viewer_api.post(ASKED, {}, format="json").status_code == 403
    answer = operator_api.post(ASKED, {"template": TEMPLATE, "path": str(music / "in")}, format="json")
    assert (answer.status_code, answer.json()["state"], answer.json()["path"]) == (202, "planning", str(music / "in"))
    address = f"{ASKED}/{answer.json()['id']}"
    assert operator_api.post(f"{address}/apply").json()["code"] == "renaming_state"
    rename_step(uuid.UUID(answer.json()["id"]))
    plan = viewer_api.get(address).json()
    assert (plan["state"], plan["planned"], plan["beside"], plan["eta_s"]) == ("planned", 2, 2, None)
    lines = viewer_api.get(f"{address}/lines", {"limit": 3}).json()
    assert [(one["old"], one["new"]) for one in lines["items"]][:2] == [
        ("in/a.flac", "Ada/Sums/CD 1/01 One.flac"), ("in/b.flac", "Ada/Sums/CD 1/02 Two.flac"),
    ]  # fmt: skip
    rest = viewer_api.get(f"{address}/lines", {"cursor": lines["next"]}).json()
    assert (len(rest["items"]), rest["next"]) == (1, None)
    assert viewer_api.get(f"{address}/lines", {"show": "stays"}).json()["items"] == []
    assert viewer_api.post(f"{address}/apply").status_code == 403
    assert operator_api.post(f"{address}/apply").json()["state"] == "applying"
    rename_step(uuid.UUID(plan["id"]))
    assert tree(music) == AFTER
    assert operator_api.post(f"{address}/undo").status_code == 202
    rename_step(uuid.UUID(plan["id"]))
    assert tree(music) == BEFORE
    (shown,) = viewer_api.get(ASKED).json()["items"]
    assert (shown["state"], shown["moved"], shown["returned"]) == ("undone", 4, 4)
    assert operator_api.post(f"{address}/explode").status_code == 404
    assert viewer_api.get(f"{ASKED}/{uuid.uuid4()}").status_code == 404


def test_what_cannot_be_asked_is_refused_with_a_reason(operator_api: APIClient, music: Path) -> None:
    def code(**body: str) -> tuple[int, str]:
        answer = operator_api.post(ASKED, body, format="json")
        return answer.status_code, answer.json()["code"]

    assert code(template="../{title}.{ext}") == (400, "naming_template_invalid")
    assert code(path="/elsewhere") == (400, "rename_path_outside")
    assert code(path="elsewhere") == (400, "rename_path_outside")
    assert LibraryRenaming.objects.count() == 0
    made = operator_api.post(ASKED, {}, format="json").json()
    rename_step(uuid.UUID(made["id"]))
    refused = operator_api.post(f"{ASKED}/{made['id']}/apply")
    assert (refused.status_code, refused.json()["code"]) == (409, "rename_nothing")


@pytest.fixture
def person(client: Client) -> Client:
    user = User.objects.create_user("olga")
    user.groups.add(Group.objects.get(name=Role.OPERATOR.value))
    client.force_login(user)
    return client


def test_the_page_says_how_many_and_the_button_does_it(person: Client, music: Path) -> None:
    album(music)
    made = person.post("/library/renamings/begin", {"template": TEMPLATE, "path": ""}, follow=False)
    address = made["Location"]
    assert "Names are being worked out" in person.get(address).content.decode()
    key = LibraryRenaming.objects.get().id
    assert LibraryRenaming.objects.get().requested_by == "olga"
    rename_step(key)
    text = person.get(address).content.decode()
    assert "Rename 4 files" in text
    assert "Ada/Sums/CD 1/01 One.flac" in text
    person.post(f"{address}/apply")
    rename_step(key)
    assert tree(music) == AFTER
    text = person.get(address).content.decode()
    assert "Put 4 files back" in text
    assert "Rename 4 files" not in text
    refused = person.post("/library/renamings/begin", {"template": "{nope}.{ext}"}, follow=True).content.decode()
    assert "template" in refused
    assert person.post(f"{address}/explode").status_code == 404
    assert person.get(f"{address}?cursor=nonsense").status_code == 302


def test_a_page_of_a_thousand_lines_takes_as_many_queries_as_one_of_ten(person: Client) -> None:
    counts = []
    for lines in (10, 1000):
        LibraryRenaming.objects.all().delete()
        key = fill(lines)
        cache.clear()  # the rail's counts are kept for seconds: both pages ask for them
        with CaptureQueriesContext(connection) as asked:
            text = person.get(f"/library/renamings/{key}").content.decode()
        counts.append(len(asked))
        assert text.count('id="line-') == min(lines, 100)
    assert counts[0] == counts[1]
    assert FileMove.objects.count() == 1000
    seen, cursor = set(), ""
    while True:
        page = person.get(f"/library/renamings/{key}?cursor={cursor}")
        seen |= {one.view.position for one in page.context["lines"]}
        cursor = page.context["page"].next_cursor
        if cursor is None:
            break
    assert len(seen) == 1000


def test_operators_see_plans_and_their_lines(admin_client: Client) -> None:
    fill(20)
    assert "olga" in admin_client.get("/admin/library/libraryrenaming/").content.decode()
    text = admin_client.get("/admin/library/filemove/").content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    line = FileMove.objects.first()
    assert line is not None
    assert admin_client.get(f"/admin/library/filemove/{line.id}/change/").status_code == 200
