"""Rows in which the node reports: events with what happened, a heartbeat, answers. What it shall do is desired state (`transfers.Want`), and commands for
what is done once and answered (browse a user, send a message).
"""

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


class NodeCommand(models.Model):
    """Something the node shall do once, and answer. Written by the control plane, in the transaction of its cause; not begun after `deadline`.

    `payload` is versioned by `version`. `dedup_key`: no second one with the same key while the first is open ("" = no such rule).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField(default=1)
    payload = models.JSONField(default=dict)
    dedup_key = models.CharField(max_length=200, blank=True, default="")
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deadline = models.DateTimeField()

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["deadline"], name="command_by_deadline")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class NodeCommandAnswer(models.Model):
    """What came of a command. Written by the node: when it takes the command (`boot_id` says which of its lives), and once more when it is done.

    `code` "" with `done_at`: it was done. A row without `done_at` whose boot is over was begun, and nobody knows how far it came.
    """

    command = models.OneToOneField(NodeCommand, on_delete=models.CASCADE, primary_key=True, related_name="answer")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    body = models.JSONField(default=dict)
    boot_id = models.CharField(max_length=40, blank=True, default="")
    at = models.DateTimeField(auto_now_add=True)  # taken
    done_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.command_id} {self.code or ('done' if self.done_at else 'taken')}"
