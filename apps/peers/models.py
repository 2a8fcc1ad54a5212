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


class PeerMetrics(models.Model):
    """How an overlay peer performed (`apps.domain.peers.metrics.PeerMetricsSnapshot`) and how far it is trusted. Written by the node alone.

    Counters have a half-life of seven days and are decayed to `at`; rates are 0..1. `reputation` is the score at `scored_at`: the node brings
    it up to date when it learns something, and hourly, as it fades towards 0.5. None of this is ever sent to anyone.
    """

    peer = models.OneToOneField(Peer, on_delete=models.CASCADE, primary_key=True, related_name="metrics")
    at = models.DateTimeField()
    outcome_at = models.DateTimeField()  # of the last outcome
    rtt_s = models.FloatField(null=True, blank=True)
    throughput_bps = models.FloatField(default=0)  # bytes a second; 0 = not known
    throughput_var = models.FloatField(default=0)
    samples = models.FloatField(default=0)
    error_rate = models.FloatField(default=0)
    timeout_rate = models.FloatField(default=0)
    cancellation_rate = models.FloatField(default=0)
    successful = models.FloatField(default=0)
    corrupt = models.FloatField(default=0)
    timeouts = models.FloatField(default=0)
    cancelled_by_peer = models.FloatField(default=0)
    not_delivered = models.FloatField(default=0)
    wrong_claims = models.FloatField(default=0)
    busy = models.FloatField(default=0)
    verified_bytes = models.FloatField(default=0)
    failed_io_error = models.FloatField(default=0)
    failed_invalid_range = models.FloatField(default=0)
    failed_policy_violation = models.FloatField(default=0)
    failed_bad_manifest = models.FloatField(default=0)
    failed_other = models.FloatField(default=0)
    claims_counted = models.PositiveIntegerField(default=0)  # of Peer.wrong_claims, those that `wrong_claims` took in
    reputation = models.FloatField(default=0.5)
    scored_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "peer metrics"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reputation__gte=0) & models.Q(reputation__lte=1), name="reputation_between_0_and_1"
            ),
        ]
        indexes = [
            models.Index(fields=["reputation", "peer"], name="metrics_by_reputation"),
            models.Index(fields=["throughput_bps", "peer"], name="metrics_by_throughput"),
            models.Index(fields=["scored_at"], name="metrics_by_scoring"),
        ]

    def __str__(self) -> str:
        return f"{self.peer_id} {self.reputation:.2f}"


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
