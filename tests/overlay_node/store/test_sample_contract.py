"""What every store promises of a file whose beginning is judged while the rest is fetched."""

from __future__ import annotations

from apps.domain.contracts.node_work import ProgressReport
from apps.domain.jobs.lifecycle import TransferState
from tests.overlay_node.store.store_world import World


def test_a_beginning_is_told_of_a_transfer_that_is_being_fetched(world: World) -> None:
    work = world.start(world.rows.want_put())
    assert work is not None
    assert world.run(world.store.transfer_sampled(work.id, path="/partial/audio.flac", sample_bytes=500))
    assert world.rows.events()[-1] == ("transfer_sampled", work.id)
    assert world.rows.transfer(work.id)[3] == "/partial/audio.flac"
    done = world.assembled(world.rows.want_put())
    assert not world.run(world.store.transfer_sampled(done, path="/partial/audio.flac", sample_bytes=500))


def test_a_verdict_ends_a_transfer_that_is_still_being_fetched_and_charges_its_claimers(world: World) -> None:
    want_id = world.rows.want_put()
    world.run(world.store.claims_record([world.claim("liar")]))
    work = world.start(want_id)
    assert work is not None
    world.rows.verdict_put(work.id, accepted=False, code="wrong_recording")
    report = ProgressReport(transfer_id=work.id, verified_bytes=1000, refetched_bytes=0, speed_bps=0)
    assert not world.run(world.store.transfer_assembled(report, path="/p"))  # its last byte came too late
    assert not world.run(world.store.transfer_sampled(work.id, path="/p", sample_bytes=1))
    applied = world.run(world.store.verdict_apply(work.id))
    assert applied is not None
    assert applied.charged == ("liar",)
    assert world.rows.transfer(work.id)[:2] == (TransferState.REJECTED, "wrong_recording")
    assert world.start(want_id) is not None
