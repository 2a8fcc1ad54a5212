"""Values that the node writes and reads of people: messages, rooms, what is known of users. Frozen; what they mean stands at the rows (apps.soulseek.models.people)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeard:
    """A private message. `server_id`: of received ones, and with `user` and `at` what tells a repeat."""

    user: str
    incoming: bool
    text: str
    at: datetime
    server_id: int | None = None
    while_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineHeard:
    """A line in a room."""

    room: str
    user: str
    text: str
    at: datetime
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTold:
    """A room of the server's list."""

    name: str
    members: int
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomReport:
    """A room that we are in, or were refused. `users`: (name, status) in the order of names."""

    name: str
    here: bool
    members: int = 0
    private: bool = False
    users: tuple[tuple[str, str], ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTold:
    """What was told of a user; None: nothing was said of that. `at`: now."""

    name: str
    at: datetime
    status: str | None = None
    country: str | None = None
    speed_bps: int | None = None
    files: int | None = None
    folders: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInfo:
    """What a user says of themselves. `picture`: checked; b"" = none that is shown."""

    name: str
    at: datetime
    description: str
    picture: bytes
    upload_slots: int
    free_slots: bool
    queue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareTold:
    """Somebody's list of files, packed (`apps.domain.soulseek.share_pack`)."""

    name: str
    at: datetime
    blob: bytes
    files: int
    folders: int
