"""Downloads on loopback against the library's own uploader: asked, resumed, paused, refused, placed, judged."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest
from aioslsk.client import SoulSeekClient
from aioslsk.exceptions import ConnectionWriteError
from aioslsk.network.connection import CloseReason
from aioslsk.protocol.messages import PeerTransferQueue

from apps.domain.audio.payload import find_span_in_bytes, leaf_hashes, payload_root
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.soulseek.performance import RescueRules
from apps.domain.soulseek.states import DownloadDesired, DownloadState
from overlay_node.soulseek.stream import Stream
from tests.overlay_node.soulseek.downloads_world import RULES, SOUND, Node, download
from tests.overlay_node.soulseek.world import played, soulseek_world


def shared(folder: Path, *names: str, content: bytes = SOUND) -> Path:
    (folder / "An Album").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "An Album" / name).write_bytes(content)
    return folder


def path_of(user: SoulSeekClient, name: str) -> str:
    (found,) = [
        item.get_remote_path()
        for directory in user.shares.shared_directories
        for item in directory.items
        if item.filename == name
    ]
    return str(found)


def limited(user: SoulSeekClient, kib_s: int) -> None:
    user.network.set_upload_speed_limit(kib_s)


@pytest.mark.e2e
def test_a_stream_becomes_a_transfer_whose_verdict_is_its_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac")))
            await node.until_state(one, DownloadState.WHOLE)
            await world.until(lambda: node.rows.transfer_of(one))
            whole = node.rows.transfer_of(one)
            assert whole is not None
            span = find_span_in_bytes(SOUND)
            assert whole.payload_root == payload_root(span.facts, leaf_hashes([SOUND[span.offset :]]).merkle)
            assert Path(whole.path).read_bytes() == SOUND
            assert Path(whole.path).parent == tmp_path / "node" / "partial" / str(whole.transfer_id)
            node.rows.judge(one, TransferState.ACCEPTED)
            await node.until_state(one, DownloadState.SUCCEEDED)
            await world.until(lambda: one not in node.part.streams)
            assert not (tmp_path / "node" / "partial" / "streams" / str(one)).exists()
            assert node.counted["bob"] >= len(SOUND)
            report = node.rows.reports[one]
            assert (report.payload_format, report.payload_offset, report.size_bytes) == (
                "flac",
                span.offset,
                len(SOUND),
            )

    played(scene)


@pytest.mark.e2e
def test_a_wrong_recording_ends_rejected_with_the_judge_s_code(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac")))
            await world.until(lambda: node.rows.transfer_of(one))
            node.rows.judge(one, TransferState.REJECTED, "wrong_recording")
            await node.until_state(one, DownloadState.REJECTED)
            assert node.rows.reports[one].code == "wrong_recording"

    played(scene)


@pytest.mark.e2e
def test_an_external_download_is_placed_raw_beside_what_is_there(tmp_path: Path) -> None:
    async def scene() -> None:
        taken = tmp_path / "node" / "downloads" / "bob" / "An Album"
        taken.mkdir(parents=True)
        (taken / "1.flac").write_bytes(b"mine")
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac"), want=False, size=0))
            await node.until_state(one, DownloadState.SUCCEEDED)
            assert (taken / "1.flac").read_bytes() == b"mine"
            assert (taken / "1 (2).flac").read_bytes() == SOUND
            assert node.rows.reports[one].path == str(taken / "1 (2).flac")

    played(scene)


@pytest.mark.e2e
def test_a_paused_download_goes_on_where_it_was_also_after_a_crash(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            limited(bob, 500)
            node = await Node(world, tmp_path / "node").start()
            row = download(path_of(bob, "1.flac"), want=False)
            one = node.rows.put(row)
            await node.until_bytes(one, 700_000)
            node.rows.put(dataclasses.replace(row, desired=DownloadDesired.PAUSED))
            await node.until_state(one, DownloadState.PAUSED)
            await world.until(lambda: node.part.streams[one].file is None)
            had = node.part.streams[one].work.bytes_have
            node.rows.put(row)
            await node.until_bytes(one, had + 300_000)
            await node.crash()
            counted = node.counted["bob"]
            limited(bob, 0)
            again = Node(world, tmp_path / "node", name="alice2")
            again.rows = node.rows
            await again.start()
            await again.until_state(one, DownloadState.SUCCEEDED)
            assert Path(again.rows.reports[one].path).read_bytes() == SOUND
            assert counted + again.counted["bob"] < 1.6 * len(SOUND)
            assert again.counted["bob"] < len(SOUND)

    played(scene)


@pytest.mark.e2e
def test_a_file_that_is_not_shared_is_refused_and_not_asked_for_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac").replace("1.flac", "gone.flac")))
            await node.until_state(one, DownloadState.REFUSED)
            assert node.rows.reports[one].code == "not_shared"

    played(scene)


@pytest.mark.e2e
def test_what_does_badly_is_logged_once_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def logged() -> list[str]:
        told = [one.getMessage() for one in caplog.records]
        return [line for line in told if line.startswith("stream_underperforms")]

    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            bob.settings.transfers.limits.upload_slots = 0
            rescue = RescueRules(max_queue_s=0.5)
            node = await Node(world, tmp_path / "node", rescue=rescue).start()
            one = node.rows.put(download(path_of(bob, "1.flac"), want=False))
            await world.until(lambda: one in node.rows.reports and node.rows.reports[one].trouble == "queued_too_long")
            assert f"download={one} reason=queued_too_long" in logged()[0]
            assert len(logged()) == 1

    with caplog.at_level("INFO", logger="overlay_node.soulseek.stream"):
        played(scene)


@pytest.mark.e2e
def test_somebody_who_is_not_there_is_given_up_with_a_code(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            rules = dataclasses.replace(RULES, answer_timeout_s=3.0)
            node = await Node(world, tmp_path / "node", rules=rules).start()
            one = node.rows.put(download("Music\\x.flac", user="nobody"))
            await node.until_state(one, DownloadState.TIMED_OUT, DownloadState.ABORTED)
            assert node.rows.reports[one].code in {"no_answer", "went_away"}

    played(scene)


@pytest.mark.e2e
def test_somebody_who_is_away_is_left_with_all_that_waits_there_where_somebody_else_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overlay_node.soulseek.stream.OFFLINE_S", 0.5)

    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            async with world.user("bob"):
                pass  # known to the server, and offline
            rules = dataclasses.replace(RULES, away_s=3600.0)
            node = await Node(world, tmp_path / "node", rules=rules).start()
            batch = uuid.uuid4()
            rows = [
                node.rows.put(download(f"Music\\{name}.flac", order=name, batch=batch, elsewhere=name != 3))
                for name in range(4)
            ]
            for one in (rows[0], rows[1], rows[2]):
                await node.until_state(one, DownloadState.ABORTED)
                assert node.rows.reports[one].code == "went_away"
            ends = [{one.download_id for one in told if one.state is DownloadState.ABORTED} for told in node.told]
            assert set(rows[:3]) in ends, "they are told in one go"
            await node.until_state(rows[3], DownloadState.INTERRUPTED)

    played(scene)


@pytest.mark.e2e
def test_somebody_who_alone_has_it_is_asked_as_soon_as_he_comes_online(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overlay_node.soulseek.stream.OFFLINE_S", 0.5)

    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            async with world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
                path = path_of(bob, "1.flac")
            rules = dataclasses.replace(RULES, away_s=3600.0)
            node = await Node(world, tmp_path / "node", rules=rules).start()
            one = node.rows.put(download(path, want=False))
            await node.until_state(one, DownloadState.INTERRUPTED)
            assert node.rows.reports[one].code == "went_away"
            async with world.user("bob", shares=tmp_path / "s"):
                await node.until_state(one, DownloadState.SUCCEEDED)

    played(scene)


@pytest.mark.e2e
def test_a_file_of_half_the_size_that_was_told_is_another_file(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac"), size=3 * len(SOUND)))
            await node.until_state(one, DownloadState.REJECTED)
            assert node.rows.reports[one].code == "size_differs"
            assert node.rows.reports[one].params == {"told": 3 * len(SOUND), "said": len(SOUND)}

    played(scene)


@pytest.mark.e2e
def test_a_want_that_the_mesh_satisfied_first_ends_the_stream_well_and_nothing_is_left(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            limited(bob, 300)
            node = await Node(world, tmp_path / "node").start()
            row = download(path_of(bob, "1.flac"))
            one = node.rows.put(row)
            await node.until_bytes(one, 300_000)
            assert row.want_id is not None
            node.rows.wants[row.want_id] = WantDesired.SATISFIED
            node.rows.put(dataclasses.replace(row, desired=DownloadDesired.CANCELLED))  # with its job, which is over
            await node.until_state(one, DownloadState.ENOUGH)
            assert node.rows.reports[one].code == "want_satisfied"
            await world.until(lambda: one not in node.part.streams)
            assert not (tmp_path / "node" / "partial" / "streams" / str(one)).exists()

    played(scene)


@pytest.mark.e2e
def test_streams_stay_within_their_limits_and_the_queue_s_order(tmp_path: Path) -> None:
    async def scene() -> None:
        names = [f"{number}.flac" for number in range(1, 5)]
        async with (
            soulseek_world(tmp_path) as world,
            world.user("bob", shares=shared(tmp_path / "b", *names)) as bob,
            world.user("eve", shares=shared(tmp_path / "e", *names)) as eve,
        ):
            limited(bob, 3000)
            limited(eve, 3000)
            rules = dataclasses.replace(RULES, at_once=2, per_user=1)
            node = await Node(world, tmp_path / "node", rules=rules).start()
            rows = [
                node.rows.put(download(path_of(user, name), user=who, want=False, order=order))
                for who, user in (("bob", bob), ("eve", eve))
                for order, name in enumerate(names)
            ]
            most, ended = 0, list[object]()

            def done() -> bool:
                nonlocal most
                asked = [one for one in node.part.streams.values() if one.core.asked]
                most = max(most, len(asked))
                assert len({one.work.user for one in asked}) == len(asked)
                for one in rows:
                    if one not in ended and node.rows.state(one) is DownloadState.SUCCEEDED:
                        ended.append(one)
                return len(ended) == len(rows)

            await world.until(done, within_s=60)
            assert most == 2
            assert [one for one in ended if one in rows[:4]] == rows[:4]

    played(scene)


@pytest.mark.e2e
def test_a_sharer_that_calls_with_several_at_once_is_held_to_its_share_and_all_of_them_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overlay_node.soulseek.stream.SETTLED_S", 0.0)

    async def scene() -> None:
        names = [f"{number}.flac" for number in range(3)]
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", *names)) as bob:
            bob.settings.transfers.limits.upload_slots = 0
            node = await Node(world, tmp_path / "node").start()
            rows = [node.rows.put(download(path_of(bob, name), want=False)) for name in names]
            await world.until(lambda: len(bob.transfers.get_uploads()) == len(rows))
            for one in rows:
                await node.until_state(one, DownloadState.QUEUED)
            most, calls = 0, list[bool]()
            room = node.part._room

            def noted(stream: Stream) -> bool:
                calls.append(room(stream))
                return calls[-1]

            for stream in node.part.streams.values():
                monkeypatch.setattr(stream, "_room", noted)

            def came() -> bool:
                nonlocal most
                states = [one.core.state for one in node.part.streams.values()]
                most = max(most, states.count(DownloadState.RECEIVING) + states.count(DownloadState.CONNECTING))
                return all(node.rows.state(one) is DownloadState.SUCCEEDED for one in rows)

            limited(bob, 3000)
            for upload in bob.transfers.get_uploads():
                upload._transfer_task = asyncio.create_task(bob.transfers._initialize_upload(upload))
            await world.until(lambda: len(calls) >= len(rows))
            assert sorted(calls[: len(rows)]) == [False, False, True]
            bob.settings.transfers.limits.upload_slots = 5
            await world.until(came)
            assert most == 1

    played(scene)


@pytest.mark.e2e
def test_a_full_disk_makes_it_wait_and_a_freed_one_lets_it_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from overlay_node.soulseek import stream_files

    room = {"left": 600_000}
    write = stream_files._write_all

    def bounded(descriptor: int, view: memoryview, offset: int) -> None:
        if offset + len(view) > room["left"]:
            raise OSError(28, "No space left on device")
        write(descriptor, view, offset)

    monkeypatch.setattr(stream_files, "_write_all", bounded)
    monkeypatch.setattr("apps.domain.soulseek.streaming.DISK_S", 0.5)

    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac"), want=False))
            await world.until(lambda: one in node.rows.reports and node.rows.reports[one].code == "disk_full")
            assert node.rows.state(one) is DownloadState.INTERRUPTED
            room["left"] = 10**9
            await node.until_state(one, DownloadState.SUCCEEDED)
            assert Path(node.rows.reports[one].path).read_bytes() == SOUND

    played(scene)


@pytest.mark.e2e
def test_a_server_that_goes_away_costs_nothing_that_was_asked(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            limited(bob, 800)
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac"), want=False))
            await node.until_bytes(one, 300_000)
            await world.server.stop()
            await world.until(lambda: not node.plane.online)
            await node.until_state(one, DownloadState.SUCCEEDED)
            await asyncio.sleep(0)

    played(scene)


@pytest.mark.e2e
@pytest.mark.parametrize("stubborn", ["ignores", "refuses"])
def test_a_sharer_that_takes_no_offsets_is_read_from_the_beginning_and_nothing_is_mixed(
    tmp_path: Path, stubborn: str
) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            upload, offsets = bob.transfers._upload_file, list[int]()

            async def without_offsets(transfer: Any, connection: Any) -> None:
                offsets.append(transfer.bytes_transfered)
                if transfer.bytes_transfered and stubborn == "refuses":
                    await transfer.state.start_transferring()
                    await connection.disconnect(CloseReason.REQUESTED)
                    await transfer.state.fail()
                    return
                transfer.bytes_transfered = 0
                await upload(transfer, connection)

            bob.transfers._upload_file = without_offsets
            limited(bob, 600)
            rules = dataclasses.replace(RULES, attempts=8)
            node = await Node(world, tmp_path / "node", rules=rules).start()
            row = download(path_of(bob, "1.flac"), want=False)
            one = node.rows.put(row)
            await node.until_bytes(one, 600_000)
            node.rows.put(dataclasses.replace(row, desired=DownloadDesired.PAUSED))
            await node.until_state(one, DownloadState.PAUSED)
            limited(bob, 0)
            node.rows.put(row)
            await node.until_state(one, DownloadState.SUCCEEDED)
            assert Path(node.rows.reports[one].path).read_bytes() == SOUND
            assert offsets[0] == offsets[-1] == 0
            assert max(offsets) > 0

    played(scene)


@pytest.mark.e2e
def test_a_file_that_changed_meanwhile_is_taken_as_it_is_now(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            limited(bob, 600)
            node = await Node(world, tmp_path / "node").start()
            row = download(path_of(bob, "1.flac"), want=False)
            one = node.rows.put(row)
            await node.until_bytes(one, 600_000)
            node.rows.put(dataclasses.replace(row, desired=DownloadDesired.PAUSED))
            await node.until_state(one, DownloadState.PAUSED)
            changed = SOUND[:100_000] + b"changed" + SOUND[100_007:]
            shared(tmp_path / "s", "1.flac", content=changed[:500_000] + bytes(reversed(changed[500_000:])))
            limited(bob, 0)
            node.rows.put(row)
            await node.until_state(one, DownloadState.SUCCEEDED)
            kept = Path(node.rows.reports[one].path).read_bytes()
            assert kept == (tmp_path / "s" / "An Album" / "1.flac").read_bytes()

    played(scene)


@pytest.mark.e2e
def test_a_sharer_that_forgot_us_while_we_were_away_is_asked_anew(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            bob.settings.transfers.limits.upload_slots = 0
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(path_of(bob, "1.flac"), want=False))
            await node.until_state(one, DownloadState.QUEUED)
            await world.until(bob.transfers.get_uploads)
            await world.server.stop()
            await world.until(lambda: not node.plane.online)
            for upload in bob.transfers.get_uploads():
                await bob.transfers.remove(upload)
            bob.settings.transfers.limits.upload_slots = 1
            await world.server.start()
            await bob.network.connect_server()
            await bob.login()
            await node.until_state(one, DownloadState.SUCCEEDED)

    played(scene)


@pytest.mark.e2e
def test_a_request_is_not_lost_in_a_connection_that_is_being_closed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            node = await Node(world, tmp_path / "node").start()
            first = node.rows.put(download(path_of(bob, "1.flac"), want=False))
            await node.until_state(first, DownloadState.SUCCEEDED)
            assert node.plane.client is not None
            connections = node.plane.client.network.get_peer_connections("bob", "P")
            assert connections
            network = node.plane.client.network
            for one in connections:
                one._is_closing = True  # as for a moment of every connection's end
            fresh = await network.get_peer_connection("bob")
            assert fresh not in connections

            async def closes_meanwhile(_username: str) -> Any:
                fresh._is_closing = True
                return fresh

            network.get_peer_connection = closes_meanwhile
            with pytest.raises(ConnectionWriteError):
                await network.send_peer_messages("bob", PeerTransferQueue.Request("2.flac"))

    played(scene)
