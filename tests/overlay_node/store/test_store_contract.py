"""What every store of the node promises: the one in memory and the one over Django's rows, tested alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.contracts.node_work import (
    Heartbeat,
    HeldFile,
    PeerReport,
    ProgressReport,
    RateLimitWork,
    SourceReport,
    WantReport,
)
from apps.domain.contracts.peer_work import PeerMetricsReport
from apps.domain.contracts.soulseek_traffic import TrafficBatch, TrafficLine, TrafficPlane
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferState, WantDesired, WantPhase
from apps.domain.peers.metrics import PeerMetrics, PeerMetricsSnapshot
from overlay_node.services.reconciler import utc_now
from tests.overlay_node.store.store_world import OTHER, PATH, RECORDING, RELEASE, ROOT, World

T = TypeVar("T")


def test_active_and_paused_wants_are_work_and_ended_ones_are_not(world: World) -> None:
    kept = [world.rows.want_put(priority=1), world.rows.want_put(priority=9)]
    ended = world.rows.want_put()
    world.rows.want_move(kept[0], WantDesired.PAUSED)
    world.rows.want_move(ended, WantDesired.CANCELLED)
    work = world.run(world.store.work())
    assert [want.id for want in work.wants] == [kept[1], kept[0]]  # most urgent first
    assert [want.desired for want in work.wants] == [WantDesired.ACTIVE, WantDesired.PAUSED]
    assert work.wants[0].release_mbids == (RELEASE,)
    assert work.wants[0].constraints == Constraints()
    assert world.run(world.store.releases_worked_on()) == [RELEASE]


def test_limits_that_a_person_set_come_with_the_work_until_they_are_cleared(world: World) -> None:
    peer = "p" * 52
    assert world.run(world.store.work()).limits == ()
    world.rows.limit("global", "", "up", 100)
    world.rows.limit("peer", peer, "down", 0)
    world.rows.limit("global", "", "up", 200)
    assert set(world.run(world.store.work()).limits) == {
        RateLimitWork(scope="global", key="", direction="up", kbps=200),
        RateLimitWork(scope="peer", key=peer, direction="down", kbps=0),
    }
    world.rows.limit("global", "", "up", None)
    assert [one.scope for one in world.run(world.store.work()).limits] == ["peer"]


def test_a_want_has_at_most_one_live_transfer_and_an_inactive_one_gets_none(world: World) -> None:
    want_id = world.rows.want_put()
    first = world.start(want_id)
    assert first is not None
    assert world.start(want_id) is None
    paused = world.rows.want_put()
    world.rows.want_move(paused, WantDesired.PAUSED)
    assert world.start(paused) is None
    assert world.rows.events() == [("transfer_started", first.id)]
    assert [one.id for one in world.run(world.store.work()).transfers] == [first.id]


def test_progress_is_written_with_its_sources_and_ends_with_the_fetching(world: World) -> None:
    work = world.start(world.rows.want_put())
    assert work is not None
    for verified in (100, 300):
        source = SourceReport(peer="fast", state="requesting", verified_bytes=verified, bad_leaves=1)
        report = ProgressReport(
            transfer_id=work.id, verified_bytes=verified, refetched_bytes=5, speed_bps=9, sources=(source,)
        )
        world.run(world.store.transfers_progress([report]))
    assert world.rows.transfer(work.id) == ("fetching", "", 300, "")
    assert world.rows.sources(work.id) == {"fast": (300, 1)}
    final = ProgressReport(transfer_id=work.id, verified_bytes=1000, refetched_bytes=5, speed_bps=9)
    assert world.run(world.store.transfer_assembled(final, path="/p/audio.flac"))
    assert not world.run(world.store.transfer_assembled(final, path="/p/audio.flac"))
    late = ProgressReport(transfer_id=work.id, verified_bytes=400, refetched_bytes=5, speed_bps=9)
    world.run(world.store.transfers_progress([late]))
    assert world.rows.transfer(work.id) == ("assembled", "", 1000, "/p/audio.flac")
    assert [kind for kind, _ in world.rows.events()] == ["transfer_started", "transfer_assembled"]


def test_who_of_the_mesh_gave_how_much_is_read_again(world: World) -> None:
    work = world.start(world.rows.want_put())
    assert work is not None
    assert world.run(world.store.transfer_givers(work.id)) == {}
    sources = (
        SourceReport(peer="fast", state="requesting", verified_bytes=300),
        SourceReport(peer="idle", state="requesting"),
        SourceReport(peer="bob", state="active", verified_bytes=200, adapter="soulseek"),
    )
    report = ProgressReport(transfer_id=work.id, verified_bytes=500, refetched_bytes=0, speed_bps=9, sources=sources)
    world.run(world.store.transfers_progress([report]))
    assert world.run(world.store.transfer_givers(work.id)) == {"fast": 300}
    assert world.run(world.store.transfer_givers(uuid.uuid4())) == {}


def test_a_manifest_corrects_the_claimed_sizes(world: World) -> None:
    work = world.start(world.rows.want_put())
    assert work is not None
    assert world.run(
        world.store.transfer_manifest(
            work.id, payload_bytes=777, leaf_bytes=LEAF_BYTES, preamble_bytes=42, preamble="ab", preamble_from="p"
        )
    )
    assert world.run(world.store.work()).transfers[0].payload_bytes == 777


def test_a_stopped_transfer_ends_once_and_its_want_may_start_another(world: World) -> None:
    want_id = world.rows.want_put()
    work = world.start(want_id)
    assert work is not None
    assert world.run(world.store.transfer_ended(work.id, state=TransferState.STOPPED, code="sources_lost"))
    assert not world.run(world.store.transfer_ended(work.id, state=TransferState.FAILED, code="other"))
    assert world.rows.transfer(work.id)[:2] == ("stopped", "sources_lost")
    assert world.start(want_id) is not None
    assert [kind for kind, _ in world.rows.events()] == ["transfer_started", "transfer_ended", "transfer_started"]


def test_a_lost_file_sends_an_assembled_transfer_back(world: World) -> None:
    transfer_id = world.assembled(world.rows.want_put())
    assert world.run(world.store.transfer_refetch(transfer_id))
    assert world.rows.transfer(transfer_id)[0] == "fetching"
    assert world.rows.transfer(transfer_id)[3] == ""


def test_blocked_is_a_code_on_a_live_transfer(world: World) -> None:
    work = world.start(world.rows.want_put())
    assert work is not None
    world.run(world.store.transfer_blocked(work.id, code="disk_full"))
    assert world.rows.transfer(work.id)[1] == "disk_full"
    world.run(world.store.transfer_blocked(work.id, code=""))
    assert world.rows.transfer(work.id)[1] == ""


def test_an_accepted_verdict_confirms_claims_and_is_applied_once(world: World) -> None:
    want_id = world.rows.want_put()
    world.run(world.store.claims_record([world.claim("honest")]))
    transfer_id = world.assembled(want_id)
    assert world.run(world.store.transfers_keeping_files()) == {transfer_id}
    world.rows.verdict_put(transfer_id, accepted=True, code="")
    work = world.run(world.store.work())
    assert work.transfers[0].verdict is not None
    assert work.transfers[0].verdict.accepted
    assert world.run(world.store.verdict_apply(transfer_id))
    assert not world.run(world.store.verdict_apply(transfer_id))
    assert world.rows.transfer(transfer_id)[0] == "accepted"
    assert world.rows.peer("honest") == (0, 0, 0)
    assert world.run(world.store.work()).wants == ()
    assert world.run(world.store.transfers_keeping_files()) == frozenset()


def test_a_file_accepted_as_unconfirmed_proves_nothing_of_the_claims(world: World) -> None:
    world.run(world.store.claims_record([world.claim("liar")]))
    first = world.assembled(world.rows.want_put())
    world.rows.verdict_put(first, accepted=True, code="acoustid_disabled")
    assert world.run(world.store.verdict_apply(first))
    second = world.assembled(world.rows.want_put())
    world.rows.verdict_put(second, accepted=False, code="wrong_recording")
    assert world.run(world.store.verdict_apply(second))
    assert world.rows.peer("liar") == (0, 1, 0)


def test_a_wrong_recording_refutes_claims_charges_whole_holders_and_denies_the_payload(world: World) -> None:
    want_id = world.rows.want_put()
    world.run(world.store.claims_record([world.claim("liar"), world.claim("relay", complete=False)]))
    transfer_id = world.assembled(want_id)
    world.rows.verdict_put(transfer_id, accepted=False, code="wrong_recording")
    assert world.run(world.store.verdict_apply(transfer_id))
    assert world.rows.peer("liar") == (0, 1, 0)
    assert world.rows.peer("relay") == (0, 0, 0)
    known = world.run(world.store.claims_of(RECORDING))
    assert {one.claim.peer: (one.refuted, one.wrong_claims) for one in known} == {
        "liar": (True, 1),
        "relay": (True, 0),
    }
    work = world.run(world.store.work())
    assert work.wants[0].denied == {("flac", ROOT)}
    world.run(world.store.claims_record([world.claim("liar")]))  # said again: the verdict stays
    assert all(one.refuted for one in world.run(world.store.claims_of(RECORDING)) if one.claim.peer == "liar")


def test_a_refused_preamble_charges_its_sender_alone_and_is_remembered(world: World) -> None:
    world.run(world.store.claims_record([world.claim("claimer")]))
    work = world.start(world.rows.want_put())
    assert work is not None
    world.run(
        world.store.transfer_manifest(
            work.id, payload_bytes=1000, leaf_bytes=LEAF_BYTES, preamble_bytes=42, preamble="ab", preamble_from="liar"
        )
    )
    world.run(world.store.peer_charge("liar"))
    report = ProgressReport(transfer_id=work.id, verified_bytes=1000, refetched_bytes=0, speed_bps=0)
    world.run(world.store.transfer_assembled(report, path="/p"))
    world.rows.verdict_put(work.id, accepted=False, code="preamble_mismatch")
    assert world.run(world.store.verdict_apply(work.id))
    assert world.rows.peer("liar") == (1, 0, 0)
    assert world.rows.peer("claimer") == (0, 0, 0)
    assert world.run(world.store.work()).wants[0].refused_preambles == {"ab"}


def test_why_a_want_waits_is_told_and_told_anew(world: World) -> None:
    want_id = world.rows.want_put()
    for sources in (0, 2):
        report = WantReport(want_id=want_id, phase=WantPhase.NO_SOURCE, code="no_source", sources_known=sources)
        world.run(world.store.want_progress([report]))
    assert world.rows.progress(want_id) == ("no_source", "no_source", 2)
    world.run(world.store.want_progress([WantReport(want_id=want_id, phase=WantPhase.FETCHING)]))
    assert world.rows.progress(want_id) == ("fetching", "", 0)
    world.run(world.store.want_progress([WantReport(want_id=uuid.uuid4(), phase=WantPhase.DONE)]))  # deleted meanwhile


def test_peers_their_addresses_charges_and_traffic_add_up(world: World) -> None:
    report = PeerReport(key="p", agent="slskdn/1", host="127.0.0.2", port=50305, group="127.0.0.0/24")
    world.run(world.store.peer_met(report))
    world.run(world.store.peer_met(report))
    found = world.run(world.store.known_addresses(limit=5))
    assert [(one.peer, one.host, one.port) for one in found] == [("p", "127.0.0.2", 50305)]
    world.run(world.store.peer_charge("p", bad_leaves=2))
    world.run(world.store.peer_charge("p", bad_leaves=1, violations=1))
    assert world.rows.peer("p") == (3, 0, 1)
    assert world.run(world.store.bans()) == {}
    world.run(world.store.peer_charge("p", banned_for_s=300.0))
    world.run(world.store.peer_charge("p", bad_leaves=0))
    assert 200 < world.run(world.store.bans())["p"] <= 300
    down, up = traffic_line(10), traffic_line(1, direction="up")
    world.run(world.store.ledger.traffic_add(TrafficBatch(boot_id=RELEASE, number=1, lines=(down, up))))
    world.run(world.store.ledger.traffic_add(TrafficBatch(boot_id=RELEASE, number=2, lines=(down,))))
    assert (world.rows.traffic("p", "down"), world.rows.traffic("p", "up")) == (20, 1)


def traffic_line(count: int, *, direction: str = "down") -> TrafficLine:
    hour = datetime(2026, 3, 1, 7, tzinfo=UTC)
    return TrafficLine(hour=hour, plane=TrafficPlane.OVERLAY, direction=direction, peer="p", count_bytes=count)


def learnt(*, good: int = 40, corrupt: int = 0) -> PeerMetricsSnapshot:
    metrics = PeerMetrics(0.0)
    for at in range(good):
        metrics.chunk_received(at, length=LEAF_BYTES, busy_s=0.5, rtt_s=0.03)
        metrics.leaf_verified(at, length=LEAF_BYTES)
    for at in range(corrupt):
        metrics.leaf_corrupt(good + at)
    metrics.refused(good, "io_error")
    return metrics.snapshot(good + 1.0, wall=datetime(2026, 3, 1, tzinfo=UTC))


def test_what_was_learnt_of_a_peer_comes_back_as_it_was(world: World) -> None:
    first, second = learnt(), learnt(good=3, corrupt=9)
    assert world.run(world.store.peer_histories(["p", "liar", "nobody"])) == []
    world.run(world.store.peer_metrics_record([]))
    world.run(world.store.peer_metrics_record([PeerMetricsReport(peer="p", metrics=second)]))
    reports = [
        PeerMetricsReport(peer="p", metrics=first),  # in place of the other, not on top of it
        PeerMetricsReport(peer="liar", metrics=second, claims_counted=2),
    ]
    world.run(world.store.peer_metrics_record(reports))
    found = {one.peer: one for one in world.run(world.store.peer_histories(["p", "liar", "nobody"]))}
    assert set(found) == {"p", "liar"}
    assert found["p"].metrics == first
    assert found["liar"].metrics == second
    assert (found["p"].claims_counted, found["liar"].claims_counted) == (0, 2)
    assert world.rows.reputation("p") > 0.8
    assert world.rows.reputation("liar") < 0.3


def test_a_peer_that_was_only_met_has_a_history_without_metrics(world: World) -> None:
    world.run(world.store.peer_met(PeerReport(key="p")))
    (history,) = world.run(world.store.peer_histories(["p"]))
    assert (history.metrics, history.wrong_claims) == (None, 0)


def test_wrong_claims_are_told_of_those_that_made_any(world: World) -> None:
    world.run(world.store.claims_record([world.claim("liar"), world.claim("relay", complete=False)]))
    transfer_id = world.assembled(world.rows.want_put())
    world.rows.verdict_put(transfer_id, accepted=False, code="wrong_recording")
    assert world.run(world.store.verdict_apply(transfer_id))
    assert world.run(world.store.wrong_claims_of(["liar", "relay", "nobody"])) == {"liar": 1}
    assert world.run(world.store.wrong_claims_of([])) == {}


def test_scores_fade_towards_neutral_while_nothing_happens(world: World) -> None:
    past = learnt(good=3, corrupt=9)
    world.run(world.store.peer_metrics_record([PeerMetricsReport(peer="liar", metrics=past)]))
    before = world.rows.reputation("liar")
    hour = timedelta(hours=1)
    assert world.run(world.store.reputations_fade(now=past.at + hour / 2, older_than=hour)) == 0
    assert world.rows.reputation("liar") == before
    assert world.run(world.store.reputations_fade(now=past.at + timedelta(days=7), older_than=hour)) == 1
    assert 0.5 - world.rows.reputation("liar") == pytest.approx((0.5 - before) / 2, rel=1e-3)
    assert world.run(world.store.reputations_fade(now=past.at + timedelta(days=7), older_than=hour)) == 0
    (history,) = world.run(world.store.peer_histories(["liar"]))
    assert history.metrics == past, "only the score moved"


def test_announced_releases_keep_their_slots(world: World) -> None:
    world.rows.seed(OTHER)
    assert world.run(world.store.seeded_releases()) == [OTHER]
    first, second = uuid.uuid4(), uuid.uuid4()
    before = world.run(world.store.announcements_sync([first, second]))
    assert [(row.release_mbid, row.slot) for row in before] == [(first, 0), (second, 1)]
    world.run(world.store.announcement_done(second, stored_at=4))
    after = world.run(world.store.announcements_sync([second, OTHER]))
    assert {row.release_mbid: (row.slot, row.stored_at) for row in after} == {second: (1, 4), OTHER: (0, 0)}


def test_only_offered_releases_are_spoken_of_and_served(world: World) -> None:
    world.rows.hold(RELEASE, RECORDING)

    def offered(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return world.run(call())

    store = world.store
    by_recording = offered(
        lambda: store.variants_offered(recordings=[RECORDING], releases=[], within=[RELEASE], limit=9)
    )
    by_release = offered(lambda: store.variants_offered(recordings=[], releases=[RELEASE], within=[RELEASE], limit=9))
    hidden = offered(lambda: store.variants_offered(recordings=[RECORDING], releases=[RELEASE], within=[], limit=9))
    assert [one.payload_root for one in by_recording] == [ROOT]
    assert by_release == by_recording
    assert by_recording[0].verified
    assert hidden == []
    held = offered(lambda: store.payload_held(payload_format="flac", payload_root=ROOT, within=[RELEASE]))
    assert held is not None
    assert held.files == (HeldFile(path=PATH, size_bytes=52, mtime_ns=7, payload_offset=42),)
    assert (held.leaf_hashes, held.preamble, held.rate_hz, held.bits) == (b"h" * 32, b"p" * 42, 44100, 16)
    assert offered(lambda: store.payload_held(payload_format="flac", payload_root=ROOT, within=[OTHER])) is None
    assert offered(lambda: store.payload_held(payload_format="mp3", payload_root=ROOT, within=[RELEASE])) is None
    release = offered(lambda: store.release_offered(RELEASE))
    assert release is not None
    assert [track.recording_mbid for track in release.tracks] == [RECORDING]
    assert offered(lambda: store.release_offered(OTHER)) is None


def test_the_last_beat_counts(world: World) -> None:
    for boot in ("one", "two"):
        beat = Heartbeat(peer_id="me", boot_id=boot, started_at=utc_now(), version="0", report={"links": []})
        world.run(world.store.heartbeat(beat))
    assert world.rows.beats()[-1] == "two"
