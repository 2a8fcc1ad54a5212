"""What is shared and with whom (control plane), and what was asked of us (node)."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.soulseek.states import UPLOAD_ENDS, UploadState
from apps.transfers.models import choices


class ShareRule(models.Model):
    """A folder of a library root and who may see it. Written by the control plane. Without rules every root is shared with everybody.

    The longest prefix decides. `relative_path` "" is the root itself.
    """

    root = models.ForeignKey("library.LibraryRoot", on_delete=models.CASCADE, related_name="share_rules")
    relative_path = models.BinaryField(max_length=4096, default=b"")
    display = models.CharField(max_length=4096, blank=True, default="")
    audience = models.CharField(
        max_length=8,
        choices=[("everyone", "everyone"), ("buddies", "buddies"), ("nobody", "nobody")],
        default="everyone",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["root", "relative_path"], name="share_rule_once")]

    def __str__(self) -> str:
        return f"{self.display or '/'}: {self.audience}"


class Upload(models.Model):
    """A file that a user asked of us. Written by the node. User and path verbatim as they were said; `file_id` of the library (None: not shared)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.CharField(max_length=120)
    remote_path = models.CharField(max_length=4000)
    file_id = models.BigIntegerField(null=True, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=choices(UploadState), default=UploadState.QUEUED)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    group = models.CharField(max_length=40, blank=True, default="")
    offset = models.BigIntegerField(default=0)
    sent_bytes = models.BigIntegerField(default=0)
    speed_bps = models.BigIntegerField(default=0)
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "remote_path"],
                name="upload_one_live_per_file",
                condition=~models.Q(state__in=sorted(UPLOAD_ENDS)),
            ),
        ]
        indexes = [
            models.Index(fields=["-asked_at", "id"], name="upload_newest"),
            models.Index(fields=["user", "ended_at"], name="upload_of_user"),
            models.Index(fields=["ended_at"], name="upload_by_end"),
            models.Index(fields=["asked_at"], name="upload_live", condition=~models.Q(state__in=sorted(UPLOAD_ENDS))),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.remote_path} {self.state}"


class ShareChange(models.Model):
    """A library file changed, came or went. Written by triggers of the database (`apps.soulseek.share_triggers`), removed by the node once its index has it.

    `file_id` may name a file that is no more. Swept by age where no node reads them: its next start reads everything.
    """

    file_id = models.BigIntegerField()
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.file_id)
