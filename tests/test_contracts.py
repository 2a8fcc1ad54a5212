"""The import contracts of pyproject.toml: they hold, and each of them notices what it is there for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.services import PROJECT

PACKAGES = ("slskdn_site", "apps", "workers", "overlay_node")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


# file, statement, the contract that must say so
BAD = [
    ("apps/domain/errors.py", "import time", "apps.domain is pure"),
    ("apps/domain/errors.py", "import apps.jobs.models", "apps.domain is pure"),
    ("overlay_node/protocol/limits.py", "import asyncio", "cores do no I/O"),
    ("overlay_node/dht/ids.py", "import secrets", "cores do no I/O"),
    ("overlay_node/net/errors.py", "import django", "reach Django"),
    ("overlay_node/protocol/limits.py", "import overlay_node.net.errors", "entry > composition > shell > cores"),
    ("apps/catalog/models.py", "import apps.jobs.services", "apps depend downwards only"),
    ("apps/jobs/services.py", "import workers.tasks", "never the reverse"),
    ("workers/tasks.py", "import overlay_node.config", "workers meet the node in rows"),
    ("overlay_node/net/errors.py", "import workers.tasks", "the node meets workers in rows"),
    ("workers/tasks.py", "import apps.jobs.models", "only through services and selectors"),
    ("apps/nodelink/models.py", "import apps.common.dispatch", "models never reach up"),
]


def test_the_tree_keeps_its_contracts() -> None:
    done = lint(PROJECT)
    assert done.returncode == 0, done.stdout[-4000:]


def test_every_contract_notices_a_bad_import(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.md"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for module, statement, _ in BAD:
        with (tmp_path / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{statement}\n")
    said = lint(tmp_path).stdout
    broken = [line for line in said.splitlines() if line.endswith("BROKEN")]
    for module, statement, contract in BAD:
        assert any(contract in line for line in broken), (contract, broken)
        edge = f"{module.removesuffix('.py').replace('/', '.')} -> {statement.removeprefix('import ')}"
        assert edge in said, edge
