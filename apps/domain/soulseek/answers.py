"""How a user's files are kept in a row: compressed JSON `[[path, size, {attribute: value}], …]`. Pure."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from apps.domain.soulseek.results import SharedFile, shared_file

MAX_UNPACKED: Final = 16 * 1024 * 1024
"""Bytes. 2,000 files with long paths are a tenth of it; a row with more was not written by us."""


class AnswerUnreadable(ValueError):
    """A row that holds something else."""


def attributes_of(file: SharedFile) -> dict[str, int]:
    """As the protocol numbers them; what was not told is left out."""
    told = {
        "0": file.bitrate_kbps,
        "1": file.length_s,
        "2": 1 if file.vbr else None,
        "4": file.rate,
        "5": file.bits,
    }
    return {code: value for code, value in told.items() if value is not None}


def path_digest(remote_path: str) -> bytes:
    """The ledger's name of a file: SHA-256 of its path as told."""
    return hashlib.sha256(remote_path.encode("utf-8", "surrogatepass")).digest()


def pack(files: Iterable[SharedFile]) -> bytes:
    """The row's form."""
    rows = [[one.path, one.size, attributes_of(one)] for one in files]
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=True)  # a lone surrogate in a path stays what it is
    return zlib.compress(text.encode("ascii"), 6)


def unpack(packed: bytes) -> tuple[SharedFile, ...]:
    """Raises AnswerUnreadable."""
    try:
        reader = zlib.decompressobj()
        text = reader.decompress(packed, MAX_UNPACKED)
        if reader.unconsumed_tail or not reader.eof:
            raise AnswerUnreadable("Cut off, or larger than any answer.")
        rows = json.loads(text)
        read = [shared_file(path, size, _codes(told)) for path, size, told in rows]
    except (zlib.error, ValueError, TypeError) as error:
        raise AnswerUnreadable("This is no answer.") from error
    return tuple(one for one in read if one is not None)


def _codes(told: Mapping[str, int]) -> dict[int, int]:
    return {int(code): value for code, value in told.items()}
