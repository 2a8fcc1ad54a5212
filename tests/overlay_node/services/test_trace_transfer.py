"""Real transfers with tracing on: what the trace says adds up to the bytes, to the last one."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from apps.domain.swarm.trace import ACTIONS, TraceAction
from apps.domain.swarm.trace_columns import Outcome, trace_columns
from apps.domain.swarm.trace_lines import Trace, trace_read
from apps.domain.swarm.trace_summary import trace_summary
from overlay_node.store.memory_store import MemoryStore
from tests.overlay_node.services.faults import CorruptEvery, twisted
from tests.overlay_node.services.mesh_world import MeshWorld, assembled, library_entry, only_transfer, want


def read(mesh: MeshWorld, job: uuid.UUID) -> Trace:
    (path,) = (mesh.root / "fetcher" / "traces").iterdir()
    assert path.name == f"{job}.jsonl"
    return trace_read(job, [path.read_bytes()])


def check_sums(trace: Trace, row: Any) -> Any:
    """The trace against the rows that the node wrote."""
    assert (trace.unreadable, trace.torn) == (0, False)
    assert {event.action for event in trace.events} <= ACTIONS
    whole = trace_summary(trace).whole
    assert whole.payload == row.work.payload_bytes
    assert whole.verified + whole.held_before == row.work.payload_bytes
    assert whole.received == sum(peer.verified + peer.vain + peer.bad + peer.lost for peer in whole.peers)
    assert {peer.peer: peer.verified for peer in whole.peers if peer.verified} == {
        key: source.verified_bytes for key, source in row.sources.items() if source.verified_bytes
    }
    return whole


def test_a_traced_transfer_adds_up_and_names_who_corrupted(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry, job = library_entry(music / "one.flac"), uuid.uuid4()
        liar = await mesh.seeder("liar", entry, blobs=twisted(read_twist=CorruptEvery(2)))
        honest = await mesh.seeder("honest", entry, upload_kbps=2000)
        store = MemoryStore()
        wanted = want(group_id=job)
        store.want_put(wanted)
        await mesh.start("fetcher", store, tracing=True)
        await mesh.until(lambda: assembled(store))
        row = only_transfer(store)
        await mesh.stop("fetcher")
        trace = read(mesh, job)
        whole = check_sums(trace, row)
        shares = {peer.peer: peer for peer in whole.peers}
        assert shares[liar.peer_id].bad_leaves == row.sources[liar.peer_id].bad_leaves
        assert shares[honest.peer_id].bad_leaves == 0
        if row.sources[liar.peer_id].bad_leaves:
            assert any(one.peer == liar.peer_id and one.tone == "bad" for one in whole.findings)
        (context,) = trace.contexts.values()
        assert (context.track, context.transfer) == (wanted.recording_mbid, row.work.id)
        assert context.variant == row.work.payload_root.hex()
        assert whole.transfers[0].outcome == "completed"
        outcomes = trace_columns(trace)["chunks"]["outcome"]  # type: ignore[index]
        assert Outcome.UNDER_WAY not in outcomes
        assert Outcome.ARRIVED not in outcomes

    mesh.run(scenario())


def test_a_node_that_stops_in_the_middle_goes_on_in_the_same_trace(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry, store = library_entry(music / "one.flac"), MemoryStore()
        await mesh.seeder("seeder", entry, upload_kbps=500)
        wanted = want()
        store.want_put(wanted)
        fetcher = await mesh.start("fetcher", store, tracing=True)
        await mesh.until(lambda: fetcher.swarms.down_bytes.total() > 600_000)
        await mesh.stop("fetcher")
        assert only_transfer(store).verified_bytes < entry.variant.payload_bytes
        await mesh.seeder("another", entry)
        await mesh.start("fetcher", store, tracing=True)
        await mesh.until(lambda: assembled(store))
        await mesh.stop("fetcher")
        trace = read(mesh, wanted.id)  # nobody's job: the want's own trace
        summary = trace_summary(trace).whole
        assert summary.verified == summary.payload == entry.variant.payload_bytes
        assert summary.transfers[0].sessions == 2
        starts = [event.offset for event in trace.events if event.action == TraceAction.TRANSFER_STARTED]
        assert starts[0] == 0
        assert starts[1] > 0
        assert [one.code for one in summary.findings if one.code == "trace_resumed"]

    mesh.run(scenario())


def test_with_tracing_off_nothing_is_written_and_old_traces_still_go(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        old = mesh.root / "fetcher" / "traces" / f"{uuid.uuid4()}.jsonl"
        old.parent.mkdir(parents=True)
        old.write_text("{}")
        os.utime(old, (1_000_000_000, 1_000_000_000))
        await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        store.want_put(want())
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        assert fetcher.traces is None
        await mesh.until(lambda: not old.exists())
        assert not list((mesh.root / "fetcher").glob("traces/*"))

    mesh.run(scenario())
