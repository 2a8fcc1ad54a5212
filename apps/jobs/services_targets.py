"""Targets as rows: what a person means to have, how much of it there is, and the job for exactly what is missing. The only writer of AlbumTarget."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db.models.functions import Now

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.domain.errors import DomainError
from apps.domain.jobs.targets import HeldState, TargetKind, TargetReport, TargetState
from apps.jobs.models import AlbumTarget, JobKind
from apps.jobs.selectors_targets import TargetFacts, facts_of, reports_of, target_view, targets_stale
from apps.jobs.services import JobCreated, job_create, mbid_of
from apps.jobs.services_find import find_ask
from apps.library.selectors_doctor_due import newest_change

JOB_KINDS: Final[Mapping[TargetKind, JobKind]] = {
    TargetKind.RELEASE: JobKind.MB_RELEASE,
    TargetKind.RECORDING: JobKind.RECORDING,
}
COUNTED_AT_ONCE: Final = 50


class TargetRefused(DomainError):
    """`target_kind_unknown`, `target_unknown`, `target_nothing_missing`, `target_tracks_unknown`."""

    default_code = "target_unknown"


def kind_of(text: str) -> TargetKind:
    """Read a kind. Raises TargetRefused."""
    try:
        return TargetKind(text)
    except ValueError as error:
        raise TargetRefused("A target is a release or a recording.", code="target_kind_unknown") from error


def target_choose(kind: str, mbid: uuid.UUID | str, *, requested_by: User | None = None) -> uuid.UUID:
    """Mean to have a release or recording; the row's id. Choosing it twice changes nothing.

    Of what the catalog does not know a find is made, which fetches the track list. Raises `target_kind_unknown`, `mbid_invalid`, `finds_full`.
    """
    asked, meant = kind_of(kind), mbid_of(mbid)
    facts = facts_of([(asked.value, meant)])[meant]
    row, _ = AlbumTarget.objects.get_or_create(
        mbid=facts.mbid, defaults={"kind": asked.value, "requested_by": requested_by, **_named(facts)}
    )
    if facts.tracks:
        _count([(row.id, facts)])
    else:
        find_ask(f"{asked.value}:{facts.mbid}", requested_by=requested_by)
    return row.id


def target_forget(mbid: uuid.UUID) -> None:
    """Mean it no more; files and jobs stay. Raises `target_unknown`."""
    gone, _ = AlbumTarget.objects.filter(mbid=mbid).delete()
    if not gone:
        raise TargetRefused("This is no target.", code="target_unknown", mbid=str(mbid))


def target_get_missing(
    kind: str,
    mbid: uuid.UUID | str,
    *,
    constraints: Mapping[str, object] | None = None,
    requested_by: User | None = None,
    idempotency_key: str | None = None,
) -> JobCreated:
    """Ask for exactly the tracks that are missing or another recording; what lies elsewhere in the library is not fetched again.

    Raises `target_nothing_missing`, `target_tracks_unknown`, and those of `job_create`.
    """
    asked, meant = kind_of(kind), mbid_of(mbid)
    view = target_view(asked, meant)
    if view.state is TargetState.UNKNOWN:
        raise TargetRefused("Its track list is not known here yet.", code="target_tracks_unknown", mbid=str(meant))
    wanted = [(disc, position) for disc, position in view.to_get if position > 0]  # a pregap can't be asked for alone
    if not wanted:
        raise TargetRefused("Nothing of it is missing.", code="target_nothing_missing", mbid=str(meant))
    wishes = dict(constraints or {})
    if asked is TargetKind.RELEASE and len(wanted) < len(view.tracks):
        wishes["tracks"] = [{"medium": disc, "position": position} for disc, position in wanted]
    target_choose(asked.value, view.mbid, requested_by=requested_by)
    return job_create(
        kind=JOB_KINDS[asked],
        target_mbid=view.mbid,
        constraints=wishes,
        requested_by=requested_by,
        idempotency_key=idempotency_key,
    )


def targets_count(*, now: datetime, limit: int = COUNTED_AT_ONCE) -> int:
    """Count targets anew that the library changed after; how many. `now`: taken before anything is read, so that no change falls between; called again
    with the same `now` it goes on, and counts nothing twice."""
    stale = targets_stale(changed_at=newest_change(), before=now, limit=limit)
    if not stale:
        return 0
    facts = facts_of([(kind, mbid) for _, kind, mbid in stale])
    _count([(key, facts[mbid]) for key, _, mbid in stale], at=now)
    return len(stale)


def _count(targets: list[tuple[uuid.UUID, TargetFacts]], *, at: datetime | None = None) -> None:
    reports = reports_of([facts for _, facts in targets])
    changed = False
    for key, facts in targets:
        report, _ = reports[facts.mbid]
        told = _summary(report)
        rows = AlbumTarget.objects.filter(id=key)
        changed |= rows.exclude(**told).exists()
        rows.update(**told, **_named(facts), counted_at=at or Now())
    if changed:
        ring(WEB_CHANNEL, "targets")


def _summary(report: TargetReport) -> dict[str, object]:
    return {
        "state": report.state.value,
        "tracks": len(report.tracks),
        "held": report.count(HeldState.HELD, HeldState.ELSEWHERE),
        "missing": report.count(HeldState.MISSING),
        "wrong": report.count(HeldState.WRONG),
        "extra": len(report.extra),
    }


def _named(facts: TargetFacts) -> dict[str, object]:
    """What the catalog calls it; nothing where it does not know it."""
    if not facts.title:
        return {}
    source = {"source": facts.source, "source_ref": facts.source_ref}
    return {"title": facts.title[:1000], "artist": facts.artist[:1000], "year": facts.year[:4], **source}
