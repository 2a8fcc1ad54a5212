"""A job's swarm: rows, what is known of its peers, and the living node's word, asked over its real socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.jobs.models import Job
from apps.jobs.selectors_swarm import job_swarm
from apps.jobs.swarm_words import peer_facts, transfer_facts
from apps.nodelink.control import NodeUnreachable, node_ask
from overlay_node.services.control_socket import ControlSocket
from tests.web import seed

pytestmark = pytest.mark.django_db
Lookup = Callable[[str], Mapping[str, object] | None]
TOLD: dict[str, Any] = {
    "policy": "cost",
    "waiting": "",
    "leaves": 100,
    "held": 40,
    "in_flight": 6,
    "free": 54,
    "finish_in_s": 7.25,
    "random_speed_up": 1.8,
}
PEER: dict[str, Any] = {
    "role": "works",
    "in_flight_bytes": 524_288,
    "idle_in_s": 1.5,
    "late_s": 0.0,
    "rate_bps": 2_097_152.0,
    "rate_known": True,
    "idle_because": None,
}


@pytest.fixture
def node(tmp_path: Path, settings: Any) -> Iterator[Callable[[Lookup], None]]:
    """Starts a control socket whose `swarm` answers as the test says."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sockets: list[ControlSocket] = []

    def start(lookup: Lookup) -> None:
        path = tmp_path / "node.sock"
        settings.NODE_SOCKET = path
        sockets.append(ControlSocket(path, questions={}, lookups={"swarm": lookup}))
        asyncio.run_coroutine_threadsafe(sockets[-1].open(), loop).result(10)

    yield start
    for one in sockets:
        asyncio.run_coroutine_threadsafe(one.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def running_job() -> Job:
    seed.fill(2)
    return Job.objects.get(state="running")


def test_the_nodes_word_stands_beside_the_rows(node: Callable[[Lookup], None], viewer_api: APIClient) -> None:
    job = running_job()
    asked: list[str] = []

    def tell(transfer: str) -> Mapping[str, object]:
        asked.append(transfer)
        swarm = job_swarm_peers[transfer]
        return {**TOLD, "peers": [{"peer": swarm, **PEER}]}

    first = job_swarm(job.id, explain=False)
    assert first is not None
    job_swarm_peers = {str(one.transfer.id): one.sources[0].source.peer for one in first.tracks}
    node(tell)
    body = viewer_api.get(f"/api/swarm/jobs/{job.id}").json()
    live = [track for track in body["tracks"] if track["live"]]
    assert sorted(asked) == sorted(track["transfer"] for track in live)
    assert live[0]["explanation"] == TOLD
    assert live[0]["sources"][0]["now"]["role"] == "works"
    assert live[0]["sources"][1]["now"] == {}
    assert live[0]["code"] == ""


def test_a_transfer_the_node_does_not_run_is_said_so(node: Callable[[Lookup], None], viewer_api: APIClient) -> None:
    job = running_job()
    node(lambda _transfer: None)
    body = viewer_api.get(f"/api/swarm/jobs/{job.id}").json()
    assert {track["code"] for track in body["tracks"] if track["live"]} == {"swarm_unknown"}


def test_a_node_that_is_away_costs_the_words_and_nothing_else(viewer_api: APIClient, settings: Any) -> None:
    job = running_job()
    settings.NODE_SOCKET = Path("/nowhere/node.sock")
    body = viewer_api.get(f"/api/swarm/jobs/{job.id}").json()
    assert {track["code"] for track in body["tracks"] if track["live"]} == {"node_unreachable"}
    body = viewer_api.get(f"/api/swarm/jobs/{job.id}", {"explain": "false"}).json()
    assert {track["code"] for track in body["tracks"]} == {""}


def test_only_people_of_this_node_may_look_and_unknown_jobs_are_not_found(
    viewer_api: APIClient, stranger_api: APIClient
) -> None:
    job = running_job()
    assert stranger_api.get(f"/api/swarm/jobs/{job.id}").status_code == 401
    answer = viewer_api.get(f"/api/swarm/jobs/{seed.mbid('x')}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "job_unknown"


def test_answers_that_are_no_answers_are_a_node_out_of_reach(tmp_path: Path, node: Callable[[Lookup], None]) -> None:
    node(lambda _of: TOLD)
    path = tmp_path / "node.sock"
    assert node_ask(path, "swarm", of="x")["policy"] == "cost"
    assert node_ask(path, "swarm") == {"error": "unknown_question"}
    with pytest.raises(NodeUnreachable):
        node_ask(tmp_path / "none.sock", "swarm", of="x")


def test_the_words_have_units() -> None:
    assert transfer_facts(TOLD) == [
        ("Leaves", "40 of 100 here, 6 on their way, 54 asked of nobody yet"),
        ("Estimated end", "in 7.2 s"),
        ("Against random", "1.8 times as fast"),
    ]
    assert peer_facts(PEER) == [
        "working",
        "asked for 512\u202fKiB",
        "done with it in 1.5 s",
        "reckoned with at 2.00\u202fMiB/s",
    ]
    idle = {**PEER, "role": "waits", "in_flight_bytes": 0, "idle_because": "held_back_too_slow"}
    assert peer_facts(idle)[-1] == "the others will be done before it could bring another part"


@pytest.mark.parametrize(
    "odd", [{}, {"leaves": "many", "finish_in_s": True}, {"leaves": float("nan"), "role": 7, "rate_bps": float("inf")}]
)
def test_whatever_a_socket_says_breaks_no_page(odd: dict[str, Any]) -> None:
    assert transfer_facts(odd) == []
    assert peer_facts(odd) == []


def test_who_gets_what_is_urgent_is_told_shortly_and_odd_answers_are_left_out() -> None:
    facts = dict(transfer_facts({"urgent_to": ["a" * 52, "b" * 52, 7, "c" * 52]}))
    assert facts["Urgent parts go to"].startswith("aaaa")
    assert facts["Urgent parts go to"].endswith(" …")
    assert transfer_facts({"urgent_to": "nobody"}) == []
    assert peer_facts({"role": "waits", "next_leaf_in_s": 1.25})[1] == "would need 1.2 s for a part"
