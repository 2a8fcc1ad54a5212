"""Whatever happens to a want, in whatever order: the reconciler keeps its promises about the two transfers it may have, and it ends.

The reconciler, its choice, its pauses and its rows are the real ones; the transfers it runs and the peers it finds are scripted, so that hours pass in
a call and every interleaving can be tried.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.domain.contracts.node_work import ClaimReport, ProgressReport, TransferWork, WantWork
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TRANSFER_LIVE, TransferRole, TransferState, WantDesired, WantPhase
from overlay_node.config import NodeConfig
from overlay_node.protocol.messages import CancelReason
from overlay_node.services.background import Background
from overlay_node.services.deliveries import Deliveries
from overlay_node.services.payload_choice import PayloadChoice
from overlay_node.services.reconciler import Reconciler, utc_now
from overlay_node.services.runner_ports import RunnerState
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.peer_book import MemoryPeerBook
from overlay_node.swarm.rate_limits import RateLimits
from tests.overlay_node.services.mesh_world import RECORDING, RELEASE, Balanced

PAYLOAD_BYTES = 1_000_000
CODES = ("wrong_recording", "payload_mismatch", "lossy_limit", "preamble_mismatch")


@dataclasses.dataclass
class ScriptedRunner:
    """A transfer that does what the test says."""

    work: TransferWork
    verified_bytes: int = 0
    speed_bps: int = 0
    state: RunnerState = RunnerState.RUNNING
    code: str = ""
    waiting: str = ""
    reports: bool = True
    peers: frozenset[str] = frozenset({"somebody"})

    def beginning(self) -> tuple[Path, int, int] | None:
        return None

    def report(self) -> ProgressReport:
        return ProgressReport(
            transfer_id=self.work.id, verified_bytes=self.verified_bytes, refetched_bytes=0, speed_bps=self.speed_bps
        )


class ScriptedSwarms:
    """Starts and stops them; what they have is found again in their folder."""

    def __init__(self, partial: Path) -> None:
        self.partial = partial
        self.runners: dict[uuid.UUID, ScriptedRunner] = {}

    @property
    def running(self) -> list[ScriptedRunner]:
        return [one for one in self.runners.values() if one.state is RunnerState.RUNNING]

    def folder(self, transfer_id: uuid.UUID) -> Path:
        return self.partial / str(transfer_id)

    def run(self, work: TransferWork, **_options: object) -> ScriptedRunner:
        assert work.id not in self.runners
        file = self.folder(work.id) / "audio.flac"
        file.parent.mkdir(exist_ok=True)
        if not file.exists():
            file.write_text("0")
        made = self.runners[work.id] = ScriptedRunner(work, verified_bytes=int(file.read_text()))
        return made

    def stop(self, transfer_id: uuid.UUID, _reason: CancelReason) -> ScriptedRunner | None:
        return self.runners.pop(transfer_id, None)


class KnownPeers:
    """Discovery where everybody is linked and looking finds nobody new."""

    def set_wanted(self, _wants: Iterable[WantWork]) -> None: ...

    def note_holders(self, _claims: Mapping[PayloadKey, Iterable[str]]) -> None: ...

    def linked(self, _peer: str) -> bool:
        return True

    async def look(self, _wants: Sequence[WantWork]) -> None: ...


class Nobody:
    async def completed(self, _releases: Sequence[uuid.UUID]) -> None: ...


class WantMachine(RuleBasedStateMachine):
    """One want, up to four payloads."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.partial = Path(tempfile.mkdtemp(prefix="reconciler-"))
        self.now = 1000.0
        self.store = MemoryStore()
        self.want = WantWork(
            id=uuid.UUID(int=7),
            recording_mbid=RECORDING,
            release_mbids=(RELEASE,),
            duration_ms=None,
            constraints=Constraints(),
            desired=WantDesired.ACTIVE,
            priority=5,
        )
        self.store.want_put(self.want)

    @initialize()
    def begin(self) -> None:
        self.claim(0)
        self.claim(1)
        self.start_node()

    def start_node(self) -> None:
        clock = lambda: self.now  # noqa: E731
        discovery: Any = KnownPeers()
        deliveries = Deliveries(store=self.store, clock=clock)
        self.swarms = ScriptedSwarms(self.partial)
        self.reconciler = Reconciler(
            NodeConfig(data_dir=self.partial),
            store=self.store,
            discovery=discovery,
            choice=PayloadChoice(
                store=self.store, discovery=discovery, deliveries=deliveries, book=MemoryPeerBook(self.now), clock=clock
            ),
            limits=RateLimits(now=self.now),
            fairness=Balanced(),
            background=Background(),
            partial_dir=self.partial,
            completions=Nobody(),
            clock=clock,
            wall=utc_now,
            rng=random.Random(1),
        )
        swarms: Any = self.swarms
        self.reconciler.attach(swarms)
        self.look()

    def look(self) -> None:
        """Passes, until nothing asks for another one at once."""

        async def passes() -> None:
            for _ in range(12):
                self.reconciler._bell.clear()
                await self.reconciler.reconcile()
                for _ in range(4):
                    await asyncio.sleep(0)
                if not self.reconciler._bell.is_set():
                    return
            raise AssertionError("the reconciler never comes to rest")

        self.loop.run_until_complete(passes())

    # ---- what may happen

    @rule(payload=st.integers(0, 3))
    def claim(self, payload: int) -> None:
        """Somebody claims a payload to be the recording."""
        report = ClaimReport(
            peer=f"peer {payload}",
            group=f"group {payload}",
            recording_mbid=RECORDING,
            payload_format="flac",
            payload_root=bytes([payload]) * 32,
            profile="flac-16-44100-2",
            payload_bytes=PAYLOAD_BYTES,
            complete=True,
        )
        self.loop.run_until_complete(self.store.claims_record([report]))
        if hasattr(self, "reconciler"):
            self.reconciler.claims_heard()
            self.look()

    @rule(seconds=st.sampled_from([1, 21, 22, 61, 700]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.look()

    @rule(which=st.integers(0, 1), share=st.integers(1, 9), speed_bps=st.sampled_from([0, 100, 10_000, 1_000_000]))
    def bytes_arrive(self, which: int, share: int, speed_bps: int) -> None:
        for runner in self.swarms.running[which : which + 1]:
            runner.verified_bytes = min(PAYLOAD_BYTES, runner.verified_bytes + share * PAYLOAD_BYTES // 20)
            runner.speed_bps = speed_bps
            (self.swarms.folder(runner.work.id) / "audio.flac").write_text(str(runner.verified_bytes))
        self.look()

    @rule(which=st.integers(0, 1), code=st.sampled_from(["", "no_source"]))
    def sources_come_and_go(self, which: int, code: str) -> None:
        for runner in self.swarms.running[which : which + 1]:
            runner.waiting = code
        self.look()

    @rule(which=st.integers(0, 1), twice=st.booleans())
    def finish(self, which: int, twice: bool) -> None:
        """One is whole; with `twice` both are in the same moment."""
        for runner in self.swarms.running if twice else self.swarms.running[which : which + 1]:
            path = str(self.swarms.folder(runner.work.id) / "audio.flac")
            runner.verified_bytes = PAYLOAD_BYTES
            self.loop.run_until_complete(self.store.transfer_assembled(runner.report(), path=path))
            runner.state = RunnerState.ASSEMBLED
        self.look()

    @rule(which=st.integers(0, 1))
    def the_disk_refuses(self, which: int) -> None:
        for runner in self.swarms.running[which : which + 1]:
            runner.state, runner.code = RunnerState.BLOCKED, "disk_full"
        self.look()

    @rule(accepted=st.booleans(), code=st.sampled_from(CODES))
    def judge(self, accepted: bool, code: str) -> None:
        for row in self.live(TransferState.ASSEMBLED):
            denies = code == "wrong_recording"
            self.store.verdict_put(row.id, accepted=accepted, code="" if accepted else code, deny=denies)
        self.look()

    @rule(desired=st.sampled_from([WantDesired.ACTIVE, WantDesired.ACTIVE, WantDesired.PAUSED, WantDesired.CANCELLED]))
    def a_person_decides(self, desired: WantDesired) -> None:
        kept = self.store.wants[self.want.id]
        if kept.desired is not WantDesired.SATISFIED:
            self.store.want_put(dataclasses.replace(kept, desired=desired))
        self.look()

    @rule()
    def the_node_restarts(self) -> None:
        self.start_node()

    @rule()
    def an_assembled_file_is_lost(self) -> None:
        for row in self.live(TransferState.ASSEMBLED):
            (self.swarms.folder(row.id) / "audio.flac").unlink(missing_ok=True)
        self.the_node_restarts()

    # ---- what always holds

    def live(self, *states: TransferState) -> list[TransferWork]:
        wanted = states or tuple(TRANSFER_LIVE)
        return [row.work for row in self.store.transfers.values() if row.work.state in wanted]

    @property
    def desired(self) -> WantDesired:
        return self.store.wants[self.want.id].desired

    @invariant()
    def at_most_a_primary_and_a_fallback_of_two_payloads(self) -> None:
        live = self.live()
        roles = [one.role for one in live]
        assert sorted(roles) in ([], [TransferRole.PRIMARY], sorted([TransferRole.PRIMARY, TransferRole.FALLBACK]))
        assert len({one.payload_root for one in live}) == len(live)
        assert len(self.live(TransferState.ASSEMBLED)) <= 1

    @invariant()
    def only_what_is_live_and_wanted_runs(self) -> None:
        if not hasattr(self, "reconciler"):
            return
        running = {one.work.id for one in self.swarms.running}
        assert running <= {one.id for one in self.live(TransferState.FETCHING)}
        if self.live(TransferState.ASSEMBLED) or self.desired is not WantDesired.ACTIVE:
            assert not running
        if self.desired in {WantDesired.CANCELLED, WantDesired.SATISFIED}:
            assert not self.live()

    @invariant()
    def nothing_lies_on_the_disk_but_what_is_live_or_being_placed(self) -> None:
        kept = self.loop.run_until_complete(self.store.transfers_keeping_files())
        assert {one.name for one in self.partial.iterdir()} <= {str(one) for one in kept}

    @invariant()
    def denied_payloads_are_not_fetched(self) -> None:
        denied = self.store.wants[self.want.id].denied
        if self.desired is WantDesired.ACTIVE:
            assert not [one for one in self.live(TransferState.FETCHING) if ("flac", one.payload_root) in denied]

    def teardown(self) -> None:
        """When everything goes well from here on, the want is met, and nothing is left over."""
        try:
            if hasattr(self, "reconciler"):
                self.a_person_decides(WantDesired.ACTIVE)
                self.claim(200)
                for _ in range(8):
                    self.time_passes(700)
                    for runner in self.swarms.running:
                        runner.waiting, runner.verified_bytes = "", runner.verified_bytes + 1
                    self.look()
                    self.finish(0, twice=False)
                    self.judge(accepted=True, code="")
                assert self.desired is WantDesired.SATISFIED
                assert not self.live()
                self.time_passes(61)
                assert not list(self.partial.iterdir())
                assert self.store.progress[self.want.id].phase is WantPhase.DONE
        finally:
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.partial, ignore_errors=True)


TestWant = WantMachine.TestCase
TestWant.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
