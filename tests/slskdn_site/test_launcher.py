"""The launcher, on copies of it, with a Python that we control: what it says, what it starts, and when it installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from slskdn_site.install import uv_environment, uv_requirement
from tests.services import PROJECT

TOOLS = ("dirname", "readlink", "cmp", "grep", "id", "cp", "mv", "cat", "sh", "env", "touch", "mkdir")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the launcher and the locks, with nothing installed, and a folder of programs that is all of PATH."""
    folder = tmp_path / "a folder with spaces"
    (folder / "tests").mkdir(parents=True)
    (folder / "bin").mkdir()
    shutil.copy(PROJECT / "slskdn", folder)
    (folder / "requirements.txt").write_text("run==1\n")
    (folder / "tests" / "requirements.txt").write_text("run==1\npytest==1\n")
    for name in TOOLS:
        if found := shutil.which(name):
            (folder / "bin" / name).symlink_to(found)
    return folder


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def launch(
    checkout: Path, *arguments: str, program: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    environment: Mapping[str, str] = {"PATH": str(checkout / "bin"), "HOME": str(checkout), **environ}
    return subprocess.run(
        [str(program or checkout / "slskdn"), *arguments],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def installed(checkout: Path, lock: str) -> None:
    """Pretend that `lock` is installed; the venv's Python tells how it was called."""
    script(checkout / ".venv/bin/python", 'echo "ran in $(pwd): $*; PYTHONPATH=$PYTHONPATH; safe=$PYTHONSAFEPATH"')
    shutil.copy(checkout / lock, checkout / ".venv/installed-requirements.txt")


@pytest.mark.parametrize("lock", ["requirements.txt", "tests/requirements.txt"])
def test_once_installed_it_goes_straight_to_the_command_line(checkout: Path, lock: str) -> None:
    installed(checkout, lock)
    done = launch(checkout, "up", "--data", "a b", PYTHONPATH="/somewhere/else")
    assert done.stderr == ""
    assert done.stdout.strip() == f"ran in /: -m slskdn_site.cli up --data a b; PYTHONPATH={checkout}; safe=1"


def test_it_finds_its_folder_through_symbolic_links(checkout: Path, tmp_path: Path) -> None:
    installed(checkout, "requirements.txt")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to("../a folder with spaces/slskdn")
    (tmp_path / "two").symlink_to(tmp_path / "links" / "one")
    assert f"PYTHONPATH={checkout};" in launch(checkout, "help", program=tmp_path / "two").stdout


def test_without_a_fitting_python_it_says_what_to_install(checkout: Path) -> None:
    script(checkout / "bin/python3", "exit 1")
    done = launch(checkout, "up")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "slskdn: Python 3.11, 3.12 or 3.13 is needed. Install one (on Debian: apt-get install python3 python3-venv) and start again."
    )


def test_without_venv_it_says_exactly_what_to_install(checkout: Path) -> None:
    script(checkout / "bin/python3.11", f'case "$2" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"')
    done = launch(checkout, "up")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert "lacks venv. Install it with: sudo apt-get install python3" in lines[0]
    assert not (checkout / ".venv").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may install Debian's packages")
def test_as_root_it_installs_debians_missing_venv(checkout: Path) -> None:
    have = checkout / "have-venv"
    script(
        checkout / "bin/python3.11",
        f'case "$*" in *"import venv, ensurepip"*) [ -e "{have}" ]; exit;; "-m venv "*) echo making; exit 1;; esac\nexec {sys.executable} "$@"',
    )
    script(checkout / "bin/apt-get", f'[ "$1 $2 $3" = "install -y -q" ] && touch "{have}"')
    done = launch(checkout, "up")
    assert "installing Debian's python3" in done.stderr
    assert "could not make" in done.stderr, done.stderr


def test_a_changed_lock_is_installed_and_remembered(checkout: Path) -> None:
    log = checkout / "log"
    script(checkout / ".venv/bin/python", f'case "$*" in *install.py*) echo "$*" >> "{log}";; esac\nexit 0')
    assert launch(checkout, "up").returncode == 0
    assert launch(checkout, "up").returncode == 0
    assert log.read_text() == f"-I {checkout}/slskdn_site/install.py {checkout}/requirements.txt\n"
    assert launch(checkout, "verify").returncode == 0
    assert launch(checkout, "up").returncode == 0
    assert log.read_text().splitlines()[1:] == [
        f"-I {checkout}/slskdn_site/install.py {checkout}/tests/requirements.txt"
    ]
    (checkout / "tests/requirements.txt").write_text("run==2\npytest==1\n")
    (checkout / "requirements.txt").write_text("run==2\n")
    assert launch(checkout, "up").returncode == 0
    assert log.read_text().splitlines()[2:] == [
        f"-I {checkout}/slskdn_site/install.py {checkout}/tests/requirements.txt"
    ]


def test_a_failed_installation_is_not_remembered(checkout: Path) -> None:
    script(
        checkout / ".venv/bin/python",
        'case "$*" in *install.py*) echo "no route to the index" >&2; exit 1;; esac\nexit 0',
    )
    done = launch(checkout, "up")
    assert done.returncode == 1
    assert "no route to the index" in done.stderr
    assert not (checkout / ".venv/installed-requirements.txt").exists()


def test_uv_is_told_what_pip_is_configured_with_and_keeps_what_it_was_told() -> None:
    options = {"index-url": "https://index.example/simple", "find-links": "/a /b", "cert": "/c.pem", "timeout": "9"}
    variables = uv_environment(options, {"UV_HTTP_TIMEOUT": "77"})
    assert variables["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert variables["UV_FIND_LINKS"] == "/a,/b"
    assert variables["SSL_CERT_FILE"] == "/c.pem"
    assert variables["UV_PYTHON_DOWNLOADS"] == "never"
    assert "UV_HTTP_TIMEOUT" not in variables


def test_uv_itself_is_installed_by_its_hashes() -> None:
    for lock in ("requirements.txt", "tests/requirements.txt"):
        lines = uv_requirement(PROJECT / lock).splitlines()
        assert lines[0].startswith("uv==")
        assert len(lines) > 5
        assert all(line.startswith("    --hash=sha256:") for line in lines[1:])
