"""Work in flight. `Want`, `TransferVerdict`, `PayloadDenial` and `RateLimit` are written by the control plane, everything else here by the node."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.jobs.lifecycle import TRANSFER_LIVE, TransferRole, TransferState, WantDesired, WantPhase
from apps.domain.swarm.limits import LimitDirection, LimitScope


def choices(enum: type) -> list[tuple[str, str]]:
    """Django choices of a StrEnum, so that the domain's table is the only list of states."""
    return [(member.value, member.value) for member in enum]  # type: ignore[attr-defined]


class Want(models.Model):
    """A recording that shall arrive here: the desired state that the node's reconciler works towards."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    group_id = models.UUIDField(null=True, blank=True)  # wants asked for together share one bandwidth limit
    recording_mbid = models.UUIDField()
    release_mbids = models.JSONField(default=list)  # keys under which sources are looked up, best first
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    constraints = models.JSONField(default=dict)  # apps.domain.jobs.constraints, with its version
    desired = models.CharField(max_length=10, choices=choices(WantDesired), default=WantDesired.ACTIVE)
    priority = models.PositiveSmallIntegerField(default=5)
    origin = models.CharField(max_length=10, default="job")
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="want_active", condition=models.Q(desired="active"))]

    def __str__(self) -> str:
        return f"want {self.recording_mbid}"


class WantProgress(models.Model):
    """What the node is doing for a want, and why it waits."""

    want = models.OneToOneField(Want, on_delete=models.CASCADE, primary_key=True, related_name="progress")
    phase = models.CharField(max_length=12, choices=choices(WantPhase), default=WantPhase.SEEKING)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    sources_known = models.PositiveIntegerField(default=0)
    next_look_at = models.DateTimeField(null=True, blank=True)
    since = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.want_id} {self.phase}"


class Transfer(models.Model):
    """One payload on its way into this node. The target is (format, root); leaves are checked against it as they land.

    A want has at most one live primary and one live fallback. `choice`: why this payload was taken (overlay_node.swarm.choice.Explanation, versioned).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    want = models.ForeignKey(Want, on_delete=models.CASCADE, related_name="transfers")
    payload_format = models.CharField(max_length=12)
    payload_root = models.BinaryField(max_length=32)
    profile = models.CharField(max_length=40)
    payload_bytes = models.BigIntegerField()
    leaf_bytes = models.PositiveIntegerField()
    preamble_bytes = models.PositiveIntegerField(default=0)  # audio.<ext> in the partial folder = preamble + payload
    role = models.CharField(max_length=10, choices=choices(TransferRole), default=TransferRole.PRIMARY)
    choice = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=choices(TransferState), default=TransferState.FETCHING)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    verified_bytes = models.BigIntegerField(default=0)
    refetched_bytes = models.BigIntegerField(default=0)
    speed_bps = models.BigIntegerField(default=0)
    path = models.CharField(
        max_length=4000, blank=True, default=""
    )  # of the assembled file, while it waits for its verdict; of the one that is being fetched, once it may be sampled
    sample_bytes = models.BigIntegerField(default=0)  # so much of it, from the start, holds what is verified
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["want", "role"],
                name="transfer_one_live_per_role",
                condition=models.Q(state__in=sorted(TRANSFER_LIVE)),
            ),
            models.CheckConstraint(
                condition=models.Q(verified_bytes__gte=0) & models.Q(verified_bytes__lte=models.F("payload_bytes")),
                name="transfer_bytes_within_payload",
            ),
        ]
        indexes = [models.Index(fields=["want", "created_at"], name="transfer_by_want")]

    def __str__(self) -> str:
        return f"transfer {self.id} {self.state}"


class TransferSource(models.Model):
    """What one peer gave to one transfer. `verified_bytes` are bytes of this peer that are in the file."""

    transfer = models.ForeignKey(Transfer, on_delete=models.CASCADE, related_name="sources")
    peer = models.ForeignKey("peers.Peer", on_delete=models.CASCADE, related_name="transfer_sources")
    adapter = models.CharField(max_length=12, default="overlay")
    payload_root = models.BinaryField(max_length=32)
    state = models.CharField(max_length=12, default="new")
    code = models.CharField(max_length=60, blank=True, default="")
    verified_bytes = models.BigIntegerField(default=0)
    wasted_bytes = models.BigIntegerField(default=0)
    bad_leaves = models.PositiveIntegerField(default=0)
    speed_bps = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transfer", "peer"], name="source_once_per_transfer")]

    def __str__(self) -> str:
        return f"{self.transfer_id} from {self.peer_id}"


class TransferVerdict(models.Model):
    """A worker's judgement of an assembled file. Written once; the node acts on it."""

    transfer = models.OneToOneField(Transfer, on_delete=models.CASCADE, primary_key=True, related_name="verdict")
    accepted = models.BooleanField()
    code = models.CharField(max_length=60, blank=True, default="")  # wrong_recording, decode_failed, …
    params = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True)  # set by the node

    def __str__(self) -> str:
        return f"{self.transfer_id} {'accepted' if self.accepted else self.code}"


class PayloadDenial(models.Model):
    """A payload that was analysed and is not this recording (or does not decode): never fetched for it again.

    Written by the control plane; `applied_at` by the node, once whoever claimed it was charged.
    """

    recording_mbid = models.UUIDField()
    payload_format = models.CharField(max_length=12)
    payload_root = models.BinaryField(max_length=32)
    code = models.CharField(max_length=60)
    params = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["recording_mbid", "payload_format", "payload_root"], name="denial_once"),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="denial_unapplied", condition=models.Q(applied_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.recording_mbid} not {bytes(self.payload_root).hex()[:12]}"


class RateLimit(models.Model):
    """A rate limit that a person set; it wins over the configuration. Written by the control plane, read by the node in every pass."""

    scope = models.CharField(max_length=8, choices=choices(LimitScope))
    key = models.CharField(max_length=64, blank=True, default="")  # "" for global, the peer's id, the job's id
    direction = models.CharField(max_length=4, choices=choices(LimitDirection))
    kbps = models.PositiveIntegerField()  # KiB/s; 0 = unlimited, whatever is configured
    set_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key", "direction"], name="rate_limit_once"),
            models.CheckConstraint(
                condition=models.Q(scope="global", key="") | (~models.Q(scope="global") & ~models.Q(key="")),
                name="rate_limit_key_fits_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key} {self.direction} {self.kbps} KiB/s"
