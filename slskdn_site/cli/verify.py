"""`./slskdn verify`: everything that can be said of the code without running it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

SUMMARY = "Check style, types, import contracts, migrations, settings, locks and generated documents."

PACKAGES = ("slskdn_site", "apps", "workers", "overlay_node")
STAGE_SECONDS = 600
LINES_SHOWN = 60  # of a failed stage; its command shows all


@dataclass(frozen=True, slots=True)
class Stage:
    """One check: a name and the command that makes it (run in the project's folder)."""

    name: str
    command: Sequence[str]


def stages() -> list[Stage]:
    """All of them; the longest first, since two run at a time."""
    python = sys.executable
    cli = [python, "-m", "slskdn_site.cli"]
    return [
        Stage("types", [python, "-m", "mypy", "--no-error-summary", *PACKAGES, "manage.py"]),
        Stage("style", [python, "-m", "ruff", "check", "--quiet", "--output-format=concise", "."]),
        Stage("format", [python, "-m", "ruff", "format", "--check", "--output-format=concise", "."]),
        Stage(
            "contracts",
            [
                python,
                "-c",
                "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))",
            ],
        ),
        Stage("migrations", [*cli, "manage", "makemigrations", "--check", "--dry-run"]),
        Stage("settings", [*cli, "manage", "check", "--fail-level", "WARNING"]),
        Stage("locks", [*cli, "lock", "--check"]),
        Stage("documents", [*cli, "docs", "--check"]),
    ]


def register(parser: argparse.ArgumentParser) -> None:
    """No arguments."""
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Run every stage; status 1 when one fails."""
    return 1 if verify() else 0


def verify() -> list[str]:
    """Run every stage, print what each says, and return the names of those that failed."""
    from slskdn_site.processes import PROJECT

    with tempfile.TemporaryDirectory(prefix="slskdn-verify-") as data:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLSKDN__")}
        environment |= {
            "SLSKDN_DATA": data,
            "PYTHONPATH": str(PROJECT),
            "DJANGO_SETTINGS_MODULE": "slskdn_site.settings",
        }
        with ThreadPoolExecutor(max_workers=2) as pool:
            results = list(pool.map(lambda stage: _run_stage(stage, str(PROJECT), environment), stages()))
    return [name for name in results if name]


def _run_stage(stage: Stage, folder: str, environment: Mapping[str, str]) -> str:
    """Its name when it failed, else nothing."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            stage.command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=STAGE_SECONDS,
        )
        failed, output = done.returncode != 0, (done.stdout + done.stderr).strip()
    except subprocess.TimeoutExpired:
        failed, output = True, f"no end after {STAGE_SECONDS} s"
    lines = output.splitlines()
    if len(lines) > LINES_SHOWN:
        output = "\n".join(
            [f"… {len(lines) - LINES_SHOWN} lines more: {' '.join(stage.command)}", *lines[-LINES_SHOWN:]]
        )
    verdict = "FAILED" if failed else "passed"
    sys.stdout.write(
        (f"{output}\n" if failed else "") + f"verify {stage.name}: {verdict} ({time.monotonic() - began:.1f} s)\n"
    )
    sys.stdout.flush()
    return stage.name if failed else ""
