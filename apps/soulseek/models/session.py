"""The session with the server: what a person wants of it (control plane), and how it stands (node)."""

from __future__ import annotations

from django.db import models

ONLY: int = 1
"""The primary key of rows of which there is one."""


class SoulseekIntent(models.Model):
    """What people want of the session. One row. Written by the control plane; without it: online when credentials are there, not away."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    online = models.BooleanField(default=True)
    away = models.BooleanField(default=False)
    generation = models.PositiveIntegerField(
        default=0
    )  # a person's "connect again": the node begins anew when it rises
    set_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=ONLY), name="one_soulseek_intent")]

    def __str__(self) -> str:
        return f"{'online' if self.online else 'offline'}{', away' if self.away else ''}"


class SoulseekSession(models.Model):
    """How the session stands. One row. Written by the node.

    `phase`, `health`, `code`: apps.domain.soulseek.session. `search_starts`: wall-clock seconds of the searches inside the budget's window, so that a restart
    does not exceed it. `excluded`: phrases the server wants in no reply. `queue`: (searches waiting, running).
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    phase = models.CharField(max_length=12, default="idle")
    health = models.CharField(max_length=12, default="off")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    username = models.CharField(max_length=120, blank=True, default="")
    server = models.CharField(max_length=255, blank=True, default="")
    address = models.CharField(max_length=64, blank=True, default="")  # ours, as the server sees it
    listening_port = models.PositiveIntegerField(default=0)
    away = models.BooleanField(default=False)
    since = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    wishlist_interval_s = models.PositiveIntegerField(default=720)
    privileged_s = models.PositiveIntegerField(default=0)
    excluded = models.JSONField(default=list)
    search_starts = models.JSONField(default=list)
    searches_waiting = models.PositiveIntegerField(default=0)
    searches_running = models.PositiveIntegerField(default=0)
    next_search_at = models.DateTimeField(null=True, blank=True)
    shared_files = models.PositiveIntegerField(default=0)
    shared_folders = models.PositiveIntegerField(default=0)
    uploads_running = models.PositiveIntegerField(default=0)
    uploads_waiting = models.PositiveIntegerField(default=0)
    last_ticket = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=ONLY), name="one_soulseek_session")]

    def __str__(self) -> str:
        return f"{self.health} {self.code}"


class SessionEvent(models.Model):
    """Something that happened to the session: connected, kicked, refused(code), lost, network_down. Written by the node; swept by age."""

    kind = models.CharField(max_length=20)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"
