"""Delivering for one webhook: the oldest event that is due, then the next, until nothing is, the receiver is away, or the time is used up.

One worker per hook, by the hook's lease. Sent before it is written down: a worker that is killed in between sends the event again (at least once), with the
same event id.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Protocol

from apps.common.dispatch import TaskName, enqueue
from apps.domain.jobs.webhooks import DeliveryState, signature
from apps.jobs.services_webhooks import (
    Answered,
    DueDelivery,
    HookClaim,
    deliveries_expire,
    delivery_ended,
    delivery_next,
    hook_claim,
    hook_release,
    hook_renew,
)

log = logging.getLogger(__name__)

LEASE_S = 60
"""Twice what a try may take (`webhooks.timeout_s` is at most 30): a worker that dies is missed for so long."""
BUDGET_S = 60.0
"""Of one run: far below the five minutes a task may take, so that other tasks get their turn."""


class Post(Protocol):
    """How an event is sent: `workers.gateways.webhook.post` with the configuration in it."""

    def __call__(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Never raises; the answer says what went wrong."""
        ...


def deliver(
    hook_id: uuid.UUID,
    *,
    post: Post,
    monotonic: Callable[[], float],
    now_s: Callable[[], float],
    version: str,
    budget_s: float = BUDGET_S,
) -> int:
    """Send what is due; returns how many were tried. `now_s`: Unix seconds, which are signed."""
    until = monotonic() + budget_s
    claim = hook_claim(hook_id, lease_s=LEASE_S)
    if claim is None:
        return 0
    tried, more = 0, True
    deliveries_expire(hook_id)
    while more and monotonic() < until and hook_renew(claim, lease_s=LEASE_S):
        due = delivery_next(claim)
        if due is None:
            more = False
        else:
            more = _send(claim, due, post=post, timestamp=int(now_s()), version=version)
            tried += 1
    hook_release(claim)
    if more:
        enqueue(TaskName.DELIVER_WEBHOOKS, str(hook_id))
    return tried


def _send(claim: HookClaim, due: DueDelivery, *, post: Post, timestamp: int, version: str) -> bool:
    """False: the receiver is away, so nothing more is sent for now."""
    body = due.body.encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"slskdn/{version}",
        "Slskdn-Event": due.event,
        "Slskdn-Event-Id": str(due.event_id),
        "Slskdn-Delivery": str(due.id),
        "Slskdn-Try": str(due.tries + 1),
        "Slskdn-Timestamp": str(timestamp),
        "Slskdn-Signature": signature(claim.secret, timestamp=timestamp, body=body),
    }
    told = post(claim.url, body=body, headers=headers)
    state = delivery_ended(claim, due, told)
    if state is not DeliveryState.DELIVERED:
        log.info(
            "webhook not delivered: hook=%s delivery=%s event=%s try=%s code=%s status=%s state=%s",
            claim.hook_id, due.id, due.event, due.tries + 1, told.code, told.status, state.value,
        )  # fmt: skip
    return not told.away
