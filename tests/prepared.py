"""A data folder as a first start leaves it. Migrations are eight seconds of computing, so all sites and networks of a run are copies of one."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services import FOLDER, PROJECT

PREPARE_S = 180.0  # on a busy machine


@functools.cache
def prepared_folder() -> Path:
    """`./slskdn prepare` has run in it: an empty migrated database, the first user and the secrets. Do not write into it."""
    folder = FOLDER / "prepared"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLSKDN__", "DJANGO_"))}
    subprocess.run(
        [sys.executable, "-m", "slskdn_site.cli", "prepare"],
        env={**inherited, "PYTHONPATH": str(PROJECT), "SLSKDN_DATA": str(folder)},
        check=True,
        timeout=PREPARE_S,
    )
    return folder


def prepared_copy(folder: Path) -> Path:
    """`folder`, made a prepared data folder; what is in it already stays."""
    shutil.copytree(prepared_folder(), folder, dirs_exist_ok=True)
    return folder


def prepared_database() -> Path:
    """The empty migrated database."""
    return prepared_folder() / "db" / "slskdn.sqlite3"
