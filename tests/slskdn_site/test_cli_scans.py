"""Scanning from the command line: whole in this process, listed, paused, resumed, cancelled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.library.models import AudioFile, LibraryScan
from apps.library.services import root_record
from slskdn_site.cli.main import main
from tests.workers.gateways import sound

pytestmark = pytest.mark.django_db


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_a_folder_is_scanned_to_its_end_in_this_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound.write(tmp_path / "a.flac", 2)
    (tmp_path / "broken.flac").write_bytes(b"no sound")
    root_record(tmp_path)
    assert main(["library", "scan", str(tmp_path), "--here", "--json"]) == 0
    (view,) = lines(capsys)
    assert (view["state"], view["added"], view["read"], view["unreadable"]) == ("completed", 2, 2, 1)
    assert AudioFile.objects.get(display="a.flac").read_state == "read"
    assert main(["library", "scans"]) == 0
    assert "2 seen, 2 new, 0 changed, 0 gone, 2 read, 1 unreadable" in capsys.readouterr().out


def test_a_folder_that_is_not_there_fails_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root_record(tmp_path / "gone")
    assert main(["library", "scan", str(tmp_path / "gone"), "--here"]) == 1
    assert "is its disk mounted" in capsys.readouterr().out
    assert main(["library", "scan", "/elsewhere"]) == 1
    assert "[scan_path_outside]" in capsys.readouterr().err


def test_scans_are_paused_resumed_and_cancelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root_record(tmp_path)
    assert main(["library", "scan", str(tmp_path), "--json"]) == 0
    (view,) = lines(capsys)
    for command, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        assert main(["library", command, "--json"]) == 0
        assert [one["state"] for one in lines(capsys)] == [state]
    assert main(["library", "pause", str(view["id"])]) == 1
    assert "[scan_state]" in capsys.readouterr().err
    assert main(["library", "cancel", "nonsense"]) == 1
    assert "[scan_not_found]" in capsys.readouterr().err
    assert LibraryScan.objects.get().state == "cancelled"
