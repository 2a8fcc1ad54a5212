"""Uploads: what users ask of us, whose turn it is, at what pace, and how each stands in its row.

`UploadQueue` decides; here are its clock, its rows and its connections. A file is looked up by its exact virtual path among what this user may have, and its
row is read again before it is opened. What waited when the node stopped keeps its place. aioslsk's own uploader is not used.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aioslsk.exceptions import AioSlskException
from aioslsk.protocol.messages import PeerTransferQueueFailed, PeerUploadFailed, SendUploadSpeed
from aioslsk.user.model import TrackingFlag, UserStatus

from apps.domain.contracts.soulseek_sharing import UploadKept, UserBytes
from apps.domain.errors import DomainError, Param
from apps.domain.soulseek.states import UPLOAD_ENDS, UploadState
from apps.domain.soulseek.upload_waits import UploadMoment, waits
from apps.domain.soulseek.uploads import Refusal, Upload, UploadQueue, leecher
from apps.domain.soulseek.user_rules import groups_of
from apps.domain.soulseek.virtual_paths import Audience
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.share_files import FileRefused, SharedFile, open_shared
from overlay_node.soulseek.shares import SharePart
from overlay_node.soulseek.sharing_rows import SharingRows
from overlay_node.soulseek.standing import Standings
from overlay_node.soulseek.upload_live import LiveUpload
from overlay_node.soulseek.upload_stream import UploadStopped, send_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

CANCEL: Final = "soulseek.upload.cancel"
"""Command: payload {"upload_id": …} or {"user": …} (all of theirs); body {"cancelled": n}."""
WRITE_S: Final = 1.0
RETRY_S: Final = 60.0
TRIES: Final = 3
"""A user who can't be reached is called so often, a minute apart."""
GONE_S: Final = 3600.0
"""Who is offline for so long loses the place."""
TRACK_S: Final = 60.0
REFUSED_S: Final = 3600.0
STATS_S: Final = 3.0
STATS_KEPT_S: Final = 600.0
MAX_USERS_KNOWN: Final = 5000
REFUSALS: Final = {
    "user_banned": "Banned",
    "too_many_files": "Too many files",
    "queue_full": "Too many files",
    "quota_day": "Too many megabytes",
    "quota_week": "Too many megabytes",
    "shared_file_unreadable": "File read error.",
    "shared_file_changed": "File read error.",
    "cancelled_by_person": "Cancelled",
}
"""What other clients understand; everything else is `File not shared.`"""


class UploadPart(Part):
    """See the module. `sent(user, bytes)` hears of every payload byte."""

    def __init__(
        self,
        context: PlaneContext,
        rows: SharingRows,
        shares: SharePart,
        standings: Standings,
        *,
        sent: Callable[[str, int], None],
    ) -> None:
        self._context, self._rows, self._shares, self._standings, self._sent = context, rows, shares, standings, sent
        config = context.config
        self._least = (config.leecher_files, config.leecher_folders)
        self.queue: Final = UploadQueue(config.uploads)
        self._live: Final[dict[tuple[str, str], LiveUpload]] = {}
        self._dirty: Final[dict[uuid.UUID, LiveUpload]] = {}
        self._client: SoulseekClient | None = None
        self._given: dict[str, tuple[str, UserBytes]] = {}
        self._stats: dict[str, tuple[float, bool]] = {}
        self._away_since: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._refused: dict[tuple[str, str], float] = {}
        self._next_write = self._next_track = 0.0
        self._writing = False
        self._average = 0
        self._counts: Final = {"asked": 0, "refused": 0, "done": 0, "stopped": 0, "bytes": 0}
        context.errands.register(CANCEL, self._cancel_errand)
        standings.on_change(self._rules_changed)

    # ---- life

    async def start(self) -> None:
        """Take over what waited when the boot before ended."""
        try:
            kept = await self._rows.uploads_kept()
            self._average = await self._rows.average_speed()
        except DomainError as error:
            log.warning("uploads_not_restored code=%s", error.code)
            return
        for one in kept:
            self._restore(one)

    async def online(self, client: SoulseekClient) -> None:
        """Users can be served."""
        self._client = client
        self._next_track = 0.0

    async def offline(self, code: str) -> None:
        """Nothing new begins; what runs goes on, its connections are not the server's."""
        del code
        self._client = None

    def tick(self, now: float) -> None:
        """Begin what is due, share out the speed, write rows."""
        board = self._context.board
        waiting, board.uploads_running = self.queue.counts()
        board.uploads_waiting = waiting
        speed = self._speed_now()
        if self._client is not None and waiting:
            self._track(now)
            for upload in self.queue.due(speed_kib_s=speed, online=self._reachable(now)):
                self._begin(upload)
        if self.queue.counts()[1]:  # also of those that begin now: the first block already goes out at its pace
            for key, kib_s in self.queue.speeds(speed_kib_s=speed).items():
                live = self._live.get(key)
                if live is not None:
                    live.pace.kib_s = kib_s
                    if live.measure(now):
                        self._note(live)
        if now >= self._next_write and self._dirty and not self._writing:
            self._writing = True
            self._next_write = now + WRITE_S
            self._context.spawn(self._write(), "upload rows")

    async def stop(self) -> None:
        """What runs is cut off and waits again after the next start; rows say how far everything is."""
        tasks = [one.task for one in self._live.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for live in self._live.values():
            if live.state not in UPLOAD_ENDS:
                live.state, live.speed_bps = UploadState.QUEUED, 0
                self._note(live)
        await self._write()

    def metrics(self) -> Mapping[str, float]:
        """See `Part.metrics`."""
        waiting, running = self.queue.counts()
        return {
            "slskdn_soulseek_uploads_waiting": float(waiting),
            "slskdn_soulseek_uploads_running": float(running),
            **{f"slskdn_soulseek_uploads_{name}_total": float(count) for name, count in self._counts.items()},
        }

    def report(self) -> Mapping[str, object]:
        """See `Part.report`: of those who wait next, [upload, place, why, its params, seconds from, seconds to]."""
        if not self.queue.counts()[0]:
            return {"uploads": {"waits": []}}
        now, local = self._context.clock(), self._context.wall().astimezone()
        moment = UploadMoment(
            speed_kib_s=self._speed_now(),
            day=local.weekday(),
            minute=local.hour * 60 + local.minute,
            online=self._online(),
            calls={user: at - now for user, at in self._not_before.items() if at > now},
            left={key: one.left for key, one in self._live.items() if one.task is not None},
            each_bps=self._average,
        )
        found = waits(self.queue, moment)
        rows = [(self._live.get((one.upload.user, one.upload.path)), one) for one in found]
        told = [
            [str(live.id), one.place, one.code, dict(one.params), one.low_s, one.high_s]
            for live, one in rows
            if live is not None
        ]
        return {"uploads": {"waits": told}}

    # ---- what others are told

    def slots(self) -> int:
        """Uploads at the same time."""
        return self.queue.rules.slots

    def free_slots(self) -> int:
        """Slots that nothing waits for."""
        waiting, running = self.queue.counts()
        return max(0, self.slots() - running - waiting) if self._speed_now() != 0 else 0

    def waiting(self) -> int:
        """Files in the queue."""
        return self.queue.counts()[0]

    def average_speed(self) -> int:
        """Bytes/s of the last uploads."""
        return self._average

    def place(self, user: str, path: str) -> int | None:
        """1 = next; 0 while it runs; None: they have no such file waiting."""
        return self.queue.place(user, path)

    # ---- what users do

    async def asked(self, user: str, path: str, *, address: str) -> str:
        """A user asks for a file. "" = it waits (or runs); else the refusal, as other clients understand it. None of both for the ignored: `ignores`."""
        self._counts["asked"] += 1
        standing = self._standings.standing(user, address)
        if standing.banned or not self._standings.ready:
            return self._refusal("user_banned" if standing.banned else "shares_not_ready")
        entry = self._shares.at(path, user=user)
        if entry is None:
            return self._refusal("file_not_shared")
        if (user, path) in self._live:
            return ""
        try:
            groups = await self._groups(user)
            given = await self._given_to(user)
        except DomainError as error:
            log.warning("upload_not_queued code=%s", error.code)
            return self._refusal("shared_file_unreadable")
        if (user, path) in self._live:  # asked twice while we looked
            return ""
        found = self.queue.ask(user, path, size=entry.size, groups=groups, day_bytes=given.day, week_bytes=given.week)
        live = LiveUpload(
            id=uuid.uuid4(),
            user=user,
            path=path,
            file_id=entry.file_id,
            size=entry.size,
            group=found.group if isinstance(found, Upload) else "",
            asked_at=self._context.wall(),
        )
        if isinstance(found, Refusal):
            if self._is_news(user, found.code):
                self._end(live, UploadState.REFUSED, found.code, found.params)
            return self._refusal(found.code)
        self._live[user, path] = live
        self._note(live)
        return ""

    def _is_news(self, user: str, code: str) -> bool:
        """One row an hour tells that a user was refused for a reason: whoever asks a thousand times fills no table."""
        now = self._context.clock()
        if now - self._refused.get((user, code), float("-inf")) < REFUSED_S:
            return False
        if len(self._refused) >= MAX_USERS_KNOWN:
            self._refused.clear()
        self._refused[user, code] = now
        return True

    def ignores(self, user: str, address: str) -> bool:
        """Whether a user is not answered at all."""
        return self._standings.standing(user, address).ignored

    async def cancel(self, user: str, path: str, *, code: str, state: UploadState = UploadState.CANCELLED) -> bool:
        """Take an upload out, running or waiting, and tell its user. False: there is none."""
        live = self._live.get((user, path))
        if live is None:
            return False
        task = live.task
        self.queue.withdraw(user, path)
        self.queue.over(user, path)
        self._end(live, state, code)
        if task is not None:
            task.cancel()
        await self._tell(user, PeerTransferQueueFailed.Request(filename=path, reason=_reason(code)))
        return True

    # ---- inside: whose turn

    def _restore(self, one: UploadKept) -> None:
        live = LiveUpload(
            id=one.id,
            user=one.user,
            path=one.remote_path,
            file_id=one.file_id or 0,
            size=one.size,
            group="",
            asked_at=one.asked_at,
        )
        standing = self._standings.standing(one.user)
        found: Upload | Refusal | None = None
        if one.file_id is not None and not standing.refused:
            groups = groups_of(
                standing, leecher=False, privileged=False, configured={group.name for group in self.queue.rules.groups}
            )
            found = self.queue.ask(one.user, one.remote_path, size=one.size, groups=groups)
        if not isinstance(found, Upload):
            self._end(live, UploadState.ABORTED, found.code if found is not None else "user_banned")
            return
        live.group = found.group
        self._live[one.user, one.remote_path] = live
        self._note(live)

    def _speed_now(self) -> int | None:
        local = self._context.wall().astimezone()
        return self.queue.rules.speed_now(day=local.weekday(), minute=local.hour * 60 + local.minute)

    def _online(self) -> frozenset[str]:
        """Who waits and is there, as the server told last."""
        client = self._client
        if client is None:
            return frozenset()
        known = ((user, client.users.get_user_object(user).status) for user in self.queue.users())
        return frozenset(user for user, status in known if status is not UserStatus.OFFLINE)

    def _reachable(self, now: float) -> frozenset[str]:
        """Users with something waiting whom we may call now."""
        online, found = self._online(), set()
        for user in self.queue.users():
            if self._not_before.get(user, 0.0) > now:
                continue
            if user not in online:
                since = self._away_since.setdefault(user, now)
                if now - since > GONE_S:
                    self._context.spawn(self._drop(user, "user_went_away", UploadState.ABORTED), "upload")
            else:
                self._away_since.pop(user, None)
                found.add(user)
        return frozenset(found)

    def _track(self, now: float) -> None:
        """Hear from the server when those who wait come and go."""
        if now < self._next_track:
            return
        self._next_track = now + TRACK_S
        self._not_before = {user: at for user, at in self._not_before.items() if at > now}
        client = self._client
        assert client is not None

        async def track() -> None:
            for user in self.queue.users():
                await client.users.track_user(user, TrackingFlag.TRANSFER)

        self._context.spawn(track(), "upload users")

    async def _groups(self, user: str) -> tuple[str, ...]:
        rules = self.queue.rules
        privileged = self._client is not None and user in self._client.users.privileged_users
        return groups_of(
            self._standings.standing(user),
            leecher=await self._is_leecher(user),
            privileged=privileged,
            configured={group.name for group in rules.groups},
        )

    async def _is_leecher(self, user: str) -> bool:
        """By what the server tells of their share; who it tells nothing of is none."""
        client, (files, folders) = self._client, self._least
        if client is None or not (files or folders):
            return False
        now = self._context.clock()
        known = self._stats.get(user)
        if known is not None and now - known[0] < STATS_KEPT_S:
            return known[1]
        from aioslsk.commands import GetUserStatsCommand

        try:
            stats = await client.execute(GetUserStatsCommand(user), response=True, timeout=STATS_S)
            verdict = leecher(
                files=stats.shared_file_count,
                folders=stats.shared_folder_count,
                least_files=files,
                least_folders=folders,
            )
        except (AioSlskException, TimeoutError):
            verdict = False
        if len(self._stats) >= MAX_USERS_KNOWN:
            self._stats.clear()
        self._stats[user] = (now, verdict)
        return verdict

    async def _given_to(self, user: str) -> UserBytes:
        """What counts for quotas; read once a day and user, then kept up here."""
        if not any(group.day_bytes or group.week_bytes for group in self.queue.rules.groups):
            return UserBytes()
        local = self._context.wall().astimezone()
        day = local.replace(hour=0, minute=0, second=0, microsecond=0)
        known = self._given.get(user)
        if known is None or known[0] != day.date().isoformat():
            found = await self._rows.user_bytes(user, day=day, week=day - timedelta(days=day.weekday()))
            if len(self._given) >= MAX_USERS_KNOWN:
                self._given.clear()
            known = self._given[user] = (day.date().isoformat(), found)
        return known[1]

    # ---- inside: one upload

    def _begin(self, upload: Upload) -> None:
        live = self._live.get((upload.user, upload.path))
        if live is None:
            self.queue.over(upload.user, upload.path)
            return
        live.state, live.code, live.params = UploadState.CONNECTING, "", {}
        self._note(live)
        live.task = asyncio.create_task(self._run(live, upload), name="soulseek upload")

    async def _run(self, live: LiveUpload, upload: Upload) -> None:
        client = self._client
        file: SharedFile | None = None
        try:
            if client is None:
                raise UploadStopped("There is no session.", code="user_unreachable", retryable=True)
            file = await self._open(live)
            await send_file(
                client,
                user=live.user,
                path=live.path,
                file=file,
                pace=live.pace,
                begun=lambda offset: self._begun(live, offset),
                sent=lambda count: self._moved(live, count),
                refused_address=lambda address: self._standings.standing(live.user, address).refused,
            )
        except UploadStopped as error:
            await self._stopped(live, upload, error)
        except FileRefused as error:
            self.queue.over(live.user, live.path)
            self._end(live, UploadState.REFUSED, error.code, error.params)
            await self._tell(live.user, PeerTransferQueueFailed.Request(filename=live.path, reason=_reason(error.code)))
        except DomainError as error:  # rows can't be read: it is not the user's fault
            self._later(live, upload, error.code)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("upload_failed user=%s", live.user)
            self.queue.over(live.user, live.path)
            self._end(live, UploadState.ERRORED, "upload_failed")
        else:
            self.queue.over(live.user, live.path)
            self._end(live, UploadState.SUCCEEDED, "")
            self._tell_speed(live)
        finally:
            if file is not None:
                file.close()

    async def _open(self, live: LiveUpload) -> SharedFile:
        """The file as its row is now, if this user may still have it. Raises FileRefused."""
        entry = self._shares.at(live.path, user=live.user)
        if entry is not None:
            live.file_id = entry.file_id  # a path that changed hands meanwhile means what it means now
        found = await self._rows.file_to_send(live.file_id)
        if found is None or (entry is None and self._shares.feed_s is not None):
            raise FileRefused("It is not shared any more.", code="file_not_shared")
        wanted, audience = found
        if audience is not Audience.EVERYONE and not self._standings.standing(live.user).buddy:
            raise FileRefused("It is not shared with this user.", code="file_not_shared")
        file = await asyncio.to_thread(open_shared, wanted)
        live.size = file.size
        return file

    def _begun(self, live: LiveUpload, offset: int) -> None:
        live.state, live.offset, live.started_at = UploadState.SENDING, offset, self._context.wall()
        live.measured = [(self._context.clock(), 0)]
        self._note(live)

    def _moved(self, live: LiveUpload, count: int) -> None:
        live.sent += count
        self._counts["bytes"] += count
        self._sent(live.user, count)
        self._note(live)

    async def _stopped(self, live: LiveUpload, upload: Upload, error: UploadStopped) -> None:
        if error.retryable and live.tries + 1 < TRIES:
            self._later(live, upload, error.code)
            return
        self.queue.over(live.user, live.path)
        state = {"user_unreachable": UploadState.TIMED_OUT, "user_banned": UploadState.REFUSED}.get(
            error.code, UploadState.ABORTED
        )
        self._end(live, state, error.code, error.params)
        if error.code in ("user_closed", "user_stalled"):  # so that they know it was no end
            await self._tell(live.user, PeerUploadFailed.Request(live.path))

    def _later(self, live: LiveUpload, upload: Upload, code: str) -> None:
        live.tries += 1
        live.task = None
        live.state, live.code, live.speed_bps = UploadState.QUEUED, code, 0
        self._not_before[live.user] = self._context.clock() + RETRY_S
        self.queue.again(upload)
        self._note(live)

    def _end(self, live: LiveUpload, state: UploadState, code: str, params: Mapping[str, Param] | None = None) -> None:
        if live.state in UPLOAD_ENDS:
            return
        live.state, live.code, live.params = state, code, dict(params or {})
        live.ended_at, live.task = self._context.wall(), None
        if state is UploadState.SUCCEEDED and live.started_at is not None:
            live.speed_bps = int(live.sent / max((live.ended_at - live.started_at).total_seconds(), 0.001))
            self._average = (self._average * 9 + live.speed_bps) // 10 if self._average else live.speed_bps
        known = self._given.get(live.user)
        if known is not None:
            self._given[live.user] = (
                known[0],
                UserBytes(day=known[1].day + live.sent, week=known[1].week + live.sent),
            )
        self._live.pop((live.user, live.path), None)
        self._counts["done" if state is UploadState.SUCCEEDED else "stopped"] += 1
        self._note(live)

    # ---- inside: rules, commands, rows

    def _rules_changed(self) -> None:
        """Who is refused from now on has nothing waiting or running any more."""
        for user in {live.user for live in self._live.values()}:
            standing = self._standings.standing(user)
            if standing.refused:
                self._context.spawn(self._drop(user, "user_banned", UploadState.REFUSED), "banned user")

    async def _drop(self, user: str, code: str, state: UploadState) -> None:
        """All of a user's uploads."""
        for path in [live.path for live in self._live.values() if live.user == user]:
            await self.cancel(user, path, code=code, state=state)
        self._away_since.pop(user, None)

    async def _cancel_errand(self, payload: Mapping[str, object]) -> Mapping[str, object]:
        if "user" in payload:
            user = str(payload["user"])
            count = sum(live.user == user for live in self._live.values())
            await self._drop(user, "cancelled_by_person", UploadState.CANCELLED)
            await self._write()
            return {"cancelled": count}
        wanted = uuid.UUID(str(payload["upload_id"]))
        live = next((one for one in self._live.values() if one.id == wanted), None)
        done = live is not None and await self.cancel(live.user, live.path, code="cancelled_by_person")
        if not done:
            raise DomainError("This upload is over.", code="upload_over")
        await self._write()
        return {"cancelled": 1}

    def _refusal(self, code: str) -> str:
        self._counts["refused"] += 1
        return _reason(code)

    async def _tell(self, user: str, message: object) -> None:
        client = self._client
        if client is None or self._standings.standing(user).ignored:
            return
        try:
            await client.network.send_peer_messages(user, message)
        except AioSlskException as error:
            log.debug("user_not_told user=%s error=%r", user, error)

    def _tell_speed(self, live: LiveUpload) -> None:
        if self._client is not None and live.speed_bps:
            self._client.network.queue_server_messages(SendUploadSpeed.Request(min(live.speed_bps, 0xFFFF_FFFF)))

    def _note(self, live: LiveUpload) -> None:
        self._dirty[live.id] = live

    async def _write(self) -> None:
        self._writing = True
        dirty = list(self._dirty.values())
        self._dirty.clear()
        try:
            if dirty:
                await self._rows.uploads_write([one.report() for one in dirty])
        except DomainError as error:
            log.warning("uploads_not_written code=%s", error.code)
            for one in dirty:
                self._note(one)
        finally:
            self._writing = False


def _reason(code: str) -> str:
    return REFUSALS.get(code, "File not shared.")
