"""Downloads from Soulseek: what is wanted (control plane), how each stands (node), and rescues by the mesh (node)."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.soulseek.states import (
    DOWNLOAD_ENDS,
    DownloadDesired,
    DownloadState,
    RescueState,
)
from apps.soulseek.models.searches import ORIGINS
from apps.transfers.models import choices


class Batch(models.Model):
    """Files that were asked for together: an album from one user, or what a person picked. Written by the control plane; gone, with its downloads, their
    progress and rescues, `soulseek.downloads.retention_days` after its last download ended."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.CharField(max_length=500, blank=True, default="")
    user = models.CharField(max_length=120)
    folder = models.CharField(max_length=2000, blank=True, default="")
    hunt = models.ForeignKey("soulseek.Hunt", on_delete=models.SET_NULL, null=True, blank=True, related_name="batches")
    candidate = models.ForeignKey("soulseek.Candidate", on_delete=models.SET_NULL, null=True, blank=True)
    job_id = models.UUIDField(null=True, blank=True, db_index=True)
    origin = models.CharField(max_length=10, choices=ORIGINS, default="job")
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)  # when its last download ended

    class Meta:
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["-created_at", "id"], name="batch_newest")]

    def __str__(self) -> str:
        return self.title or self.folder


class Download(models.Model):
    """A file wanted from a user. Written by the control plane. User and remote path never change, verbatim as the network said them.

    `want` None: an external download, delivered raw under the downloads folder, neither tagged nor filed. `live` until the end is taken in from
    DownloadProgress: one live row per (user, remote path). `order` inside the queue, small first; `priority` as a want's (10 = a person waits).
    `elsewhere`: as it was asked for, somebody else had it and a free slot; a sharer that is away, or whose queue stands, is then left for that one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="downloads")
    want = models.ForeignKey(
        "transfers.Want", on_delete=models.SET_NULL, null=True, blank=True, related_name="soulseek_downloads"
    )
    recording_mbid = models.UUIDField(null=True, blank=True)
    external = models.BooleanField(default=False)
    user = models.CharField(max_length=120)
    remote_path = models.CharField(max_length=4000)
    size_bytes = models.BigIntegerField()  # as the search told
    attributes = models.JSONField(default=dict)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)  # that is expected
    profile = models.CharField(max_length=40, blank=True, default="")  # that is expected
    desired = models.CharField(max_length=10, choices=choices(DownloadDesired), default=DownloadDesired.ACTIVE)
    priority = models.PositiveSmallIntegerField(default=5)
    order = models.BigIntegerField(default=0)
    live = models.BooleanField(default=True)
    rescue_allowed = models.BooleanField(default=True)
    elsewhere = models.BooleanField(default=False)
    captured_at = models.DateTimeField(null=True, blank=True)  # its end was taken into what is known of sharers
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "remote_path"], name="download_one_live_per_file", condition=models.Q(live=True)
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="download_queue", condition=models.Q(live=True)),
            models.Index(fields=["batch", "order"], name="download_of_batch"),
            models.Index(fields=["recording_mbid"], name="download_of_recording"),
            models.Index(
                fields=["ended_at"],
                name="download_to_capture",
                condition=models.Q(live=False, captured_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.remote_path}"


class DownloadProgress(models.Model):
    """How a download stands. Written by the node.

    Bytes are of the file as the sharer has it. `payload_*` once the header was parsed. `place` in the sharer's queue (None: not told). `trouble` and
    `trouble_since`: underperforming, and why (apps.domain.soulseek.performance.Trouble). `eta_low_s`…`eta_high_s`: an interval, learned from this sharer's
    history. `transfer`: the payload it became, or that is being filled from the mesh beside it.
    """

    download = models.OneToOneField(Download, on_delete=models.CASCADE, primary_key=True, related_name="progress")
    state = models.CharField(max_length=12, choices=choices(DownloadState), default=DownloadState.WAITING)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    bytes_have = models.BigIntegerField(default=0)
    size_bytes = models.BigIntegerField(null=True, blank=True)  # as the sharer said when it called
    payload_format = models.CharField(max_length=12, blank=True, default="")
    payload_offset = models.PositiveIntegerField(null=True, blank=True)
    payload_bytes = models.BigIntegerField(null=True, blank=True)
    speed_bps = models.BigIntegerField(default=0)
    place = models.PositiveIntegerField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    first_byte_at = models.DateTimeField(null=True, blank=True)
    last_byte_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=20, blank=True, default="")
    trouble_since = models.DateTimeField(null=True, blank=True)
    eta_low_s = models.PositiveIntegerField(null=True, blank=True)
    eta_high_s = models.PositiveIntegerField(null=True, blank=True)
    transfer = models.ForeignKey(
        "transfers.Transfer", on_delete=models.SET_NULL, null=True, blank=True, related_name="soulseek_streams"
    )
    path = models.CharField(max_length=4000, blank=True, default="")  # of an external download that is whole
    updated_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)  # written by the control plane: it took the end in

    class Meta:
        verbose_name_plural = "download progress"
        indexes = [
            models.Index(
                fields=["ended_at"],
                name="download_end_to_take",
                condition=models.Q(state__in=sorted(DOWNLOAD_ENDS), taken_at__isnull=True),
            ),
            models.Index(fields=["trouble_since"], name="download_in_trouble", condition=~models.Q(trouble="")),
        ]

    def __str__(self) -> str:
        return f"{self.download_id} {self.state}"


class Rescue(models.Model):
    """The mesh helped (or was not let help) a download. Written by the node.

    `trouble`: what set it off. `state` refused: `code` names the guardrail. Bytes of both planes that are in the file. Goes with its download.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    download = models.ForeignKey(Download, on_delete=models.CASCADE, related_name="rescues")
    transfer = models.ForeignKey(
        "transfers.Transfer", on_delete=models.SET_NULL, null=True, blank=True, related_name="rescues"
    )
    job_id = models.UUIDField(null=True, blank=True)
    recording_mbid = models.UUIDField(null=True, blank=True)
    trouble = models.CharField(max_length=20)
    trouble_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=choices(RescueState), default=RescueState.LOOKING)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    overlay_bytes = models.BigIntegerField(default=0)
    soulseek_bytes = models.BigIntegerField(default=0)
    peers = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    first_byte_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["download"],
                name="rescue_one_live_per_download",
                condition=models.Q(state__in=["looking", "active"]),
            ),
        ]
        indexes = [
            models.Index(fields=["-started_at", "id"], name="rescue_newest"),
            models.Index(fields=["job_id", "started_at"], name="rescue_of_job"),
        ]

    def __str__(self) -> str:
        return f"{self.download_id} {self.state}"
