"""shares, uploads and users rules on the command line."""

from __future__ import annotations

import json

import pytest

from apps.domain.soulseek.states import UploadState
from apps.soulseek.models import ShareRule, UserRule
from slskdn_site.cli.main import main
from tests.apps.soulseek.sharing_rows import library, rules, uploads, waiting

pytestmark = pytest.mark.django_db


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> object:
    assert main([*words, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_folders_are_listed_previewed_and_given_to_somebody(capsys: pytest.CaptureFixture[str]) -> None:
    rules(library("/music"))
    listed = said(capsys, "shares", "list")
    assert isinstance(listed, dict)
    assert listed["totals"]["everyone"]["files"] == 3
    seen = said(capsys, "shares", "preview", "everyone", "/music")
    assert isinstance(seen, dict)
    assert [one["name"] for one in seen["folders"]] == ["Band"]
    here = said(capsys, "shares", "set", "/music/Band", "buddies")
    assert isinstance(here, dict)
    assert (here["audience"], here["files"]) == ("buddies", 3)
    said(capsys, "shares", "set", "/music/Band", "inherit")
    assert ShareRule.objects.count() == 2
    assert main(["shares", "set", "/etc", "everyone"]) == 1
    assert "[share_root_unknown]" in capsys.readouterr().err
    assert main(["shares", "list", "/music/Band/Album"]) == 0
    assert "music\\Band\\Album\\01 Song.flac" in capsys.readouterr().out
    assert isinstance(said(capsys, "shares", "scan-status", status=1), dict)  # there is no node


def test_uploads_are_listed_and_those_that_are_over_can_not_be_ended(capsys: pytest.CaptureFixture[str]) -> None:
    made = uploads()
    live = said(capsys, "uploads", "list")
    assert isinstance(live, dict)
    assert [one["state"] for one in live["items"]] == ["sending", "connecting", "queued"]
    assert main(["uploads", "list", "--show", "ended"]) == 0
    assert "The user could not be reached." in capsys.readouterr().out
    over = next(one for state, one in made.items() if state.value == "succeeded")
    assert main(["uploads", "cancel", str(over.id)]) == 1
    assert "[upload_over]" in capsys.readouterr().err
    assert main(["uploads", "cancel"]) == 1


def test_a_user_whose_name_would_write_to_the_terminal_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    made = next(iter(uploads().values()))
    type(made).objects.filter(id=made.id).update(user="bob\x1b[2J\nmallory", remote_path="music\\\u202egnp.exe")
    assert main(["uploads", "list", "--show", "all"]) == 0
    told = capsys.readouterr().out
    assert "bob\\x1b[2J\\x0amallory  music\\\\u202egnp.exe" in told
    assert "\x1b" not in told


def test_a_waiting_upload_has_its_place_its_reason_and_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    made = uploads()
    queued = made[UploadState.QUEUED]
    waiting([[str(queued.id), 3, "upload_waits_group", {"group": "leechers", "slots": 1}, 60, 300]])
    items = said(capsys, "uploads", "list")
    assert isinstance(items, dict)
    waits = {one["state"]: one["wait"] for one in items["items"]}
    assert waits.pop("queued") == {
        "place": 3,
        "code": "upload_waits_group",
        "message": "All 1 slots of the group leechers are taken.",
        "low_s": 60,
        "high_s": 300,
    }
    assert set(waits.values()) == {None}
    assert main(["uploads", "list"]) == 0
    shown = capsys.readouterr().out
    assert "    place 3, begins in 1–5 min\n    All 1 slots of the group leechers are taken.\n" in shown


def test_rules_of_users_are_added_listed_removed(capsys: pytest.CaptureFixture[str]) -> None:
    made = said(capsys, "users", "rules", "add", "ban", "(?i)spam.*", "--match", "regex", "--note", "noise")
    assert isinstance(made, dict)
    assert main(["users", "rules", "add", "ban", "((", "--match", "regex"]) == 1
    assert "[bad_pattern_syntax]" in capsys.readouterr().err
    assert main(["users", "rules", "list"]) == 0
    assert "regex  (?i)spam.*  noise" in capsys.readouterr().out
    assert said(capsys, "users", "rules", "remove", str(made["id"])) == {"removed": [made["id"]]}
    assert not UserRule.objects.exists()
    assert main(["users", "rules", "remove", "99"]) == 1
