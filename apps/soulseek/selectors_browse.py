"""Somebody's list of files as pages, API and commands see it: whether there is one, folder by folder, filtered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.utils import timezone

from apps.domain.soulseek.share_pack import Branch, BrowseFailed, Found, SharedFile, ShareView
from apps.nodelink.models import NodeCommand
from apps.soulseek.models import SoulseekUser

PAGE: Final = 200
"""Folders, files or matches of one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How the last question of a kind to a user stands: under way, done (`code` "") or failed."""

    running: bool = False
    code: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowsePage:
    """One page of a list: what is directly below `folder`, or what a filter found."""

    user: str
    folder: str
    text: str
    at: datetime | None
    known: bool
    """there is a list; else everything below is empty"""
    exists: bool = True
    files: int = 0
    folders: int = 0
    size_bytes: int = 0
    branches: Sequence[Branch] = ()
    here: Sequence[SharedFile] = ()
    found: Sequence[Found] = ()
    next_cursor: str | None = None

    @property
    def trail(self) -> list[tuple[str, str]]:
        """(name, path) of the folders above and this one."""
        parts = self.folder.split("\\") if self.folder else []
        return [(name, "\\".join(parts[: index + 1])) for index, name in enumerate(parts)]


def asking(kind: str, name: str) -> Asking:
    """One query."""
    row = NodeCommand.objects.filter(kind=kind, dedup_key=name).select_related("answer").order_by("-created_at").first()
    if row is None:
        return Asking()
    answer = getattr(row, "answer", None)
    if answer is not None and answer.done_at is not None:
        return Asking(code=answer.code, params=answer.params, at=answer.done_at)
    if row.deadline > timezone.now():
        return Asking(running=True, at=row.created_at)
    return Asking(code="node_away" if answer is None else "command_timed_out", at=row.deadline)


def share_view(name: str) -> ShareView | None:
    """The list of a user, opened; None: there is none."""
    blob = SoulseekUser.objects.filter(name=name).values_list("share", flat=True).first()
    if not blob:
        return None
    try:
        return ShareView(bytes(blob))
    except BrowseFailed:  # of an older version: it is asked for again
        return None


def browse_page(name: str, *, folder: str = "", text: str = "", cursor: str = "", limit: int = PAGE) -> BrowsePage:
    """A page of somebody's list. A cursor is the name (or place) of the last entry of the page before; folders come first, then files."""
    at = SoulseekUser.objects.filter(name=name).values_list("share_at", flat=True).first()
    view = share_view(name)
    folder = folder.strip("\\")
    if view is None:
        return BrowsePage(user=name, folder=folder, text=text, at=at, known=False)
    if words := text.split():
        return _found(view, name=name, words=words, text=text, at=at, cursor=cursor, limit=limit)
    branches, files = view.children(folder), view.files_of(folder) if folder else []
    kind, _, after = cursor.partition(":")
    start = 0
    if kind == "d":
        start = next((index + 1 for index, one in enumerate(branches) if one.name == after), 0)
    elif kind == "f":
        start = len(branches) + next((index + 1 for index, one in enumerate(files) if one.name == after), 0)
    both: list[Branch | SharedFile] = [*branches, *files]
    shown = both[start : start + limit]
    more = start + limit < len(both)
    last = shown[-1] if shown else None
    return BrowsePage(
        user=name,
        folder=folder,
        text="",
        at=at,
        known=True,
        exists=view.exists(folder),
        files=sum(one.files for one in view.at_or_below(folder)),
        folders=len(view.at_or_below(folder)),
        size_bytes=sum(one.size_bytes for one in view.at_or_below(folder)),
        branches=[one for one in shown if isinstance(one, Branch)],
        here=[one for one in shown if isinstance(one, SharedFile)],
        next_cursor=f"{'d' if isinstance(last, Branch) else 'f'}:{last.name}" if more and last is not None else None,
    )


def _found(
    view: ShareView, *, name: str, words: list[str], text: str, at: datetime | None, cursor: str, limit: int
) -> BrowsePage:
    found = view.found(words, cursor=cursor, limit=limit + 1)
    return BrowsePage(
        user=name,
        folder="",
        text=text,
        at=at,
        known=True,
        files=view.files,
        folders=len(view.folders),
        size_bytes=view.size_bytes,
        found=found[:limit],
        next_cursor=found[limit - 1].cursor if len(found) > limit else None,
    )
