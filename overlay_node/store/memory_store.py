"""The rows in memory: what tests and library-only peers run on. Passes the same contract tests as `django_store`.

Besides the `Store` port it has the control plane's side (`want_put`, `verdict_put`, …), which in the daemon is Django's.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from apps.domain.contracts.events import (
    NodeEventPayload,
    TransferAssembled,
    TransferEnded,
    TransferSampled,
    TransferStarted,
)
from apps.domain.contracts.node_work import (
    AddressTried,
    AnnouncedRelease,
    ClaimReport,
    DeliveryReport,
    Heartbeat,
    HeldPayload,
    HeldRelease,
    HeldTrack,
    HeldVariant,
    KnownAddress,
    KnownClaim,
    MeasuredPayload,
    NodeWork,
    PeerReport,
    ProgressReport,
    RateLimitWork,
    TransferWork,
    VerdictApplied,
    VerdictWork,
    WantReport,
    WantWork,
)
from apps.domain.contracts.peer_work import PeerHistory, PeerMetricsReport
from apps.domain.ids import uuid7
from apps.domain.jobs.lifecycle import TRANSFER_LIVE, TRANSFER_MOVES, TransferRole, TransferState, WantDesired
from apps.domain.jobs.verdicts import CHARGING, PREAMBLE_CODES
from apps.domain.mesh.claims import contradicts, cooling_s, measured_facts
from apps.domain.mesh.policy import MAX_ANNOUNCED
from apps.domain.peers.reputation import reputation_of
from overlay_node.store.memory_rows import LibraryEntry, PeerRow, TransferRow
from overlay_node.store.memory_told import MemoryTold
from overlay_node.store.soulseek.traffic_memory import MemoryTraffic


class MemoryStore(MemoryTold):
    """See `overlay_node.ports.Store`. Everything is public: tests look at it."""

    def __init__(self, library: Sequence[LibraryEntry] = ()) -> None:
        super().__init__()
        self.library = list(library)
        self.wants: dict[uuid.UUID, WantWork] = {}
        self.transfers: dict[uuid.UUID, TransferRow] = {}
        self.progress: dict[uuid.UUID, WantReport] = {}
        self.ledger = MemoryTraffic()
        self.events: list[NodeEventPayload] = []
        self.beats: list[Heartbeat] = []
        self.seeded: list[uuid.UUID] = []
        self.limits: list[RateLimitWork] = []
        self.announced: dict[uuid.UUID, AnnouncedRelease] = {}
        self.delivered: set[tuple[str, str, bytes]] = set()
        """(peer, format, root) of claims that were delivered on"""
        self.undelivered: dict[tuple[str, str, bytes], int] = {}
        """how often in a row they were not; no time passes here, so their pauses never end by themselves"""
        self.facts_wrong: set[tuple[str, str, bytes]] = set()
        self.measured: dict[tuple[str, bytes], MeasuredPayload] = {}
        self.denials: list[tuple[uuid.UUID, str, bytes]] = []
        """denials by a later look, (recording, format, root), that were not acted on yet"""
        self.tried: list[AddressTried] = []
        self._ids = 0

    # ---- the control plane's side

    def want_put(self, want: WantWork) -> None:
        """Create or change a want."""
        self.wants[want.id] = want

    def verdict_put(self, transfer_id: uuid.UUID, *, accepted: bool, code: str = "", deny: bool = True) -> None:
        """Judge an assembled transfer; a rejected payload is denied for its recording unless `deny` is False."""
        row = self.transfers[transfer_id]
        row.work = dataclasses.replace(row.work, verdict=VerdictWork(accepted=accepted, code=code))
        want = self.wants[row.work.want_id]
        if accepted:
            self.wants[want.id] = dataclasses.replace(want, desired=WantDesired.SATISFIED)
        elif deny:
            key = (row.work.payload_format, row.work.payload_root)
            self.wants[want.id] = dataclasses.replace(want, denied=want.denied | {key})

    # ---- wants and transfers

    async def work(self) -> NodeWork:
        """Everything wanted and under way."""
        live = [row.work for row in self.transfers.values() if row.work.state in TRANSFER_LIVE]
        keep = {work.want_id for work in live}
        wanted = {WantDesired.ACTIVE, WantDesired.PAUSED}
        wants = [self._with_preambles(one) for one in self.wants.values() if one.desired in wanted or one.id in keep]
        return NodeWork(
            wants=tuple(sorted(wants, key=lambda want: -want.priority)),
            transfers=tuple(live),
            limits=tuple(self.limits),
        )

    async def want_progress(self, reports: Sequence[WantReport]) -> None:
        """What the node does for wants."""
        for report in reports:
            if report.want_id in self.wants:
                self.progress[report.want_id] = report

    async def transfer_start(
        self,
        want_id: uuid.UUID,
        *,
        payload_format: str,
        payload_root: bytes,
        profile: str,
        payload_bytes: int,
        leaf_bytes: int,
        role: TransferRole = TransferRole.PRIMARY,
        choice: Mapping[str, object] | None = None,
    ) -> TransferWork | None:
        """A payload was chosen, with its event."""
        want = self.wants.get(want_id)
        live = self._live(want_id)
        if role is TransferRole.PRIMARY:
            fits = not live
        else:
            fits = [row.work.state for row in live] == [TransferState.FETCHING] and all(
                (row.work.payload_format, row.work.payload_root) != (payload_format, payload_root) for row in live
            )
        if want is None or want.desired is not WantDesired.ACTIVE or not fits:
            return None
        self._ids += 1
        work = TransferWork(
            id=uuid7(unix_ms=self._ids, random_bytes=want_id.bytes[:10]),
            want_id=want_id,
            recording_mbid=want.recording_mbid,
            payload_format=payload_format,
            payload_root=payload_root,
            profile=profile,
            payload_bytes=payload_bytes,
            leaf_bytes=leaf_bytes,
            state=TransferState.FETCHING,
            role=role,
        )
        self.transfers[work.id] = TransferRow(work, choice=dict(choice or {}))
        self.events.append(TransferStarted(transfer_id=work.id, want_id=want_id))
        return work

    async def transfer_manifest(
        self,
        transfer_id: uuid.UUID,
        *,
        payload_bytes: int,
        leaf_bytes: int,
        preamble_bytes: int,
        preamble: str,
        preamble_from: str,
    ) -> bool:
        """The proven sizes."""
        row = self.transfers.get(transfer_id)
        if row is None or row.work.state is not TransferState.FETCHING:
            return False
        row.work = dataclasses.replace(row.work, payload_bytes=payload_bytes, leaf_bytes=leaf_bytes)
        row.preamble_bytes, row.preamble, row.preamble_from = preamble_bytes, preamble, preamble_from
        row.verified_bytes = 0
        return True

    async def transfers_progress(self, reports: Sequence[ProgressReport]) -> None:
        """How far running transfers are."""
        for report in reports:
            row = self.transfers.get(report.transfer_id)
            if row is not None and row.work.state is TransferState.FETCHING:
                self._note(row, report)

    async def transfer_sampled(self, transfer_id: uuid.UUID, *, path: str, sample_bytes: int) -> bool:
        """The beginning can be fingerprinted, with its event."""
        row = self.transfers.get(transfer_id)
        if row is None or row.work.state is not TransferState.FETCHING or row.work.verdict is not None:
            return False
        row.path, row.sample_bytes = path, sample_bytes
        self.events.append(TransferSampled(transfer_id=transfer_id, want_id=row.work.want_id))
        return True

    async def transfer_assembled(self, report: ProgressReport, *, path: str) -> bool:
        """The file stands complete, with its event; not while another one of the want waits for its verdict."""
        given = self.transfers.get(report.transfer_id)
        others = self._live(given.work.want_id) if given is not None else []
        if any(one is not given and one.work.state is TransferState.ASSEMBLED for one in others):
            return False
        if given is not None and given.work.verdict is not None:
            return False
        row = self._move(report.transfer_id, TransferState.ASSEMBLED)
        if row is None:
            return False
        row.path, row.code = path, ""
        self._note(row, report)
        self.events.append(TransferAssembled(transfer_id=row.work.id, want_id=row.work.want_id))
        return True

    async def transfer_ended(
        self, transfer_id: uuid.UUID, *, state: TransferState, code: str, report: ProgressReport | None = None
    ) -> bool:
        """Stopped or failed, with its event."""
        if state not in {TransferState.STOPPED, TransferState.FAILED}:
            raise ValueError(state)
        row = self._move(transfer_id, state)
        if row is None:
            return False
        row.code = code
        if report is not None:
            row.sources.update({source.peer: source for source in report.sources})
        self._promote(row.work.want_id)
        self.events.append(TransferEnded(transfer_id=transfer_id, want_id=row.work.want_id, code=code))
        return True

    async def transfer_blocked(self, transfer_id: uuid.UUID, *, code: str) -> None:
        """Can't go on for now, or can again."""
        row = self.transfers.get(transfer_id)
        if row is not None and row.work.state in TRANSFER_LIVE:
            row.code = code

    async def transfer_refetch(self, transfer_id: uuid.UUID) -> bool:
        """Back to fetching."""
        row = self._move(transfer_id, TransferState.FETCHING)
        if row is None:
            return False
        row.path = ""
        return True

    async def verdict_apply(self, transfer_id: uuid.UUID) -> VerdictApplied | None:
        """Act on a verdict, once."""
        row = self.transfers.get(transfer_id)
        if row is None or row.work.verdict is None or row.verdict_applied:
            return None
        verdict = row.work.verdict
        row.verdict_applied = True
        if self._move(transfer_id, TransferState.ACCEPTED if verdict.accepted else TransferState.REJECTED) is None:
            return None
        row.code = verdict.code
        if not verdict.accepted and (left := self._promote(row.work.want_id)) is not None:
            self.events.append(TransferStarted(transfer_id=left, want_id=row.work.want_id))
        if not verdict.accepted and verdict.code in PREAMBLE_CODES:
            if row.preamble_from:
                self._peer(row.preamble_from).bad_leaves += 1
            return VerdictApplied()
        liars = self._compare(row.work)
        if not verdict.code or verdict.code in CHARGING:
            work = row.work
            liars |= self._judge(
                work.recording_mbid, work.payload_format, work.payload_root, confirmed=verdict.accepted
            )
        for peer in liars:
            self._peer(peer).wrong_claims += 1
        return VerdictApplied(charged=tuple(sorted(liars)))

    async def denials_apply(self) -> tuple[str, ...]:
        """Charge whoever claimed what a later look denied."""
        liars = [
            peer for one in self.denials for peer in sorted(self._judge(*one, confirmed=False, judged=("confirmed",)))
        ]
        self.denials = []
        for peer in liars:
            self._peer(peer).wrong_claims += 1
        return tuple(liars)

    async def transfers_keeping_files(self) -> frozenset[uuid.UUID]:
        """Whose partial folder is still needed."""
        wanted = {WantDesired.ACTIVE, WantDesired.PAUSED}
        return frozenset(
            row.work.id
            for row in self.transfers.values()
            if row.work.state in TRANSFER_LIVE
            or (row.work.state is TransferState.ACCEPTED and self.wants[row.work.want_id].desired in wanted)
        )

    async def transfer_givers(self, transfer_id: uuid.UUID) -> dict[str, int]:
        """Who of the mesh gave how much so far."""
        row = self.transfers.get(transfer_id)
        given = row.sources.values() if row is not None else ()
        return {one.peer: one.verified_bytes for one in given if one.verified_bytes and one.adapter != "soulseek"}

    # ---- claims and peers

    async def claims_record(self, claims: Sequence[ClaimReport]) -> None:
        """Keep what peers said."""
        for claim in claims:
            self._peer(claim.peer)
            key = (claim.peer, claim.recording_mbid, claim.payload_format, claim.payload_root)
            self.claims[key] = (claim, self.claims[key][1] if key in self.claims else "open")

    async def claims_of(self, recording_mbid: uuid.UUID) -> list[KnownClaim]:
        """What peers claim to be a recording."""
        return [
            KnownClaim(
                claim=claim,
                refuted=state == "refuted",
                wrong_claims=self._peer(claim.peer).wrong_claims,
                delivered=state == "confirmed" or _held(claim) in self.delivered,
                cooling_s=cooling_s(self.undelivered.get(_held(claim), 0)),
            )
            for claim, state in self.claims.values()
            if claim.recording_mbid == recording_mbid
        ]

    async def claims_delivery(self, reports: Sequence[DeliveryReport]) -> None:
        """Whether peers had what they claim to have."""
        known = {_held(claim) for claim, _ in self.claims.values()}
        for report in reports:
            key = (report.peer, report.payload_format, report.payload_root)
            if key in known and report.delivered:
                self.delivered.add(key)
                self.undelivered.pop(key, None)
            elif key in known:
                self.undelivered[key] = self.undelivered.get(key, 0) + 1

    async def payloads_measured(self, keys: Collection[tuple[str, bytes]]) -> list[MeasuredPayload]:
        """What this node found out itself."""
        return [self.measured[key] for key in keys if key in self.measured]

    async def addresses_of(self, peers: Collection[str], *, limit: int) -> list[KnownAddress]:
        """Where these peers are."""
        found = [(key, self.peers[key].address) for key in sorted(peers) if key in self.peers]
        return [KnownAddress(peer=key, host=one[0], port=one[1]) for key, one in found if one is not None][:limit]

    async def addresses_tried(self, tries: Sequence[AddressTried]) -> None:
        """What came of dialling."""
        self.tried += tries

    async def peer_met(self, report: PeerReport) -> None:
        """A peer proved its key."""
        row = self._peer(report.key)
        row.agent = report.agent or row.agent
        if report.host and report.port:
            row.address = (report.host, report.port)

    async def peer_charge(
        self, key: str, *, bad_leaves: int = 0, violations: int = 0, banned_for_s: float = 0.0
    ) -> None:
        """Count a peer's faults."""
        row = self._peer(key)
        row.bad_leaves += bad_leaves
        row.violations += violations
        row.banned_for_s = banned_for_s or row.banned_for_s

    async def bans(self) -> dict[str, float]:
        """Peers that are shut out, and for how many seconds more. No time passes here."""
        return {key: row.banned_for_s for key, row in self.peers.items() if row.banned_for_s}

    async def peer_histories(self, keys: Collection[str]) -> list[PeerHistory]:
        """What rows hold of these peers."""
        return [
            PeerHistory(
                peer=key,
                metrics=row.metrics.metrics if row.metrics is not None else None,
                wrong_claims=row.wrong_claims,
                claims_counted=row.metrics.claims_counted if row.metrics is not None else 0,
            )
            for key, row in self.peers.items()
            if key in set(keys)
        ]

    async def peer_metrics_record(self, reports: Sequence[PeerMetricsReport]) -> None:
        """Absolute numbers, in place of what was there."""
        for report in reports:
            row = self._peer(report.peer)
            row.metrics = report
            self._score(row, report.metrics.at)

    async def wrong_claims_of(self, keys: Collection[str]) -> dict[str, int]:
        """Wrong claims ever, of those that made any."""
        return {key: row.wrong_claims for key, row in self.peers.items() if key in set(keys) and row.wrong_claims}

    async def reputations_fade(self, *, now: datetime, older_than: timedelta) -> int:
        """Score anew what was scored so long ago."""
        stale = [row for row in self.peers.values() if row.scored_at is not None and row.scored_at < now - older_than]
        for row in stale:
            self._score(row, now)
        return len(stale)

    async def known_addresses(self, *, limit: int) -> list[KnownAddress]:
        """Where peers answered before."""
        found = [(key, row.address) for key, row in self.peers.items() if row.address is not None]
        return [KnownAddress(peer=key, host=host, port=port) for key, (host, port) in found[-limit:]]

    # ---- what we offer

    async def seeded_releases(self) -> list[uuid.UUID]:
        """Releases chosen by hand."""
        return list(self.seeded)

    async def releases_worked_on(self) -> list[uuid.UUID]:
        """Releases of active wants."""
        wants = [one for one in self.wants.values() if one.desired is WantDesired.ACTIVE]
        wants.sort(key=lambda want: -want.priority)
        return list(dict.fromkeys(mbid for want in wants for mbid in want.release_mbids))

    async def announcements_sync(self, releases: Sequence[uuid.UUID]) -> list[AnnouncedRelease]:
        """The announced set and its sticky slots."""
        wanted = list(dict.fromkeys(releases))[:MAX_ANNOUNCED]
        self.announced = {mbid: row for mbid, row in self.announced.items() if mbid in wanted}
        used = {row.slot for row in self.announced.values()}
        free = iter([slot for slot in range(MAX_ANNOUNCED) if slot not in used])
        for mbid in wanted:
            if mbid not in self.announced:
                self.announced[mbid] = AnnouncedRelease(release_mbid=mbid, slot=next(free))
        return sorted(self.announced.values(), key=lambda row: row.slot)

    async def announcement_done(self, release_mbid: uuid.UUID, *, stored_at: int) -> None:
        """A release was announced."""
        if release_mbid in self.announced:
            row = self.announced[release_mbid]
            self.announced[release_mbid] = dataclasses.replace(row, stored_at=stored_at)

    async def variants_offered(
        self,
        *,
        recordings: Collection[uuid.UUID],
        releases: Collection[uuid.UUID],
        within: Collection[uuid.UUID],
        limit: int,
    ) -> list[HeldVariant]:
        """Payloads held of what was asked for, as far as they belong to a release of `within`."""
        allowed, asked = set(within), set(releases)
        found = [
            entry.variant
            for entry in self.library
            if entry.release_mbid in allowed
            and (entry.variant.recording_mbid in set(recordings) or entry.release_mbid in asked)
        ]
        return found[:limit]

    async def release_offered(self, release_mbid: uuid.UUID) -> HeldRelease | None:
        """A release with the payloads held of its tracks."""
        held: Mapping[uuid.UUID, HeldVariant] = {
            entry.variant.recording_mbid: entry.variant for entry in self.library if entry.release_mbid == release_mbid
        }
        if not held:
            return None
        words = next((one.words for one in self.library if one.release_mbid == release_mbid and one.words), None)
        return dataclasses.replace(
            words or HeldRelease(release_mbid=release_mbid),
            release_mbid=release_mbid,
            tracks=tuple(
                HeldTrack(number=number, recording_mbid=mbid, duration_ms=variant.duration_ms, variant=variant)
                for number, (mbid, variant) in enumerate(held.items(), start=1)
            ),
        )

    async def payload_held(
        self, *, payload_format: str, payload_root: bytes, within: Collection[uuid.UUID]
    ) -> HeldPayload | None:
        """What is needed to serve a payload of a release of `within`."""
        for entry in self.library:
            if entry.release_mbid in set(within) and (entry.payload.payload_format, entry.payload.payload_root) == (
                payload_format,
                payload_root,
            ):
                return entry.payload
        return None

    async def heartbeat(self, beat: Heartbeat) -> None:
        """The node is alive; the last hundred are kept."""
        self.beats = [*self.beats[-99:], beat]

    async def close(self) -> None:
        """Nothing to close."""

    # ---- private

    def _live(self, want_id: uuid.UUID) -> list[TransferRow]:
        return [
            row for row in self.transfers.values() if row.work.want_id == want_id and row.work.state in TRANSFER_LIVE
        ]

    def _promote(self, want_id: uuid.UUID) -> uuid.UUID | None:
        live = self._live(want_id)
        if len(live) != 1:
            return None
        live[0].work = dataclasses.replace(live[0].work, role=TransferRole.PRIMARY)
        return live[0].work.id

    def _judge(
        self,
        recording_mbid: uuid.UUID,
        payload_format: str,
        payload_root: bytes,
        *,
        confirmed: bool,
        judged: tuple[str, ...] = (),
    ) -> set[str]:
        """Who claimed something false."""
        liars = set()
        for key, (claim, state) in list(self.claims.items()):
            if key[1:] == (recording_mbid, payload_format, payload_root) and state in {"open", *judged}:
                self.claims[key] = (claim, "confirmed" if confirmed else "refuted")
                if not confirmed and claim.complete:
                    liars.add(claim.peer)
        return liars

    def _compare(self, work: TransferWork) -> set[str]:
        """Who stated facts that the payload does not have."""
        known = self.measured.get((work.payload_format, work.payload_root))
        if known is None:
            return set()
        facts = measured_facts(known)
        wrong = {
            _held(claim)
            for claim, _ in self.claims.values()
            if (claim.payload_format, claim.payload_root) == (work.payload_format, work.payload_root)
            and claim.complete
            and contradicts(claim.facts, facts)
        } - self.facts_wrong
        self.facts_wrong |= wrong
        return {peer for peer, _, _ in wrong}

    def _score(self, row: PeerRow, now: datetime) -> None:
        if row.metrics is not None:
            faded = row.metrics.metrics.decayed_to(now)
            row.reputation, row.scored_at = reputation_of(faded, idle_s=faded.idle_s).score, now

    def _move(self, transfer_id: uuid.UUID, to: TransferState) -> TransferRow | None:
        row = self.transfers.get(transfer_id)
        if row is None or to not in TRANSFER_MOVES[row.work.state]:
            return None
        row.work = dataclasses.replace(row.work, state=to)
        return row

    def _note(self, row: TransferRow, report: ProgressReport) -> None:
        row.verified_bytes, row.refetched_bytes = report.verified_bytes, report.refetched_bytes
        row.sources.update({source.peer: source for source in report.sources})
        for source in report.sources:
            if source.adapter == "overlay":
                self._peer(source.peer)

    def _with_preambles(self, want: WantWork) -> WantWork:
        refused = {
            row.preamble
            for row in self.transfers.values()
            if row.work.want_id == want.id and row.work.state is TransferState.REJECTED and row.code in PREAMBLE_CODES
        }
        return dataclasses.replace(want, refused_preambles=frozenset(refused - {""}))


def _held(claim: ClaimReport) -> tuple[str, str, bytes]:
    return (claim.peer, claim.payload_format, claim.payload_root)
