"""Searches, hunts and the wishlist over HTTP and as commands."""

from __future__ import annotations

import json
import uuid

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from apps.common.api_errors import STATUS_OF_CODE
from apps.soulseek.models import Batch, Hunt, Search
from slskdn_site.cli import hunts as hunts_cli
from slskdn_site.cli import search as search_cli
from slskdn_site.cli import wishlist as wishlist_cli
from slskdn_site.cli.main import main
from tests.web import search_seed as seed

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(db: None) -> Client:
    person = User.objects.create_user("api")
    person.groups.add(Group.objects.get(name="operator"))
    client = Client()
    client.force_login(person)
    return client


def post(client: Client, path: str, body: object, method: str = "post") -> tuple[int, dict[str, object]]:
    answer = getattr(client, method)(path, json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json() if answer.content else {}


def test_a_search_is_handed_in_read_and_withdrawn(api: Client) -> None:
    mine = str(uuid.uuid4())
    status, told = post(api, "/api/searches", {"query": "winter garden", "id": mine})
    assert (status, told["id"], told["state"]) == (202, mine, "queued")
    assert post(api, "/api/searches", {"query": "Winter Garden", "id": mine})[0] == 200
    status, refusal = post(api, "/api/searches", {"query": "other", "id": mine})
    assert (status, refusal["code"]) == (409, "search_id_taken")
    status, refusal = post(api, "/api/searches", {"query": "ab"})
    assert (status, refusal["code"]) == (400, "search_too_short")
    assert api.get("/api/searches").json()["items"][0]["query"] == "winter garden"
    assert api.delete(f"/api/searches/{mine}").json()["state"] == "withdrawn"
    assert api.get(f"/api/searches/{uuid.uuid4()}").status_code == 404
    assert api.get("/api/searches/queue").json()["waiting"] == 0


def test_whoever_searches_is_never_told_to_slow_down_and_a_program_gone_wrong_gets_503(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {post(api, "/api/searches", {"query": f"words {number}"})[0] for number in range(40)} == {202}
    monkeypatch.setattr("apps.soulseek.services_search.MAX_OPEN", 40)
    status, refusal = post(api, "/api/searches", {"query": "one more"})
    assert (status, refusal["code"], refusal["retryable"]) == (503, "searches_full", True)
    page = api.post("/search", {"words": "one more"})
    assert (page.status_code, "40 searches wait already" in page.content.decode()) == (503, True)
    codes = {code for code in STATUS_OF_CODE if code.startswith(("search", "offer", "hunt", "wish"))}
    assert {STATUS_OF_CODE[code] for code in codes} <= {404, 409, 503}


def test_answers_come_page_by_page_and_are_downloaded(api: Client) -> None:
    seed.fill(50)
    path = f"/api/searches/{seed.OVER}"
    page = api.get(f"{path}/answers?limit=20&lossless=true&sort=speed").json()
    assert (page["total"], len(page["items"])) == (25, 20)
    assert page["items"][0]["speed_bps"] >= page["items"][1]["speed_bps"]
    rest = api.get(f"{path}/answers", {"limit": 20, "lossless": "true", "sort": "speed", "cursor": page["next"]}).json()
    assert len(rest["items"]) == 5
    assert api.get(f"{path}/answers?cursor=xx").status_code == 400
    first = page["items"][0]
    status, told = post(api, f"{path}/take", {"user": first["user"], "folder": first["folder"]})
    assert status == 202
    assert Batch.objects.get(id=str(told["batch"])).user == first["user"]
    assert post(api, f"{path}/take", {"user": "nobody", "folder": "x"})[1]["code"] == "offer_gone"


def test_hunts_tell_their_reasons_and_take_orders(api: Client) -> None:
    seed.fill(8)
    told = api.get(f"/api/soulseek/hunts/{seed.HUNT}").json()
    assert told["hunt"]["state"] == "asking"
    best = told["candidates"][0]
    assert best["reasons"][0].startswith(("All", "9 of", "10 of"))
    assert best["chosen"]
    status, refusal = post(api, f"/api/soulseek/hunts/{seed.HUNT}/pick", {"candidate": best["id"]})
    assert (status, refusal["code"]) == (409, "candidate_nothing_open")
    for name, state in (("hold", "paused"), ("resume", "searching"), ("now", "searching")):
        assert post(api, f"/api/soulseek/hunts/{seed.HUNT}/{name}", {})[1]["state"] == state
    assert len(api.get("/api/soulseek/hunts?state=searching").json()["items"]) >= 1


def test_wishes_are_added_edited_and_removed(api: Client) -> None:
    status, wish = post(api, "/api/wishlist", {"words": "rare record", "auto_download": True})
    assert (status, wish["auto_download"]) == (201, True)
    path = f"/api/wishlist/{wish['id']}"
    assert post(api, path, {"words": "rarer record"}, "patch")[1]["words"] == "rarer record"
    assert api.get("/api/wishlist?show=words").json()["items"][0]["words"] == "rarer record"
    assert api.delete(path).status_code == 204
    assert not Hunt.objects.exists()


def test_who_only_looks_asks_nothing(api: Client) -> None:
    viewer = User.objects.create_user("viewer")
    viewer.groups.add(Group.objects.get(name="viewer"))
    api.force_login(viewer)
    assert post(api, "/api/searches", {"query": "winter garden"})[0] == 403
    assert post(api, "/api/wishlist", {"words": "winter garden"})[0] == 403
    assert api.get("/api/searches").status_code == 200


def test_the_commands_do_likewise(capsys: pytest.CaptureFixture[str]) -> None:
    assert {one.SUMMARY for one in (search_cli, wishlist_cli, hunts_cli)}
    assert main(["search", "winter", "garden", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["search"]["state"] == "queued"
    assert Search.objects.get().query == "winter garden"
    seed.fill(6)
    assert main(["search", "--id", str(seed.OVER), "--wait", "--files"]) == 0
    assert "Ada Lovelace Ensemble" in capsys.readouterr().out
    assert main(["wishlist", "add", "rare", "record", "--json"]) == 0
    wish = json.loads(capsys.readouterr().out)["id"]
    assert main(["wishlist", "edit", wish, "--auto"]) == 0
    assert main(["wishlist", "list", "--show", "words"]) == 0
    assert "rare record" in capsys.readouterr().out
    assert main(["wishlist", "search-now", wish]) == 0
    assert main(["wishlist", "remove", wish]) == 0
    assert main(["hunts", "show", str(seed.JOB)]) == 0
    assert "would be taken" in capsys.readouterr().out
    assert main(["hunts", "hold", str(seed.HUNT)]) == 0
    assert main(["hunts", "list"]) == 0
    assert main(["hunts", "dry-run", str(uuid.uuid4())]) != 0
