"""The DHT's saved state as a small JSON file: written whole or not at all, read with suspicion.

{"version": 1, "ids": {"v4": "<40 hex>", "v6": …}, "nodes": [["<40 hex>", "192.0.2.1", 6881], …]}
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.config import MAX_SAVED_NODES, SavedState
from overlay_node.dht.ids import Contact, NodeId

log = logging.getLogger(__name__)

VERSION = 1
MAX_FILE_BYTES = 256 * 1024
"""400 nodes take about 35 KiB."""
_FAMILY_NAMES = {Family.V4: "v4", Family.V6: "v6"}


def save_state(path: Path, state: SavedState) -> None:
    """Replace the file at `path` atomically (mode 0600). Raises OSError."""
    document = {
        "version": VERSION,
        "ids": {_FAMILY_NAMES[family]: node_id.hex() for family, node_id in state.ids},
        "nodes": [[c.node_id.hex(), c.endpoint.host, c.endpoint.port] for c in state.nodes],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load_state(path: Path) -> SavedState | None:
    """What was saved; `None` when there is no file, or one we cannot read or understand (logged): the DHT then starts afresh."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ValueError("too long")
        return _parsed(json.loads(data))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("dht_state_unreadable error=%r", error)
        return None


def _parsed(document: object) -> SavedState:
    match document:
        case {"version": int(version), "ids": dict(ids), "nodes": list(nodes)} if version == VERSION:
            families = {name: family for family, name in _FAMILY_NAMES.items()}
            return SavedState(
                ids=tuple((families[name], _node_id(text)) for name, text in ids.items() if name in families),
                nodes=tuple(_contact(item) for item in nodes[: MAX_SAVED_NODES * len(Family)]),
            )
        case _:
            raise ValueError("not a DHT state of this version")


def _node_id(text: object) -> NodeId:
    if not isinstance(text, str):
        raise ValueError("a node id is a hex string")
    return NodeId(bytes.fromhex(text))


def _contact(item: object) -> Contact:
    match item:
        case [str(text), str(host), int(port)]:
            return Contact(_node_id(text), Endpoint.parse(host, port))
        case _:
            raise ValueError("a node is [id, host, port]")
