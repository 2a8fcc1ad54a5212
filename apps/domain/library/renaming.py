"""Renaming a library by a template: which file goes where, what stands in the way, and the states of a renaming. Pure.

A **renaming** is `planning` while names are worked out (nothing on disk changes), `planned` when every line can be looked at, `applying` once somebody said
so, and `done` when every line was tried. It may then be taken back: `undoing`, `undone`. `failed`: it could not be planned.

A **move** is a line of it. `blocked` lines have a reason and never move. `planned` ones become `moving` before anything happens on disk, so that a kill is
seen, and `moved` when the file has its new name and its row says so; `failed` ones stay where they were. Taking back goes `returning`, `returned`; a
file that can't go back is `stuck` where it is.

Order matters: a file whose new name is still another's goes after that one. Two names are one if they differ by upper and lower case or by Unicode's
form alone: some filesystems can't tell them apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param
from apps.domain.library.paths import display_text

MAX_FILES: Final = 100_000
"""Of one renaming: a plan is worked out as a whole (clashes are found over all of it), within one task. Larger libraries go folder by folder."""


class RenamingState(StrEnum):
    """State of a renaming."""

    PLANNING = "planning"
    PLANNED = "planned"
    APPLYING = "applying"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"
    FAILED = "failed"


class MoveState(StrEnum):
    """State of a line."""

    PLANNED = "planned"
    BLOCKED = "blocked"
    MOVING = "moving"
    MOVED = "moved"
    FAILED = "failed"
    RETURNING = "returning"
    RETURNED = "returned"
    STUCK = "stuck"


_R = RenamingState
RENAMING_MOVES: Final[Mapping[RenamingState, frozenset[RenamingState]]] = {
    _R.PLANNING: frozenset({_R.PLANNED, _R.FAILED}),
    _R.PLANNED: frozenset({_R.APPLYING}),
    _R.APPLYING: frozenset({_R.DONE}),
    _R.DONE: frozenset({_R.UNDOING}),
    _R.UNDOING: frozenset({_R.UNDONE}),
    _R.UNDONE: frozenset(),
    _R.FAILED: frozenset(),
}
RENAMING_OPEN: Final = frozenset({_R.PLANNING, _R.APPLYING, _R.UNDOING})
"""A worker has something to do."""

SIDECARS: Final = frozenset(
    {
        "jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "pdf", "txt", "nfo", "log", "cue", "toc", "m3u", "m3u8", "pls", "xspf",
        "lrc", "srt", "md5", "sfv", "ffp", "accurip", "json", "xml", "html", "url",
    }
)  # fmt: skip
"""Extensions of what lies beside music and belongs to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A file and the name it is to have. `code`: why it does not get it, found out before; `new` is empty where none can be made."""

    root_id: int
    old: bytes
    new: bytes = b""
    file_id: int | None = None
    """None: it is no music (a sidecar)."""
    code: str = ""
    params: Mapping[str, Param] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the plan. `code` empty: it moves; `rename_same`: it has its name already."""

    wish: Wish
    code: str = ""
    params: Mapping[str, Param] | None = None

    @property
    def moves(self) -> bool:
        """Does the file get another name?"""
        return not self.code


Names = Callable[[int, bytes], Collection[bytes]]
"""(root, folder) → the names in it on disk, files and folders; none if there is no such folder."""
Spot = tuple[int, bytes]
"""(root, relative path)."""


def name_key(path: bytes) -> bytes:
    """The same for paths that a filesystem may take for one another."""
    text = unicodedata.normalize("NFC", path.decode("utf-8", "surrogateescape")).casefold()
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")


def settle(
    wishes: Sequence[Wish], *, names: Names, gone: Iterable[Spot] = (), come: Iterable[Spot] = ()
) -> tuple[Line, ...]:
    """What becomes of every wish; lines that move first, in the order in which they can be done.

    `gone`, `come`: what a plan made before takes away from where it is, and puts somewhere.
    """
    blocked: dict[int, Line] = {}
    for at, wish in enumerate(wishes):
        if wish.code or not wish.new:
            blocked[at] = Line(wish=wish, code=wish.code or "rename_facts_missing", params=wish.params)
        elif wish.new == wish.old:
            blocked[at] = Line(wish=wish, code="rename_same")
    _tell_clashes(wishes, blocked)
    waits_for = _occupants(
        wishes, blocked, names=names, gone=set(gone), come={(root, name_key(path)) for root, path in come}
    )
    order = _ordered(wishes, blocked, waits_for)
    moving = [Line(wish=wishes[at]) for at in order]
    return (*moving, *(blocked[at] for at in sorted(blocked)))


def _tell_clashes(wishes: Sequence[Wish], blocked: dict[int, Line]) -> None:
    """Two files to one name: none of them moves."""
    targets: dict[tuple[int, bytes], list[int]] = {}
    for at, wish in enumerate(wishes):
        if at not in blocked:
            targets.setdefault((wish.root_id, name_key(wish.new)), []).append(at)
    for several in targets.values():
        if len(several) < 2:
            continue
        for at in several:
            other = next(wishes[one] for one in several if one != at)
            alike = all(wishes[one].new == wishes[at].new for one in several)
            code = "rename_two_to_one" if alike else "rename_case_clash"
            blocked[at] = Line(wish=wishes[at], code=code, params={"other": display_text(other.old)})


def _occupants(
    wishes: Sequence[Wish], blocked: dict[int, Line], *, names: Names, gone: set[Spot], come: set[Spot]
) -> dict[int, set[int]]:
    """For every wish that is left the wishes that must be done before it; what is in the way for good blocks it."""
    sources = {(wish.root_id, wish.old): at for at, wish in enumerate(wishes)}
    # A disk that takes case for nothing lists a folder under any spelling: then the path is another than the one its file is known by.
    alike = {(wish.root_id, name_key(wish.old)): at for at, wish in enumerate(wishes)}
    listed: dict[Spot, dict[bytes, list[bytes]]] = {}
    waits_for: dict[int, set[int]] = {}
    for at, wish in enumerate(wishes):
        if at in blocked:
            continue
        folder, _, _ = wish.new.rpartition(b"/")
        if (wish.root_id, folder) not in listed:
            keyed = listed[wish.root_id, folder] = {}
            for name in names(wish.root_id, folder):
                path = folder + b"/" + name if folder else name
                keyed.setdefault(name_key(path), []).append(path)
        waits_for[at] = set()
        if (wish.root_id, name_key(wish.new)) in come:
            blocked[at] = _taken(wish, wish.new)
        for path in listed[wish.root_id, folder].get(name_key(wish.new), ()):
            if (wish.root_id, path) in gone:
                continue
            occupant = sources.get((wish.root_id, path), alike.get((wish.root_id, name_key(path))))
            if occupant == at:
                continue
            if occupant is None or occupant in blocked:
                blocked[at] = _taken(wish, path)
            else:
                waits_for[at].add(occupant)
    return waits_for


def _taken(wish: Wish, by: bytes) -> Line:
    code = "rename_target_taken" if by == wish.new else "rename_case_clash"
    return Line(wish=wish, code=code, params={"other": display_text(by)})


def _ordered(wishes: Sequence[Wish], blocked: dict[int, Line], waits_for: Mapping[int, set[int]]) -> list[int]:
    """Those that move, each behind what it waits for. What waits for a blocked one is blocked too, and so is a circle."""
    order: list[int] = []
    left = [at for at in waits_for if at not in blocked]
    waiting: dict[int, list[int]] = {}
    open_count = {at: len(waits_for[at]) for at in left}
    for at in left:
        for one in waits_for[at]:
            waiting.setdefault(one, []).append(at)
    dropped = [one for one in waiting if one in blocked]
    while dropped:
        one = dropped.pop()
        for at in waiting.get(one, ()):
            if at not in blocked:
                blocked[at] = _taken(wishes[at], wishes[one].old)
                dropped.append(at)
    ready = [at for at in reversed(left) if not open_count[at] and at not in blocked]
    while ready:
        at = ready.pop()
        order.append(at)
        for later in waiting.get(at, ()):
            open_count[later] -= 1
            if not open_count[later] and later not in blocked:
                ready.append(later)
    for at in left:
        if at not in blocked and open_count[at]:
            other = min(waits_for[at])
            blocked[at] = Line(wish=wishes[at], code="rename_circle", params={"other": display_text(wishes[other].old)})
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderMoves:
    """What the plan does with the music of one folder. `moves`: old name → new relative path; `music`: every name of music in it on disk."""

    root_id: int
    folder: bytes
    moves: Mapping[bytes, bytes]
    music: Collection[bytes]

    @property
    def goes_to(self) -> bytes | None:
        """The one other folder that all of its music goes to; None if some stays or it is scattered."""
        if not self.moves or not set(self.music) <= set(self.moves):
            return None
        folders = {path.rpartition(b"/")[0] for path in self.moves.values()}
        return folders.pop() if len(folders) == 1 and self.folder not in folders else None


def sidecars(moves: FolderMoves, *, beside: Collection[bytes]) -> tuple[Wish, ...]:
    """What goes along, of the regular files `beside` the music: what has the stem of a file goes where that goes and takes its new stem (lyrics, a cue
    sheet); everything else of SIDECARS only when the whole folder goes to one other folder."""
    stems = {
        _stem(old): new.rpartition(b"/")[0] + b"/" + _stem(new.rpartition(b"/")[2]) for old, new in moves.moves.items()
    }
    target = moves.goes_to
    found = []
    for name in sorted(set(beside) - set(moves.music)):
        extension = name.rpartition(b".")[2].lower().decode("ascii", "replace") if b"." in name else ""
        if name.startswith(b".") or extension not in SIDECARS:
            continue
        stem = _stem(name)
        if stem in stems:
            new = (stems[stem] + name[len(stem) :]).lstrip(b"/")
        elif target is not None:
            new = target + b"/" + name if target else name
        else:
            continue
        old = moves.folder + b"/" + name if moves.folder else name
        found.append(Wish(root_id=moves.root_id, old=old, new=new))
    return tuple(one for one in found if one.new != one.old)


def _stem(name: bytes) -> bytes:
    return name.rpartition(b".")[0] or name
