"""Renaming from the command line: shown, done, taken back, all in this process."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from apps.library.models import LibraryRenaming
from apps.library.services import root_record
from slskdn_site.cli.main import main
from tests.workers.test_renaming import AFTER, BEFORE, TEMPLATE, album, put, tree

pytestmark = pytest.mark.django_db


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    root_record(folder, writable=True)
    return folder


def test_names_are_shown_given_and_taken_back(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    album(music)
    assert main(["library", "rename", "--template", TEMPLATE, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "  in/a.flac\n  -> Ada/Sums/CD 1/01 One.flac\n" in said.out
    assert "Nothing was changed; --apply does it." in said.err
    assert tree(music) == BEFORE
    assert main(["library", "rename", str(music / "in"), "--template", TEMPLATE, "--apply"]) == 0
    said = capsys.readouterr()
    assert tree(music) == AFTER
    key = re.search(r"--undo (\S+)", said.err)
    assert key is not None
    assert main(["library", "rename", "--undo", key[1]]) == 0
    assert "4 put back, 0 not." in capsys.readouterr().err
    assert tree(music) == BEFORE


def test_what_stays_is_said_with_its_reason_and_the_status(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(music, "in/a.flac", title="One")
    assert main(["library", "rename", "--template", TEMPLATE, "--json"]) == 1
    line, sums = (json.loads(one) for one in capsys.readouterr().out.splitlines())
    assert (line["old"], line["code"], line["params"]["fields"]) == (
        "in/a.flac", "rename_facts_missing", "album, albumartist, track",
    )  # fmt: skip
    assert (sums["state"], sums["blocked"]) == ("planned", 1)
    assert main(["library", "rename", "--template", "{album}"]) == 1
    assert "[naming_template_invalid]" in capsys.readouterr().err
    assert main(["library", "rename", os.fspath(music.parent)]) == 1
    assert "[rename_path_outside]" in capsys.readouterr().err
    assert main(["library", "rename", "--undo", "nonsense"]) == 1
    assert "[renaming_unknown]" in capsys.readouterr().err
    assert LibraryRenaming.objects.count() == 1


def test_without_a_template_the_configured_one_is_used(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(music, "in/a.flac", title="One", artist="Ada", album="Sums", date="1999-01-02", track=1)
    assert main(["library", "rename", str(music)]) == 0
    assert "-> Ada/Sums (1999)/01 One.flac" in capsys.readouterr().out
