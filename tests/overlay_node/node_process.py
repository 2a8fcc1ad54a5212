"""The node as a process of its own, with a data folder and real rows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.prepared import prepared_database

PROJECT = Path(__file__).resolve().parents[2]


class NodeProcess:
    """A data folder and the node process in it. `database`: a copy of this one; None: an empty one. `prepare` is run on it."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, object],
        *,
        database: Path | None,
        prepare: str = "",
        log_level: str = "INFO",
    ) -> None:
        self.folder = folder
        self.log_level = log_level
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        (folder / "slskdn.yml").write_text(yaml.safe_dump(dict(config)))
        (folder / "slskdn.yml").chmod(0o600)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("SLSKDN_")}
        self.environment |= {
            "SLSKDN_DATA": str(folder),
            "PYTHONPATH": str(PROJECT),
            "DJANGO_SETTINGS_MODULE": "slskdn_site.settings",
        }
        self.database.parent.mkdir(mode=0o700)
        shutil.copyfile(database or prepared_database(), self.database)
        if prepare:
            self.python("-c", prepare)

    @property
    def database(self) -> Path:
        """Of SQLite."""
        return self.folder / "db" / "slskdn.sqlite3"

    def python(self, *argv: str, given: str = "", status: int = 0) -> str:
        """What a Python process in this data folder wrote."""
        done = subprocess.run(
            [sys.executable, *argv],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            input=given,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        """Its log is `node.log`."""
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "overlay_node"],
                env={**self.environment, "SLSKDN_LOG_LEVEL": self.log_level},
                cwd=PROJECT,
                stdout=log,
                stderr=log,
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        """The status it ended with."""
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(10)
        self.process = None
        return status
