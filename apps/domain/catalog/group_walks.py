"""Which release groups' lists of editions are read for a discography: those that the artist's own lists gave no edition of, a few at a time. Pure.

An artist's list of releases lacks editions where it came short, or where the release is credited to somebody else. Each group's list is one request
and more, a second apart, so a plan asks for MOST groups at most, the weightiest first, and for IN_FLIGHT of them at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.catalog.walks import UNREACHABLE, WalkState, WalkStatus

IN_FLIGHT: Final = 6
MOST: Final = 200
PATIENCE: Final = 3
"""A list for which MusicBrainz was away so often in a row is not waited for any longer."""
NO_EDITION: Final = "no_edition_known"
EDITIONS_UNREADABLE: Final = "editions_unreadable"
EDITIONS_NOT_ASKED: Final = "editions_not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWalks:
    """How far the lists of some groups are. `ask`: to be asked for now. `reading`: those that are waited for. `unread`: group → why no list of it was
    read, as the reason of a plan's line."""

    ask: tuple[uuid.UUID, ...]
    reading: int
    done: int
    total: int
    unread: Mapping[uuid.UUID, str]

    @property
    def over(self) -> bool:
        """Nothing more is to be waited for."""
        return not self.ask and not self.reading


def group_walks(groups: Sequence[uuid.UUID], walks: Mapping[uuid.UUID, WalkStatus]) -> GroupWalks:
    """What to do for `groups` (in the order of their weight) as their walks stand; a group without a walk was never asked for."""
    wanted = groups[:MOST]
    unread = dict.fromkeys(groups[MOST:], EDITIONS_NOT_ASKED)
    reading, done = 0, 0
    fresh: list[uuid.UUID] = []
    for group in wanted:
        walk = walks.get(group)
        if walk is None or walk.stale:
            fresh.append(group)
        elif walk.state is WalkState.DONE:
            done += 1
        elif walk.state is WalkState.FAILED or _away(walk):
            done += 1
            unread[group] = EDITIONS_UNREADABLE
        else:
            reading += 1
    ask = tuple(fresh[: max(0, IN_FLIGHT - reading)])
    return GroupWalks(ask=ask, reading=reading, done=done, total=len(wanted), unread=unread)


def _away(walk: WalkStatus) -> bool:
    if walk.code not in UNREACHABLE:
        return False
    tries = walk.params.get("tries", 0)
    return walk.code == "musicbrainz_offline" or (isinstance(tries, int) and tries >= PATIENCE)
