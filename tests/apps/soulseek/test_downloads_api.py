"""Downloads over HTTP and by the command line: asked, listed page by page, moved, told when they do badly; who may do what."""

from __future__ import annotations

import json
import uuid

import pytest
from rest_framework.test import APIClient

from apps.soulseek.models import Batch, Download
from slskdn_site.cli.main import main
from tests.web import downloads_seed

pytestmark = pytest.mark.django_db

BASE = "/api/soulseek"


def test_files_are_asked_for_and_seen_in_their_batch(operator_api: APIClient, viewer_api: APIClient) -> None:
    body = {"user": "bob", "files": [{"path": "Music\\A\\1.flac", "size_bytes": 9}, {"path": " odd "}], "title": "A"}
    assert viewer_api.post(f"{BASE}/batches", body, format="json").status_code == 403
    made = operator_api.post(f"{BASE}/batches", body, format="json")
    assert made.status_code == 201
    assert [one["remote_path"] for one in made.json()["downloads"]] == ["Music\\A\\1.flac", " odd "]
    again = operator_api.post(f"{BASE}/batches", body, format="json")
    assert again.json()["id"] == made.json()["id"]
    (listed,) = viewer_api.get(f"{BASE}/batches").json()["items"]
    assert (listed["files"], listed["done"], listed["origin"]) == (2, 0, "person")
    one = viewer_api.get(f"{BASE}/downloads/{made.json()['downloads'][0]['id']}").json()
    assert (one["state"], one["position"], one["external"], one["size_bytes"]) == ("waiting", 1, True, 9)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": "", "files": [{"path": "x"}]},
        {"user": "bob", "files": []},
        {"user": "bob", "files": [{"path": ""}]},
        {"user": "bob", "files": [{"path": "x", "size_bytes": -1}]},
        {"user": "bob", "files": [{"path": "x"}], "priority": 11},
    ],
)
def test_what_can_be_no_batch_is_told_so(operator_api: APIClient, body: dict[str, object]) -> None:
    answer = operator_api.post(f"{BASE}/batches", body, format="json")
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "params", "retryable"}


def test_lists_go_on_by_cursor_and_are_narrowed(viewer_api: APIClient) -> None:
    downloads_seed.batch("bob", "Album", 7)
    downloads_seed.batch("eve", "Other", 2)
    seen: list[str] = []
    asked: dict[str, str] = {"limit": "4"}
    while True:
        page = viewer_api.get(f"{BASE}/downloads", asked).json()
        seen += [one["id"] for one in page["items"]]
        if not page["next"]:
            break
        asked["cursor"] = page["next"]
    assert len(seen) == len(set(seen)) == 9
    assert len(viewer_api.get(f"{BASE}/downloads", {"user": "eve"}).json()["items"]) == 2
    batch = Batch.objects.get(title="Album")
    assert len(viewer_api.get(f"{BASE}/downloads", {"batch": str(batch.id)}).json()["items"]) == 7
    assert viewer_api.get(f"{BASE}/downloads", {"show": "ended"}).json()["items"] == []
    assert viewer_api.get(f"{BASE}/downloads", {"cursor": "x"}).status_code == 400
    assert viewer_api.get(f"{BASE}/downloads/{uuid.uuid4()}").status_code == 404


def test_acts_tell_how_many_changed_and_may_be_repeated(operator_api: APIClient) -> None:
    rows = downloads_seed.batch("bob", "Album", 3)
    ids = [str(row.id) for row in rows]
    for changed in (3, 0):
        answer = operator_api.post(f"{BASE}/downloads/pause", {"ids": ids}, format="json")
        assert answer.json() == {"changed": changed}
    batch = {"ids": [str(rows[0].batch_id)]}
    assert operator_api.post(f"{BASE}/batches/resume", batch, format="json").json() == {"changed": 3}
    urgent = {"ids": ids[:1], "priority": 9}
    assert operator_api.post(f"{BASE}/downloads/priority", urgent, format="json").json() == {"changed": 1}
    order = {"ids": ids[2:], "to": "before", "before": ids[1]}
    assert operator_api.post(f"{BASE}/downloads/order", order, format="json").json() == {"changed": 1}
    names = list(Download.objects.order_by("-priority", "order").values_list("id", flat=True))
    assert [str(one) for one in names] == [ids[0], ids[2], ids[1]]
    assert operator_api.post(f"{BASE}/downloads/explode", {"ids": ids}, format="json").status_code == 404


def test_what_does_badly_is_listed_with_its_reason(viewer_api: APIClient, stranger_api: APIClient) -> None:
    downloads_seed.fill()
    (one,) = viewer_api.get("/api/transfers/underperforming").json()["items"]
    assert (one["trouble"], one["place"]) == ("queue_stands", 14)
    assert one["trouble_says"] == "Their queue has not moved for 960 s."
    assert stranger_api.get("/api/transfers/underperforming").status_code == 401


def test_the_command_line_does_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*argv: str) -> dict[str, object]:
        assert main([*argv, "--json"]) == 0
        told: dict[str, object] = json.loads(capsys.readouterr().out)
        return told

    batch = run("downloads", "add", "bob", "Music\\A\\1.flac", "Music\\A\\2.flac", "--title", "A")["batch"]
    items = run("downloads", "list")["items"]
    assert isinstance(items, list)
    ids = [one["id"] for one in items]
    assert run("downloads", "pause", f"batch:{batch}") == {"changed": 2}
    assert run("downloads", "resume", *ids) == {"changed": 2}
    assert run("downloads", "priority", "10", ids[1]) == {"changed": 1}
    assert run("downloads", "cancel", ids[0]) == {"changed": 1}
    assert main(["downloads", "list"]) == 0
    assert "bob: Music\\A\\1.flac" in capsys.readouterr().out
    assert main(["downloads", "pause", "nonsense"]) != 0
    capsys.readouterr()
    assert main(["transfers", "underperforming"]) == 0
    assert capsys.readouterr().out == "Every download does well enough.\n"
    downloads_seed.fill()
    assert main(["transfers", "underperforming"]) == 0
    assert "Their queue has not moved for 960 s." in capsys.readouterr().out
