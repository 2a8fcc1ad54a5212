"""What was taken out of the library and can be put back."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.library.models.files import AudioFile, AudioVariant, LibraryRoot


class TrashedFile(models.Model):
    """A file on its way to, or in, the trash: byte for byte what it was. States: apps.domain.library.trash.

    The row is written before the file moves (`moving`), so that a kill in between is seen and finished or undone. Written by the worker that moves.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    root = models.ForeignKey(LibraryRoot, on_delete=models.PROTECT, related_name="trashed")
    rel_path = models.BinaryField()
    display = models.CharField(max_length=4000)
    state = models.CharField(max_length=12, default="moving")
    code = models.CharField(max_length=60, blank=True, default="")
    reason = models.CharField(max_length=20)  # replaced, duplicate, person
    size_bytes = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    mode = models.PositiveIntegerField(default=0)
    sha256 = models.BinaryField(max_length=32)
    variant = models.ForeignKey(AudioVariant, on_delete=models.SET_NULL, null=True, blank=True, related_name="trashed")
    file_facts = models.JSONField(default=dict)  # of its AudioFile row, to be put back with it
    replaced_by = models.ForeignKey(AudioFile, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    keep_until_proven = models.BooleanField(default=False)  # purged once a scan has seen the replacement sound
    trashed_at = models.DateTimeField(null=True, blank=True)
    restored_at = models.DateTimeField(null=True, blank=True)
    purged_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["state", "-id"], name="trash_state")]

    def __str__(self) -> str:
        return self.display
