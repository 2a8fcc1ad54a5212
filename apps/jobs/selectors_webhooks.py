"""Webhooks and their log, as pages, API and CLI show them. No secret is in any of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.db.models import Count, QuerySet

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.common.sentences import Sentence, sentence
from apps.domain.jobs.webhooks import DeliveryState
from apps.jobs.models_webhooks import Webhook, WebhookDelivery

DELIVERY_ORDER = ("-id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookView:
    """A hook. `waiting`: events that are still to be delivered."""

    id: uuid.UUID
    name: str
    url: str
    events: tuple[str, ...]
    """Empty: all."""
    enabled: bool
    failures: int
    code: str
    params: Mapping[str, object]
    next_step_at: datetime | None
    """Nothing is sent before then."""
    created_by: str
    created_at: datetime
    waiting: int

    @property
    def host(self) -> str:
        """Of its address: what may be shown in passing."""
        return urlsplit(self.url).netloc

    @property
    def sentence(self) -> Sentence:
        """Why its receiver was away; empty when it was not."""
        return sentence(self.code, self.params)


@dataclass(frozen=True, slots=True, kw_only=True)
class TryView:
    """One try of a delivery."""

    at: str
    status: int | None
    code: str
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A line of the log."""

    id: int
    hook_id: uuid.UUID
    event_id: uuid.UUID
    event: str
    job_id: uuid.UUID | None
    track_id: uuid.UUID | None
    state: DeliveryState
    by_hand: bool
    tries: int
    status: int | None
    code: str
    params: Mapping[str, object]
    answer: str
    body: str
    history: tuple[TryView, ...]
    next_step_at: datetime | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def sentence(self) -> Sentence:
        """How the last try went, where it went wrong."""
        return sentence(self.code, self.params)


def webhook_list() -> list[WebhookView]:
    """All hooks, oldest first; two queries."""
    hooks = list(Webhook.objects.select_related("created_by").order_by("id"))
    waiting = _waiting([hook.id for hook in hooks])
    return [_view(hook, waiting.get(hook.id, 0)) for hook in hooks]


def webhook_one(hook_id: uuid.UUID) -> WebhookView | None:
    """One hook."""
    hook = Webhook.objects.select_related("created_by").filter(id=hook_id).first()
    return _view(hook, _waiting([hook.id]).get(hook.id, 0)) if hook else None


def delivery_query(
    hook_id: uuid.UUID, *, state: str = "", event: str = "", job_id: uuid.UUID | None = None
) -> QuerySet[WebhookDelivery]:
    """The log of a hook; what is not given is not filtered."""
    rows = WebhookDelivery.objects.filter(hook_id=hook_id)
    if state:
        rows = rows.filter(state=state)
    if event:
        rows = rows.filter(event=event)
    if job_id is not None:
        rows = rows.filter(job_id=job_id)
    return rows


def delivery_page(
    hook_id: uuid.UUID,
    *,
    state: str = "",
    event: str = "",
    job_id: uuid.UUID | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[DeliveryView]:
    """A page of the log, newest first; one query. Raises CursorInvalid."""
    rows = delivery_query(hook_id, state=state, event=event, job_id=job_id)
    page = keyset_page(rows, order=DELIVERY_ORDER, cursor=cursor, limit=limit)
    return Page([_delivery(row) for row in page.items], page.next_cursor, page.previous_cursor)


def delivery_one(hook_id: uuid.UUID, delivery_id: int) -> DeliveryView | None:
    """One line of the log of this hook."""
    row = WebhookDelivery.objects.filter(hook_id=hook_id, id=delivery_id).first()
    return _delivery(row) if row else None


def _waiting(hooks: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, int]:
    rows = WebhookDelivery.objects.filter(hook_id__in=hooks, state=DeliveryState.WAITING).order_by()
    return dict(rows.values_list("hook_id").annotate(count=Count("id")))


def _view(hook: Webhook, waiting: int) -> WebhookView:
    return WebhookView(
        id=hook.id,
        name=hook.name,
        url=hook.url,
        events=tuple(hook.events),
        enabled=hook.enabled,
        failures=hook.failures,
        code=hook.code,
        params=hook.params,
        next_step_at=hook.next_step_at if hook.failures else None,
        created_by=hook.created_by.get_username() if hook.created_by else "",
        created_at=hook.created_at,
        waiting=waiting,
    )


def _delivery(row: WebhookDelivery) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        hook_id=row.hook_id,
        event_id=row.event_id,
        event=row.event,
        job_id=row.job_id,
        track_id=row.track_id,
        state=DeliveryState(row.state),
        by_hand=row.by_hand,
        tries=row.tries,
        status=row.status,
        code=row.code,
        params=row.params,
        answer=row.answer,
        body=row.body,
        history=tuple(
            TryView(at=one["at"], status=one["status"], code=one["code"], ms=one["ms"]) for one in row.history
        ),
        next_step_at=row.next_step_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
