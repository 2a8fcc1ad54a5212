"""Finds, targets and editions over HTTP and on the command line: the same answers, codes and roles."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from apps.catalog.services import editions_store, release_store
from apps.domain.catalog.release import ReleaseFacts, read_release
from apps.domain.jobs.targets import TargetKind
from apps.jobs.models import AlbumTarget, Find, Job
from apps.jobs.selectors_targets import target_page, target_view
from apps.jobs.services import job_create
from apps.jobs.services_find import find_ask
from apps.jobs.services_targets import target_choose, targets_count
from apps.library.models import AudioFile
from apps.mesh.models import Claim
from apps.peers.models import Peer
from slskdn_site.cli import editions as cli_editions
from slskdn_site.cli import find as cli_find
from slskdn_site.cli import targets as cli_targets
from tests.workers.folder_rows import a_file

pytestmark = pytest.mark.django_db

ANSWERS = Path(__file__).resolve().parents[3] / "slskdn_site" / "demo" / "answers"
BODY = json.loads(next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).read_text("utf-8"))
MBID = uuid.UUID(BODY["id"])


def api(role: str) -> APIClient:
    cache.clear()
    user = User.objects.create_user(role)
    user.groups.add(Group.objects.get(name=role))
    client = APIClient()
    client.force_login(user)
    return client


def stored() -> ReleaseFacts:
    release = read_release(BODY)
    assert release.group is not None
    editions_store(release.group.mbid, [release])
    return release


def held(release: ReleaseFacts, *numbers: int) -> None:
    for index, (medium, track) in enumerate(release.tracks(), start=1):
        if index in numbers:
            file = a_file("Ada/Album", f"{index:02}.flac", duration_ms=track.length_ms or 1, recording=track.recording.mbid, tags={"title": track.title, "artist": track.artist_credit, "album": release.title, "track": track.position, "disc": medium.position})  # fmt: skip
            AudioFile.objects.filter(id=file.id).update(
                release_mbid=release.mbid, medium_position=medium.position, track_position=track.position, read_at=timezone.now()
            )  # fmt: skip


def test_a_viewer_finds_what_is_known_at_once_and_waits_for_the_rest() -> None:
    release_store(read_release(BODY))
    client = api("viewer")
    known = client.post("/api/find", {"text": f"release/{MBID}"}, format="json")
    assert known.status_code == 200
    body = known.json()
    assert (body["state"], body["candidates"][0]["candidate"]["mbid"]) == ("done", str(MBID))
    assert body["candidates"][0]["candidate"]["track_count"] == 8
    assert "one edition" in body["understood"]
    asked = client.post("/api/find", {"text": "nirvana - nevermind"}, format="json")
    assert asked.status_code == 202
    assert client.get(asked.headers["Location"]).json()["state"] == "waiting"
    assert client.post("/api/find", {"text": "nirvana - nevermind"}, format="json").json()["id"] == asked.json()["id"]


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("0720642442525", 400, "barcode_check_digit"),
        ("https://example.com/x", 400, "find_other_site"),
        ("  ", 400, "invalid"),
    ],
)
def test_what_can_not_be_found_has_a_code(text: str, status: int, code: str) -> None:
    answer = api("viewer").post("/api/find", {"text": text}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_unknown_finds_and_too_many_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    client = api("viewer")
    assert client.get(f"/api/find/{uuid.uuid4()}").json()["code"] == "find_unknown"
    assert client.get(f"/api/find/{uuid.uuid4()}").status_code == 404
    monkeypatch.setattr("apps.jobs.services_find.MAX_OPEN", 1)
    client.post("/api/find", {"text": "one"}, format="json")
    full = client.post("/api/find", {"text": "two"}, format="json")
    assert (full.status_code, full.json()["code"], full.json()["retryable"]) == (429, "finds_full", True)


def test_a_target_is_chosen_told_completed_and_forgotten() -> None:
    release = stored()
    held(release, 1, 2)
    client = api("operator")
    chosen = client.post("/api/targets", {"kind": "release", "mbid": str(MBID)}, format="json").json()
    assert (chosen["state"], chosen["held"], chosen["missing"]) == ("partial", 2, 6)
    assert [one["state"] for one in chosen["tracks"]][:3] == ["held", "held", "missing"]
    listed = client.get("/api/targets", {"state": "partial", "text": BODY["title"][:5]}).json()["items"]
    assert [one["mbid"] for one in listed] == [str(MBID)]
    job = client.post(f"/api/targets/release/{MBID}/missing", {}, format="json")
    assert job.status_code == 202
    assert len(Job.objects.get().constraints["tracks"]) == 6
    held(release, *range(3, 9))
    refused = client.post(f"/api/targets/release/{MBID}/missing", {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "target_nothing_missing")
    assert client.delete(f"/api/targets/release/{MBID}").status_code == 204
    assert client.delete(f"/api/targets/release/{MBID}").status_code == 404
    assert client.get("/api/targets/cat/" + str(MBID)).json()["code"] == "target_kind_unknown"
    unknown = client.post(f"/api/targets/release/{uuid.uuid4()}/missing", {}, format="json")
    assert (unknown.status_code, unknown.json()["code"]) == (409, "target_tracks_unknown")
    assert api("viewer").post("/api/targets", {"kind": "release", "mbid": str(MBID)}, format="json").status_code == 403


def test_what_is_related_is_told() -> None:
    stored()
    answer = api("viewer").get(f"/api/targets/release/{MBID}/related")
    assert answer.status_code == 200
    assert isinstance(answer.json(), list)


def test_targets_are_counted_when_the_library_changed_and_only_then() -> None:
    release = stored()
    target_choose("release", MBID)
    assert AlbumTarget.objects.get().state == "absent"
    assert targets_count(now=timezone.now()) == 0
    held(release, *range(1, 9))
    assert targets_count(now=timezone.now()) == 1
    assert AlbumTarget.objects.get().state == "complete"
    assert targets_count(now=timezone.now()) == 0


def test_many_targets_cost_few_queries(django_assert_max_num_queries: object) -> None:
    release = stored()
    target_choose("release", MBID)
    for _, track in release.tracks():
        target_choose("recording", track.recording.mbid)
    AlbumTarget.objects.update(counted_at=None)
    with django_assert_max_num_queries(60):  # type: ignore[operator]
        assert targets_count(now=timezone.now()) == 9
    with django_assert_max_num_queries(2):  # type: ignore[operator]
        assert len(target_page().items) == 9
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        target_view(TargetKind.RELEASE, MBID)


def test_what_a_person_asks_for_is_a_target_and_what_the_doctor_asks_for_is_not() -> None:
    job_create(kind="mb_release", target_mbid=MBID)
    job_create(kind="mb_release", target_mbid=MBID)
    job_create(kind="recording", target_mbid=uuid.uuid4(), origin="doctor")
    job_create(kind="discography", target_mbid=uuid.uuid4())
    row = AlbumTarget.objects.get()
    assert (row.kind, row.mbid, row.state, row.counted_at) == ("release", MBID, "unknown", None)
    stored()
    assert targets_count(now=timezone.now()) == 1
    assert AlbumTarget.objects.get().title == BODY["title"]


def test_editions_are_solved_from_what_is_held_and_what_peers_tell() -> None:
    release = stored()
    assert release.group is not None
    group = release.group.mbid
    client = api("viewer")
    assert client.get(f"/api/editions/{group}").json()["code"] == "no_offers"
    held(release, *range(1, 7))
    peer = Peer.objects.create(plane="overlay", key="k" * 52)
    seventh = [track for _, track in release.tracks()][6]
    Claim.objects.create(
        peer=peer, recording_mbid=seventh.recording.mbid, payload_format="flac", payload_root=b"r" * 32, profile="flac-16-44100-2",
        payload_bytes=1, heard_at=timezone.now(), facts={"dur_ms": seventh.length_ms},
    )  # fmt: skip
    told = client.get(f"/api/editions/{group}").json()
    best = told["plans"][0]
    assert (told["code"], best["missing"], best["taken"], best["to_fetch"]) == ("solved", 1, 1, 1)
    assert [one["state"] for one in best["tracks"]] == ["held"] * 6 + ["taken", "missing"]
    assert best["change_code"] == "take_some"
    assert {one["kind"] for one in told["offers"]} == {"held", "peer"}
    strict = client.get(f"/api/editions/{group}", {"strict": str(MBID)}).json()
    assert strict["code"] == "strict_incomplete"
    assert client.get(f"/api/editions/{group}", {"strict": str(uuid.uuid4())}).json()["code"] == "strict_unknown"
    assert client.get(f"/api/editions/{uuid.uuid4()}").status_code == 404


def cli(module: object, *argv: str) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    module.register(parser)  # type: ignore[attr-defined]
    args = parser.parse_args(argv)
    status: int = args.run(args)
    return status


def test_the_command_line_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    release = stored()
    assert release.group is not None
    held(release, *range(1, 8))
    assert cli(cli_find, "release", str(MBID), "--wait", "0") == 0
    assert BODY["title"] in capsys.readouterr().out
    assert cli(cli_find, f"release/{MBID}", "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "done"
    assert cli(cli_find, "nobody", "answers", "--wait", "0") == 3
    Find.objects.filter(id=find_ask("nobody answers")).update(state="done", code="find_none")
    assert cli(cli_find, "nobody", "answers") == 1
    capsys.readouterr()
    assert cli(cli_targets, "add", str(MBID)) == 0
    assert cli(cli_targets, "show", str(MBID)) == 1
    assert "1-08  missing" in capsys.readouterr().out
    assert cli(cli_targets, "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 1
    assert cli(cli_targets, "get-missing", str(MBID), "--json") == 0
    assert json.loads(capsys.readouterr().out)["job"] == str(Job.objects.get().id)
    assert cli(cli_targets, "related", str(MBID)) == 0
    assert cli(cli_targets, "count") == 0
    assert cli(cli_targets, "forget", str(MBID)) == 0
    capsys.readouterr()
    assert cli(cli_editions, str(release.group.mbid), "--tracks") == 1
    told = capsys.readouterr().out
    assert "Getting 1 missing track would complete it." in told
    assert cli(cli_editions, str(release.group.mbid), "--strict", str(MBID), "--json") == 1
    assert json.loads(capsys.readouterr().out)["code"] == "strict_incomplete"
