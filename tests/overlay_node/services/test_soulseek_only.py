"""A want whose job takes nothing from the overlay: the mesh is neither asked for it nor gives anything to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from apps.domain.contracts.node_work import ProgressReport, TransferWork, WantWork
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferState, WantDesired, WantPhase
from tests.overlay_node.services.test_reconciler_states import PAYLOAD_BYTES, KnownPeers, WantMachine


class SoulseekOnly(WantMachine):
    """One want that may not use the overlay, though peers claim what it wants."""

    def __init__(self) -> None:
        super().__init__()
        self.want = dataclasses.replace(self.want, constraints=Constraints(use_overlay=False))
        self.store.want_put(self.want)

    def streamed(self, payload: int = 0) -> TransferWork:
        """What Soulseek brought lies there whole."""

        async def make() -> TransferWork:
            work = await self.store.transfer_start(
                self.want.id,
                payload_format="flac",
                payload_root=bytes([payload]) * 32,
                profile="flac-16-44100-2",
                payload_bytes=PAYLOAD_BYTES,
                leaf_bytes=65536,
            )
            assert work is not None
            folder = self.swarms.folder(work.id)
            folder.mkdir()
            (folder / "audio.flac").write_text(str(PAYLOAD_BYTES))
            report = ProgressReport(transfer_id=work.id, verified_bytes=PAYLOAD_BYTES, refetched_bytes=0, speed_bps=0)
            assert await self.store.transfer_assembled(report, path=str(folder / "audio.flac"))
            return work

        work = self.loop.run_until_complete(make())
        self.look()
        return work

    def told(self) -> tuple[WantPhase, str]:
        kept = self.store.progress[self.want.id]
        return kept.phase, kept.code


@pytest.fixture
def only() -> Iterator[SoulseekOnly]:
    machine = SoulseekOnly()
    machine.claim(0)
    machine.claim(1)
    machine.start_node()
    yield machine
    if machine.desired is WantDesired.ACTIVE:
        machine.judge(accepted=True, code="")
    machine.a_person_decides(WantDesired.CANCELLED)
    machine.time_passes(61)
    del machine.reconciler  # teardown's promise (the mesh brings it in the end) is not this want's
    machine.teardown()


def test_claims_of_peers_start_nothing_however_long_it_waits(only: SoulseekOnly) -> None:
    for _ in range(4):
        only.time_passes(700)
        only.claim(2)
    assert not only.store.transfers
    assert only.told() == (WantPhase.SEEKING, "soulseek_only")


def test_peers_are_not_even_asked(only: SoulseekOnly, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[WantWork] = []

    async def look(_self: KnownPeers, wants: list[WantWork]) -> None:
        asked.extend(wants)

    monkeypatch.setattr(KnownPeers, "look", look)
    monkeypatch.setattr(KnownPeers, "set_wanted", lambda _self, wants: asked.extend(wants))
    only.time_passes(700)
    assert asked == []
    only.store.want_put(dataclasses.replace(only.want, constraints=Constraints()))
    only.time_passes(700)
    assert {one.id for one in asked} == {only.want.id}


def test_what_soulseek_brought_is_judged_like_everything(only: SoulseekOnly) -> None:
    work = only.streamed()
    assert only.told() == (WantPhase.VERIFYING, "")
    assert [one.id for one in only.live(TransferState.ASSEMBLED)] == [work.id]
    only.judge(accepted=False, code="wrong_recording")
    assert not only.live()
    only.time_passes(700)
    assert not only.live()
    only.streamed(payload=1)
    only.judge(accepted=True, code="")
    assert only.desired is WantDesired.SATISFIED


def test_a_file_that_was_lost_is_not_fetched_again_from_the_mesh(only: SoulseekOnly) -> None:
    only.streamed()
    only.an_assembled_file_is_lost()
    assert not only.live()
    assert only.told() == (WantPhase.SEEKING, "soulseek_only")
