"""A stream of another network beside a session: what it has is taken before the first peer is asked, so that no mesh is too fast for it."""

from __future__ import annotations

import pytest

from apps.domain.audio.payload import LEAF_BYTES
from overlay_node.swarm.actions import Action, AskChunk, Completed, KeepManifest, StoreLeaf
from overlay_node.swarm.session import SwarmSession
from tests.overlay_node.swarm.payloads import make_payload

LEAVES = 40
PAYLOAD = make_payload(LEAF_BYTES * (LEAVES - 1) + 77)
STREAM = "soulseek:bob"


def listening(*, rescued: bool = False) -> SwarmSession:
    """A session that knows the payload, has a peer with all of it, and listens to streams first."""
    session = SwarmSession(PAYLOAD.key)
    session.rescues(active=rescued)
    session.from_far_end()
    session.peer_added("p", 0.0)
    manifest = PAYLOAD.manifest
    actions = session.manifest_received(
        "p",
        manifest.facts,
        manifest.leaves.hashes,
        leaf_bytes=LEAF_BYTES,
        preamble=b"",
        have=((0, LEAVES),),
        now=0.0,
    )
    assert [type(one) for one in actions] == [KeepManifest]
    session.listen_first()
    return session


def asked(actions: list[Action]) -> list[AskChunk]:
    return [one for one in actions if isinstance(one, AskChunk)]


@pytest.mark.parametrize("given", [0, 1, 2, 17, LEAVES - 1])
def test_what_a_stream_has_is_taken_before_anybody_is_asked_and_never_asked_for(given: int) -> None:
    session = listening()
    for leaf in range(given):
        actions = session.leaf_offered(STREAM, leaf, PAYLOAD.leaf(leaf), 0.0)
        assert actions is not None
        assert [(one.peer, one.leaf) for one in actions if isinstance(one, StoreLeaf)] == [(STREAM, leaf)]
        assert not asked(actions)
    assert not asked(session.tick(0.5))
    requests = asked(session.storage_ready(1.0))
    assert requests[0].offset + requests[0].length == len(PAYLOAD.data)  # from the far end
    done = False
    while requests:
        request = requests.pop(0)
        assert request.offset >= given * LEAF_BYTES
        data = PAYLOAD.data[request.offset : request.offset + request.length]
        actions = session.chunk_received("p", request.offset, data, 1.0)
        requests += asked(actions)
        done = done or any(isinstance(one, Completed) for one in actions)
    assert done
    assert session.beside_bytes == given * LEAF_BYTES
    assert {session.sender(leaf) for leaf in range(given)} <= {STREAM}
    assert not session.violations.total()


@pytest.mark.parametrize("early", [True, False])
def test_while_a_rescue_is_active_its_requests_go_before_our_other_ones(*, early: bool) -> None:
    """PROTOCOL-FACTS: rescue 9, three more for the first and last leaf, at most 10."""
    session = listening(rescued=early)
    if not early:
        session.rescues(active=True)
    requests = asked(session.storage_ready(1.0))
    leaves = [one.offset // LEAF_BYTES for one in requests]
    assert leaves[0] >= LEAVES - 2  # from the far end all the same
    assert {one.priority for one in requests} <= {9, 10}
    session.rescues(active=False)
    request = requests[0]
    data = PAYLOAD.data[request.offset : request.offset + request.length]
    later = asked(session.chunk_received("p", request.offset, data, 1.0))
    assert later
    assert all(one.priority < 9 for one in later)


def test_a_stream_that_has_it_all_makes_it_whole_and_nobody_is_asked() -> None:
    session = listening()
    actions = [
        one for leaf in range(LEAVES) for one in session.leaf_offered(STREAM, leaf, PAYLOAD.leaf(leaf), 0.0) or ()
    ]
    assert any(isinstance(one, Completed) for one in actions)
    assert not asked(actions)
    assert not asked(session.storage_ready(1.0))


def test_a_leaf_that_does_not_hash_right_is_not_taken_and_nobody_is_blamed() -> None:
    session = listening()
    assert session.leaf_offered(STREAM, 0, bytes(LEAF_BYTES), 0.0) is None
    assert session.verified_bytes == 0
    assert asked(session.storage_ready(1.0))


def test_leaves_are_not_taken_before_they_can_be_written() -> None:
    with pytest.raises(ValueError, match="can't be written"):
        SwarmSession(PAYLOAD.key).leaf_offered(STREAM, 0, PAYLOAD.leaf(0), 0.0)
