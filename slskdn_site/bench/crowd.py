"""Many peers of one node in one process: some that only hold a link, some that fetch without end and throw away what comes.

    python -m slskdn_site.bench.crowd SPEC

SPEC is a JSON file (`CrowdSpec`). The process writes {"event": "ready", "ports": […]}: where peers that want to be dialled listen. `go` makes the
others dial, and the busy ones fetch; {"event": "busy", "peers"} follows once each of these has had a chunk. A line `bytes` is answered by
{"event": "bytes", "count"}. It ends when its standard input is closed, or on SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from overlay_node.net.identity import identity_ephemeral
from overlay_node.net.link import Link
from overlay_node.net.overlay import Overlay
from overlay_node.net.reactor import steady_reactor
from overlay_node.protocol.connection import LocalHello
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.limits import MAX_CHUNK_BYTES
from overlay_node.protocol.messages import ChunkRequest, Message, PayloadRequest

IN_FLIGHT: Final = 4
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdSpec:
    """What the crowd is told."""

    host: str
    port: int
    payload_bytes: int
    root_hex: str
    payload_format: str
    idle: int
    """peers that dial and then say nothing"""
    dialled: int
    """peers that wait to be dialled and then say nothing: a node takes in fewer strangers than it has links"""
    busy: int

    def write(self, path: Path) -> Path:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Silent:
    """A listener that wants nothing."""

    def link_ready(self, link: Link) -> None:
        """Good."""

    def link_message(self, link: Link, message: Message, attachment: Attachment) -> None:
        """Nothing is answered."""

    def link_closed(self, link: Link, reason_code: str) -> None:
        """Neither."""


class Crowd:
    """All peers of this process."""

    def __init__(self, spec: CrowdSpec, loop: asyncio.AbstractEventLoop) -> None:
        self._spec: Final = spec
        self._loop: Final = loop
        self._reactor: Final[Any] = steady_reactor(loop)
        self._overlays: Final[list[Overlay]] = []
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._fetching: Final[set[int]] = set()
        self.bytes = 0

    async def listen(self) -> list[int]:
        """Ports of those who want to be dialled."""
        return [
            await self._overlay().listen(self._spec.host, 0).asFuture(self._loop) for _ in range(self._spec.dialled)
        ]

    async def go(self) -> None:
        """Dial, then fetch until the process ends."""
        spec = self._spec
        for _ in range(spec.idle):
            await self._overlay().dial(spec.host, spec.port).asFuture(self._loop)
        for number in range(spec.busy):
            link = await self._overlay().dial(spec.host, spec.port).asFuture(self._loop)
            task = self._loop.create_task(self._fetch(link, number))
            self._tasks.add(task)
        while len(self._fetching) < spec.busy:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)

    def _overlay(self) -> Overlay:
        overlay = Overlay(
            self._reactor,
            identity=identity_ephemeral(),
            listener=Silent(),
            local=LocalHello(network="bench", agent="crowd"),
            allow_private=True,
        )
        self._overlays.append(overlay)
        return overlay

    async def _fetch(self, link: Link, number: int) -> None:
        transfer, root = str(uuid.uuid4()), bytes.fromhex(self._spec.root_hex)
        question = PayloadRequest(transfer_id=transfer, payload_format=self._spec.payload_format, payload_root=root)
        await link.request(question, TIMEOUT_S).asFuture(self._loop)

        async def one_after_another(first: int) -> None:
            at = first
            while True:
                offset = at * MAX_CHUNK_BYTES % self._spec.payload_bytes
                length = min(MAX_CHUNK_BYTES, self._spec.payload_bytes - offset)
                request = ChunkRequest(transfer_id=transfer, payload_root=root, offset=offset, length=length)
                reply = await link.request(request, TIMEOUT_S).asFuture(self._loop)
                self.bytes += len(reply.attachment)
                if reply.attachment:
                    self._fetching.add(number)
                at += IN_FLIGHT

        await asyncio.gather(*(one_after_another(first) for first in range(IN_FLIGHT)))


async def run(spec: CrowdSpec) -> None:
    """Answer the bench's lines until they end."""
    loop = asyncio.get_running_loop()
    crowd = Crowd(spec, loop)
    _say("ready", ports=await crowd.listen())
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        if line == b"go\n":
            await crowd.go()
            _say("busy", peers=spec.busy)
        elif line == b"bytes\n":
            _say("bytes", count=crowd.bytes)


def main() -> int:
    """Until standard input ends."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    asyncio.run(run(CrowdSpec.read(Path(sys.argv[1]))))
    os._exit(0)  # links need no farewell here


def _say(event: str, **values: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
