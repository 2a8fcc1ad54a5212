"""Rows in which the node reports: events with what happened, and a heartbeat. What it shall do is desired state (`transfers.Want`)."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id


class NodeEvent(models.Model):
    """A fact the node reports, written with the state change it tells of. Consumers take those not processed yet."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField(default=1)
    payload = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    processed_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        ordering = ["created_at"]
        indexes = [
            models.Index(fields=["created_at"], name="event_open", condition=models.Q(processed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class NodeHeartbeat(models.Model):
    """The node's last sign of life and what it said of itself."""

    peer_id = models.CharField(max_length=60, primary_key=True)
    boot_id = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    version = models.CharField(max_length=40)
    report_version = models.PositiveSmallIntegerField(default=1)
    report = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.peer_id
