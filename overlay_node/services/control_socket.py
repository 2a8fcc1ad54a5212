"""The loopback control site: a unix socket, mode 0600, that answers questions about the living process, one line of JSON each.

    {"ask": "health"}    {"ok": true, "peer_id", "boot_id", "uptime_s"}
    {"ask": "report"}    the heartbeat's report, as of now
    {"ask": "links"}     {"links": […]} of it
    {"ask": "metrics"}   {"metrics": {name: number}}: counters since the start and gauges
    {"ask": "swarm", "of": "<transfer id>"}    what a running transfer asks of whom, and why; {"error": "not_found"} when none runs

Anything else is answered {"error": "unknown_question"}. Nothing can be changed here: what is wanted is said in rows.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

log = logging.getLogger(__name__)

SOCKET_PATH_LIMIT: Final = 100  # bytes; Linux allows 107, macOS 103
MAX_LINE_BYTES: Final = 4096
IDLE_S: Final = 60.0
MAX_CLIENTS: Final = 16

Answer = Mapping[str, object]


def control_socket_path(data_dir: Path) -> Path:
    """In the data folder, or under the temporary folder where that path is too long for a socket (the rule of `slskdn_site.broker`)."""
    path = data_dir / "run" / "node.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"slskdn-{os.getuid()}-{digest}" / "node.sock"


class ControlSocket:
    """`questions` maps each question to what answers it now; `lookups` those that are about one thing, named by `of` (None: there is none)."""

    def __init__(
        self,
        path: Path,
        *,
        questions: Mapping[str, Callable[[], Answer]],
        lookups: Mapping[str, Callable[[str], Answer | None]] = MappingProxyType({}),
    ) -> None:
        self._path: Final = path
        self._questions: Final = questions
        self._lookups: Final = lookups
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen. A socket that a dead process left is replaced (the identity's lock is ours by now).

        Raises OSError, also when another user made the folder first: the temporary folder is everybody's.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.parent.stat().st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "the folder belongs to another user", str(self._path.parent))
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=MAX_LINE_BYTES)
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._clients):
                writer.close()
            self._path.unlink(missing_ok=True)
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            writer.close()
            return
        self._clients.add(writer)
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readline()
                if not line:
                    break
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, ValueError) as error:
            log.debug("control_client_gone error=%r", error)
        finally:
            self._clients.discard(writer)
            writer.close()

    def _answer(self, line: bytes) -> Answer:
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "not_json"}
        question, of = (asked.get("ask"), asked.get("of")) if isinstance(asked, dict) else (None, None)
        if not isinstance(question, str):
            return {"error": "unknown_question"}
        if (answer := self._questions.get(question)) is not None:
            return answer()
        lookup = self._lookups.get(question)
        if lookup is None or not isinstance(of, str):
            return {"error": "unknown_question"}
        return lookup(of) or {"error": "not_found"}
