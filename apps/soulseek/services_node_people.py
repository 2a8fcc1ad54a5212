"""What the node writes of people: messages, rooms, users. The only writer of those rows; each call is one transaction of its caller."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.domain.contracts.soulseek_people import (
    LineHeard,
    MessageHeard,
    RoomReport,
    RoomTold,
    ShareTold,
    UserInfo,
    UserTold,
)
from apps.domain.soulseek.people import KEPT_LINES, picture_type
from apps.soulseek.models import Correspondent, PrivateMessage, Room, RoomMessage, RoomState, SoulseekUser


def messages_write(messages: Sequence[MessageHeard]) -> tuple[int | None, ...]:
    """Their ids; None for one that is there already: the server repeats what it thinks was not heard."""
    there = {
        (row.user, row.server_id, row.at)
        for row in PrivateMessage.objects.filter(
            user__in={one.user for one in messages},
            server_id__in={one.server_id for one in messages if one.server_id is not None},
        )
    }
    fresh: list[MessageHeard] = []
    ids: list[int | None] = []
    for one in messages:
        key = (one.user, one.server_id, one.at)
        repeated = one.server_id is not None and key in there
        there.add(key)
        ids.append(None if repeated else len(fresh))
        if not repeated:
            fresh.append(one)
    rows = PrivateMessage.objects.bulk_create([PrivateMessage(**dataclasses.asdict(one)) for one in fresh])
    for row in rows:
        _correspondent(row)
    if rows:
        ring(WEB_CHANNEL, "soulseek_messages")
    return tuple(None if place is None else rows[place].pk for place in ids)


def _correspondent(row: PrivateMessage) -> None:
    ends: dict[str, object] = {"last_id": row.pk, "last_at": row.at}
    if row.incoming:
        ends["last_incoming_id"] = row.pk
    Correspondent.objects.update_or_create(user=row.user, defaults=ends)


def rooms_begin() -> None:
    """The session ended, or the node begins: we are in no room and know of nobody's presence."""
    RoomState.objects.filter(Q(here=True) | ~Q(users=[])).update(here=False, users=[], updated_at=timezone.now())
    SoulseekUser.objects.exclude(status="").update(status="")


def rooms_listed(rooms: Sequence[RoomTold]) -> None:
    """The server's list, whole."""
    now = timezone.now()
    RoomState.objects.bulk_create(
        [
            RoomState(name=one.name, members=one.members, private=one.private, listed=True, updated_at=now)
            for one in rooms
        ],
        batch_size=500,
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["members", "private", "listed", "updated_at"],
    )
    gone = RoomState.objects.filter(listed=True, updated_at__lt=now)
    gone.filter(here=False, last_line=0, code="").exclude(name__in=Room.objects.values("name")).delete()
    RoomState.objects.filter(listed=True, updated_at__lt=now, here=False).update(listed=False, members=0)
    ring(WEB_CHANNEL, "soulseek_rooms")


def rooms_report(reports: Sequence[RoomReport]) -> None:
    """Rooms that we are in, left or were refused."""
    for one in reports:
        values = {
            "here": one.here,
            "members": one.members,
            "private": one.private,
            "users": [list(pair) for pair in one.users],
            "code": one.code,
        }
        if not one.here:  # how many are in it says the list
            del values["members"], values["private"]
        RoomState.objects.update_or_create(name=one.name, defaults=values)
    if reports:
        ring(WEB_CHANNEL, "soulseek_rooms")


def lines_write(lines: Sequence[LineHeard]) -> None:
    """Lines of rooms; the newest KEPT_LINES of each stay."""
    rows = RoomMessage.objects.bulk_create([RoomMessage(**dataclasses.asdict(one)) for one in lines])
    newest = {row.room: row.pk for row in rows if not row.ours}
    for room, line_id in newest.items():
        if not RoomState.objects.filter(name=room).update(last_line=line_id):
            RoomState.objects.create(name=room, last_line=line_id)
    for room in {row.room for row in rows}:
        beyond = RoomMessage.objects.filter(room=room).order_by("-id").values_list("id", flat=True)[KEPT_LINES:]
        if (first := beyond.first()) is not None:
            RoomMessage.objects.filter(room=room, id__lte=first).delete()
    if rows:
        ring(WEB_CHANNEL, "soulseek_rooms")


def users_told(told: Iterable[UserTold]) -> None:
    """What the server said of users."""
    for one in told:
        values = {key: value for key, value in dataclasses.asdict(one).items() if key not in ("name", "at")}
        known = {key: value for key, value in values.items() if value is not None}
        if one.status in ("online", "away"):
            known["seen_at"] = one.at
        SoulseekUser.objects.update_or_create(name=one.name, defaults=known)
    ring(WEB_CHANNEL, "soulseek_users")


def user_info_write(info: UserInfo) -> None:
    """What a user says of themselves."""
    SoulseekUser.objects.update_or_create(
        name=info.name,
        defaults={
            "description": info.description,
            "picture": info.picture or None,
            "picture_type": picture_type(info.picture),
            "upload_slots": min(info.upload_slots, 2**31 - 1),
            "free_slots": info.free_slots,
            "queue": min(info.queue, 2**31 - 1),
            "info_at": info.at,
            "seen_at": info.at,
        },
    )
    ring(WEB_CHANNEL, "soulseek_users")


def share_write(told: ShareTold) -> None:
    """Somebody's list of files."""
    SoulseekUser.objects.update_or_create(
        name=told.name,
        defaults={
            "share": told.blob,
            "share_files": told.files,
            "share_folders": told.folders,
            "share_at": told.at,
            "seen_at": told.at,
        },
    )
    ring(WEB_CHANNEL, "soulseek_users")


def people_forget(*, shares_before: datetime, users_before: datetime) -> tuple[int, int]:
    """Lists of files older than that, and users of whom nothing was heard since and with whom nothing was done; how many of each."""
    shares = SoulseekUser.objects.filter(share_at__lt=shares_before, share__isnull=False).update(share=None)
    old = SoulseekUser.objects.filter(Q(seen_at__lt=users_before) | Q(seen_at=None, info_at__lt=users_before))
    users, _ = old.filter(completed=0, failed=0, banned_us_at=None, share=None, status="").delete()
    return shares, users
