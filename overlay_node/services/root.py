"""The composition root: every service of one node, wired. Nothing here decides anything.

`build_node` takes what varies (store, reactor, blobs, clocks); `Node.start` and `Node.stop` are all its owner calls. A node whose policy opens no
socket (mode legacy) still beats, and answers its control socket.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import random
import secrets
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Final

from apps.domain.contracts.node_work import WantWork
from apps.domain.contracts.soulseek_traffic import TrafficPlane
from apps.domain.errors import DomainError
from apps.domain.mesh.policy import Mode
from overlay_node.config import NodeConfig
from overlay_node.net.bulk_tls import choose_tls_protocol
from overlay_node.net.identity import NodeIdentity, identity_load_or_create
from overlay_node.net.link import Link
from overlay_node.net.overlay import Overlay
from overlay_node.ports import BlobSource, Store
from overlay_node.protocol.connection import LocalHello
from overlay_node.protocol.errors import RemoteProtocolError
from overlay_node.services.background import Background
from overlay_node.services.blobs import ChainedBlobs, LibraryBlobs, PartialBlobs
from overlay_node.services.control_socket import ControlSocket, control_socket_path
from overlay_node.services.deliveries import Deliveries
from overlay_node.services.discovery import Discovery
from overlay_node.services.doorbell import listen
from overlay_node.services.fairness import LOOK_S as FAIRNESS_S
from overlay_node.services.fairness import NodeFairness
from overlay_node.services.heartbeat import MAX_LISTED, Report, beat
from overlay_node.services.identity_lock import identity_lock
from overlay_node.services.links import LinkHub
from overlay_node.services.loop_delay import LoopDelay
from overlay_node.services.offers import ArrivingPayload, Offers
from overlay_node.services.payload_choice import PayloadChoice
from overlay_node.services.peer_book import NodePeerBook
from overlay_node.services.publisher import Publisher
from overlay_node.services.reconciler import Reconciler, utc_now
from overlay_node.services.rendezvous import DhtRendezvous
from overlay_node.services.rescue_mesh import RescueMesh
from overlay_node.services.scheduler_report import explanation_answer, scheduler_metrics, scheduler_report
from overlay_node.services.seeder import Seeder
from overlay_node.services.sharing import TICK_S as SHARING_S
from overlay_node.services.sharing import Sharing
from overlay_node.services.soulseek_plane import NodeSeams, soulseek_plane
from overlay_node.services.swarms import Swarms
from overlay_node.services.tracing import FLUSH_S as TRACE_S
from overlay_node.services.tracing import TraceFiles, traces_sweep
from overlay_node.soulseek.ports import SoulseekSupplies
from overlay_node.soulseek.traffic import FLUSH_S as TRAFFIC_S
from overlay_node.soulseek.traffic import FORGET_S as TRAFFIC_FORGET_S
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.explain import explain
from overlay_node.swarm.rate_limits import Direction, RateLimits, Scope
from overlay_node.swarm.session import TICK_S

log = logging.getLogger(__name__)

FLUSH_S: Final = 1.0  # progress: one UPDATE per transfer and second
PEER_BOOK_S: Final = 5.0
EXPIRE_S: Final = 30.0
SEEDER_S: Final = 1.0  # the seeding core keeps time itself; this is its pulse
ENOUGH_SOURCES: Final = 4  # a transfer with as many asks no further neighbours
STOP_S: Final = 4.0  # for the orderly part of stopping; then it is cut short


class Node:
    """One node. Made by `build_node`; all methods for the reactor's thread."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        store: Store,
        reactor: Any,
        identity: NodeIdentity,
        blobs: Callable[[BlobSource], BlobSource],
        rng: random.Random,
        wall: Callable[[], datetime],
        soulseek: SoulseekSupplies | None = None,
    ) -> None:
        self.config: Final = config
        self.store: Final = store
        self.peer_id: Final = identity.peer_id
        self.boot_id: Final = str(uuid.uuid4())
        self.started_at: Final = wall()
        self._clock: Final[Callable[[], float]] = reactor.seconds
        self._started = self._clock()
        self._background: Final = Background()
        self._partials: Final = PartialBlobs()
        self._lock: int | None = None
        self._stopped = False
        self.overlay_port = 0
        background, clock = self._background, self._clock
        self.limits: Final = RateLimits(
            now=clock(),
            defaults={
                (Scope.NODE, Direction.UP): config.upload_kbps,
                (Scope.NODE, Direction.DOWN): config.download_kbps,
                (Scope.PEER, Direction.UP): config.peer_upload_kbps,
                (Scope.PEER, Direction.DOWN): config.peer_download_kbps,
            },
        )

        policy = config.policy
        self.traffic: Final = TrafficCounter(store.ledger, boot_id=uuid.UUID(self.boot_id), wall=wall)
        self.fairness: Final = NodeFairness(
            config.fairness,
            mode=self._acting,
            guardrails=config.soulseek.guardrails,
            provable=config.soulseek.prints_looked_up,
            rows=store.ledger,
            traffic=self.traffic,
            limits=self.limits,
            jobs=lambda: self.swarms.jobs_running,
            wants=self._wants,
            clock=clock,
            wall=wall,
        )
        self.hub: Final = LinkHub(background=background)
        self.overlay: Final = Overlay(
            reactor,
            identity=identity,
            listener=self.hub,
            local=LocalHello(
                features=policy.features, network=config.network, boot_id=self.boot_id, agent=config.agent
            ),
            allow_private=config.allow_private,
            tls_protocol=(lambda: None) if config.stock_tls else choose_tls_protocol,
            offended=self._offended,
        )
        self.book: Final = NodePeerBook(
            store=store,
            background=background,
            settings=config.scheduler,
            linked=lambda peer: self.overlay.links.get(peer) is not None,
            clock=clock,
            wall=wall,
        )
        self.dht: Final = DhtRendezvous(config)
        self.offers: Final = Offers(config, store=store, clock=clock, arriving=self._arriving)
        self.deliveries: Final = Deliveries(store=store, clock=clock)
        self.discovery: Final = Discovery(
            config,
            store=store,
            overlay=self.overlay,
            rendezvous=self.dht,
            deliveries=self.deliveries,
            background=background,
            clock=clock,
            claimed=self._claimed,
        )
        self.publisher: Final = Publisher(
            config,
            store=store,
            offers=self.offers,
            rendezvous=self.dht,
            port=lambda: self.overlay_port,
            links=lambda: list(self.overlay.links),
            clock=clock,
            rng=rng,
            gained=self._track_gained,
        )
        partial_dir = config.data_dir / "partial"
        self.reconciler: Final = Reconciler(
            config,
            store=store,
            discovery=self.discovery,
            choice=PayloadChoice(
                store=store, discovery=self.discovery, deliveries=self.deliveries, book=self.book, clock=clock
            ),
            background=background,
            partial_dir=partial_dir,
            completions=self.publisher,
            limits=self.limits,
            fairness=self.fairness,
            clock=clock,
            wall=wall,
            rng=rng,
        )
        self.traces: Final = (
            TraceFiles(config.data_dir / "traces", max_size_mb=config.trace_size_mb, clock=clock, wall=wall)
            if config.tracing
            else None
        )
        self.swarms: Final = Swarms(
            store=store,
            partial_dir=partial_dir,
            link_of=self.overlay.links.get,
            holders=self.discovery.holders,
            partials=self._partials,
            deliveries=self.deliveries,
            background=background,
            limits=self.limits,
            traffic=self.traffic,
            book=self.book,
            scheduler=config.scheduler,
            draw=secrets.randbelow,
            clock=clock,
            ended=self.reconciler.runner_ended,
            trace_for=self.traces.trace_for if self.traces is not None else None,
        )
        self.reconciler.attach(self.swarms)
        self._library: Final = LibraryBlobs(store, offered=self.offers.releases, clock=clock)
        self.seeder: Final = Seeder(
            policy=policy,
            blobs=blobs(ChainedBlobs(self._library, self._partials)),
            limits=self.limits,
            slots=config.upload_slots,
            background=background,
            clock=clock,
            sent=self._sent,
            violated=self._violated,
        )
        self.sharing: Final = Sharing(
            config,
            store=store,
            offers=self.offers,
            discovery=self.discovery,
            background=background,
            clock=clock,
            links=lambda: list(self.overlay.links),
            wants=self._wants,
            short=self._short_of_sources,
            secret=secrets.token_bytes(32),
        )
        self.hub.attach(
            discovery=self.discovery,
            swarms=self.swarms,
            seeder=self.seeder,
            offers=self.offers,
            publisher=self.publisher,
            sharing=self.sharing,
            wake=self.reconciler.wake,
            met=self.book.link_opened,
        )
        self.loop_delay: Final = LoopDelay(clock)
        self.plane: Final = (
            soulseek_plane(
                config.soulseek,
                supplies=soulseek,
                seams=NodeSeams(
                    boot_id=self.boot_id,
                    traffic=self.traffic,
                    fairness=self.fairness,
                    keep_folders=self.reconciler.keep_folders,
                    mesh=(
                        RescueMesh(swarms=self.swarms, reconciler=self.reconciler, mode=self._acting)
                        if policy.may_open
                        else None
                    ),
                ),
                off_code=policy.may_soulseek.reason,
                data_dir=config.data_dir,
                spawn=background.spawn,
                clock=clock,
                wall=wall,
                rng=rng,
            )
            if soulseek is not None
            else None
        )
        self.control: Final = ControlSocket(
            control_socket_path(config.data_dir),
            questions={
                "health": self._health,
                "report": self.report,
                "links": lambda: {"links": self.report()["links"]},
                "metrics": lambda: {"metrics": self.metrics()},
            },
            lookups={"swarm": self._swarm},
        )

    # ---- life

    async def start(self) -> None:
        """Take the identity's lock, open what the policy allows, begin to work. Raises DomainError, CannotListenError."""
        config = self.config
        self._lock = identity_lock(config.data_dir / "keys")
        (config.data_dir / "partial").mkdir(mode=0o700, parents=True, exist_ok=True)
        await self.fairness.look()  # what was held back before a restart is held back from the first byte on
        spawn = self._background.spawn
        spawn(self.traffic.forget(), "traffic_forget")
        if config.policy.may_open:
            now = self.overlay.clock.seconds()
            for peer, left_s in (await self.store.bans()).items():
                self.overlay.offences.restore(peer, now + left_s)
            port = self.overlay.listen(config.overlay_host, config.overlay_port)
            self.overlay_port = await port.asFuture(asyncio.get_running_loop())
            await self.dht.open()
            spawn(self.dht.run(), "dht")
            spawn(self.reconciler.run(), "reconciler")
            spawn(self.publisher.run(), "publisher")
            spawn(self.sharing.adverts.run(), "adverts")
            spawn(_await_every(SHARING_S, self.sharing.tick), "sharing")
            spawn(_every(TICK_S, self.swarms.tick), "tick")
            spawn(_every(SEEDER_S, self.seeder.tick), "seeder")
            spawn(_every(EXPIRE_S, self._library.close_idle), "idle_files")
            spawn(_await_every(FLUSH_S, self.swarms.flush), "progress")
            spawn(_await_every(FLUSH_S, self.deliveries.flush), "deliveries")
            spawn(_await_every(PEER_BOOK_S, self.book.flush), "peer-book")
            if self.traces is not None:
                spawn(_await_every(TRACE_S, self.traces.flush), "traces")
        spawn(_await_every(TRAFFIC_S, self.traffic.flush), "traffic")
        spawn(_await_every(TRAFFIC_FORGET_S, self.traffic.forget), "traffic_forget")
        spawn(_await_every(FAIRNESS_S, self.fairness.look), "fairness")
        if self.plane is not None:
            await self.plane.start()
        if config.redis_url and (config.policy.may_open or self.plane is not None):
            spawn(listen(config.redis_url, config.wake_channel, wake=self._woken), "doorbell")
        spawn(self.loop_delay.run(), "loop-delay")
        spawn(traces_sweep(config.data_dir / "traces", config.trace_limits, now=self.started_at), "traces_sweep")
        spawn(
            beat(
                config,
                store=self.store,
                peer_id=self.peer_id,
                boot_id=self.boot_id,
                started_at=self.started_at,
                report=self.report,
            ),
            "heartbeat",
        )
        await self.control.open()  # last: whoever reaches it finds a node that listens
        log.info(
            "node_started peer=%s mode=%s overlay_port=%d dht_port=%d",
            self.peer_id, config.mode.value, self.overlay_port, self.dht.port,
        )  # fmt: skip

    async def stop(self) -> None:
        """Say bye, write what is known, close everything; within 5 s. May be called twice."""
        if self._stopped:
            return
        self._stopped = True
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(STOP_S):
                if self.plane is not None:
                    await self.plane.stop()
                await self.swarms.flush()
                self.swarms.stop_all()
                await self._background.close()
                await self.traffic.flush()
                await self.deliveries.flush()
                await self.book.flush()
                if self.traces is not None:
                    await self.traces.flush()
                await self.overlay.stop().asFuture(loop)
                await self.dht.close()
        except TimeoutError:
            log.warning("node_stop_cut_short")
        finally:
            self._library.close()
            await self.control.close()
            self._release_lock()
        log.info("node_stopped")

    # ---- facts

    def report(self) -> Report:
        """See `services.heartbeat`."""
        config = self.config
        return {
            "mode": config.mode.value,
            "acting": self._acting().value,
            "passive": config.passive,
            "overlay": {"host": config.overlay_host, "port": self.overlay_port},
            "dht": self.dht.report() if config.policy.may_open else {"port": 0},
            "links": [
                {
                    "peer": link.peer_id,
                    "group": link.group,
                    "agent": link.hello.agent if link.hello is not None else "",
                    "since": round(since, 3),
                    "dialled": link.dialled_by_me,
                    "path": link.path,
                    "bytes_sent": link.bytes_sent,
                    "bytes_received": link.bytes_received,
                    "features": sorted(link.features),
                }
                for link, since in list(self.hub.since.items())[:MAX_LISTED]
            ],
            "transfers": [
                {
                    "id": str(runner.work.id),
                    "want": str(runner.work.want_id),
                    "recording": str(runner.work.recording_mbid),
                    "state": runner.state.value,
                    "waiting": runner.waiting,
                    "verified_bytes": report.verified_bytes,
                    "payload_bytes": runner.work.payload_bytes,
                    "speed_bps": report.speed_bps,
                    "sources": len(runner.peers),
                }
                for runner in list(self.swarms.runners.values())[:MAX_LISTED]
                for report in (runner.report(),)
            ],
            "uploads": self.seeder.uploads()[:MAX_LISTED],
            "upload_queue": self.seeder.report(),
            "announced": self.publisher.announced,
            "bytes": {"down": self.swarms.down_bytes.total(), "up": self.swarms.up_bytes.total()},
            "traffic": {
                f"{plane.value}_{direction.value}": self.traffic.total(plane, direction)
                for plane in TrafficPlane
                for direction in Direction
            },
            "fairness": self.fairness.report(),
            "bad_leaves": self.swarms.bad_leaves,
            "soulseek": self.plane.report() if self.plane is not None else {},
            "loop": dataclasses.asdict(self.loop_delay.delays()),
            "scheduler": scheduler_report(self.swarms.scheduling_totals, self.book.facts(), config.scheduler),
        }

    def metrics(self) -> dict[str, float]:
        """Counters and gauges, Prometheus names."""
        counts: Counter[str] = Counter()
        for link in self.overlay.links:
            counts.update(link.counts)
        return {
            "slskdn_node_uptime_seconds": self._clock() - self._started,
            "slskdn_node_links": len(self.hub.since),
            "slskdn_node_transfers_running": len(self.swarms.running),
            "slskdn_node_uploads": len(self.seeder.uploads()),
            **{f"slskdn_node_upload_{name}": float(value) for name, value in self.seeder.counts().items()},
            "slskdn_node_payload_bytes_down_total": self.swarms.down_bytes.total(),
            "slskdn_node_payload_bytes_up_total": self.swarms.up_bytes.total(),
            **self.fairness.metrics(),
            "slskdn_node_bad_leaves_total": self.swarms.bad_leaves,
            "slskdn_node_releases_announced": self.publisher.announced,
            **{f"slskdn_node_{name}": float(count) for name, count in sorted(self.sharing.report().items())},
            **(self.plane.metrics() if self.plane is not None else {}),
            "slskdn_node_loop_delay_p99_seconds": self.loop_delay.delays().p99_ms / 1000,
            "slskdn_node_loop_delay_most_seconds": self.loop_delay.delays().most_ms / 1000,
            "slskdn_node_trace_events_dropped_total": self.traces.dropped if self.traces is not None else 0,
            **scheduler_metrics(self.swarms.scheduling_totals, self.book.facts()),
            **{f"slskdn_node_ignored_{name}": float(count) for name, count in sorted(counts.items())},
        }

    # ---- private

    def _acting(self) -> Mode:
        """What the mode comes to: hybrid without a usable Soulseek account is mesh."""
        account = self.plane is not None and self.plane.session.has_account
        return dataclasses.replace(self.config.policy, soulseek=account).acting

    def _woken(self) -> None:
        self.reconciler.wake()
        if self.plane is not None:
            self.plane.wake()

    def _health(self) -> dict[str, object]:
        return {
            "ok": True,
            "peer_id": self.peer_id,
            "boot_id": self.boot_id,
            "uptime_s": round(self._clock() - self._started, 3),
        }

    def _swarm(self, transfer: str) -> dict[str, object] | None:
        """What a running transfer asks of whom, and why: for the control socket."""
        runner = next((one for one in self.swarms.running if str(one.work.id) == transfer), None)
        if runner is None or runner.session is None:
            return None
        return explanation_answer(explain(runner.session, self._clock(), self.config.scheduler))

    def _claimed(self, peer: str, keys: Iterable[PayloadKey], recordings: Collection[uuid.UUID] = ()) -> None:
        self.swarms.claims_heard(peer, keys)
        self.reconciler.claims_heard(recordings)

    def _offended(self, peer: str, banned_for_s: float) -> None:
        self._background.spawn(self._note_offence(peer, banned_for_s), "offence")

    async def _note_offence(self, peer: str, banned_for_s: float) -> None:
        try:
            await self.store.peer_charge(peer, violations=1, banned_for_s=banned_for_s)
        except DomainError as error:
            log.warning("offence_not_noted code=%s", error.code)

    def _violated(self, link: Link, code: str) -> None:
        self.overlay.link_violated(link, RemoteProtocolError(code, "Too many requests that had to be refused."))

    def _sent(self, peer: str, count: int) -> None:
        self.traffic.add(TrafficPlane.OVERLAY, Direction.UP, peer, count)

    def _track_gained(self) -> None:
        self.sharing.adverts.wake()

    def _wants(self) -> list[WantWork]:
        return list(self.reconciler.wants.values())

    def _short_of_sources(self, want_id: uuid.UUID) -> bool:
        return not any(
            runner.work.want_id == want_id and len(runner.peers) >= ENOUGH_SOURCES
            for runner in self.swarms.runners.values()
        )

    def _arriving(self) -> list[ArrivingPayload]:
        found = []
        for runner in self.swarms.runners.values():
            want = self.reconciler.wants.get(runner.work.want_id)
            if runner.serves and want is not None:
                found.append(
                    ArrivingPayload(
                        recording_mbid=runner.work.recording_mbid,
                        release_mbids=want.release_mbids,
                        profile=runner.work.profile,
                        payload_format=runner.work.payload_format,
                        payload_root=runner.work.payload_root,
                        payload_bytes=runner.work.payload_bytes,
                    )
                )
        return found

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def build_node(
    config: NodeConfig,
    *,
    store: Store,
    reactor: Any,
    identity: NodeIdentity | None = None,
    blobs: Callable[[BlobSource], BlobSource] | None = None,
    rng: random.Random | None = None,
    wall: Callable[[], datetime] = utc_now,
    soulseek: SoulseekSupplies | None = None,
) -> Node:
    """Wire a node. Needs the running asyncio loop that `reactor` (Twisted's asyncio reactor) works on.

    `identity` None: the one kept in `data_dir/keys`, made at the first start. `blobs` may wrap what is served (a peer that corrupts, in
    tests and the demo). `soulseek` None: no Soulseek plane, and none of its rows.
    """
    return Node(
        config,
        store=store,
        reactor=reactor,
        identity=identity or identity_load_or_create(config.data_dir / "keys"),
        blobs=blobs or (lambda inner: inner),
        rng=rng or random.Random(),  # noqa: S311  (jitter, no secret)
        wall=wall,
        soulseek=soulseek,
    )


async def _every(pause: float, step: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(pause)
        try:
            step()
        except Exception:
            log.exception("periodic_step_failed step=%s", getattr(step, "__qualname__", step))


async def _await_every(pause: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(pause)
        try:
            await step()
        except Exception:
            log.exception("periodic_step_failed step=%s", getattr(step, "__qualname__", step))
