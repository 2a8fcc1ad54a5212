"""What the node writes about its own work: progress of wants, transfers and their sources, and what follows from a verdict.

Every function is one step of one transaction, which the caller opens (`overlay_node.store.django_store`). State moves only by
`apps.common.transitions.advance`; a call that comes too late (the state has moved on) changes nothing and returns False.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.contracts.events import TransferAssembled, TransferEnded, TransferSampled, TransferStarted
from apps.domain.contracts.node_work import (
    NodeWork,
    ProgressReport,
    SourceReport,
    TransferWork,
    VerdictApplied,
    VerdictWork,
    WantReport,
    WantWork,
)
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints, ConstraintsInvalid
from apps.domain.jobs.lifecycle import TRANSFER_LIVE, TRANSFER_MOVES, TransferRole, TransferState, WantDesired
from apps.domain.jobs.verdicts import CHARGING, PREAMBLE_CODES, binds
from apps.mesh.services import claims_compare, claims_judge
from apps.nodelink.services import event_record
from apps.peers.models import Plane
from apps.peers.services import peer_charge, peer_ids
from apps.transfers.models import PayloadDenial, Transfer, TransferSource, Want, WantProgress
from apps.transfers.selectors_limits import rate_limits_work

MAX_DENIALS = 200
"""Denials acted on in one transaction; the rest waits for the next pass."""
MAX_WANTS = 5000
"""Wants the node looks at in one pass; more wait their turn (most urgent first)."""


def node_work() -> NodeWork:
    """Everything the node shall do and has under way."""
    live = Transfer.objects.filter(state__in=sorted(TRANSFER_LIVE)).select_related("want", "verdict")
    transfers = list(live.order_by("created_at", "id"))
    wanted = Q(desired__in=[WantDesired.ACTIVE, WantDesired.PAUSED])
    with_transfer = Q(id__in=[row.want_id for row in transfers])
    wants = list(Want.objects.filter(wanted | with_transfer).order_by("-priority", "created_at", "id")[:MAX_WANTS])
    recordings = {want.recording_mbid for want in wants}
    denied: dict[uuid.UUID, list[PayloadDenial]] = {}
    for denial in PayloadDenial.objects.filter(recording_mbid__in=recordings):
        denied.setdefault(denial.recording_mbid, []).append(denial)
    preambles: dict[uuid.UUID, set[str]] = {}
    refused = Transfer.objects.filter(want__in=wants, state=TransferState.REJECTED, code__in=PREAMBLE_CODES)
    for want_id, params in refused.values_list("want_id", "params"):
        preambles.setdefault(want_id, set()).add(str(params.get("preamble", "")))
    return NodeWork(
        wants=tuple(_want(row, denied.get(row.recording_mbid, ()), preambles.get(row.id, set())) for row in wants),
        transfers=tuple(_transfer(row) for row in transfers),
        limits=rate_limits_work(),
    )


def want_progress(report: WantReport) -> None:
    """What the node does for a want. `since` changes only when phase or code do."""
    ring(WEB_CHANNEL, "want")
    params: dict[str, Param] = dict(report.params)
    same = WantProgress.objects.filter(want_id=report.want_id, phase=report.phase, code=report.code)
    if same.update(
        params=params, sources_known=report.sources_known, next_look_at=report.next_look_at, updated_at=Now()
    ):
        return
    if not Want.objects.filter(id=report.want_id).exists():
        return
    WantProgress.objects.update_or_create(
        want_id=report.want_id,
        defaults={
            "phase": report.phase,
            "code": report.code,
            "params": params,
            "sources_known": report.sources_known,
            "next_look_at": report.next_look_at,
            "since": timezone.now(),
        },
    )


def transfer_start(
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
    """A payload was chosen for a want; `choice`: why. None if the want is no longer active, or what is live of it leaves no room for this:
    a primary needs that nothing is live, a fallback a primary that is still fetching another payload."""
    want = Want.objects.select_for_update().filter(id=want_id, desired=WantDesired.ACTIVE).first()
    if want is None:
        return None
    live = list(Transfer.objects.filter(want=want, state__in=sorted(TRANSFER_LIVE)))
    if role is TransferRole.PRIMARY:
        fits = not live
    else:
        same = (payload_format, payload_root)
        fits = [one.state for one in live] == [TransferState.FETCHING] and all(
            (one.payload_format, bytes(one.payload_root)) != same for one in live
        )
    if not fits:
        return None
    row = Transfer.objects.create(
        want=want,
        role=role,
        choice=dict(choice or {}),
        payload_format=payload_format,
        payload_root=payload_root,
        profile=profile,
        payload_bytes=payload_bytes,
        leaf_bytes=leaf_bytes,
    )
    event_record(TransferStarted(transfer_id=row.id, want_id=want_id))
    return _transfer(row)


def transfer_manifest(
    transfer_id: uuid.UUID,
    *,
    payload_bytes: int,
    leaf_bytes: int,
    preamble_bytes: int,
    preamble: str,
    preamble_from: str,
) -> bool:
    """The payload's manifest was proven: its true sizes replace the claimed ones. `preamble`: BLAKE3 (hex) of the untrusted bytes in front."""
    rows = Transfer.objects.filter(id=transfer_id, state=TransferState.FETCHING)
    return (
        rows.update(
            payload_bytes=payload_bytes,
            leaf_bytes=leaf_bytes,
            preamble_bytes=preamble_bytes,
            params={"preamble": preamble, "preamble_from": preamble_from},
            verified_bytes=0,
            updated_at=Now(),
        )
        == 1
    )


def transfers_progress(reports: Iterable[ProgressReport]) -> None:
    """How far running transfers are: one UPDATE each, and their sources."""
    for report in reports:
        _write_progress(report, Transfer.objects.filter(id=report.transfer_id, state=TransferState.FETCHING))
    ring(WEB_CHANNEL, "progress")


def transfer_sampled(transfer_id: uuid.UUID, *, path: str, sample_bytes: int) -> bool:
    """The first `sample_bytes` of the file at `path` are there and verified, while the rest is still fetched."""
    rows = Transfer.objects.filter(id=transfer_id, state=TransferState.FETCHING, verdict=None)
    if not rows.update(path=path, sample_bytes=sample_bytes, updated_at=Now()):
        return False
    want_id = rows.values_list("want_id", flat=True).get()
    event_record(TransferSampled(transfer_id=transfer_id, want_id=want_id))
    return True


def transfer_assembled(report: ProgressReport, *, path: str) -> bool:
    """All leaves verified, the file stands complete at `path` and waits for its verdict. False also while another file of the want does (one at a
    time is judged), and when it was judged by its beginning."""
    rows = Transfer.objects.filter(id=report.transfer_id)
    judging = Transfer.objects.filter(want__in=rows.values("want"), state=TransferState.ASSEMBLED)
    if judging.exclude(id=report.transfer_id).exists() or rows.exclude(verdict=None).exists():
        return False
    if not advance(rows, moves=TRANSFER_MOVES, to=TransferState.ASSEMBLED, path=path, code=""):
        return False
    _write_progress(report, rows, speed_bps=0)
    want_id = rows.values_list("want_id", flat=True).get()
    event_record(TransferAssembled(transfer_id=report.transfer_id, want_id=want_id))
    return True


def transfer_ended(
    transfer_id: uuid.UUID,
    *,
    state: TransferState,
    code: str,
    report: ProgressReport | None = None,
) -> bool:
    """A transfer was stopped or failed. A fallback that is left alone becomes the primary."""
    if state not in {TransferState.STOPPED, TransferState.FAILED}:
        raise ValueError(state)
    rows = Transfer.objects.filter(id=transfer_id)
    if not advance(rows, moves=TRANSFER_MOVES, to=state, code=code, ended_at=Now(), speed_bps=0):
        return False
    if report is not None:
        _write_sources(report)
    want_id = rows.values_list("want_id", flat=True).get()
    _promote(want_id)
    event_record(TransferEnded(transfer_id=transfer_id, want_id=want_id, code=code))
    return True


def transfer_blocked(transfer_id: uuid.UUID, *, code: str) -> None:
    """A live transfer can't go on for now (`disk_full`), or can again (empty code)."""
    Transfer.objects.filter(id=transfer_id, state__in=sorted(TRANSFER_LIVE)).update(code=code, updated_at=Now())


def transfer_refetch(transfer_id: uuid.UUID) -> bool:
    """The assembled file is gone or damaged: fetch what is missing of it again."""
    rows = Transfer.objects.filter(id=transfer_id)
    return advance(rows, moves=TRANSFER_MOVES, to=TransferState.FETCHING, path="") == 1


def transfer_payload(transfer_id: uuid.UUID) -> tuple[str, bytes] | None:
    """(format, root) of a transfer; None if the row is gone."""
    row = Transfer.objects.filter(id=transfer_id).values_list("payload_format", "payload_root").first()
    return (row[0], bytes(row[1])) if row is not None else None


def verdict_apply(transfer_id: uuid.UUID, *, measured: Mapping[str, int] | None = None) -> VerdictApplied | None:
    """Act on a worker's verdict, once: the transfer ends, its claims are confirmed or refuted, whoever is to blame is charged. None: too late.

    `measured`: facts of the payload that its analysis here found (dur_ms, suspect, quality_milli); who stated others is charged too. A fallback that
    is left of a rejected primary is the primary from now on, and its start is told again.
    """
    row = Transfer.objects.select_related("want", "verdict").filter(id=transfer_id, verdict__applied_at=None).first()
    if row is None or not hasattr(row, "verdict"):
        return None
    verdict = row.verdict
    target = TransferState.ACCEPTED if verdict.accepted else TransferState.REJECTED
    moved = advance(
        Transfer.objects.filter(id=transfer_id),
        moves=TRANSFER_MOVES,
        to=target,
        code=verdict.code,
        params={**row.params, **verdict.params},
        ended_at=Now(),
    )
    type(verdict).objects.filter(transfer_id=transfer_id, applied_at=None).update(applied_at=Now())
    if not moved:
        return None
    if not verdict.accepted and (left := _promote(row.want_id)) is not None:
        event_record(TransferStarted(transfer_id=left, want_id=row.want_id))
    if not verdict.accepted and verdict.code in PREAMBLE_CODES:
        if giver := str(row.params.get("preamble_from", "")):
            peer_charge(giver, bad_leaves=1)
        return VerdictApplied()
    liars = set()
    if measured:  # true of the payload, whatever recording it is
        liars = set(
            claims_compare(payload_format=row.payload_format, payload_root=bytes(row.payload_root), measured=measured)
        )
    if not verdict.code or verdict.code in CHARGING:  # one accepted with a code is unconfirmed: nothing is proven
        liars |= _judge(row, confirmed=verdict.accepted)
    for key in sorted(liars):
        peer_charge(key, wrong_claims=1)
    return VerdictApplied(charged=tuple(sorted(liars)))


def denials_apply() -> tuple[str, ...]:
    """Act on denials that were written after their transfer had been judged (a re-check found that the file is another recording): whoever claimed
    the payload is charged, once. Returns the keys of those peers."""
    charged: list[str] = []
    for denial in PayloadDenial.objects.filter(applied_at=None).order_by("created_at")[:MAX_DENIALS]:
        if denial.code in CHARGING:
            keys = claims_judge(
                denial.recording_mbid,
                payload_format=denial.payload_format,
                payload_root=bytes(denial.payload_root),
                confirmed=False,
                again=True,
            )
            for key in keys:
                peer_charge(key, wrong_claims=1)
            charged += keys
        PayloadDenial.objects.filter(id=denial.id).update(applied_at=Now())
    return tuple(charged)


def _judge(row: Transfer, *, confirmed: bool) -> set[str]:
    """Claims of a payload that was analysed; returns who claimed something false."""
    claimers = claims_judge(
        row.want.recording_mbid,
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root),
        confirmed=confirmed,
    )
    return set() if confirmed else set(claimers)


def _promote(want_id: uuid.UUID) -> uuid.UUID | None:
    """A want whose primary has ended: its fallback takes that place. Returns the id of the transfer that is left, None when there is none."""
    live = list(Transfer.objects.filter(want_id=want_id, state__in=sorted(TRANSFER_LIVE)))
    if len(live) != 1:
        return None
    if live[0].role != TransferRole.PRIMARY:
        Transfer.objects.filter(id=live[0].id).update(role=TransferRole.PRIMARY, updated_at=Now())
    return live[0].id


def transfers_keeping_files() -> frozenset[uuid.UUID]:
    """Transfers whose partial folder is still needed: live ones, and accepted ones that a worker may still be placing."""
    placing = Q(state=TransferState.ACCEPTED, want__desired__in=[WantDesired.ACTIVE, WantDesired.PAUSED])
    rows = Transfer.objects.filter(Q(state__in=sorted(TRANSFER_LIVE)) | placing)
    return frozenset(rows.values_list("id", flat=True))


def transfer_givers(transfer_id: uuid.UUID) -> dict[str, int]:
    """Peer of the mesh → bytes of it that are in the file, as last reported. What streams gave is counted anew from their own files."""
    rows = TransferSource.objects.filter(transfer_id=transfer_id, verified_bytes__gt=0).exclude(adapter="soulseek")
    return dict(rows.values_list("peer__key", "verified_bytes"))


def releases_worked_on() -> list[uuid.UUID]:
    """Releases of active wants, the most urgent want's first."""
    rows = Want.objects.filter(desired=WantDesired.ACTIVE).order_by("-priority", "created_at")[:MAX_WANTS]
    found = (
        uuid.UUID(text) for release_mbids in rows.values_list("release_mbids", flat=True) for text in release_mbids
    )
    return list(dict.fromkeys(found))


def _write_progress(report: ProgressReport, rows: object, *, speed_bps: int | None = None) -> None:
    assert hasattr(rows, "update")
    changed = rows.update(
        verified_bytes=report.verified_bytes,
        refetched_bytes=report.refetched_bytes,
        speed_bps=report.speed_bps if speed_bps is None else speed_bps,
        updated_at=Now(),
    )
    if changed:
        _write_sources(report)


def _write_sources(report: ProgressReport) -> None:
    ids: Mapping[str, int] = peer_ids({source.peer for source in report.sources if source.adapter != "soulseek"})
    users = {source.peer for source in report.sources if source.adapter == "soulseek"}
    names: Mapping[str, int] = peer_ids(users, plane=Plane.SOULSEEK) if users else {}
    row = Transfer.objects.filter(id=report.transfer_id).only("payload_root").first()
    if row is None or not report.sources:
        return
    TransferSource.objects.bulk_create(
        [
            _source(
                report.transfer_id,
                bytes(row.payload_root),
                (names if source.adapter == "soulseek" else ids)[source.peer],
                source,
            )
            for source in report.sources
        ],
        update_conflicts=True,
        unique_fields=["transfer", "peer"],
        update_fields=["state", "code", "verified_bytes", "wasted_bytes", "bad_leaves", "speed_bps", "updated_at"],
    )


def _source(transfer_id: uuid.UUID, root: bytes, peer_id: int, source: SourceReport) -> TransferSource:
    return TransferSource(
        transfer_id=transfer_id,
        peer_id=peer_id,
        adapter=source.adapter,
        payload_root=root,
        state=source.state,
        code=source.code,
        verified_bytes=source.verified_bytes,
        wasted_bytes=source.wasted_bytes,
        bad_leaves=source.bad_leaves,
        speed_bps=source.speed_bps,
        updated_at=timezone.now(),
    )


def _want(row: Want, denials: Collection[PayloadDenial], preambles: Collection[str]) -> WantWork:
    try:
        constraints = Constraints.from_json(row.constraints)
    except ConstraintsInvalid:  # written by a newer version: the strictest reading that still fetches something
        constraints = Constraints(allow_lossy=False)
    return WantWork(
        id=row.id,
        recording_mbid=row.recording_mbid,
        release_mbids=tuple(uuid.UUID(text) for text in row.release_mbids),
        duration_ms=row.duration_ms,
        constraints=constraints,
        desired=WantDesired(row.desired),
        priority=row.priority,
        group_id=row.group_id,
        denied=frozenset(
            (one.payload_format, bytes(one.payload_root)) for one in denials if binds(one.code, one.params, constraints)
        ),
        refused_preambles=frozenset(preambles) - {""},
    )


def _transfer(row: Transfer) -> TransferWork:
    verdict = getattr(row, "verdict", None)
    return TransferWork(
        id=row.id,
        want_id=row.want_id,
        recording_mbid=row.want.recording_mbid,
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root),
        profile=row.profile,
        payload_bytes=row.payload_bytes,
        leaf_bytes=row.leaf_bytes,
        state=TransferState(row.state),
        verdict=VerdictWork(accepted=verdict.accepted, code=verdict.code) if verdict is not None else None,
        role=TransferRole(row.role),
    )
