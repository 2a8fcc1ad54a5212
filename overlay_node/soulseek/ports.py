"""What the plane needs of the world: rows, the account's secret, ways to run beside the caller. Typed protocols and the values that go with them.

Each part's own rows are a protocol of that part; `PlaneRows` holds them all, made over Django's rows in `overlay_node.__main__` and in memory by tests.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from apps.domain.contracts.node_commands import CommandAnswer, CommandWork
from apps.domain.contracts.soulseek_session import IntentWork, SessionHappening, SessionKept, SessionReport
from overlay_node.config import SoulseekConfig
from overlay_node.soulseek.people_rows import PeopleRows
from overlay_node.soulseek.sharing_rows import SharingRows

if TYPE_CHECKING:
    from overlay_node.soulseek.download_ports import DownloadRows
    from overlay_node.soulseek.errands import Errands
    from overlay_node.soulseek.rescue_ports import RescueRows
    from overlay_node.soulseek.searching import SearchRows


class SessionRows(Protocol):
    """Rows of the session. Each method raises DomainError `store_unavailable` when the database can't be reached."""

    async def intent(self) -> IntentWork:
        """What people want; online and not away when nobody said otherwise."""

    async def kept(self) -> SessionKept:
        """What the session before this one left."""

    async def record(self, report: SessionReport | None, happenings: Sequence[SessionHappening]) -> None:
        """Write how it stands (None: as before) and what happened, in one transaction."""


class ErrandRows(Protocol):
    """Commands and their answers. A command is taken by one boot of the node, once."""

    async def forsaken(self, boot_id: str) -> int:
        """Answer what an earlier boot took and did not finish (`node_restarted`); how many."""

    async def take(self, boot_id: str, *, kinds: Sequence[str], limit: int) -> tuple[CommandWork, ...]:
        """Commands of these kinds that nobody took, whose deadline has not passed, oldest first; they are ours now."""

    async def answer(self, command_id: uuid.UUID, *, boot_id: str, answer: CommandAnswer) -> bool:
        """Write the answer; False: it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRows:
    """All rows of the plane. Whoever adds a part adds its field here, in `__main__.plane_rows` and in tests' `world.memory_rows`."""

    session: SessionRows
    errands: ErrandRows
    sharing: SharingRows
    people: PeopleRows
    searches: SearchRows
    downloads: DownloadRows
    rescues: RescueRows


@dataclass(frozen=True, slots=True)
class Credentials:
    """Name and password; the password is in no repr."""

    username: str
    password: str = field(repr=False)


CredentialsSource = Callable[[], Credentials]
"""Reads them afresh (a file may have changed). Raises DomainError with a code of `apps.domain.soulseek.words`: missing, readable by others …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoulseekSupplies:
    """What a node with a Soulseek plane is given from outside."""

    rows: PlaneRows
    credentials: CredentialsSource


class Spawn(Protocol):
    """Runs work beside the caller, as `overlay_node.services.background.Background.spawn` does."""

    def __call__(self, work: Coroutine[object, object, None], name: str) -> None: ...


@dataclass(slots=True)
class SessionBoard:
    """What parts tell people through the session's row. Mutable: each owner sets its own fields, the session writes the row at most once a second.

    SESSION: `wishlist_interval_s`, `privileged_s`, `excluded`. SEARCH: `search_starts` … `next_search_at`, `last_ticket`. SHARE: the rest.
    """

    wishlist_interval_s: int = 720
    privileged_s: int = 0
    excluded: tuple[str, ...] = ()
    search_starts: tuple[float, ...] = ()
    searches_waiting: int = 0
    searches_running: int = 0
    next_search_at: datetime | None = None
    last_ticket: int = 0
    shared_files: int = 0
    shared_folders: int = 0
    uploads_running: int = 0
    uploads_waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneContext:
    """What every part is given when it is made."""

    config: SoulseekConfig
    data_dir: Path
    rows: PlaneRows
    errands: Errands
    board: SessionBoard
    spawn: Spawn
    clock: Callable[[], float]
    """monotonic seconds, as `tick` gets them"""
    wall: Callable[[], datetime]
    rng: random.Random
