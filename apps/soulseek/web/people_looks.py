"""What the pages of messages, rooms and users share: chips of presence, days of a chat, forms that are answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as lazy

from apps.common.permissions import role_of_request
from apps.common.roles import Role, role_at_least
from apps.common.web.looks import Look
from apps.soulseek.selectors_people import MessageRow

STATUS_LOOKS: Final[Mapping[str, Look]] = {
    "online": Look(label=lazy("Online"), icon="check", tone="ok"),
    "away": Look(label=lazy("Away"), icon="clock", tone="warn"),
    "offline": Look(label=lazy("Offline"), icon="stop", tone="idle"),
    "": Look(label=lazy("Not known"), icon="info", tone="idle"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message as a chat shows it. `day`: the first of its day; `follows`: of the same author as the one above, soon after."""

    row: MessageRow
    day: bool
    follows: bool


def status_look(status: str) -> Look:
    """The chip of a presence."""
    return STATUS_LOOKS.get(status, STATUS_LOOKS[""])


def chat(rows: Sequence[MessageRow]) -> list[Said]:
    """Rows of a page (the newest first) as a chat: the newest at the bottom, days told apart, runs of one author joined."""
    said: list[Said] = []
    day: date | None = None
    for row in _hidden(reversed(rows)):
        here = timezone.localtime(row.at).date()
        above = said[-1].row if said else None
        near = above is not None and (row.at - above.at).total_seconds() < 300
        same = above is not None and (above.user, above.ours) == (row.user, row.ours)
        said.append(Said(row=row, day=here != day, follows=here == day and near and same))
        day = here
    return said


def _hidden(rows: Iterable[MessageRow]) -> Iterable[MessageRow]:
    """Lines of the ignored are not shown."""
    return (row for row in rows if not row.muted)


def person(request: HttpRequest) -> User | None:
    """Who asks."""
    return request.user if isinstance(request.user, User) else None


def operates(request: HttpRequest) -> bool:
    """Whether what they see counts as read."""
    return role_at_least(role_of_request(request), Role.OPERATOR)


def is_htmx(request: HttpRequest) -> bool:
    """A part of the page is wanted, not a new one."""
    return bool(getattr(request, "htmx", False))
