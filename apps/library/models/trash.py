"""What was taken out of the library and can be put back."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.library.models.files import AudioFile, AudioVariant, LibraryRoot


class TrashedFile(models.Model):
    """A file on its way to, or in, the trash: byte for byte what it was. States: apps.domain.library.trash.

    The row is written before the file moves, so that a kill in between is seen and finished. The file's AudioFile row goes with it: while the file is
    in the trash, that row is missing and named `.slskdn-trash/<id>/…`, so that the old name is free and nothing that refers to the file is lost.
    Written by apps.library.services_trash alone.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    root = models.ForeignKey(LibraryRoot, on_delete=models.PROTECT, related_name="trashed")
    rel_path = models.BinaryField()  # where it was
    display = models.CharField(max_length=4000)
    state = models.CharField(max_length=12, default="planned")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    reason = models.CharField(max_length=20)  # replaced, duplicate, retagged, undone, person
    place = models.CharField(max_length=4, blank=True, default="")  # root, data: which trash folder holds it
    size_bytes = models.BigIntegerField(default=0)  # as it was when its trashing was decided, then as it was hashed
    mtime_ns = models.BigIntegerField(default=0)
    decided_inode = models.BigIntegerField(null=True, blank=True)  # with size and time: which file was meant; NULL: any
    mode = models.PositiveIntegerField(default=0)
    sha256 = models.BinaryField(max_length=32, default=bytes)  # empty until it was read
    file = models.ForeignKey(AudioFile, on_delete=models.SET_NULL, null=True, blank=True, related_name="trashed")
    variant = models.ForeignKey(AudioVariant, on_delete=models.SET_NULL, null=True, blank=True, related_name="trashed")
    file_facts = models.JSONField(default=dict)  # title, artist, album: shown even if its other rows are gone
    replaced_by = models.ForeignKey(AudioFile, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    needed = models.BooleanField(default=False)  # a fix that is under way may have to bring it back: nobody purges it
    keep_until_proven = models.BooleanField(default=False)  # purged once a scan has seen the replacement sound
    restore_path = models.BinaryField(default=bytes)  # where it was put back, if not at its old name
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    trashed_at = models.DateTimeField(null=True, blank=True)
    restored_at = models.DateTimeField(null=True, blank=True)
    purged_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["file"],
                condition=models.Q(state__in=["planned", "moving", "trashed", "restoring", "purging"]),
                name="trash_one_live",
            )
        ]
        indexes = [
            models.Index(fields=["state", "-id"], name="trash_state"),
            models.Index(
                fields=["next_step_at"],
                name="trash_open",
                condition=models.Q(state__in=["planned", "moving", "restoring", "purging"]),
            ),
            models.Index(fields=["state", "size_bytes"], name="trash_held"),  # sums are read from it alone
            models.Index(fields=["trashed_at"], name="trash_age", condition=models.Q(state="trashed")),
        ]

    def __str__(self) -> str:
        return self.display
