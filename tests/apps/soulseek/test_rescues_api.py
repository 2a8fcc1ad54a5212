"""Rescues over HTTP, on pages and by the command line: what the mesh gave, and why it was not let help."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.soulseek.models import Batch, Download, Rescue
from slskdn_site.cli.main import main

pytestmark = pytest.mark.django_db
JOB = uuid.UUID(int=5)


def rescue(number: int, state: str, code: str, **more: Any) -> Rescue:
    batch, _ = Batch.objects.get_or_create(title="Album", user="bob", folder="Music\\Album")
    download, _ = Download.objects.get_or_create(
        batch=batch, user="bob", remote_path=f"Music\\Album\\{number}.flac", defaults={"size_bytes": 100}
    )
    now = timezone.now() - timedelta(minutes=number)
    return Rescue.objects.create(
        download=download, trouble="too_slow", trouble_at=now, started_at=now, state=state, code=code, **more
    )


@pytest.fixture
def two() -> None:
    rescue(1, "active", "rescue_same_payload", overlay_bytes=75, soulseek_bytes=25, peers=2, job_id=JOB)
    rescue(2, "refused", "rescue_ratio_reached", params={"ratio": 3.5, "most": 2.0})


@pytest.mark.usefixtures("two")
def test_the_list_tells_both_planes_the_share_and_why_in_words(viewer_api: APIClient) -> None:
    first, second = viewer_api.get("/api/rescues").json()["items"]
    assert (first["name"], first["state"], first["overlay_bytes"], first["soulseek_bytes"], first["share"]) == (
        "1.flac", "active", 75, 25, 0.75,
    )  # fmt: skip
    assert (second["code"], second["share"]) == ("rescue_ratio_reached", None)
    assert "3.5" in second["says"]
    for query, names in (("state=live", ["1.flac"]), ("state=refused", ["2.flac"]), (f"job={JOB}", ["1.flac"])):
        assert [one["name"] for one in viewer_api.get(f"/api/rescues?{query}").json()["items"]] == names
    page = viewer_api.get("/api/rescues?limit=1").json()
    assert [one["name"] for one in viewer_api.get(f"/api/rescues?limit=1&cursor={page['next']}").json()["items"]] == [
        "2.flac"
    ]
    assert viewer_api.get("/api/rescues?state=nonsense").status_code == 400


@pytest.mark.usefixtures("two")
def test_the_queue_and_the_list_of_rescues_show_them(client: Client) -> None:
    client.force_login(User.objects.create_superuser("admin", password="x"))
    queue = client.get("/soulseek/downloads").content.decode()
    assert "Rescue active" in queue
    assert "(75 %)" in queue
    assert "Rescue refused" in queue
    listed = client.get("/soulseek/rescues").content.decode()
    assert "1.flac" in listed
    assert "2.flac" in listed
    refused = client.get("/soulseek/rescues?show=refused").content.decode()
    assert "1.flac" not in refused
    assert client.get("/admin/soulseek/rescue/").status_code == 200


@pytest.mark.usefixtures("two")
def test_the_command_line_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transfers", "rescues", "--json", "--state", "refused"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["items"]
    assert (one["name"], one["state"]) == ("2.flac", "refused")
    assert main(["transfers", "rescues"]) == 0
    assert "Soulseek" in capsys.readouterr().out


def test_nothing_to_rescue_is_said(viewer_api: APIClient, capsys: pytest.CaptureFixture[str]) -> None:
    assert viewer_api.get("/api/rescues").json()["items"] == []
    assert main(["transfers", "rescues"]) == 0
    assert "Nothing was to be rescued." in capsys.readouterr().out
