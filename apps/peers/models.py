"""Whom we met: peers, where they were heard, and how many bytes passed. Reputation is local and never sent."""

from __future__ import annotations

from django.db import models


class Plane(models.TextChoices):
    """The network a peer belongs to."""

    OVERLAY = "overlay"
    SOULSEEK = "soulseek"


class Peer(models.Model):
    """A peer, known by its plane and the key it proved there (overlay: base32 peer id; Soulseek: user name)."""

    plane = models.CharField(max_length=10, choices=Plane.choices)
    key = models.CharField(max_length=200)
    agent = models.CharField(max_length=80, blank=True, default="")
    first_seen = models.DateTimeField(auto_now_add=True)
    last_seen = models.DateTimeField(null=True, blank=True)
    bad_leaves = models.PositiveIntegerField(default=0)
    wrong_claims = models.PositiveIntegerField(default=0)
    violations = models.PositiveIntegerField(default=0)
    banned_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["plane", "key"], name="peer_once_per_plane")]

    def __str__(self) -> str:
        return f"{self.plane}:{self.key}"


class PeerAddress(models.Model):
    """Where a peer was said to be (`seq`, `source`) and when it was tried and answered: heard and tried are different things."""

    peer = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="addresses")
    kind = models.CharField(max_length=12, default="direct")
    host = models.CharField(max_length=255)
    port = models.PositiveIntegerField()
    via = models.CharField(max_length=60, blank=True, default="")
    source = models.CharField(max_length=20)
    seq = models.BigIntegerField(default=0)
    group = models.CharField(max_length=60, blank=True, default="")
    first_seen = models.DateTimeField(auto_now_add=True)
    last_ok = models.DateTimeField(null=True, blank=True)
    last_try = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["peer", "kind", "host", "port"], name="peer_address_once")]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class TrafficLedger(models.Model):
    """Monotone byte counters per peer, plane, direction, purpose and path."""

    peer = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="traffic")
    plane = models.CharField(max_length=10, choices=Plane.choices)
    direction = models.CharField(max_length=4, choices=[("down", "down"), ("up", "up")])
    purpose = models.CharField(max_length=20, default="payload")
    path = models.CharField(max_length=12, default="direct")
    total_bytes = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["peer", "plane", "direction", "purpose", "path"], name="ledger_line_once"),
            models.CheckConstraint(condition=models.Q(total_bytes__gte=0), name="ledger_never_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.peer_id} {self.direction} {self.total_bytes}"
