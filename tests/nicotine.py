"""Headless Nicotine+ as a peer that nobody here wrote: real shares, queue, transfers, bans, private messages."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from slskdn_site.supervise_exec import leashed

STOP_S: Final = 10.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Nicotine:
    """One peer in a folder of its own. It logs in by itself and answers searches a second or two after its start.

    `upload_kib_s` None: unlimited. `banned`: user names it gives nothing. `wants`: (user, virtual path, size) that it resumes to download at login.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        server_port: int,
        shared: Path | None = None,
        upload_kib_s: int | None = None,
        upload_slots: int = 2,
        banned: Sequence[str] = (),
        away_reply: str = "",
        wants: Sequence[tuple[str, str, int]] = (),
        rooms: Sequence[str] = (),
    ) -> None:
        self.folder, self.name, self.shared = folder, name, shared
        self.port = free_port()
        self.downloads = folder / "downloads"
        self.log = folder / "log.txt"
        for part in ("config", "data", "incomplete", "downloads", "received"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        limited = upload_kib_s is not None
        sections: Mapping[str, Mapping[str, object]] = {
            "server": {
                "server": ("127.0.0.1", server_port),
                "login": name,
                "passw": "pw",
                "portrange": (self.port, self.port),
                "upnp": False,
                "auto_connect_startup": True,
                "banlist": list(banned),
                "away": bool(away_reply),
                "autoreply": away_reply,
                "autojoin": list(rooms),
            },
            "transfers": {
                "shared": [("Music", str(shared))] if shared is not None else [],
                "incompletedir": str(folder / "incomplete"),
                "downloaddir": str(self.downloads),
                "uploaddir": str(folder / "received"),
                "rescanonstartup": True,
                "useupslots": True,
                "uploadslots": upload_slots,
                "fifoqueue": True,
                "use_upload_speed_limit": "primary" if limited else "unlimited",
                "uploadlimit": upload_kib_s or 0,
                "limitby": True,
            },
            "logging": {"debug": True, "debugmodes": ["download", "upload", "connection", "transfer", "search"]},
        }
        text = "".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items()) + "\n"
            for section, entries in sections.items()
        )
        (folder / "config" / "config").write_text(text, encoding="utf-8")
        if wants:
            rows = [[user, path, str(self.downloads), "User logged off", size] for user, path, size in wants]
            (folder / "data" / "downloads.json").write_text(json.dumps(rows), encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin (again)."""
        command = [
            sys.executable, "-m", "pynicotine", "--headless", "--config", str(self.folder / "config" / "config"),
            "--user-data", str(self.folder / "data"), "--bindip", "127.0.0.1", "--port", str(self.port),
        ]  # fmt: skip
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                leashed(command), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: a dead peer."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP meanwhile: connected, and silent."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
