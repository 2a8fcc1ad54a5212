"""How far the walk over a library root is."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.library.models.files import LibraryRoot


class LibraryScan(models.Model):
    """One walk over one root (or a folder of it). Written by the workers that walk and read; a person may pause and cancel.

    `cursor` is the last path whose batch is in the rows: a walk that was killed goes on behind it. Behind a NUL it is the last row whose file was asked
    for after the walk. `troubles`: {"counts": {code: n}, "first": [[code, shown path, errno]…]}, what `refused` counts. `window_…`: where the current
    stretch of work began, for rate and ETA. States and moves: apps.domain.library.scans.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    root = models.ForeignKey(LibraryRoot, on_delete=models.CASCADE, related_name="scans")
    below = models.BinaryField(default=bytes)  # folder of the root, b"" = all
    state = models.CharField(max_length=12, default="queued")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    cursor = models.BinaryField(default=bytes)
    seen = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    added = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    missing = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)  # names and folders that can't be walked
    read = models.PositiveBigIntegerField(default=0)  # of added + changed, by now
    unreadable = models.PositiveBigIntegerField(default=0)
    bytes_seen = models.PositiveBigIntegerField(default=0)
    bytes_read = models.PositiveBigIntegerField(default=0)
    troubles = models.JSONField(default=dict)
    window_at = models.DateTimeField(null=True, blank=True)
    window_seen = models.PositiveBigIntegerField(default=0)
    window_read = models.PositiveBigIntegerField(default=0)
    window_bytes = models.PositiveBigIntegerField(default=0)
    origin = models.CharField(max_length=10, default="person")  # person, schedule
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    walked_at = models.DateTimeField(null=True, blank=True)  # the walk was over; reading goes on
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["root"],
                condition=models.Q(state__in=["queued", "walking", "reading", "paused"]),
                name="scan_one_live_per_root",
            )
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="scan_newest")]

    def __str__(self) -> str:
        return f"{self.root_id} {self.state}"
