"""The session of a node with a real server on loopback: logins, refusals, losses, silence, what people want. Nothing is faked but the rows."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aioslsk.protocol.messages import Login, RoomList

from apps.domain.contracts.soulseek_session import IntentWork
from apps.domain.errors import DomainError
from apps.domain.soulseek.session import Health, Phase
from overlay_node.soulseek.client import Account, SoulseekClient, settings_of
from overlay_node.soulseek.plane import Part, SoulseekPlane
from overlay_node.soulseek.ports import PlaneContext
from slskdn_site.demo.soulseek_server.server import ServerSettings
from tests.overlay_node.soulseek.world import World, played, soulseek_world


class Told(Part):
    """Writes down what it is told."""

    def __init__(self, context: PlaneContext) -> None:
        self.told: list[str] = []
        self.ticks: list[float] = []

    async def start(self) -> None:
        self.told.append("start")

    def attach(self, client: SoulseekClient) -> None:
        self.told.append("attach")

    async def online(self, client: SoulseekClient) -> None:
        assert client.session is not None
        self.told.append("online")

    async def offline(self, code: str) -> None:
        self.told.append(f"offline {code}")

    def tick(self, now: float) -> None:
        self.ticks.append(now)

    async def stop(self) -> None:
        self.told.append("stop")


class Broken(Part):
    """Fails at everything."""

    def __init__(self, context: PlaneContext) -> None:
        pass

    async def start(self) -> None:
        raise RuntimeError

    async def online(self, client: SoulseekClient) -> None:
        raise RuntimeError

    def tick(self, now: float) -> None:
        raise RuntimeError


def state_of(plane: SoulseekPlane) -> tuple[Phase, Health, str]:
    state = plane.state()
    return state.phase, state.health, state.code


def kinds_of(plane: SoulseekPlane) -> list[tuple[str, str]]:
    return [(one.kind, one.code) for one in plane.context.rows.session.happenings]  # type: ignore[attr-defined]


def want(plane: SoulseekPlane, **changes: Any) -> None:
    rows: Any = plane.context.rows.session
    rows.wanted = dataclasses.replace(rows.wanted, **changes)
    plane.wake()


@contextlib.asynccontextmanager
async def told(world: World) -> AsyncIterator[tuple[SoulseekPlane, Told]]:
    parts: list[Told] = []

    def made(context: PlaneContext) -> list[Part]:
        parts.append(Told(context))
        return [Broken(context), *parts]

    plane = await world.plane(parts=made)
    yield plane, parts[0]


def test_a_node_logs_in_tells_how_it_stands_and_its_parts_hear_of_it(tmp_path: Path) -> None:
    async def scene() -> None:
        settings = ServerSettings(wishlist_interval_s=333, excluded_phrases=("bad words",))
        async with soulseek_world(tmp_path, settings) as world, told(world) as (plane, part):
            await world.until(lambda: "online" in part.told)
            assert part.told == ["start", "attach", "online"]
            assert state_of(plane) == (Phase.ONLINE, Health.HEALTHY, "")
            world.server.say("maintenance at noon")
            rows: Any = plane.context.rows.session
            await world.until(lambda: rows.report.excluded and ("server_said", "") in kinds_of(plane))
            row = rows.report
            assert (row.username, row.address, row.wishlist_interval_s) == ("alice", "127.0.0.1", 333)
            assert (row.excluded, row.health, row.away) == (("bad words",), Health.HEALTHY, False)
            assert row.listening_port == plane.context.config.listen_port == world.server.users["alice"].port
            assert row.since is not None
            said = next(one for one in rows.happenings if one.kind == "server_said")
            assert said.params == {"text": "maintenance at noon"}
            await world.until(lambda: len(part.ticks) >= 3)
            assert plane.metrics()["slskdn_soulseek_online"] == 1.0
            await plane.stop()
            assert part.told[-1] == "stop"
            assert (rows.report.phase, rows.report.code) == (Phase.IDLE, "soulseek_node_stopped")

    played(scene)


@pytest.mark.parametrize(
    ("name", "accounts", "code"),
    [("alice", {"alice": "another"}, "soulseek_wrong_password"), (" alice", None, "soulseek_bad_username")],
)
def test_a_refused_login_is_never_tried_again_by_itself(
    tmp_path: Path, name: str, accounts: dict[str, str] | None, code: str
) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path, ServerSettings(accounts=accounts)) as world:
            plane = await world.plane(name)
            await world.until(lambda: plane.state().phase is Phase.STOPPED)
            assert state_of(plane) == (Phase.STOPPED, Health.UNAVAILABLE, code)
            await asyncio.sleep(1.0)  # twenty times the pause after which a lost connection is made again
            assert len(world.server.logins) == 1
            await world.until(lambda: ("refused", code) in kinds_of(plane))

    played(scene)


def test_after_the_password_was_changed_a_person_connects_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path, ServerSettings(accounts={"alice": "right"})) as world:
            plane = await world.plane()
            await world.until(lambda: plane.state().phase is Phase.STOPPED)
            world.password = "right"
            want(plane, generation=1)
            await world.until(lambda: plane.online)
            assert [outcome for _, outcome in world.server.logins] == ["INVALIDPASS", "ok"]

    played(scene)


def test_who_is_kicked_does_not_come_back_by_itself(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, told(world) as (plane, part):
            await world.until(lambda: "online" in part.told)
            async with world.user("alice"):
                await world.until(lambda: "offline soulseek_kicked" in part.told)
                assert state_of(plane) == (Phase.STOPPED, Health.UNAVAILABLE, "soulseek_kicked")
                await asyncio.sleep(1.0)
                assert len(world.server.logins) == 2
            await world.until(lambda: ("kicked", "soulseek_kicked") in kinds_of(plane))
            assert ("lost", "soulseek_kicked") not in kinds_of(plane)
            want(plane, generation=1)
            await world.until(lambda: plane.online)

    played(scene)


def test_a_server_that_hangs_up_before_the_login_is_left_alone_as_after_a_ban(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, told(world) as (plane, part):
            await world.until(lambda: "online" in part.told)
            world.server.ban("alice")
            await world.until(lambda: plane.state().code == "soulseek_banned")
            state = plane.state()
            assert (state.phase, state.health) == (Phase.WAITING, Health.UNAVAILABLE)
            assert state.retry_at is not None
            assert state.retry_at - asyncio.get_running_loop().time() > 1500
            await asyncio.sleep(0.5)
            assert [outcome for _, outcome in world.server.logins] == ["ok", "banned", "banned", "banned"]
            assert part.told[3:] == ["offline soulseek_connection_lost"]
            rows: Any = plane.context.rows.session
            await world.until(lambda: rows.report.code == "soulseek_banned")
            assert rows.report.retry_at is not None

    played(scene)


def test_a_server_that_dies_and_comes_back_finds_us_there(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, told(world) as (plane, part):
            await world.until(lambda: "online" in part.told)
            first = plane.client
            await world.server.stop()
            await world.until(lambda: plane.state().code == "soulseek_unreachable")
            assert plane.state().health is Health.DEGRADED
            assert plane.metrics()["slskdn_soulseek_losses_total"] == 1.0
            await world.server.start()
            await world.until(lambda: part.told[-1] == "online")
            assert plane.client is first
            assert part.told == ["start", "attach", "online", "offline soulseek_connection_lost", "online"]
            assert plane.context.config.listen_port == world.server.users["alice"].port

    played(scene)


@contextlib.asynccontextmanager
async def mute(*, until_login: bool) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says nothing: from the beginning, or after it has taken the login."""
    heard: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while block := await reader.read(65536):
            if not until_login and not heard:
                answer = Login.Response(success=True, greeting="", ip="127.0.0.1", md5hash="0" * 32, privileged=False)
                writer.write(answer.serialize())
            heard.append(block)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1]), heard
    finally:
        server.close()
        for writer in writers:
            writer.close()


def test_a_server_that_answers_no_login_is_given_up_and_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with mute(until_login=True) as (port, heard), soulseek_world(tmp_path) as world:
            plane = await world.plane(config=world.config(server_port=port, login_s=0.3))
            await world.until(lambda: len(heard) >= 2)
            assert plane.state().health is Health.DEGRADED
            await world.until(lambda: ("unreachable", "soulseek_silent") in kinds_of(plane))

    played(scene)


def test_a_server_that_falls_silent_is_asked_and_then_left(tmp_path: Path) -> None:
    async def scene() -> None:
        async with mute(until_login=False) as (port, _heard), soulseek_world(tmp_path) as world:
            config = world.config(server_port=port, quiet_s=0.5, probe_s=0.5, login_s=5)
            plane = await world.plane(config=config)
            await world.until(lambda: plane.online)
            await world.until(lambda: ("lost", "soulseek_silent") in kinds_of(plane))
            assert not plane.online

    played(scene)


def test_a_quiet_server_that_answers_when_asked_is_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane(config=world.config(quiet_s=0.3, probe_s=0.6))
            await world.until(lambda: plane.online)
            await asyncio.sleep(2.5)  # several questions
            assert plane.online
            assert len(world.server.logins) == 1

    played(scene)


def test_a_person_disconnects_goes_away_and_comes_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, told(world) as (plane, part):
            await world.until(lambda: "online" in part.told)
            want(plane, away=True)
            await world.until(lambda: world.server.users["alice"].status == 1)
            want(plane, online=False)
            await world.until(lambda: "alice" not in world.server.users)
            await world.until(lambda: part.told[-1] == "offline soulseek_disconnected")
            assert state_of(plane) == (Phase.IDLE, Health.OFF, "soulseek_disconnected")
            with pytest.raises(OSError), socket.create_connection(("127.0.0.1", plane.context.config.listen_port), 1):
                pass
            want(plane, online=True)
            await world.until(lambda: "alice" in world.server.users and world.server.users["alice"].status == 1)
            assert world.server.users["alice"].port == plane.context.config.listen_port
            want(plane, away=False)
            await world.until(lambda: world.server.users["alice"].status == 2)
            await world.until(lambda: ("back", "") in kinds_of(plane))

    played(scene)


def test_nobody_connects_while_people_want_it_offline(tmp_path: Path) -> None:
    async def scene() -> None:
        from tests.overlay_node.soulseek.world import memory_rows

        async with soulseek_world(tmp_path) as world:
            rows = memory_rows()
            rows.session.wanted = IntentWork(online=False)  # type: ignore[attr-defined]
            plane = await world.plane(rows=rows)
            await asyncio.sleep(0.6)
            assert state_of(plane) == (Phase.IDLE, Health.OFF, "soulseek_disconnected")
            assert world.server.logins == []

    played(scene)


def test_a_plane_that_is_off_says_why_and_connects_to_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane(off_code="soulseek_mode_mesh")
            await asyncio.sleep(0.6)
            assert state_of(plane) == (Phase.IDLE, Health.OFF, "soulseek_mode_mesh")
            assert (world.server.logins, plane.client, plane.session.has_account) == ([], None, False)
            rows: Any = plane.context.rows.session
            assert rows.report.code == "soulseek_mode_mesh"

    played(scene)


@pytest.mark.parametrize(
    ("code", "health"),
    [("soulseek_no_password", Health.OFF), ("soulseek_password_readable", Health.UNAVAILABLE)],
)
def test_without_a_usable_password_nothing_is_tried_until_there_is_one(
    tmp_path: Path, code: str, health: Health
) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            usable = False
            account = world.credentials

            def credentials(config: Any) -> Any:
                if not usable:
                    raise DomainError("No.", code=code)
                return account(config)

            world.credentials = credentials  # type: ignore[method-assign]
            plane = await world.plane()
            await world.until(lambda: plane.state().code == code)
            assert plane.state().health is health
            assert plane.session.has_account is (code != "soulseek_no_password")
            assert world.server.logins == []
            usable = True
            want(plane, generation=1)
            await world.until(lambda: plane.online)

    played(scene)


def test_a_port_that_is_taken_hinders_and_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                plane = await world.plane(config=world.config(listen_port=taken.getsockname()[1]))
                await world.until(lambda: plane.online)
                assert state_of(plane) == (Phase.ONLINE, Health.DEGRADED, "soulseek_port_taken")
                assert "in use" in str(plane.state().params["error"])

    played(scene)


def test_the_password_is_in_no_repr_and_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def scene() -> None:
        async with soulseek_world(tmp_path, ServerSettings(accounts={"alice": "hunter2-secret"})) as world:
            world.password = "hunter2-secret"
            plane = await world.plane()
            await world.until(lambda: plane.online)
            world.server.kick("alice")
            await world.until(lambda: not plane.online)
            rows: Any = plane.context.rows.session
            client = plane.client
            assert client is not None
            secrets = (
                plane.context,
                world.credentials(plane.context.config),
                client.settings,
                client.settings.credentials,
            )
            for thing in (*secrets, rows.report, rows.happenings):
                assert "hunter2" not in repr(thing)

    played(scene)
    assert "hunter2" not in caplog.text


def test_the_row_is_written_once_a_second_at_most(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane()
            await world.until(lambda: plane.online)
            rows: Any = plane.context.rows.session
            loop = asyncio.get_running_loop()
            began, before = loop.time(), rows.reports
            while loop.time() - began < 2.5:
                plane.context.board.uploads_running += 1
                await asyncio.sleep(0.01)
            assert 1 <= rows.reports - before <= 4
            await world.until(lambda: rows.report.uploads_running == plane.context.board.uploads_running)

    played(scene)


class Compared(str):  # noqa: SLOT000
    """A name that counts how often it is compared."""

    count = 0

    def __eq__(self, other: object) -> bool:
        Compared.count += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_server_with_very_many_rooms_is_taken_in_at_once(tmp_path: Path) -> None:
    """The library's own handling is quadratic: 20,000 rooms took it 1.3 s of processor time, in which the loop did nothing else."""
    names = [Compared(f"room {number}") for number in range(3_000)]

    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane()
            await world.until(lambda: plane.online)
            client = plane.client
            assert client is not None
            Compared.count = 0
            for _ in range(2):
                rooms = RoomList.Response(
                    rooms=[Compared(name) for name in names],
                    rooms_user_count=list(range(len(names))),
                    rooms_private_owned=["mine"],
                    rooms_private_owned_user_count=[1],
                    rooms_private=[],
                    rooms_private_user_count=[],
                    rooms_private_operated=[],
                )
                await client.network.on_message_received(rooms, client.network.server_connection)
            assert Compared.count < 30 * len(names)
            known = client.rooms.rooms
            assert len(known) == len(names) + 1
            assert (known["room 7"].user_count, known["room 7"].private, known["mine"].owner) == (7, False, "alice")

    played(scene)


def test_the_next_life_of_a_node_knows_what_was_searched_and_what_the_server_wants(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path, ServerSettings(wishlist_interval_s=444)) as world:
            plane = await world.plane()
            rows = plane.context.rows
            memory: Any = rows.session
            await world.until(lambda: memory.report is not None and memory.report.wishlist_interval_s == 444)
            plane.context.board.search_starts, plane.context.board.last_ticket = (1.5, 2.5), 77
            await world.until(lambda: memory.report.last_ticket == 77)
            config = plane.context.config
            await plane.stop()
            assert "alice" not in world.server.users
            again = await world.plane(rows=rows, config=config, boot_id="boot-2", off_code="soulseek_mode_mesh")
            board = again.context.board
            assert (board.search_starts, board.last_ticket, board.wishlist_interval_s) == ((1.5, 2.5), 77, 444)

    played(scene)


def test_what_is_configured_reaches_the_library_and_its_own_second_thoughts_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEBUG", "NETWORK", "SHARES", "USERS"):
        monkeypatch.setenv(name, "1")
    account = Account(username="alice", password="pw", server_host="localhost", server_port=9, listen_port=7, upnp=True)
    for upnp in (True, False):
        settings = settings_of(dataclasses.replace(account, upnp=upnp))
        assert settings.network.upnp.enabled is upnp
        assert (settings.network.listening.port, settings.network.listening.obfuscated_port) == (7, 0)
        assert settings.network.server.reconnect.auto is False
        assert settings.shares.scan_on_start is False


def test_the_last_word_of_a_person_who_changes_their_mind_holds(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane()
            await world.until(lambda: plane.online)
            for number in range(1, 6):
                want(plane, online=True, generation=number)
                await asyncio.sleep(0.06 * number)
                want(plane, online=False)
                await asyncio.sleep(0.03 * number)
            await world.until(lambda: plane.state().phase is Phase.IDLE and "alice" not in world.server.users)
            logins = len(world.server.logins)
            await asyncio.sleep(1.0)
            assert (len(world.server.logins), plane.online) == (logins, False)
            want(plane, online=True)
            await world.until(lambda: plane.online)
            want(plane, generation=9)
            await world.until(lambda: len(world.server.logins) == logins + 2 and plane.online)
            assert plane.state().health is not Health.OFF

    played(scene)
