"""Asks the living node over its control socket (overlay_node.services.control_socket): only where both run on one machine. Never waits long."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 1.0
"""A page waits for it: a node that does not answer within this is as good as away."""
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


class NodeUnreachable(Exception):
    """Nobody answers there: the node is stopped, busy, or runs in another container."""


def node_ask(path: Path, question: str, *, of: str = "") -> Mapping[str, object]:
    """The answer to one question, as the node gave it; `of` names what it is about. Raises NodeUnreachable."""
    asked = {"ask": question, **({"of": of} if of else {})}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(TIMEOUT_S)
            client.connect(str(path))
            client.sendall(json.dumps(asked).encode() + b"\n")
            answer = json.loads(_line(client))
    except (OSError, ValueError) as error:
        raise NodeUnreachable(str(error)) from error
    if not isinstance(answer, dict):
        raise NodeUnreachable("not an object")
    return answer


def _line(client: socket.socket) -> bytes:
    parts, size = [], 0
    while part := client.recv(65536):
        parts.append(part)
        size += len(part)
        if part.endswith(b"\n"):
            break
        if size > MAX_ANSWER_BYTES:
            raise ValueError("too long")
    return b"".join(parts)
