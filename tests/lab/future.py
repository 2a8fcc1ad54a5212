"""The future peer: speaks today's protocol with words of tomorrow's between them. A node must not mind, and must not even notice.

Every envelope gets fields nobody knows; hello names features nobody knows; between messages come ones of unknown types, with and without attachments,
and known ones of an unknown version. All of that is allowed by PROTOCOL.md, and counted against the rate of control messages like any other.
"""

from __future__ import annotations

import json

from overlay_node.protocol.limits import CONTROL_SEND_BURST
from tests.lab.wire import LabLink

STRANGERS = int(CONTROL_SEND_BURST) // 2
"""unknown messages of one link: within what a peer may say"""


class FutureLink(LabLink):
    """An end of a link that speaks so."""

    _said = 0

    def _write(self, piece: bytes | bytearray | memoryview) -> None:
        if not isinstance(piece, bytes):  # an attachment
            super()._write(piece)
            return
        envelope = json.loads(piece[4:])
        if envelope["type"] not in {"hello", "hello_ack"}:
            self._say_something_unknown()
        envelope["x_mood"] = {"colour": ["teal", 7, None], "deep": {"er": True}}
        envelope["future_field"] = "√2"
        if envelope["type"] == "hello":
            envelope["features"] = [*envelope.get("features", []), "warp/7", "pcm1/9"]
            envelope["feature_params"] = {"warp": {"factor": 9}}
        super()._write(_framed(envelope))

    def _say_something_unknown(self) -> None:
        if self._said >= STRANGERS:
            return
        self._said += 1
        number = f"{self._said:08x}-ffff-4000-8000-000000000000"
        kinds = (
            ({"type": "gossip_hello", "version": 1, "message_id": number, "view": [1, 2, 3]}, b""),
            ({"type": "pcm_manifest", "version": 4, "message_id": number, "attachment_bytes": 70_000}, bytes(70_000)),
            ({"type": "payload_have", "version": 900, "message_id": number, "all": True}, b""),
        )
        envelope, attachment = kinds[self._said % len(kinds)]
        super()._write(_framed(envelope))
        if attachment:
            super()._write(attachment)


def _framed(envelope: object) -> bytes:
    text = json.dumps(envelope).encode()
    return len(text).to_bytes(4, "big") + text
