"""Pages of sharing: at nothing, with everything, as others see it; rules made and taken away; who may do what."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.domain.soulseek.states import UploadState
from apps.library.models import LibraryRoot
from apps.soulseek.models import ShareRule, Upload, UserRule
from tests.apps.soulseek.sharing_rows import NOW, library, uploads, waiting
from tests.web import sharing_seed

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def test_pages_say_that_there_is_nothing(viewer: Client) -> None:
    assert "There is nothing to share here" in shown(viewer, "/soulseek/shares")
    uploads = shown(viewer, "/soulseek/uploads")
    assert "Nobody waits for anything" in uploads
    assert "Nothing is over yet" in uploads
    assert "Everybody is treated alike" in shown(viewer, "/soulseek/users/rules")


def test_the_tree_is_seen_with_everybodys_eyes(viewer: Client) -> None:
    sharing_seed.fill()
    root = LibraryRoot.objects.get(path="/music")
    page = shown(viewer, "/soulseek/shares")
    assert "4 files · 3 folders" in page
    assert "others below" in page
    inside = shown(viewer, f"/soulseek/shares?root={root.id}")
    assert all(name in inside for name in ("Band", "Private", "Diary", "own rule", "Buddies", "Nobody"))
    stranger = shown(viewer, f"/soulseek/shares?root={root.id}&view=everyone")
    assert "Band" in stranger
    assert "Private" not in stranger
    buddy = shown(viewer, f"/soulseek/shares?root={root.id}&view=buddies")
    assert "Private" in buddy
    assert "Diary" not in buddy
    album = shown(viewer, f"/soulseek/shares?root={root.id}&path={b'Band/Album'.hex()}")
    assert "01 Song.flac" in album
    hidden = shown(viewer, f"/soulseek/shares?root={root.id}&path={b'Diary'.hex()}&view=everyone")
    assert "They see nothing here" in hidden
    for wrong in ("root=999999999", "root=x&path=zz", f"root={root.id}&path={b'../..'.hex()}", "root=1&path=f"):
        assert viewer.get(f"/soulseek/shares?{wrong}").status_code in (200, 302)


def test_an_operator_says_who_sees_a_folder_and_a_viewer_does_not(operator: Client, viewer: Client) -> None:
    sharing_seed.fill()
    root = LibraryRoot.objects.get(path="/music")
    data = {"root": root.id, "path": b"Band".hex(), "audience": "buddies", "next": "//evil.example/"}
    assert viewer.post("/soulseek/shares/rule", data).status_code == 403
    answer = operator.post("/soulseek/shares/rule", data)
    assert (answer.status_code, answer["Location"]) == (302, "/soulseek/shares")
    assert ShareRule.objects.get(display="Band").audience == "buddies"
    operator.post("/soulseek/shares/rule", {**data, "audience": "inherit"})
    assert not ShareRule.objects.filter(display="Band").exists()
    operator.post("/soulseek/shares/rule", {**data, "path": b"../etc".hex()})
    assert not ShareRule.objects.filter(display__contains="etc").exists()


def test_each_waiting_upload_has_its_place_why_it_waits_and_a_time(viewer: Client) -> None:
    made = uploads()
    later = Upload.objects.create(user="zoe", remote_path="music\\x.flac", size_bytes=1, asked_at=NOW)
    waiting(
        [
            [str(made[UploadState.QUEUED].id), 1, "", {}, 0, 0],
            [str(later.id), 2, "upload_waits_slots", {"slots": 4}, 120, 500],
        ]
    )
    page = shown(viewer, "/soulseek/uploads")
    assert "Place 1" in page
    assert re.search(r"Place 2 All 4 slots are taken\. begins in 2–9 min", page)
    assert page.index("Place 1") < page.index("Place 2")  # although the other was asked for earlier
    assert re.search(r"29–47 s to go", page)  # 15 MB at 400 kB/s


def test_uploads_are_told_in_words_live_and_ended(viewer: Client, operator: Client) -> None:
    sharing_seed.fill()
    page = shown(viewer, "/soulseek/uploads")
    for words in (
        "2 running, 1 waiting",
        "50 %",
        "Sending",
        "Waits",
        "The file was changed since the last scan; the next one makes it available again.",
        "The user did not want it when their turn came: Cancelled",
        "The user could not be reached.",
        "Cancelled",
        "buddies",
    ):
        assert words in page, words
    assert "\u202e" not in page
    assert "Cancel all of theirs" not in page
    assert "History of bob" in shown(operator, "/soulseek/uploads?user=bob")
    assert viewer.get("/soulseek/uploads?cursor=zzz").status_code == 302


def test_a_user_is_banned_or_made_a_buddy_with_one_click(operator: Client, viewer: Client) -> None:
    sharing_seed.fill()
    assert viewer.post("/soulseek/uploads/act/ban", {"user": "bob"}).status_code == 403
    operator.post("/soulseek/uploads/act/ban", {"user": "bob"})
    assert list(UserRule.objects.filter(pattern="bob").values_list("effect", flat=True)) == ["ban"]
    operator.post("/soulseek/uploads/act/buddy", {"user": "bob"})
    assert list(UserRule.objects.filter(pattern="bob").values_list("effect", flat=True)) == ["buddy"]
    over = Upload.objects.get(state="succeeded")
    answer = operator.post("/soulseek/uploads/act/cancel", {"id": str(over.id)}, follow=True)
    assert "This upload is over." in html.unescape(answer.content.decode())
    assert operator.post("/soulseek/uploads/act/cancel", {"id": "x"}).status_code == 302


def test_rules_are_made_refused_with_the_reason_and_taken_away(operator: Client, viewer: Client) -> None:
    sharing_seed.fill()
    page = shown(viewer, "/soulseek/users/rules")
    assert all(words in page for words in ("bob", "(?i)spam.*", "192.0.2.0/24", "vip", "because", "Ignored"))
    assert "(?i)spam.*" not in shown(viewer, "/soulseek/users/rules?effect=buddy")
    rule = {"effect": "ban", "match": "regex", "pattern": "(x", "note": "spam", "group": ""}
    assert viewer.post("/soulseek/users/rules/add", rule).status_code == 403
    answer = operator.post("/soulseek/users/rules/add", rule, follow=True)
    text = html.unescape(answer.content.decode())
    assert "This pattern can't be read" in text
    assert 'value="(x"' in text
    operator.post("/soulseek/users/rules/add", {**rule, "pattern": "x+"})
    made = UserRule.objects.get(pattern="x+")
    operator.post(f"/soulseek/users/rules/{made.id}/remove")
    assert not UserRule.objects.filter(pattern="x+").exists()


@pytest.mark.parametrize("address", ["/soulseek/shares", "/soulseek/uploads", "/soulseek/users/rules"])
def test_pages_cost_as_many_queries_with_much_as_with_little(viewer: Client, address: str) -> None:
    sharing_seed.fill(more=5)
    with CaptureQueriesContext(connection) as few:
        viewer.get(address)
    library("/srv/other", tuple(f"Band {at}/Album/01 Song.flac" for at in range(60)))
    sharing_seed.more_uploads(120)
    UserRule.objects.bulk_create(UserRule(effect="ban", match="user", pattern=f"user {at}") for at in range(40))
    with CaptureQueriesContext(connection) as many:
        viewer.get(address)
    assert len(many) <= len(few)
