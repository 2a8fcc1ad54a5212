"""What every store promises of two payloads for one want, of what claimers delivered, and of claims that a later look refutes."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid

import pytest

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.contracts.node_work import AddressTried, DeliveryReport, PeerReport, ProgressReport, TransferWork
from apps.domain.jobs.lifecycle import TransferRole, TransferState, WantDesired
from overlay_node.store.memory_store import MemoryStore
from tests.overlay_node.store.store_world import RECORDING, RELEASE, ROOT, World

SECOND = hashlib.sha256(b"second").digest()
THIRD = hashlib.sha256(b"third").digest()


def beside(world: World, want_id: uuid.UUID, *, root: bytes = SECOND) -> TransferWork | None:
    return world.run(
        world.store.transfer_start(
            want_id,
            payload_format="flac",
            payload_root=root,
            profile="flac-16-44100-2",
            payload_bytes=1000,
            leaf_bytes=LEAF_BYTES,
            role=TransferRole.FALLBACK,
            choice={"version": 1, "term": "only"},
        )
    )


def live(world: World) -> dict[bytes, tuple[TransferRole, TransferState]]:
    return {one.payload_root: (one.role, one.state) for one in world.run(world.store.work()).transfers}


def assemble(world: World, transfer_id: uuid.UUID) -> bool:
    report = ProgressReport(transfer_id=transfer_id, verified_bytes=1000, refetched_bytes=0, speed_bps=1)
    return world.run(world.store.transfer_assembled(report, path="/partial/audio.flac"))


def test_a_want_has_one_primary_and_one_fallback_of_another_payload(world: World) -> None:
    want_id = world.rows.want_put()
    assert beside(world, want_id) is None  # there is nothing to stand in for
    primary = world.start(want_id)
    assert primary is not None
    assert beside(world, want_id, root=ROOT) is None  # the same payload
    fallback = beside(world, want_id)
    assert fallback is not None
    assert fallback.role is TransferRole.FALLBACK
    assert beside(world, want_id, root=THIRD) is None
    assert world.start(want_id) is None
    assert live(world) == {
        ROOT: (TransferRole.PRIMARY, TransferState.FETCHING),
        SECOND: (TransferRole.FALLBACK, TransferState.FETCHING),
    }
    assert world.run(world.store.transfers_keeping_files()) == {primary.id, fallback.id}


@pytest.mark.parametrize("ends", ["primary", "fallback"])
def test_whichever_is_left_is_the_primary_and_may_have_a_fallback_again(world: World, ends: str) -> None:
    want_id = world.rows.want_put()
    pair = {"primary": world.start(want_id), "fallback": beside(world, want_id)}
    ended = pair.pop(ends)
    (left,) = pair.values()
    assert ended is not None
    assert left is not None
    assert world.run(world.store.transfer_ended(ended.id, state=TransferState.STOPPED, code="gave_way"))
    assert live(world) == {left.payload_root: (TransferRole.PRIMARY, TransferState.FETCHING)}
    assert beside(world, want_id, root=THIRD) is not None


def test_one_file_at_a_time_is_judged(world: World) -> None:
    want_id = world.rows.want_put()
    primary, fallback = world.start(want_id), beside(world, want_id)
    assert primary is not None
    assert fallback is not None
    assert assemble(world, fallback.id)
    assert not assemble(world, primary.id)
    assert live(world)[ROOT][1] is TransferState.FETCHING
    assert beside(world, want_id, root=THIRD) is None


def test_a_refused_fallback_leaves_the_primary_going_on_and_says_so(world: World) -> None:
    want_id = world.rows.want_put()
    primary, fallback = world.start(want_id), beside(world, want_id)
    assert primary is not None
    assert fallback is not None
    assert assemble(world, primary.id)
    world.rows.verdict_put(primary.id, accepted=False, code="wrong_recording")
    assert world.run(world.store.verdict_apply(primary.id))
    assert live(world) == {SECOND: (TransferRole.PRIMARY, TransferState.FETCHING)}
    assert world.rows.events()[-1] == ("transfer_started", fallback.id)


def test_the_loser_of_an_accepted_payload_is_still_live_until_it_is_stopped(world: World) -> None:
    want_id = world.rows.want_put()
    primary, fallback = world.start(want_id), beside(world, want_id)
    assert primary is not None
    assert fallback is not None
    assert assemble(world, fallback.id)
    world.rows.verdict_put(fallback.id, accepted=True, code="")
    assert world.run(world.store.verdict_apply(fallback.id))
    work = world.run(world.store.work())
    assert [(one.id, one.desired) for one in work.wants] == [(want_id, WantDesired.SATISFIED)]
    assert [one.id for one in work.transfers] == [primary.id]
    assert world.run(world.store.transfers_keeping_files()) == {primary.id}
    assert world.run(world.store.transfer_ended(primary.id, state=TransferState.STOPPED, code="want_satisfied"))
    assert world.run(world.store.work()).wants == ()


# ---- claims


def told(world: World, peer: str, *, delivered: bool) -> tuple[bool, bool]:
    """(delivered, cooling) afterwards."""
    report = DeliveryReport(peer=peer, payload_format="flac", payload_root=ROOT, delivered=delivered)
    world.run(world.store.claims_delivery([report]))
    known = next(one for one in world.run(world.store.claims_of(RECORDING)) if one.claim.peer == peer)
    return known.delivered, known.cooling_s > 0


def test_a_claimer_that_had_nothing_cools_ever_longer_until_it_delivers(world: World) -> None:
    world.run(world.store.claims_record([world.claim("boaster"), world.claim("other")]))
    assert told(world, "boaster", delivered=False) == (False, True)
    first = world.run(world.store.claims_of(RECORDING))
    told(world, "boaster", delivered=False)
    second = world.run(world.store.claims_of(RECORDING))
    cooling = [max(one.cooling_s for one in known) for known in (first, second)]
    assert 1.5 < cooling[1] / cooling[0] < 2.5
    assert told(world, "boaster", delivered=True) == (True, False)
    world.run(world.store.claims_record([world.claim("boaster")]))  # said again: what it did stays
    assert [one.delivered for one in world.run(world.store.claims_of(RECORDING)) if one.claim.peer == "boaster"] == [
        True
    ]
    assert all(not one.cooling_s for one in world.run(world.store.claims_of(RECORDING)))


def test_deliveries_of_claims_that_nobody_made_change_nothing(world: World) -> None:
    report = DeliveryReport(peer="stranger", payload_format="flac", payload_root=ROOT, delivered=True)
    world.run(world.store.claims_delivery([report, dataclasses.replace(report, delivered=False)]))
    assert world.run(world.store.claims_of(RECORDING)) == []


def test_what_this_node_measured_is_told_of_the_payloads_asked_about(world: World) -> None:
    measure(world)
    (known,) = world.run(world.store.payloads_measured({("flac", ROOT), ("flac", SECOND)}))
    assert (known.payload_root, known.recording_mbid, known.verified, known.duration_ms) == (
        ROOT,
        RECORDING,
        True,
        1000,
    )
    assert world.run(world.store.payloads_measured(set())) == []


def measure(world: World) -> None:
    """This node holds the payload ROOT and has analysed it: it lasts a second."""
    if isinstance(world.store, MemoryStore):
        from apps.domain.contracts.node_work import MeasuredPayload

        world.store.measured["flac", ROOT] = MeasuredPayload(
            payload_format="flac", payload_root=ROOT, recording_mbid=RECORDING, verified=True, duration_ms=1000
        )
    else:
        world.rows.hold(RELEASE, RECORDING)


def test_who_stated_what_the_payload_is_not_is_charged_once_although_the_recording_is_right(world: World) -> None:
    liar = dataclasses.replace(world.claim("liar"), facts={"dur_ms": 90_000})
    world.run(world.store.claims_record([world.claim("honest"), liar]))
    measure(world)
    charged = []
    for _ in range(2):
        transfer_id = world.assembled(world.rows.want_put())
        world.rows.verdict_put(transfer_id, accepted=True, code="")
        applied = world.run(world.store.verdict_apply(transfer_id))
        charged.append(applied.charged if applied is not None else None)
    assert charged == [("liar",), ()]
    assert (world.rows.peer("liar"), world.rows.peer("honest")) == ((0, 1, 0), (0, 0, 0))


def test_a_later_look_that_finds_another_recording_charges_the_claimers_once(world: World) -> None:
    world.run(world.store.claims_record([world.claim("liar"), world.claim("relay", complete=False)]))
    transfer_id = world.assembled(world.rows.want_put())
    world.rows.verdict_put(transfer_id, accepted=True, code="acoustid_disabled")
    assert world.run(world.store.verdict_apply(transfer_id))
    assert world.run(world.store.denials_apply()) == ()
    deny(world, transfer_id)
    assert world.run(world.store.denials_apply()) == ("liar",)
    assert world.run(world.store.denials_apply()) == ()
    assert (world.rows.peer("liar"), world.rows.peer("relay")) == ((0, 1, 0), (0, 0, 0))
    assert all(one.refuted for one in world.run(world.store.claims_of(RECORDING)))


def deny(world: World, transfer_id: uuid.UUID) -> None:
    """As the re-check does it."""
    if isinstance(world.store, MemoryStore):
        world.store.denials.append((RECORDING, "flac", ROOT))
    else:
        from apps.transfers.services import denial_write

        denial_write(transfer_id, code="wrong_recording")


def test_a_verdict_and_its_denial_charge_once_together(world: World) -> None:
    world.run(world.store.claims_record([world.claim("liar")]))
    transfer_id = world.assembled(world.rows.want_put())
    world.rows.verdict_put(transfer_id, accepted=False, code="wrong_recording")
    applied = world.run(world.store.verdict_apply(transfer_id))
    assert applied is not None
    assert applied.charged == ("liar",)
    assert world.run(world.store.denials_apply()) == ()
    assert world.rows.peer("liar") == (0, 1, 0)


# ---- addresses


def met(world: World, key: str, host: str, *, answered: bool) -> None:
    world.run(world.store.peer_met(PeerReport(key=key, host=host, port=7, group="g", answered=answered)))


def test_claimers_are_found_where_they_are(world: World) -> None:
    met(world, "a", "127.0.0.2", answered=True)
    met(world, "b", "127.0.0.3", answered=False)

    def find(*keys: str) -> set[tuple[str, str]]:
        return {(one.peer, one.host) for one in world.run(world.store.addresses_of(keys, limit=10))}

    assert find("a", "b", "unknown") == {("a", "127.0.0.2"), ("b", "127.0.0.3")}
    assert find("b") == {("b", "127.0.0.3")}
    assert find() == set()
    world.run(world.store.addresses_tried([AddressTried(host="127.0.0.3", port=7, answered=False)]))
    assert find("b") == {("b", "127.0.0.3")}
