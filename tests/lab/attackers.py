"""Hostile connections, one way each: what is said after TLS, after hello, and after a manifest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from overlay_node.protocol.envelope import Attachment, encode_frame
from overlay_node.protocol.limits import ADMISSION_TOKEN_BYTES, MAX_CHUNK_BYTES
from overlay_node.protocol.messages import (
    ChunkRequest,
    MbidQuery,
    Message,
    PayloadManifest,
    PayloadRequest,
    with_id,
)
from tests.lab.payloads import LabPayload
from tests.lab.streams import Ids, stream
from tests.lab.wire import LabLink

KINDS = ("garbage", "half-open", "silent", "drip", "flood", "replay", "stolen-token", "out-of-range", "bomb", "hoarder")
WEIGHTS = (10, 10, 10, 1, 10, 3, 10, 5, 10, 1)
"""those who can hold a place for minutes come seldom, or nobody else would get in"""


class Siege(Protocol):
    """What an attacker knows of the siege it takes part in."""

    seed: int
    shared: LabPayload

    def every(self, seconds: float, link: LabLink, act: Callable[[int], None], at: int = 0) -> None:
        """Do something again and again while the link lasts."""


class Attacker:
    """One hostile connection: the client's side. Owner of its link."""

    def __init__(self, siege: Siege, number: int, kind: str) -> None:
        self.kind = kind
        self.random = stream(siege.seed, "attacker", number)
        self.new_id = Ids(1 + number)
        self._siege = siege

    def connected(self, link: LabLink) -> None:
        """TLS is done."""
        match self.kind:
            case "garbage":
                link.write_raw(self.random.randbytes(self.random.randrange(1, 5000)))
            case "bomb":
                link.write_raw(b"\xff\xff\xff\xff" + bytes(1000))
            case "drip" if self.random.random() < 0.5:
                self._drip(link, link.connection.data_to_send())  # its hello, byte by byte
            case "silent":
                link.connection.data_to_send()  # the hello is never sent
            case _:
                link.work()

    def _drip(self, link: LabLink, pieces: list[Attachment | memoryview]) -> None:
        rest = b"".join(bytes(piece) for piece in pieces)
        self._siege.every(1.0, link, lambda at: link.write_raw(rest[at : at + 1]))

    # ---- LinkOwner

    def link_opened(self, link: LabLink) -> None:
        """The fortress believes in us."""
        link.deaf = self.kind not in {"out-of-range", "hoarder"}
        match self.kind:
            case "drip":
                self._siege.every(1.0, link, lambda at: link.write_raw((b"\x00\x00\xff\x00" + b" " * 999)[at : at + 1]))
            case "flood":
                for _ in range(300):
                    link.write_raw(self._frame(MbidQuery(recordings=(self.new_id(),))))
            case "replay":
                token = link.connection._peer_token
                again = PayloadRequest(
                    message_id=self.new_id(),
                    transfer_id=self.new_id(),
                    payload_format="file",
                    payload_root=self._siege.shared.key.payload_root,
                    admission_token=token,
                )
                chunk = ChunkRequest(
                    message_id=self.new_id(),
                    transfer_id=again.transfer_id,
                    payload_root=again.payload_root,
                    offset=0,
                    length=MAX_CHUNK_BYTES,
                    admission_token=token,
                )
                for _ in range(30):
                    link.write_raw(self._frame(again))
                    link.write_raw(self._frame(chunk))
            case "stolen-token":
                for _ in range(30):
                    link.write_raw(
                        self._frame(
                            PayloadRequest(
                                transfer_id=self.new_id(),
                                payload_format="file",
                                payload_root=self._siege.shared.key.payload_root,
                                admission_token=self.random.randbytes(ADMISSION_TOKEN_BYTES),
                            )
                        )
                    )
            case "out-of-range" | "hoarder":
                key = self._siege.shared.key
                link.send(
                    PayloadRequest(transfer_id=self.new_id(), payload_format="file", payload_root=key.payload_root)
                )
            case _:
                pass

    def link_received(self, link: LabLink, message: Message, attachment: Attachment) -> None:
        """The manifest arrived: now the chunks."""
        if not isinstance(message, PayloadManifest):
            return
        link.deaf = True
        token = link.connection._peer_token
        size = message.payload_bytes
        for number in range(600 if self.kind == "out-of-range" else 16):
            offset = (size - 10 + number if self.kind == "out-of-range" else number * MAX_CHUNK_BYTES) % 2**50
            link.write_raw(
                self._frame(
                    ChunkRequest(
                        message_id=self.new_id(),
                        transfer_id=message.transfer_id,
                        payload_root=message.payload_root,
                        offset=offset,
                        length=MAX_CHUNK_BYTES,
                        admission_token=token,
                    )
                )
            )

    def link_violated(self, link: LabLink, code: str) -> None:
        """The fortress never breaks a rule."""
        raise AssertionError(f"the fortress broke a rule: {code}")

    def link_ended(self, link: LabLink, code: str) -> None:
        """Driven off."""

    def link_drained(self, link: LabLink) -> None:
        """Nothing to add."""

    def _frame(self, message: Message) -> bytes:
        if not message.message_id:
            message = with_id(message, self.new_id())
        head, _ = encode_frame(message)
        return head
