"""Who is told of what happens to jobs, and every telling: rows of webhooks.

A hook's secret is in no row: it is derived from the installation's own secret, the hook's id and `secret_serial` (`services_webhooks.secret_of`), so that
neither a dump of the database nor an export ever holds one.
"""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.jobs.webhooks import DeliveryState


class Webhook(models.Model):
    """An address that is told of events. Written by `apps.jobs.services_webhooks` alone.

    Its lease belongs to the worker that delivers for it: one at a time, so that events of one job arrive in their order. `next_step_at`: nothing is sent
    before then, because the receiver was away (`failures` times in a row, `code` says how).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200, blank=True, default="")
    url = models.CharField(max_length=2000)
    events = models.JSONField(default=list, blank=True)  # names; empty: all
    enabled = models.BooleanField(default=True)
    secret_serial = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(
        "auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="webhooks"
    )
    failures = models.PositiveIntegerField(default=0)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name or str(self.id)  # never the address: it may hold somebody's token


class WebhookDelivery(models.Model):
    """One event for one hook: what is sent, how often it was tried, how it ended. Written in the transaction of its cause, then by the delivering worker.

    `id` orders the events of a job. `event_id` is what a receiver remembers: it is the same in every try and in a redelivery.
    `job_id` and `track_id` are no foreign keys: the log outlives the job.
    """

    id = models.BigAutoField(primary_key=True)
    hook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.UUIDField()
    event = models.CharField(max_length=40)
    job_id = models.UUIDField(null=True, blank=True)  # NULL: a test
    track_id = models.UUIDField(null=True, blank=True)
    body = models.TextField()
    state = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in DeliveryState], default=DeliveryState.WAITING
    )
    by_hand = models.BooleanField(default=False)  # a test, or sent again because a person asked
    tries = models.PositiveSmallIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, blank=True)  # of the last answer
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict, blank=True)
    answer = models.CharField(max_length=500, blank=True, default="")  # the beginning of the last answer's body
    history = models.JSONField(default=list, blank=True)  # one entry a try: {at, status, code, ms}
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=["hook", "-id"], name="hook_delivery_newest"),
            models.Index(
                fields=["hook", "job_id", "id"], name="hook_delivery_order", condition=models.Q(state="waiting")
            ),
            models.Index(
                fields=["hook", "next_step_at"], name="hook_delivery_due", condition=models.Q(state="waiting")
            ),
            models.Index(fields=["ended_at"], name="hook_delivery_ended"),
            models.Index(fields=["job_id"], name="hook_delivery_job"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.event_id} {self.state}"
