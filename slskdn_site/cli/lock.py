"""`./slskdn lock`: makes both hashed locks from pyproject.toml's groups, for every platform and Python 3.11 to 3.13 at once."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

SUMMARY = "Make the hashed locks anew from pyproject.toml (developers; --upgrade takes newer versions)."


def register(parser: argparse.ArgumentParser) -> None:
    """Whether versions may move."""
    parser.add_argument(
        "--upgrade", action="store_true", help="take newer versions; without it only what changed is resolved"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compile requirements.txt, then tests/requirements.txt with the same versions."""
    from slskdn_site.install import pip_options, uv_environment
    from slskdn_site.processes import PROJECT

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
