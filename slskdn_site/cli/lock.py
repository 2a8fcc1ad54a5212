"""`./slskdn lock`: makes both hashed locks from pyproject.toml's groups, for every platform and Python 3.11 to 3.13 at once."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

SUMMARY = "Make the hashed locks anew from pyproject.toml (developers; --upgrade takes newer versions)."


def register(parser: argparse.ArgumentParser) -> None:
    """Whether versions may move."""
    parser.add_argument(
        "--upgrade", action="store_true", help="take newer versions; without it only what changed is resolved"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only say whether the two locks and pyproject.toml agree (needs no network)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compile requirements.txt, then tests/requirements.txt with the same versions."""
    from slskdn_site.install import pip_options, uv_environment
    from slskdn_site.processes import PROJECT

    if args.check:
        return check()
    environment = {**os.environ, **uv_environment(pip_options(), os.environ)}
    for name, target, extra in (
        ("run", "requirements.txt", []),
        ("test", "tests/requirements.txt", ["--constraints", "requirements.txt"]),
    ):
        # 3.11.0 and not the newest 3.11: packages that only early 3.11s need must be in the lock too.
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11.0"]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
        command += ["--group", f"pyproject.toml:{name}", *extra, "--output-file", target]
        command += ["--upgrade"] if args.upgrade else []
        status = subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode
        if status != 0:
            return status
        print(f"{target} is up to date")
    return 0


def check() -> int:
    """Whether everything that running needs is in the test lock too, in the same version, and every direct dependency is locked."""
    from slskdn_site.processes import PROJECT

    run_pins, test_pins = (_pins(PROJECT / name) for name in ("requirements.txt", "tests/requirements.txt"))
    complaints = [
        f"{pin} is in requirements.txt, but not in tests/requirements.txt" for pin in sorted(run_pins - test_pins)
    ]
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    for group, pins in (("run", run_pins), ("test", test_pins)):
        locked = {pin.split("==")[0] for pin in pins}
        wanted = {_name(entry) for entry in groups[group] if isinstance(entry, str)}
        complaints += [
            f"{name} is in group {group} of pyproject.toml, but not locked" for name in sorted(wanted - locked)
        ]
    for complaint in complaints:
        print(complaint)
    if complaints:
        print("run ./slskdn lock")
    return 1 if complaints else 0


def _pins(lock: Path) -> set[str]:
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {line.rstrip(" \\") for line in lines if line[:1].isalnum()}


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")
