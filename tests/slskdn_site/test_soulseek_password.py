"""The Soulseek password's file: who may read it, where it comes from, that it is shown nowhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from apps.domain.errors import DomainError
from slskdn_site.checks import config_findings
from slskdn_site.config import Config
from slskdn_site.soulseek_password import password_path, password_read, password_write, soulseek_reachable


def refusal(folder: Path, configured: str = "") -> DomainError:
    with pytest.raises(DomainError) as caught:
        password_read(configured, folder)
    return caught.value


def test_it_is_written_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        path = password_write("hunter2 with spaces ", tmp_path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert password_read("", tmp_path) == "hunter2 with spaces "
    password_write("another", tmp_path)
    assert password_read("", tmp_path) == "another"
    assert [one.name for one in path.parent.iterdir()] == ["soulseek-password"]


def test_what_is_configured_comes_first(tmp_path: Path) -> None:
    password_write("file", tmp_path)
    assert password_read("configured", tmp_path) == "configured"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_file_that_others_can_read_is_refused_in_a_sentence_without_it(tmp_path: Path, mode: int) -> None:
    password_write("hunter2", tmp_path).chmod(mode)
    error = refusal(tmp_path)
    assert error.code == "soulseek_password_readable"
    assert error.params["mode"] == f"{mode:04o}"
    assert "hunter2" not in f"{error.sentence} {error.params} {error!r}"


def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("hunter2")
    target.chmod(0o644)
    path = password_path(tmp_path)
    path.parent.mkdir()
    path.symlink_to(target)
    assert refusal(tmp_path).code == "soulseek_password_readable"
    target.chmod(0o600)
    assert password_read("", tmp_path) == "hunter2"


def test_what_is_no_password_is_told_as_such(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "soulseek_no_password"
    path = password_path(tmp_path)
    path.parent.mkdir()
    for content, code in (
        (b"\n", "soulseek_no_password"),
        (b"\xff\xfe", "soulseek_password_unreadable"),
        (b"x" * 2000, "soulseek_password_unreadable"),
    ):
        path.write_bytes(content)
        path.chmod(0o600)
        assert refusal(tmp_path).code == code
    path.unlink()
    path.mkdir(mode=0o700)
    assert refusal(tmp_path).code == "soulseek_password_unreadable"
    path.rmdir()
    os.mkfifo(path, 0o600)
    assert refusal(tmp_path).code == "soulseek_password_unreadable"


@pytest.mark.parametrize("text", ["", "two\nlines", "x" * 2000, "nul\0"])
def test_nonsense_is_not_kept(tmp_path: Path, text: str) -> None:
    with pytest.raises(DomainError) as caught:
        password_write(text, tmp_path)
    assert caught.value.code == "soulseek_password_empty"
    assert not password_path(tmp_path).exists()


def test_a_check_tells_of_a_missing_or_an_open_password(tmp_path: Path) -> None:
    config = Config.model_validate({"soulseek": {"username": "alice"}})
    assert "slskdn.W009" in {one.id for one in config_findings(config, folder=tmp_path)}
    password_write("hunter2", tmp_path).chmod(0o644)
    found = {one.id: one for one in config_findings(config, folder=tmp_path)}
    assert "slskdn.W009" not in found
    assert "chmod 600" in found["slskdn.W008"].hint
    password_path(tmp_path).chmod(0o600)
    assert not {one.id for one in config_findings(config, folder=tmp_path)} & {
        "slskdn.W008",
        "slskdn.W009",
        "slskdn.I001",
    }


@pytest.mark.parametrize("mode", ["hybrid", "legacy"])
def test_an_account_is_a_name_and_a_password_wherever_that_lies(tmp_path: Path, mode: str) -> None:
    assert not soulseek_reachable(mode=mode, username="me", configured="", folder=tmp_path)
    assert soulseek_reachable(mode=mode, username="me", configured="hunter2", folder=tmp_path)
    path = password_write("hunter2", tmp_path)
    assert soulseek_reachable(mode=mode, username="me", configured="", folder=tmp_path)
    assert not soulseek_reachable(mode=mode, username="", configured="", folder=tmp_path)
    assert not soulseek_reachable(mode="mesh", username="me", configured="", folder=tmp_path)
    path.chmod(0o644)  # the session would not use it either
    assert not soulseek_reachable(mode=mode, username="me", configured="", folder=tmp_path)
