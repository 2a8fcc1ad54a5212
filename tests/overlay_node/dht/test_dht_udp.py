"""The shell on real sockets, the state file, and the stand-alone bootstrap node."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path

import pytest

from apps.domain.mesh.keys import mb_key
from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.config import DhtConfig, SavedState
from overlay_node.dht.ids import Contact, NodeId
from overlay_node.net.dht_persist import load_state, save_state
from overlay_node.net.dht_udp import Dht, DhtError

KEY = mb_key("f5093c06-23e3-404f-aeaa-40f72885ee3a")
HOST = "127.0.0.1"
STATE = SavedState(
    ids=((Family.V4, NodeId(b"4" * 20)), (Family.V6, NodeId(b"6" * 20))),
    nodes=(
        Contact(NodeId(b"a" * 20), Endpoint.parse("192.0.2.1", 6881)),
        Contact(NodeId(b"b" * 20), Endpoint.parse("2001:db8::1", 6882)),
    ),
)


def private(*hosts: str, port: int = 0) -> Dht:
    return Dht(port=port, hosts=hosts or (HOST,), config=DhtConfig().for_private_network())


def run(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60.0), debug=True)


def test_nodes_that_share_one_bootstrap_node_announce_and_find() -> None:
    async def scenario() -> None:
        nodes = [private() for _ in range(6)]
        try:
            await nodes[0].start()
            for node in nodes[1:]:
                await node.start([("localhost", nodes[0].port)])
            results = await asyncio.gather(*(node.announce(KEY, 5000 + n) for n, node in enumerate(nodes)))
            assert all(result.stored_at >= 1 for result in results)
            for node in nodes:
                assert {(HOST, 5000 + n) for n in range(6)} <= set(await node.get_peers(KEY))
        finally:
            for node in nodes:
                await node.stop()

    run(scenario())


def test_a_burst_of_a_hundred_announcements_all_arrive() -> None:
    async def scenario() -> None:
        nodes = [private() for _ in range(5)]
        try:
            await nodes[0].start()
            for node in nodes[1:]:
                await node.start([(HOST, nodes[0].port)])
            keys = [bytes([n]) * 20 for n in range(100)]
            results = await asyncio.gather(*(nodes[1].announce(key, 5000) for key in keys))
            assert min(result.stored_at for result in results) >= 3
            found = await asyncio.gather(*(nodes[2].get_peers(key) for key in keys))
            assert all((HOST, 5000) in peers for peers in found)
        finally:
            for node in nodes:
                await node.stop()

    run(scenario())


def test_nobody_there_is_an_error_with_a_code_and_nobody_announced_is_an_empty_list() -> None:
    async def scenario() -> None:
        first, second = private(), private()
        try:
            await first.start()
            for call in (first.get_peers(KEY), first.announce(KEY, 1)):
                with pytest.raises(DhtError) as caught:
                    await call
                assert (caught.value.code, caught.value.retryable) == ("dht_unreachable", True)
            await second.start([(HOST, first.port)])
            assert await second.get_peers(KEY) == []
        finally:
            await first.stop()
            await second.stop()

    run(scenario())


def test_start_comes_back_when_a_bootstrap_host_cannot_be_resolved_and_uses_the_others() -> None:
    async def scenario() -> None:
        first, second = private(), private()
        await first.start()
        # An empty label fails before any name server is asked.
        await second.start([("no..such.host", 1), (HOST, first.port)])
        assert second.stats().nodes == {"v4": 1}
        await first.stop()
        await second.stop()

    run(scenario())


def test_a_node_restarted_from_its_state_finds_its_neighbours_without_bootstrap() -> None:
    async def scenario() -> None:
        first, second = private(), private()
        await first.start()
        await second.start([(HOST, first.port)])
        saved = second.state()
        await second.stop()
        assert second.state() == saved, "still answered after stop"
        again = private()
        try:
            await again.start(saved=saved)
            assert again.state().ids == saved.ids
            assert again.stats().nodes == {"v4": 1}
        finally:
            await again.stop()
            await first.stop()

    run(scenario())


def test_both_families_share_one_port_and_stop_frees_it() -> None:
    async def scenario() -> None:
        node = private(HOST, "::1")
        await node.start()
        port, families = node.port, node.families
        if Family.V6 not in families:
            await node.stop()
            pytest.skip("no IPv6 loopback here")
        with pytest.raises(DhtError) as caught:
            await private(port=port).start()
        assert caught.value.code == "dht_port_unavailable"
        await node.stop()
        await node.stop()
        again = private(HOST, "::1", port=port)
        await again.start()
        assert again.port == port
        await again.stop()

    run(scenario())


def test_calls_end_when_the_node_stops_and_later_ones_are_refused() -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((HOST, 0))
            node = private()
            await node.open(SavedState(nodes=(Contact(NodeId(b"s" * 20), Endpoint.parse(*silent.getsockname())),)))
            joining = asyncio.ensure_future(node.join([]))
            await asyncio.get_running_loop().run_in_executor(None, silent.recv, 2048)
            await node.stop()
            for call in (joining, node.get_peers(KEY), node.announce(KEY, 1)):
                with pytest.raises(DhtError) as caught:
                    await call
                assert caught.value.code == "dht_stopped"

    run(scenario())


def test_a_cancelled_call_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        first, second = private(), private()
        await first.start()
        await second.start([(HOST, first.port)])
        call = asyncio.ensure_future(second.get_peers(KEY))
        await asyncio.sleep(0)
        assert second.stats().active_calls >= 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert second.stats().waiting_calls == 0
        assert second._calls == {}
        await first.stop()
        await second.stop()

    run(scenario())


def test_garbage_on_the_socket_is_counted_and_the_node_lives() -> None:
    async def scenario() -> None:
        node, other = private(), private()
        await node.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for data in (b"", b"\xff" * 3000, b"d1:t2:tt1:y1:qe", b"l" * 1000):
                sender.sendto(data, (HOST, node.port))
        await other.start([(HOST, node.port)])
        assert sum(node.stats().dropped.values()) == 4
        await node.stop()
        await other.stop()

    run(scenario())


def test_state_survives_the_file(tmp_path: Path) -> None:
    path = tmp_path / "node" / "dht.json"
    assert load_state(path) is None
    save_state(path, STATE)
    assert load_state(path) == STATE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["dht.json"]
    save_state(path, SavedState())
    assert load_state(path) == SavedState()


def spoiled(**changes: object) -> str:
    document: dict[str, object] = {"version": 1, "ids": {"v4": "34" * 20}, "nodes": [["61" * 20, "192.0.2.1", 6881]]}
    return json.dumps({**document, **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        spoiled(version=2),
        spoiled(version="1"),
        spoiled(ids=[]),
        spoiled(ids={"v4": 7}),
        spoiled(ids={"v4": "zz"}),
        spoiled(ids={"v4": "34"}),
        spoiled(nodes={}),
        spoiled(nodes=[["61" * 20, "192.0.2.1"]]),
        spoiled(nodes=[["61" * 20, "a-name.example", 1]]),
        spoiled(nodes=[["61" * 20, "192.0.2.1", 70000]]),
        spoiled(nodes=[["61", "192.0.2.1", 1]]),
        spoiled() + " " * 300_000,
        "\x00",
    ],
)
def test_a_spoiled_state_file_means_a_fresh_start_not_a_failed_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dht.json"
    path.write_text(text)
    assert load_state(path) is None


def test_an_unspoiled_file_of_that_shape_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dht.json"
    path.write_text(spoiled())
    assert load_state(path) == SavedState(((Family.V4, NodeId(b"4" * 20)),), STATE.nodes[:1])


def started_bootstrap(data: Path, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "overlay_node.net.dht_bootstrap", "--port", "0", "--data", str(data), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["ready"] is True
    return process, ready["port"]


@pytest.mark.e2e
def test_the_bootstrap_program_says_when_it_is_ready_introduces_nodes_and_keeps_its_id(tmp_path: Path) -> None:
    process, port = started_bootstrap(tmp_path)

    async def scenario() -> None:
        first, second = private(), private()
        await first.start([(HOST, port)])
        await second.start([(HOST, port)])
        await first.announce(KEY, 5000)
        assert await second.get_peers(KEY) == [(HOST, 5000)]
        await first.stop()
        await second.stop()

    try:
        run(scenario())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.communicate()
    state = load_state(tmp_path / "dht_state.json")
    assert state is not None
    assert len(state.nodes) == 2
    again, _ = started_bootstrap(tmp_path, "--bootstrap", f"{HOST}:{port}")
    again.send_signal(signal.SIGTERM)
    try:
        assert again.wait(10) == 0
    finally:
        again.kill()
        again.communicate()
    kept = load_state(tmp_path / "dht_state.json")
    assert kept is not None
    assert kept.ids == state.ids
    assert set(kept.nodes) == set(state.nodes)


@pytest.mark.e2e
def test_the_bootstrap_program_says_in_one_sentence_that_its_port_is_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "overlay_node.net.dht_bootstrap", "--port", str(port), "--data", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=Path(__file__).resolve().parents[3],
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr
