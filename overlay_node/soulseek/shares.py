"""What we share, kept in memory beside the library's rows, and the answers to peers who look for it.

The index is filled once from the rows, in batches, and then follows each change that the database noted (`ShareChange`): nothing scans a disk here, and
nothing is read twice, but for a quiet reading anew every few hours. The loop is never held up: rows are read in the database's thread, entries go in a
hundred at a time, big lists are made and compressed in a thread and kept until something changes. What peers make us do is bounded: time for searches,
replies under way, lists under way.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from apps.domain.contracts.soulseek_sharing import SharePlan
from apps.domain.errors import DomainError
from apps.domain.soulseek.share_index import Found, SharedEntry, ShareIndex
from apps.domain.soulseek.virtual_paths import numbered
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.share_replies import shares_reply
from overlay_node.soulseek.sharing_rows import SharingRows
from overlay_node.soulseek.standing import Standings

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

BATCH: Final = 500
PUT: Final = 100
"""Entries that go into the index between two turns of the loop."""
CHANGES_S: Final = 2.0
PLAN_S: Final = 5.0
ANEW_S: Final = 6 * 3600.0
"""Everything is read anew so often, should a change ever not have been noted."""
RETRY_S: Final = 5.0
TELL_S: Final = 30.0
"""The server is told our counts at most so often."""
MAX_ANSWERS: Final = 150
MAX_LOCKED: Final = 50
SEARCH_SHARE: Final = 0.2
"""Part of the loop's time that searches of others may take; what comes beyond it is not answered."""


class SharePart(Part):
    """See the module. `enabled` False: nothing is shared, and everybody who asks is told so."""

    def __init__(self, context: PlaneContext, rows: SharingRows, standings: Standings, *, enabled: bool = True) -> None:
        self._context, self._rows, self._standings, self._enabled = context, rows, standings, enabled
        self.index = ShareIndex()
        self._plan = SharePlan()
        self._version = 0
        self._client: SoulseekClient | None = None
        self._awake: Final = asyncio.Event()
        self._plan_at = self._anew_at = self._tell_at = float("-inf")
        self._told: tuple[int, int] | None = None
        self._telling = False
        self._listings: Final[dict[bool, tuple[int, asyncio.Task[bytes]]]] = {}
        self._searched_until = 0.0
        self.feeding = False
        self.fed = 0
        """files read of a reading under way"""
        self.feed_s: float | None = None
        self._counts: Final = {
            "searches": 0,
            "searches_answered": 0,
            "searches_dropped": 0,
            "listings": 0,
            "changes": 0,
        }

    # ---- life

    async def start(self) -> None:
        """Begin to read; others do not wait for it."""
        self._context.spawn(self._follow(), "shares")

    async def online(self, client: SoulseekClient) -> None:
        """Tell the server how much we have."""
        self._client = client
        self._told = None
        self._tell_at = float("-inf")

    async def offline(self, code: str) -> None:
        """Nobody to tell."""
        del code
        self._client = None

    def tick(self, now: float) -> None:
        """Tell what changed."""
        folders, files = self.index.counts()
        board = self._context.board
        board.shared_files, board.shared_folders = files, folders
        due = self._client is not None and not self.feeding and self._told != (folders, files)
        if due and now >= self._tell_at and not self._telling:
            self._telling = True
            self._tell_at = now + TELL_S
            self._context.spawn(self._tell((folders, files)), "share counts")

    def wake(self) -> None:
        """Rows may have changed."""
        self._plan_at = float("-inf")
        self._awake.set()

    def metrics(self) -> Mapping[str, float]:
        """See `Part.metrics`."""
        folders, files = self.index.counts()
        return {
            "slskdn_soulseek_shared_files": float(files),
            "slskdn_soulseek_shared_folders": float(folders),
            **{f"slskdn_soulseek_share_{name}_total": float(count) for name, count in self._counts.items()},
        }

    def report(self) -> Mapping[str, object]:
        """See `Part.report`."""
        folders, files = self.index.counts()
        return {
            "shares": {
                "enabled": self._enabled,
                "files": files,
                "folders": folders,
                "reading": self.feeding,
                "read": self.fed,
                "read_s": self.feed_s,
                "changes": self._counts["changes"],
            }
        }

    # ---- answers

    def groups(self, user: str) -> tuple[str, ...]:
        """Which audiences a user belongs to."""
        return ("buddies",) if self._standings.standing(user).buddy else ()

    def at(self, path: str, *, user: str) -> SharedEntry | None:
        """The file under exactly this path that this user may have. The only way from a peer's words to a file."""
        entry = self.index.at(path)
        return entry if entry is not None and entry.visible_to(self.groups(user)) else None

    def search(self, user: str, query: str, *, excluded: Sequence[str]) -> Found:
        """What a user finds. Nothing for those who are refused, and when searches take too much of the loop's time."""
        self._counts["searches"] += 1
        if not self._standings.ready or self._standings.standing(user).refused:
            return Found()
        began = time.perf_counter()
        if self._searched_until > began + 1.0:
            self._counts["searches_dropped"] += 1
            return Found()
        found = self.index.search(query, groups=self.groups(user), excluded=excluded, limit=MAX_ANSWERS)
        spent = time.perf_counter() - began
        self._searched_until = max(self._searched_until, began) + spent / SEARCH_SHARE
        self._counts["searches_answered"] += bool(found.visible or found.locked)
        return Found(visible=found.visible, locked=found.locked[:MAX_LOCKED])

    def folder(self, user: str, path: str) -> tuple[SharedEntry, ...]:
        """The files right in a folder."""
        return self.index.folder(path, groups=self.groups(user))

    async def listing(self, user: str) -> bytes:
        """The message with everything a user may see. Made once for all with the same rights, until something changes."""
        buddy = bool(self.groups(user))
        version, task = self._listings.get(buddy, (-1, None))
        if task is None or version != self._version or (task.done() and task.exception() is not None):
            self._counts["listings"] += 1
            groups = ("buddies",) if buddy else ()
            task = asyncio.create_task(asyncio.to_thread(shares_reply, self.index.columns(), groups=groups))
            self._listings[buddy] = (self._version, task)
        return await asyncio.shield(task)

    # ---- filling

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except DomainError as error:
                log.warning("shares_not_read code=%s", error.code)
                await asyncio.sleep(RETRY_S)
            try:
                async with asyncio.timeout(CHANGES_S):
                    await self._awake.wait()
            except TimeoutError:
                pass
            self._awake.clear()

    async def _look(self) -> None:
        """One round: everything when roots or rules are others, else what changed."""
        if not self._enabled:
            return
        now = self._context.clock()
        if now >= self._plan_at:
            self._plan_at = now + PLAN_S
            plan = await self._rows.plan()
            if plan != self._plan or now >= self._anew_at or self.index.worn:
                await self.read(plan)
                return
        while (changes := await self._rows.changes()).marks:
            found = await self._rows.files(self._plan, changes.file_ids)
            for file_id in found.unshared:
                self.index.drop(self.index.paths_of(file_id))
            await self._put(self.index, found.entries)
            await self._rows.changes_taken(changes.marks)
            self._counts["changes"] += len(changes.file_ids)
            self._version += 1

    async def read(self, plan: SharePlan) -> None:
        """Read everything into a new index, which then takes the old one's place."""
        self.feeding, self.fed = True, 0
        began = self._context.clock()
        try:
            await self._rows.changes_forget()
            index = ShareIndex()
            after: int | None = 0
            while after is not None:
                batch = await self._rows.batch(plan, after_id=after, limit=BATCH)
                await self._put(index, batch.entries)
                self.fed += len(batch.entries) + len(batch.unshared)
                after = batch.last_id
            self.index, self._plan = index, plan
            self._version += 1
            self._listings.clear()
            now = self._context.clock()
            self.feed_s, self._anew_at = round(now - began, 3), now + ANEW_S
            folders, files = index.counts()
            log.info("shares_read files=%d folders=%d seconds=%.1f", files, folders, now - began)
        finally:
            self.feeding = False

    @staticmethod
    async def _put(index: ShareIndex, entries: Sequence[SharedEntry]) -> None:
        for at in range(0, len(entries), PUT):
            fresh: dict[str, SharedEntry] = {}
            for entry in entries[at : at + PUT]:
                named = _unique(entry, fresh, index)
                old = [path for path in index.paths_of(entry.file_id) if path != named.path]
                if old:
                    index.drop(old)
                fresh[named.path] = named
            index.put(fresh.values())
            await asyncio.sleep(0)

    async def _tell(self, counts: tuple[int, int]) -> None:
        try:
            client = self._client
            if client is not None:
                await client.shares.report_shares()
                self._told = counts
        except Exception as error:  # the connection may end at any moment; the next session tells again
            log.debug("share_counts_not_told error=%r", error)
        finally:
            self._telling = False


def _unique(entry: SharedEntry, fresh: Mapping[str, SharedEntry], index: ShareIndex) -> SharedEntry:
    """The entry, under a name that no other file has: two names of the disk may become one of the network, and a third may look like the numbered one."""
    path = entry.path
    while (taken := fresh.get(path) or index.at(path)) is not None and taken.file_id != entry.file_id:
        path = numbered(path, entry.file_id)
    return entry if path == entry.path else dataclasses.replace(entry, path=path)
