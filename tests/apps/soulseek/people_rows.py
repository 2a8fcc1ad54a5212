"""Messages, rooms, users and lists of files as the node writes them, and a stand-in for the node that answers commands."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from apps.domain.contracts.node_commands import CommandAnswer
from apps.domain.contracts.soulseek_people import (
    LineHeard,
    MessageHeard,
    RoomReport,
    RoomTold,
    ShareTold,
    UserInfo,
    UserTold,
)
from apps.domain.errors import DomainError
from apps.domain.soulseek.share_pack import shares_packed
from apps.nodelink.services_command import command_answered, commands_take
from apps.soulseek import services_node_people as node

HOSTILE = 'hi \u202eevil\u202c <script>alert(1)</script> "><img src=x onerror=alert(2)>'
GIF = bytes.fromhex("47494638396101000100800000ff0000ffffff21f90401000001002c00000000010001000002024c01003b")
NAMES = ("Björn", "vinyl/cat", "日本の音楽", "a.very.long.name.that.goes.on.and.on", "..", "<b>bold</b>")


def came(user: str, text: str, *, server_id: int, at: datetime | None = None, while_away: bool = False) -> None:
    node.messages_write(
        [
            MessageHeard(
                user=user, incoming=True, text=text, at=at or timezone.now(), server_id=server_id, while_away=while_away
            )
        ]
    )


def went(user: str, text: str, *, at: datetime | None = None) -> int:
    (row_id,) = node.messages_write([MessageHeard(user=user, incoming=False, text=text, at=at or timezone.now())])
    assert row_id is not None
    return row_id


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def share_of(user: str, folders: Mapping[str, Sequence[tuple[str, int]]], *, at: datetime | None = None) -> None:
    """A list of files, from bytes as they come over the wire."""
    body = bytearray(struct.pack("<I", len(folders)))
    for path, files in folders.items():
        body += _text(path) + struct.pack("<I", len(files))
        for name, size in files:
            body += b"\x01" + _text(name) + struct.pack("<Q", size) + _text("flac")
            body += struct.pack("<IIIII", 2, 1, 245, 0, 1011)
    pack = shares_packed(zlib.compress(body))
    node.share_write(
        ShareTold(name=user, at=at or timezone.now(), blob=pack.blob, files=pack.files, folders=pack.folders)
    )


def room(name: str, *, users: Sequence[tuple[str, str]] = (), lines: Sequence[tuple[str, str]] = ()) -> None:
    """A room that we are in."""
    from apps.soulseek.services_people import room_join

    room_join(name)
    node.rooms_report([RoomReport(name=name, here=True, members=len(users), users=tuple(users))])
    start = timezone.now() - timedelta(minutes=len(lines))
    node.lines_write(
        [
            LineHeard(room=name, user=user, text=text, at=start + timedelta(minutes=index), ours=user == "alice")
            for index, (user, text) in enumerate(lines)
        ]
    )


def listed(rooms: Mapping[str, int]) -> None:
    node.rooms_listed([RoomTold(name=name, members=members) for name, members in rooms.items()])


def known(name: str, *, status: str = "online", description: str = "", picture: bytes = b"") -> None:
    now = timezone.now()
    node.users_told([UserTold(name=name, at=now, status=status, files=12_345, folders=678, speed_bps=900_000)])
    node.user_info_write(
        UserInfo(name=name, at=now, description=description, picture=picture, upload_slots=3, free_slots=True, queue=7)
    )


Answer = Callable[[Mapping[str, object]], Mapping[str, object]]


@contextmanager
def node_that_answers(answers: Mapping[str, Answer]) -> Iterator[list[tuple[str, dict[str, object]]]]:
    """Takes commands and answers them, in a thread, as the node does. Yields what it was asked."""
    asked: list[tuple[str, dict[str, object]]] = []
    ended = threading.Event()

    def run() -> None:
        try:
            while not ended.wait(0.02):
                with transaction.atomic():
                    works = commands_take("boot", kinds=sorted(answers), limit=9)
                for work in works:
                    asked.append((work.kind, dict(work.payload)))
                    try:
                        answer = CommandAnswer(body=answers[work.kind](work.payload))
                    except DomainError as error:
                        answer = CommandAnswer(code=error.code, params=error.params)
                    with transaction.atomic():
                        command_answered(work.id, boot_id="boot", answer=answer)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield asked
    finally:
        ended.set()
        thread.join()
