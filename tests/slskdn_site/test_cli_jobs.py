"""`./slskdn jobs` and `./slskdn library`: what people type and what they read."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from apps.jobs.models import Job
from apps.jobs.services import job_cancel
from slskdn_site.cli.main import main
from tests.workers.assembled import release_facts, running_job
from tests.workers.gateways import sound

pytestmark = pytest.mark.django_db(transaction=True)

MBID = "78db95c6-be79-4c9b-9b27-a6c3a40e2fc5"


def test_a_release_is_asked_for_listed_shown_and_steered(capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["jobs", "add-release", MBID, "--track", "2-5", "--track", "1", "--lossless", "--key", "k", "--json"]
    assert main(ask) == 0
    made = json.loads(capsys.readouterr().out)
    job = Job.objects.get(id=made["id"])
    assert job.constraints["tracks"] == [{"medium": 2, "position": 5}, {"medium": 1, "position": 1}]
    assert job.constraints["allow_lossy"] is False
    assert main(ask) == 0
    assert json.loads(capsys.readouterr().out) == {"id": made["id"], "created": False}
    assert main(["jobs", "list"]) == 0
    assert MBID in capsys.readouterr().out
    for action, state in (("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled"), ("retry", "pending")):
        assert main(["jobs", action, made["id"]]) == 0
        assert capsys.readouterr().out.strip() == state
    assert main(["jobs", "show", made["id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "pending"


def test_a_job_is_shown_as_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    job = running_job(tracks=2)
    assert main(["jobs", "show", str(job.id)]) == 0
    shown = capsys.readouterr().out
    assert "The Testers – First Album (2019)" in shown
    assert "1-02  wanted       Song 2" in shown


def test_waiting_ends_with_the_job_and_says_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    job = running_job(tracks=1)
    job_cancel(job.id)
    assert main(["jobs", "show", str(job.id), "--wait"]) == 1
    assert "Cancelled. [cancelled_by_person]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["jobs", "add-release", "nonsense"], "mbid_invalid"),
        (["jobs", "add-release", MBID, "--track", "x"], "constraints_invalid"),
        (["jobs", "add-recording", MBID, "--target-dir", "../up"], "constraints_invalid"),
        (["jobs", "add-release", MBID, "--prefer", "flac,flacc"], "constraints_invalid"),
        (["jobs", "add-release", MBID, "--kbps", "0"], "constraints_invalid"),
        (["jobs", "show", "nonsense"], "job_unknown"),
        (["jobs", "show", str(uuid.UUID(int=7))], "job_unknown"),
        (["jobs", "cancel", str(uuid.UUID(int=7))], "job_unknown"),
        (["library", "add", "/nonexistent/folder"], "folder_missing"),
        (["library", "list", "--release", "x"], "mbid_invalid"),
    ],
)
def test_a_mistake_gets_a_sentence_and_a_code(words: list[str], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert f"[{code}]" in capsys.readouterr().err


def test_files_come_into_the_library_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, broken = tmp_path / "good", tmp_path / "broken"
    for folder in (good, broken):
        folder.mkdir()
    (broken / "b.flac").write_bytes(b"no sound")
    sound.write(good / "a.flac", 9)
    release, recording = str(release_facts().mbid), MBID
    assert main(["library", "add", str(broken)]) == 1
    assert "[decode_failed]" in capsys.readouterr().out
    assert main(["library", "add", str(good), "--recording", recording, "--release", release, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["added"], report["refused"]) == (1, 0)
    assert main(["library", "list", "--recording", recording]) == 0
    assert "a.flac" in capsys.readouterr().out
    assert main(["library", "list", "--release", release, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recording_mbid"] == recording
    assert main(["library", "roots", "--json"]) == 0
    roots = {root["path"]: root["files"] for root in json.loads(capsys.readouterr().out)}
    assert roots == {str(good): 1, str(broken): 0}
