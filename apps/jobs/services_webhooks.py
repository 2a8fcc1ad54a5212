"""Webhooks: the only writer of their rows. Hooks are made, changed and removed here; events become deliveries; workers take and end them.

`job_event` is called inside the transaction in which something happens, so that an event is told if and only if it happened.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.ids import new_id
from apps.common.text import display_text
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import Param
from apps.domain.jobs.webhooks import (
    DELIVERY_MOVES,
    MAX_AGE_S,
    SECRET_PREFIX,
    TEST_EVENT,
    DeliveryState,
    Event,
    WebhookRefused,
    body_of,
    events_checked,
    pause_s,
    rest_s,
    url_checked,
)
from apps.jobs.models import Job, JobTrack
from apps.jobs.models_webhooks import Webhook, WebhookDelivery

Params = Mapping[str, Param]

MAX_HOOKS = 50
"""Every event is written once for each."""
_SALT = "slskdn.webhook.secret"


class WebhookUnknown(WebhookRefused):
    """No hook, or no delivery, has this id."""

    default_code = "webhook_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMade:
    """A new hook, or a new secret of one. `secret` is shown to the person now and never again."""

    id: uuid.UUID
    secret: str


def job_event(job_id: uuid.UUID, name: str, *, track_id: uuid.UUID | None = None) -> None:
    """Something happened to a job, or to one of its tracks: every hook that listens is told after the commit. Call inside the transaction, after the
    change: what is told is what the rows say now. One small query when there is no hook."""
    job_events([job_id], name, track_ids=None if track_id is None else [track_id])


def job_events(job_ids: Collection[uuid.UUID], name: str, *, track_ids: Collection[uuid.UUID] | None = None) -> None:
    """`job_event` for many jobs at once, or, with `track_ids`, for these tracks of theirs; three or four queries however many there are."""
    event = Event(name)
    hooks = [hook for hook in _listening() if not hook.events or event.value in hook.events]
    if not hooks or not job_ids:
        return
    jobs = {job.id: _job_told(job) for job in Job.objects.filter(id__in=list(job_ids))}
    happened: list[tuple[uuid.UUID, uuid.UUID | None, Mapping[str, object] | None]]
    if track_ids is None:
        happened = [(job_id, None, None) for job_id in jobs]
    else:
        tracks = JobTrack.objects.filter(id__in=list(track_ids), job_id__in=list(jobs)).order_by("id")
        happened = [(track.job_id, track.id, _track_told(track)) for track in tracks]
    at = timezone.now()
    rows: list[WebhookDelivery] = []
    for job_id, track_id, track in happened:
        event_id = new_id()
        body = body_of(event=event.value, event_id=event_id, at=at.isoformat(), job=jobs[job_id], track=track)
        rows += [
            WebhookDelivery(
                hook=hook,
                event_id=event_id,
                event=event.value,
                job_id=job_id,
                track_id=track_id,
                body=body,
                next_step_at=at,
            )
            for hook in hooks
        ]
    WebhookDelivery.objects.bulk_create(rows, batch_size=200)
    for hook in hooks:
        enqueue(TaskName.DELIVER_WEBHOOKS, str(hook.id))


def webhook_add(url: str, *, name: str = "", events: Sequence[str] = (), created_by: User | None = None) -> WebhookMade:
    """Tell this address of `events` (none: all) from now on.

    Raises WebhookRefused: `webhook_url_invalid`, `webhook_event_unknown`, `webhooks_full`.
    """
    address, wanted = url_checked(url), events_checked(events)
    with transaction.atomic():
        if Webhook.objects.count() >= MAX_HOOKS:
            raise WebhookRefused(f"At most {MAX_HOOKS} webhooks.", code="webhooks_full", limit=MAX_HOOKS)
        hook = Webhook.objects.create(
            url=address, name=display_text(name, limit=200), events=wanted, created_by=created_by
        )
    return WebhookMade(id=hook.id, secret=secret_of(hook.id, serial=hook.secret_serial))


def webhook_change(
    hook_id: uuid.UUID,
    *,
    url: str | None = None,
    name: str | None = None,
    events: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> None:
    """Change what is given. A hook that is switched off is told of nothing that happens meanwhile; what waits is sent when it is on again.

    Raises as `webhook_add`, and `webhook_unknown`.
    """
    changes: dict[str, object] = {}
    if url is not None:
        changes["url"] = url_checked(url)
    if name is not None:
        changes["name"] = display_text(name, limit=200)
    if events is not None:
        changes["events"] = events_checked(events)
    if enabled is not None:
        changes["enabled"] = enabled
    if url is not None or enabled:
        changes |= {"failures": 0, "code": "", "params": {}, "next_step_at": None}
    with transaction.atomic():
        _changed(hook_id, **changes)
        enqueue(TaskName.DELIVER_WEBHOOKS, str(hook_id))


def webhook_secret_renew(hook_id: uuid.UUID) -> WebhookMade:
    """A new secret; the old one signs nothing any more. Raises `webhook_unknown`."""
    with transaction.atomic():
        _changed(hook_id, secret_serial=F("secret_serial") + 1)
        serial = Webhook.objects.values_list("secret_serial", flat=True).get(id=hook_id)
    return WebhookMade(id=hook_id, secret=secret_of(hook_id, serial=serial))


def webhook_remove(hook_id: uuid.UUID) -> None:
    """Forget the hook and its log; nothing more is sent. Raises `webhook_unknown`."""
    with transaction.atomic():
        _changed(hook_id, enabled=False)
        WebhookDelivery.objects.filter(hook_id=hook_id).delete()
        Webhook.objects.filter(id=hook_id).delete()


def webhook_test(hook_id: uuid.UUID) -> int:
    """Send an event that means nothing, also to a hook that is switched off; the delivery's id. Raises `webhook_unknown`."""
    event_id, at = new_id(), timezone.now()
    with transaction.atomic():
        _changed(hook_id, next_step_at=None)
        row = WebhookDelivery.objects.create(
            hook_id=hook_id,
            event_id=event_id,
            event=TEST_EVENT,
            body=body_of(event=TEST_EVENT, event_id=event_id, at=at.isoformat(), job=None),
            by_hand=True,
            next_step_at=at,
        )
        enqueue(TaskName.DELIVER_WEBHOOKS, str(hook_id))
    return row.id


def delivery_again(delivery_id: int) -> int:
    """Send an event once more, by hand: a new line of the log with the same event id and body. One that waits is only brought forward.

    Returns the delivery to look at. Raises `webhook_delivery_unknown`.
    """
    with transaction.atomic():
        known = WebhookDelivery.objects.filter(id=delivery_id).first()
        if known is None:
            raise WebhookUnknown("There is no such delivery.", code="webhook_delivery_unknown", delivery=delivery_id)
        waiting = WebhookDelivery.objects.filter(id=delivery_id, state=DeliveryState.WAITING)
        if waiting.update(next_step_at=Now(), updated_at=Now()):
            again = delivery_id
        else:
            again = WebhookDelivery.objects.create(
                hook_id=known.hook_id,
                event_id=known.event_id,
                event=known.event,
                job_id=known.job_id,
                track_id=known.track_id,
                body=known.body,
                by_hand=True,
                next_step_at=timezone.now(),
            ).id
        Webhook.objects.filter(id=known.hook_id).update(next_step_at=None, updated_at=Now())
        enqueue(TaskName.DELIVER_WEBHOOKS, str(known.hook_id))
    return again


def deliveries_expire(hook_id: uuid.UUID | None = None) -> int:
    """Give up what has waited for MAX_AGE_S (of one hook, or of all); how many."""
    old = WebhookDelivery.objects.filter(
        state=DeliveryState.WAITING, by_hand=False, created_at__lt=Now() - timedelta(seconds=MAX_AGE_S)
    )
    if hook_id is not None:
        old = old.filter(hook_id=hook_id)
    return advance(
        old, moves=DELIVERY_MOVES, to=DeliveryState.DEAD, next_step_at=None, ended_at=Now(), code="webhook_too_old"
    )


def deliveries_forget(*, ended_before: datetime, batch: int = 5000) -> int:
    """Delete lines of the log that ended before then; how many."""
    total = 0
    while True:
        old = (
            WebhookDelivery.objects.filter(ended_at__lt=ended_before).order_by("ended_at").values_list("id", flat=True)
        )
        ids = list(old[:batch])
        total += WebhookDelivery.objects.filter(id__in=ids).delete()[0] if ids else 0
        if len(ids) < batch:
            return total


def secret_of(hook_id: uuid.UUID, *, serial: int) -> str:
    """The hook's secret, from the installation's own: no row holds it."""
    digest = salted_hmac(_SALT, f"{hook_id}:{serial}", algorithm="sha256").digest()
    return SECRET_PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class HookClaim:
    """A hook for which this worker delivers."""

    hook_id: uuid.UUID
    url: str
    secret: str
    attempt: int
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """What is to be sent next. `tries`: how many tries failed before."""

    id: int
    event_id: uuid.UUID
    event: str
    body: str
    tries: int


def hooks_waiting() -> list[tuple[uuid.UUID, int]]:
    """Hooks that have something due and are in nobody's hands, with their attempt; for the sweep."""
    due = WebhookDelivery.objects.filter(hook_id=OuterRef("id"), state=DeliveryState.WAITING, next_step_at__lte=Now())
    able = Q(enabled=True) | Exists(due.filter(by_hand=True))
    return list(Webhook.objects.filter(_free(), able, Exists(due)).values_list("id", "attempt")[:MAX_HOOKS])


def hook_claim(hook_id: uuid.UUID, *, lease_s: int) -> HookClaim | None:
    """Deliver for this hook; None: another worker does, it rests, or it is gone."""
    if not lease_claim(
        Webhook.objects.filter(Q(next_step_at=None) | Q(next_step_at__lte=Now()), id=hook_id), seconds=lease_s
    ):
        return None
    hook = Webhook.objects.get(id=hook_id)
    secret = secret_of(hook.id, serial=hook.secret_serial)
    return HookClaim(hook_id=hook.id, url=hook.url, secret=secret, attempt=hook.attempt, enabled=hook.enabled)


def hook_renew(claim: HookClaim, *, lease_s: int) -> bool:
    """Keep it for another `lease_s`. False: it is gone, changed hands, or was switched on or off."""
    return _mine(claim).filter(enabled=claim.enabled).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def hook_release(claim: HookClaim) -> None:
    """Give it back."""
    _mine(claim).update(lease_until=None)


def delivery_next(claim: HookClaim) -> DueDelivery | None:
    """The oldest delivery that is due: none of its job before it still waits. Redeliveries by hand wait for nobody and nobody for them."""
    waiting = WebhookDelivery.objects.filter(hook_id=claim.hook_id, state=DeliveryState.WAITING)
    earlier = waiting.filter(job_id=OuterRef("job_id"), id__lt=OuterRef("id"), by_hand=False)
    due = waiting.filter(next_step_at__lte=Now()).filter(Q(by_hand=True) | ~Exists(earlier))
    if not claim.enabled:
        due = due.filter(by_hand=True)
    row = due.order_by("next_step_at", "id").first()
    if row is None:
        return None
    return DueDelivery(id=row.id, event_id=row.event_id, event=row.event, body=row.body, tries=row.tries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How a try went. `code` is "" for a 2xx answer; `away`: the receiver could not be reached at all, or asked to be left alone."""

    status: int | None = None
    code: str = ""
    params: Params
    answer: str = ""
    ms: int = 0
    away: bool = False
    retry_after_s: float | None = None


def delivery_ended(claim: HookClaim, due: DueDelivery, told: Answered) -> DeliveryState:
    """Write how the try went: delivered, waiting for the next one, or given up. Nothing is written for a hook that is gone or no longer ours."""
    tries = due.tries + 1
    pause = pause_s(tries)
    if told.retry_after_s is not None and pause is not None:
        pause = max(pause, told.retry_after_s)
    if not told.code:
        state = DeliveryState.DELIVERED
    elif pause is None:
        state = DeliveryState.DEAD
    else:
        state = DeliveryState.WAITING
    with transaction.atomic():
        if not _mine(claim).update(**_health(claim, told), updated_at=Now()):
            return DeliveryState.WAITING
        row = WebhookDelivery.objects.filter(
            id=due.id, hook_id=claim.hook_id, tries=due.tries, state=DeliveryState.WAITING
        )
        history = row.values_list("history", flat=True).first() or []
        entry = {"at": timezone.now().isoformat(), "status": told.status, "code": told.code, "ms": told.ms}
        changes: dict[str, object] = {
            "tries": tries,
            "status": told.status,
            "code": told.code,
            "params": dict(told.params),
            "answer": told.answer[:500],
            "history": [*history, entry],
        }
        if state is DeliveryState.WAITING:
            row.update(next_step_at=Now() + timedelta(seconds=pause or 0.0), updated_at=Now(), **changes)
        else:
            advance(
                row,
                moves=DELIVERY_MOVES,
                to=state,
                only_from=[DeliveryState.WAITING],
                next_step_at=None,
                ended_at=Now(),
                **changes,
            )
        ring(WEB_CHANNEL, f"webhook {claim.hook_id}")
    return state


def _health(claim: HookClaim, told: Answered) -> dict[str, object]:
    if not told.away:
        return {"failures": 0, "code": "", "params": {}, "next_step_at": None}
    failures = Webhook.objects.filter(id=claim.hook_id).values_list("failures", flat=True).first() or 0
    rest = max(rest_s(failures + 1), told.retry_after_s or 0.0)
    return {
        "failures": failures + 1,
        "code": told.code,
        "params": dict(told.params),
        "next_step_at": Now() + timedelta(seconds=rest),
    }


def _listening() -> list[Webhook]:
    return list(Webhook.objects.filter(enabled=True).only("id", "events"))


def _changed(hook_id: uuid.UUID, **changes: object) -> None:
    if not Webhook.objects.filter(id=hook_id).update(updated_at=Now(), **changes):
        raise WebhookUnknown("There is no such webhook.", webhook=str(hook_id))


def _mine(claim: HookClaim) -> QuerySet[Webhook]:
    return Webhook.objects.filter(id=claim.hook_id, attempt=claim.attempt)


def _free() -> Q:
    return (Q(lease_until=None) | Q(lease_until__lt=Now())) & (Q(next_step_at=None) | Q(next_step_at__lte=Now()))


def _job_told(job: Job) -> Mapping[str, object]:
    """What is told of a job: ids, names and its state. No path, no person, no address of a peer."""
    return {
        "id": job.id,
        "parent_id": job.parent_id,
        "kind": job.kind,
        "origin": job.origin,
        "target_mbid": job.target_mbid,
        "release_mbid": job.release_mbid,
        "title": job.title,
        "artist": job.artist,
        "year": job.year,
        "state": job.state,
        "code": job.code,
    }


def _track_told(track: JobTrack) -> Mapping[str, object]:
    return {
        "id": track.id,
        "medium": track.medium_position,
        "position": track.position,
        "title": track.title,
        "artist": track.artist,
        "recording_mbid": track.recording_mbid,
        "state": track.state,
        "code": track.code,
        "verification": track.verification,
    }
