"""Traces of the lab's own sessions, in the form in which a node writes them: something to replay, and to look at with `./slskdn debug`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from apps.domain.swarm.trace import TraceAction, TraceContext
from apps.domain.swarm.trace_lines import TraceWriter
from tests.lab.payloads import LabPayload

JOB = uuid.UUID(int=1)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""the lab's calendar begins here: nothing of a recording depends on the day it was made"""


class Recording:
    """The trace of one downloader."""

    def __init__(self) -> None:
        self._writer = TraceWriter(JOB)
        self._lines = [self._writer.header(part=1, at=EPOCH)]

    def sink(self, transfer_id: str, payload: LabPayload) -> RecordingSink:
        """For one transfer."""
        transfer = uuid.UUID(transfer_id)
        context = TraceContext(job=JOB, track=transfer, variant=payload.key.payload_root.hex(), transfer=transfer)
        self._lines.append(self._writer.context(context))
        return RecordingSink(transfer_id, self._writer, self._lines)

    def data(self) -> bytes:
        """The file."""
        return "".join(self._lines).encode()


class RecordingSink:
    """See `apps.domain.swarm.trace.TraceSink`."""

    def __init__(self, transfer: str, writer: TraceWriter, lines: list[str]) -> None:
        self._transfer = transfer
        self._writer = writer
        self._lines = lines

    def note(
        self,
        now: float,
        action: TraceAction,
        peer: str = "",
        leaf: int = -1,
        offset: int = -1,
        length: int = 0,
        duration_s: float = -1.0,
        code: str = "",
    ) -> None:
        """One line."""
        noted = (now, action.value, peer, leaf, offset, length, duration_s, code)
        self._lines.append(self._writer.noted(self._transfer, noted, EPOCH.timestamp() + now))
