"""Conversations, rooms and users as pages, API and commands see them. Bounded numbers of queries; text is as it came, and made harmless where it is shown."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import BigIntegerField, Exists, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.errors import DomainError
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule, RuleBook
from apps.soulseek.models import (
    Conversation,
    Correspondent,
    Download,
    PrivateMessage,
    Room,
    RoomMessage,
    RoomState,
    SoulseekUser,
    Upload,
    UserRule,
)

COUNTED: Final = 99
"""Unread messages of one person are counted up to here."""
LINES: Final = 100
"""Messages of one page of a conversation or room."""


class RoomUnknown(DomainError):
    """Nobody here heard of such a room."""

    default_code = "room_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRow:
    """One conversation of the list."""

    user: str
    text: str
    incoming: bool
    at: datetime
    unread: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message or a line of a room. `muted`: of somebody who is ignored by now."""

    id: int
    user: str
    text: str
    ours: bool
    at: datetime
    while_away: bool = False
    muted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRow:
    """A room: of the server's list, or one that is wanted."""

    name: str
    members: int
    private: bool
    here: bool
    wanted: bool
    code: str
    unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody in a room."""

    name: str
    status: str
    ignored: bool
    buddy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """A file that came from a user, or went to them."""

    down: bool
    path: str
    state: str
    size_bytes: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """What is known of a user."""

    name: str
    known: bool = False
    status: str = ""
    country: str = ""
    description: str = ""
    picture: bool = False
    upload_slots: int | None = None
    free_slots: bool | None = None
    queue: int | None = None
    speed_bps: int | None = None
    files: int | None = None
    folders: int | None = None
    info_at: datetime | None = None
    seen_at: datetime | None = None
    share_files: int = 0
    share_folders: int = 0
    share_at: datetime | None = None
    completed: int = 0
    failed: int = 0
    median_bps: int | None = None
    banned_us_at: datetime | None = None
    buddy: bool = False
    ignored: bool = False
    banned: bool = False
    rules: Sequence[UserRule] = field(default_factory=tuple)
    """those that name exactly this user"""

    @property
    def note(self) -> str:
        """What a person noted of them, with the first rule that has a note."""
        return next((rule.note for rule in self.rules if rule.note), "")


# ---- messages


def _unread() -> QuerySet[Correspondent]:
    read = Conversation.objects.filter(user=OuterRef("user")).values("read_up_to")[:1]
    floor = Coalesce(Subquery(read), Value(0), output_field=BigIntegerField())
    return Correspondent.objects.annotate(floor=floor).filter(last_incoming_id__gt=F("floor"))


def unread_people() -> int:
    """How many people wrote something that nobody read; one query over the ends of conversations."""
    return _unread().count()


def conversation_page(*, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[ConversationRow]:
    """Conversations, the newest first, without the closed ones. Four queries. Raises CursorInvalid."""
    closed = Conversation.objects.filter(user=OuterRef("user"), closed_up_to__gte=OuterRef("last_id"))
    rows = Correspondent.objects.exclude(Exists(closed))
    page = keyset_page(rows, order=["-last_id"], cursor=cursor, limit=limit)
    names = [row.user for row in page.items]
    last = PrivateMessage.objects.in_bulk([row.last_id for row in page.items])
    statuses = dict(SoulseekUser.objects.filter(name__in=names).values_list("name", "status"))
    unread = _unread_counts(names)
    items = [
        ConversationRow(
            user=row.user,
            text=last[row.last_id].text if row.last_id in last else "",
            incoming=row.last_incoming_id == row.last_id,
            at=row.last_at,
            unread=unread[row.user],
            status=statuses.get(row.user, ""),
        )
        for row in page.items
    ]
    return Page(items, page.next_cursor, page.previous_cursor)


def _unread_counts(names: Sequence[str]) -> Counter[str]:
    """Up to COUNTED for each."""
    counts: Counter[str] = Counter()
    for row in _unread().filter(user__in=names):
        fresh = PrivateMessage.objects.filter(user=row.user, incoming=True, id__gt=row.floor)  # type: ignore[attr-defined]
        counts[row.user] = fresh.order_by("id")[: COUNTED + 1].count()
    return counts


def message_page(user: str, *, cursor: str | None = None, limit: int = LINES) -> Page[MessageRow]:
    """Messages with one user, the newest first. Raises CursorInvalid."""
    rows = PrivateMessage.objects.filter(user=user)
    page = keyset_page(rows, order=["-id"], cursor=cursor, limit=limit)
    items = [
        MessageRow(id=row.pk, user=row.user, text=row.text, ours=not row.incoming, at=row.at, while_away=row.while_away)
        for row in page.items
    ]
    return Page(items, page.next_cursor, page.previous_cursor)


# ---- rooms


def rooms_joined() -> list[RoomRow]:
    """Rooms that somebody wants to be in, by name; three queries."""
    wanted = list(Room.objects.filter(joined=True).order_by("name"))
    states = RoomState.objects.in_bulk([row.name for row in wanted])
    return [_room(row.name, states.get(row.name), row) for row in wanted]


def room_list(*, text: str = "", cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[RoomRow]:
    """The server's list, the fullest first. Raises CursorInvalid."""
    rows = RoomState.objects.filter(listed=True)
    if text:
        rows = rows.filter(name__icontains=text)
    page = keyset_page(rows, order=["-members", "-name"], cursor=cursor, limit=limit)
    wanted = Room.objects.in_bulk([row.name for row in page.items])
    return Page(
        [_room(row.name, row, wanted.get(row.name)) for row in page.items], page.next_cursor, page.previous_cursor
    )


def room_find(name: str) -> RoomRow:
    """One room. Raises RoomUnknown."""
    state, wanted = RoomState.objects.filter(name=name).first(), Room.objects.filter(name=name).first()
    if state is None and wanted is None:
        raise RoomUnknown("Nobody here heard of this room.", room=name)
    return _room(name, state, wanted)


def _room(name: str, state: RoomState | None, wanted: Room | None) -> RoomRow:
    unread = 0
    if state is not None and wanted is not None and state.last_line > wanted.read_up_to:
        fresh = RoomMessage.objects.filter(room=name, id__gt=wanted.read_up_to, ours=False)
        unread = fresh.order_by("id")[: COUNTED + 1].count()
    return RoomRow(
        name=name,
        members=state.members if state is not None else 0,
        private=state.private if state is not None else False,
        here=state.here if state is not None else False,
        wanted=wanted is not None and wanted.joined,
        code=state.code if state is not None else "",
        unread=unread,
    )


def room_members(name: str, *, limit: int = 500) -> list[Member]:
    """Who is there, by name; two queries."""
    users = RoomState.objects.filter(name=name).values_list("users", flat=True).first() or []
    book = rule_book()
    members = []
    for user, status in users[:limit]:
        standing = book.standing(user)
        members.append(Member(name=user, status=status, ignored=standing.ignored, buddy=standing.buddy))
    return members


def line_page(name: str, *, cursor: str | None = None, limit: int = LINES) -> Page[MessageRow]:
    """Lines of a room, the newest first. Raises CursorInvalid."""
    page = keyset_page(RoomMessage.objects.filter(room=name), order=["-id"], cursor=cursor, limit=limit)
    book = rule_book()
    items = [
        MessageRow(
            id=row.pk,
            user=row.user,
            text=row.text,
            ours=row.ours,
            at=row.at,
            muted=not row.ours and book.standing(row.user).ignored,
        )
        for row in page.items
    ]
    return Page(items, page.next_cursor, page.previous_cursor)


# ---- users


def rule_book() -> RuleBook:
    """The rules of users; one query."""
    return RuleBook(
        Rule(effect=Effect(row.effect), match=MatchBy(row.match), pattern=row.pattern, group=row.group)
        for row in UserRule.objects.order_by("id")
    )


def user_view(name: str) -> UserView:
    """What is known of a user; two queries."""
    row = SoulseekUser.objects.defer("share", "picture").filter(name=name).first()
    standing = rule_book().standing(name)
    rules = tuple(UserRule.objects.filter(match=MatchBy.USER, pattern=name).order_by("id"))
    shown = row or SoulseekUser(name=name)
    return UserView(
        name=name,
        known=row is not None,
        status=shown.status,
        country=shown.country,
        description=shown.description,
        picture=bool(shown.picture_type),
        upload_slots=shown.upload_slots,
        free_slots=shown.free_slots,
        queue=shown.queue,
        speed_bps=shown.speed_bps,
        files=shown.files,
        folders=shown.folders,
        info_at=shown.info_at,
        seen_at=shown.seen_at,
        share_files=shown.share_files,
        share_folders=shown.share_folders,
        share_at=shown.share_at,
        completed=shown.completed,
        failed=shown.failed,
        median_bps=shown.median_bps,
        banned_us_at=shown.banned_us_at,
        buddy=standing.buddy,
        ignored=standing.ignored,
        banned=standing.banned,
        rules=rules,
    )


def user_picture(name: str) -> tuple[bytes, str] | None:
    """The picture and its media type; None: there is none that is shown."""
    row = SoulseekUser.objects.filter(name=name).values_list("picture", "picture_type").first()
    return (bytes(row[0]), str(row[1])) if row is not None and row[0] and row[1] else None


def users_recent(*, text: str = "", limit: int = 50) -> list[UserView]:
    """Users of whom something was heard last, those there first; two queries."""
    rows = SoulseekUser.objects.defer("share", "picture")
    rows = rows.filter(name__icontains=text) if text else rows.filter(seen_at__isnull=False)
    book = rule_book()
    return [_listed(row, book) for row in rows.order_by(F("seen_at").desc(nulls_last=True), "name")[:limit]]


def buddies(*, text: str = "", limit: int = 500) -> list[UserView]:
    """Who is a buddy by name, whether anything was ever heard of them or not: those there first, then by name; three queries. `rules` has the one that says so."""
    rules = UserRule.objects.filter(effect=Effect.BUDDY, match=MatchBy.USER).order_by("pattern")
    rules = rules.filter(pattern__icontains=text) if text else rules
    named = {rule.pattern: rule for rule in rules[:limit]}
    known = SoulseekUser.objects.defer("share", "picture").in_bulk(list(named))
    book = rule_book()
    views = [
        dataclasses.replace(_listed(known.get(name) or SoulseekUser(name=name), book), rules=(rule,))
        for name, rule in named.items()
    ]
    return sorted(views, key=lambda view: (_PRESENCE.get(view.status, 2), view.name.casefold()))


_PRESENCE: Final = {"online": 0, "away": 1}


def _listed(row: SoulseekUser, book: RuleBook) -> UserView:
    standing = book.standing(row.name)
    return UserView(
        name=row.name,
        known=not row._state.adding,
        status=row.status,
        country=row.country,
        files=row.files,
        speed_bps=row.speed_bps,
        seen_at=row.seen_at,
        completed=row.completed,
        buddy=standing.buddy,
        ignored=standing.ignored,
        banned=standing.banned,
    )


def user_history(name: str, *, limit: int = 20) -> list[HistoryRow]:
    """The last files from and to a user, the newest first; two queries."""
    down = Download.objects.filter(user=name).select_related("progress").order_by("-created_at")[:limit]
    up = Upload.objects.filter(user=name).order_by("-asked_at")[:limit]
    rows = [
        HistoryRow(
            down=True,
            path=row.remote_path,
            state=row.progress.state if hasattr(row, "progress") else "waiting",
            size_bytes=row.size_bytes,
            at=row.created_at,
        )
        for row in down
    ]
    rows += [
        HistoryRow(down=False, path=row.remote_path, state=row.state, size_bytes=row.size_bytes, at=row.asked_at)
        for row in up
    ]
    return sorted(rows, key=lambda one: one.at, reverse=True)[:limit]
