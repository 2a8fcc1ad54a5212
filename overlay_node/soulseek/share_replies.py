"""What we tell of our files, as bytes of the protocol. Pure functions over snapshots: a big list is made in a thread, beside the loop.

aioslsk would make an object for each file and ask the disk for its size; here the rows' facts go straight into the message.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

from apps.domain.soulseek.share_index import ShareColumns, SharedEntry

_SHARES_REPLY: Final = 5
_SEARCH_REPLY: Final = 9
_FOLDER_REPLY: Final = 37
_U32: Final = struct.Struct("<I")
_FILE: Final = struct.Struct("<QI")
_PAIR: Final = struct.Struct("<II")
_MOST: Final = 0xFFFF_FFFF


def shares_reply(columns: ShareColumns, *, groups: Sequence[str]) -> bytes:
    """The answer to "show me your files": what a user of these groups may have, and what only others may (locked). About 10 µs a file."""
    may = [not kind or not kind.isdisjoint(groups) for kind in columns.kinds]
    visible: dict[str, list[int]] = {}
    locked: dict[str, list[int]] = {}
    for slot, path in enumerate(columns.paths):
        if path is not None:
            into = visible if may[columns.audiences[slot]] else locked
            into.setdefault(path.rpartition("\\")[0], []).append(slot)
    body = bytearray()
    for at, folders in enumerate((visible, locked)):
        for path in tuple(folders):  # folders above are told too, empty
            above = path.rpartition("\\")[0]
            while above and above not in folders:
                folders[above] = []
                above = above.rpartition("\\")[0]
        if at:
            body += _U32.pack(0)
        _listed(body, columns, folders)
    return _message(_SHARES_REPLY, zlib.compress(body, 6))


def _listed(body: bytearray, columns: ShareColumns, folders: dict[str, list[int]]) -> None:
    body += _U32.pack(len(folders))
    for folder in sorted(folders):
        body += _text(folder)
        slots = folders[folder]
        body += _U32.pack(len(slots))
        for slot in slots:
            path = columns.paths[slot]
            assert path is not None
            attributes = columns.attributes[slot]
            _file(body, path.rpartition("\\")[2], columns.sizes[slot])
            body += _U32.pack(len(attributes) // _PAIR.size)
            body += attributes


def search_reply(
    *,
    username: str,
    ticket: int,
    visible: Sequence[SharedEntry],
    locked: Sequence[SharedEntry],
    free_slot: bool,
    speed_bps: int,
    queue: int,
) -> bytes:
    """The answer to a search."""
    body = bytearray(_text(username))
    body += _U32.pack(ticket & _MOST)
    _files(body, visible, whole=True)
    body += struct.pack("<?II", free_slot, min(speed_bps, _MOST), min(queue, _MOST))
    body += _U32.pack(0)
    _files(body, locked, whole=True)
    return _message(_SEARCH_REPLY, zlib.compress(body, 6))


def folder_reply(*, ticket: int, folder: str, entries: Sequence[SharedEntry]) -> bytes:
    """The answer to "what is in this folder"; an empty list for one that is not shared."""
    body = bytearray(_U32.pack(ticket & _MOST))
    body += _text(folder)
    _folders(body, {folder: list(entries)} if entries else {})
    return _message(_FOLDER_REPLY, zlib.compress(body, 6))


def _message(code: int, payload: bytes) -> bytes:
    return _U32.pack(len(payload) + 4) + _U32.pack(code) + payload


def _text(text: str) -> bytes:
    # A name that came from a peer may hold what no UTF-8 has; it is said back as well as it can be.
    data = text.encode("utf-8", "replace")
    return _U32.pack(len(data)) + data


def _folders(body: bytearray, folders: dict[str, list[SharedEntry]]) -> None:
    body += _U32.pack(len(folders))
    for path in sorted(folders):
        body += _text(path)
        _files(body, folders[path], whole=False)


def _file(body: bytearray, name: str, size: int) -> None:
    stem, dot, extension = name.rpartition(".")
    told = extension.encode() if dot and stem and len(extension) <= 8 else b""
    body.append(1)
    body += _text(name)
    body += _FILE.pack(size, len(told))
    body += told


def _files(body: bytearray, entries: Iterable[SharedEntry], *, whole: bool) -> None:
    listed = list(entries)
    body += _U32.pack(len(listed))
    for one in listed:
        _file(body, one.path if whole else one.path.rpartition("\\")[2], one.size)
        body += _U32.pack(len(one.attributes))
        for code, value in one.attributes:
            body += _PAIR.pack(code, value)
