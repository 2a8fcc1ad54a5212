"""Rows of sharing: what the node reads and writes, what people say and see. On each database."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from apps.domain.contracts.soulseek_sharing import UploadReport
from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.user_rules import BadPattern
from apps.domain.soulseek.virtual_paths import Audience
from apps.library.models import AudioFile
from apps.nodelink.models import NodeHeartbeat
from apps.soulseek import selectors_node_sharing as node
from apps.soulseek import services_node_sharing as node_writes
from apps.soulseek.models import ShareChange, Upload, UserRule
from apps.soulseek.selectors_sharing import UploadPlace, share_tree, upload_places, upload_sums, uploads_live
from apps.soulseek.services_sharing import (
    ShareRefused,
    changes_sweep,
    root_of,
    rule_add,
    rule_remove,
    share_set,
    share_unset,
    uploads_forget,
)
from tests.apps.soulseek.sharing_rows import NOW, library, rules, uploads, waiting

pytestmark = pytest.mark.django_db


def test_files_come_in_batches_with_name_attributes_and_audience() -> None:
    root = library()
    rules(root)
    other = library("/srv/Music", ("One/01.flac",))
    plan = node.share_plan()
    assert [(one.id, one.name) for one in plan.roots] == [(root.id, "music"), (other.id, "Music 2")]
    first = node.share_batch(plan, after_id=0, limit=4)
    assert first.last_id is not None
    rest = node.share_batch(plan, after_id=first.last_id, limit=4)
    assert rest.last_id is None
    told = {one.path: (one.attributes, sorted(one.audience)) for one in (*first.entries, *rest.entries)}
    assert told["music\\Band\\Album\\01 Song.flac"] == (((1, 181), (4, 44_100), (5, 16)), [])
    assert told["music\\Band\\Other\\01 Song.mp3"] == (((0, 245), (1, 181), (2, 1)), [])
    assert told["music\\Private\\Demo\\01 Song.flac"][1] == ["buddies"]
    assert "Music 2\\One\\01.flac" in told
    assert len(told) == 5
    assert len(rest.unshared) == 1


def test_changes_are_taken_once_and_what_is_gone_is_told() -> None:
    root = library()
    plan = node.share_plan()
    node_writes.changes_forget()
    assert node.share_changes().marks == ()
    first, second = AudioFile.objects.order_by("id")[:2]
    AudioFile.objects.filter(id=first.id).update(missing_since=NOW)
    AudioFile.objects.filter(id=second.id).update(read_state="unreadable")
    changes = node.share_changes()
    assert changes.file_ids == (first.id, second.id)
    assert node.share_files(plan, changes.file_ids).unshared == (first.id, second.id)
    AudioFile.objects.filter(id=first.id).update(missing_since=None)
    node_writes.changes_taken(changes.marks)
    assert node.share_changes().file_ids == (first.id,)  # what came meanwhile stays noted
    root.state_code = "root_missing"
    root.save()
    assert node.share_plan().roots == ()
    assert node.file_to_send(first.id) is None


def test_a_file_is_sent_only_as_its_row_and_rules_are_now() -> None:
    root = library()
    file = AudioFile.objects.get(display="Band/Album/01 Song.flac")
    found = node.file_to_send(file.id)
    assert found is not None
    wanted, audience = found
    assert (wanted.root, wanted.relative_path, wanted.size, audience) == (
        b"/music",
        b"Band/Album/01 Song.flac",
        1000,
        Audience.EVERYONE,
    )
    share_set(root.id, b"Band", audience=Audience.BUDDIES)
    assert (node.file_to_send(file.id) or (None, None))[1] is Audience.BUDDIES
    share_set(root.id, b"Band/Album/", audience=Audience.NOBODY)
    assert node.file_to_send(file.id) is None
    assert share_unset(root.id, b"Band/Album")
    assert not share_unset(root.id, b"Band/Album")


def test_uploads_are_written_and_their_ends_stay() -> None:
    report = UploadReport(
        id=uuid.uuid4(),
        user="bob",
        remote_path="Music\\a.flac",
        file_id=1,
        size=100,
        state=UploadState.QUEUED,
        group="default",
        asked_at=NOW,
    )
    node_writes.uploads_write([report])
    assert [one.remote_path for one in node.uploads_kept()] == ["Music\\a.flac"]
    end = dataclasses.replace(
        report, state=UploadState.SUCCEEDED, sent_bytes=100, speed_bps=50, ended_at=NOW + timedelta(minutes=1)
    )
    node_writes.uploads_write([end])
    node_writes.uploads_write([report])
    assert Upload.objects.get().state == UploadState.SUCCEEDED
    assert node.uploads_kept() == ()
    day = NOW.replace(hour=0)
    assert dataclasses.astuple(node.user_bytes("bob", day=day, week=day)) == (100, 100)
    tomorrow = day + timedelta(days=1)
    assert dataclasses.astuple(node.user_bytes("bob", day=tomorrow, week=day)) == (0, 100)
    assert node.average_speed() == 50
    assert uploads_forget(ended_before=NOW) == 0
    assert uploads_forget(ended_before=NOW + timedelta(days=1)) == 1


def test_the_tree_tells_who_sees_what_as_anybody_sees_it() -> None:
    root = library()
    rules(root)
    (top,) = share_tree().folders
    assert (top.name, top.audience, top.mixed, top.amount.files, top.amount.folders) == (
        "music", Audience.EVERYONE, True, 5, 4,
    )  # fmt: skip
    tree = share_tree(root_id=root.id)
    assert {one.name: (one.audience, one.own, one.amount.files) for one in tree.folders} == {
        "Band": (Audience.EVERYONE, False, 3),
        "Diary": (Audience.NOBODY, True, 1),
        "Private": (Audience.BUDDIES, True, 1),
    }
    assert {audience.value: one.files for audience, one in tree.totals.items()} == {
        "everyone": 3, "buddies": 1, "nobody": 1,
    }  # fmt: skip
    assert [one.name for one in share_tree(root_id=root.id, seen_by="everyone").folders] == ["Band"]
    assert [one.name for one in share_tree(root_id=root.id, seen_by="buddies").folders] == ["Band", "Private"]
    album = share_tree(root_id=root.id, path=b"Band/Album")
    assert [one.name for one in album.files] == ["01 Song.flac", "02 Song.flac"]
    assert album.above == (("", "music"), (b"Band".hex(), "Band"))
    assert share_tree(root_id=root.id, path=b"Diary", seen_by="everyone").files == ()


def test_rules_of_folders_stay_below_their_root() -> None:
    root = library()
    for path in (b"..", b"Band/../..", b"Band//Album", b"a\0b"):
        with pytest.raises(ShareRefused):
            share_set(root.id, path, audience=Audience.NOBODY)
    assert root_of("/music/Band/Album/") == (root.id, b"Band/Album")
    assert root_of("/music") == (root.id, b"")
    for text in ("/musical", "/music/..", "/etc"):
        with pytest.raises(ShareRefused):
            root_of(text)


def test_rules_of_users_are_checked_and_one_click_turns_them() -> None:
    rule_add(effect="buddy", match="user", pattern="bob", note="a friend")
    with pytest.raises(ShareRefused):
        rule_add(effect="buddy", match="user", pattern="bob")
    rule = rule_add(effect="ban", match="user", pattern="bob", replace=True)
    assert list(UserRule.objects.values_list("effect", flat=True)) == ["ban"]
    with pytest.raises(BadPattern):
        rule_add(effect="ban", match="regex", pattern="(a+")
    with pytest.raises(BadPattern):
        rule_add(effect="ban", match="cidr", pattern="10.0.0.0/99")
    assert rule_add(effect="ban", match="cidr", pattern="10.1.2.3/8").pattern == "10.0.0.0/8"
    rule_add(effect="group", match="user", pattern="eve", group="vip")
    read = node.rules_read()
    assert [one.pattern for one in read.rules] == ["bob", "10.0.0.0/8", "eve"]
    assert rule_remove(rule.id)
    assert node.rules_read().stamp != read.stamp


def test_live_uploads_are_listed_running_first() -> None:
    made = uploads()
    assert [one.state for one in uploads_live()] == ["sending", "connecting", "queued"]
    assert dataclasses.astuple(upload_sums()) == (2, 1, 400_000)
    assert len(made) == Upload.objects.count()


def test_how_an_upload_waits_is_the_nodes_word_while_it_is_alive(viewer_api: APIClient) -> None:
    made = uploads()
    queued, sending = made[UploadState.QUEUED], made[UploadState.SENDING]

    def told() -> dict[str, object]:
        items = viewer_api.get("/api/soulseek/uploads?show=live").json()["items"]
        return {one["state"]: one["wait"] for one in items}

    assert set(told().values()) == {None}
    waiting(
        [
            [str(queued.id), 3, "upload_waits_schedule", {"until": "06:00"}, None, None],
            [str(sending.id), 1, "", {}, 0, 0],  # it began meanwhile
            ["nonsense"],
        ]
    )
    assert upload_places()[queued.id] == UploadPlace(place=3, code="upload_waits_schedule", params={"until": "06:00"})
    waits = told()
    assert waits["queued"] == {
        "place": 3,
        "code": "upload_waits_schedule",
        "message": "The schedule lets no upload begin before 06:00.",
        "low_s": None,
        "high_s": None,
    }
    assert waits["sending"] is None
    NodeHeartbeat.objects.update(beat_at=NOW)  # long ago
    assert set(told().values()) == {None}


def test_old_changes_that_no_node_took_go() -> None:
    library()
    ShareChange.objects.update(at=NOW)
    assert changes_sweep(before=NOW) == 0
    assert changes_sweep(before=NOW + timedelta(seconds=1)) == 5


def test_the_api_shows_sets_and_refuses(operator_api: APIClient, viewer_api: APIClient) -> None:
    operator, viewer = operator_api, viewer_api
    root = library()
    rules(root)
    uploads()
    tree = viewer.get("/api/soulseek/shares", {"root_id": root.id, "view": "everyone"}).json()
    assert [one["name"] for one in tree["folders"]] == ["Band"]
    assert viewer.get("/api/soulseek/shares", {"root_id": 99}).status_code == 404
    assert viewer.get("/api/soulseek/shares", {"path": "zz"}).status_code == 400
    body = {"root_id": root.id, "path": b"Band".hex(), "audience": "nobody"}
    address = "/api/soulseek/shares"
    assert viewer.put(address, body, format="json").status_code == 403
    assert operator.put(address, body, format="json").json()["here"]["audience"] == "nobody"
    body["audience"] = "inherit"
    assert operator.put(address, body, format="json").json()["here"]["own"] is False
    page = viewer.get("/api/soulseek/uploads", {"show": "ended", "limit": 2}).json()
    assert len(page["items"]) == 2
    assert page["next"]
    assert {one["message"] for one in viewer.get("/api/soulseek/uploads?show=ended").json()["items"]} >= {
        "The user did not want it when their turn came: Cancelled"
    }
    ended = Upload.objects.get(state="succeeded")
    assert operator.post(f"/api/soulseek/uploads/{ended.id}/cancel").status_code == 409
    rule = {"effect": "ban", "match": "regex", "pattern": "(?i)spam.*"}
    address = "/api/soulseek/users/rules"
    made = operator.post(address, rule, format="json")
    assert made.status_code == 201
    assert operator.post(address, rule, format="json").status_code == 409
    rule["pattern"] = "((((("
    refused = operator.post(address, rule, format="json")
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_pattern_syntax")
    assert len(viewer.get(address).json()["items"]) == 1
    assert operator.delete(f"{address}/{made.json()['id']}").status_code == 204
    assert viewer.get("/api/soulseek/shares/status").json()["files"] == 0
