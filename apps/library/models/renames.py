"""New names for files: plans, what was moved, and so what can be put back."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.library.models.files import AudioFile, LibraryRoot


class LibraryRenaming(models.Model):
    """One plan of new names over the library, a root or a folder, and what became of it. States: apps.domain.library.renaming.

    Written by apps.library.services_rename alone, for the worker that holds the lease, and for the person who applies, stops or takes it back.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    template = models.CharField(max_length=512)
    root = models.ForeignKey(LibraryRoot, on_delete=models.CASCADE, null=True, blank=True, related_name="renamings")
    below = models.BinaryField(default=bytes)  # folder or file of the root, b"" = all; without a root: every root
    display = models.CharField(max_length=4000, blank=True, default="")  # the path asked for; "" = the whole library
    state = models.CharField(max_length=12, default="planning")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    looked = models.PositiveIntegerField(default=0)  # files that the plan looked at
    named = models.PositiveIntegerField(default=0)  # of those: have their name already
    planned = models.PositiveIntegerField(default=0)  # music to be moved
    beside = models.PositiveIntegerField(default=0)  # sidecars to be moved
    blocked = models.PositiveIntegerField(default=0)
    moved = models.PositiveIntegerField(default=0)  # lines, sidecars included
    failed = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0)
    stuck = models.PositiveIntegerField(default=0)
    requested_by = models.CharField(max_length=150, blank=True, default="")
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    applied_at = models.DateTimeField(null=True, blank=True)  # somebody said so
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_step_at"],
                name="renaming_open",
                condition=models.Q(state__in=["planning", "applying", "undoing"]),
            ),
            models.Index(fields=["state", "updated_at"], name="renaming_age"),
        ]

    def __str__(self) -> str:
        return f"{self.display or '*'} {self.state}"


class FileMove(models.Model):
    """A line of a renaming: one file's old and new name below one root. Written with the plan, before anything moves; `moving` with what the file is
    like (size, time, inode) before its move, so that a kill in between is recognised by it. `file` NULL: no music (a sidecar)."""

    renaming = models.ForeignKey(LibraryRenaming, on_delete=models.CASCADE, related_name="moves")
    position = models.PositiveIntegerField()  # order in which lines are done
    file = models.ForeignKey(AudioFile, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    sidecar = models.BooleanField(default=False)
    root = models.ForeignKey(LibraryRoot, on_delete=models.CASCADE, related_name="+")
    old_path = models.BinaryField()
    new_path = models.BinaryField(default=bytes)  # empty: none could be made
    state = models.CharField(max_length=10, default="planned")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    size_bytes = models.BigIntegerField(default=0)
    mtime_ns = models.BigIntegerField(default=0)
    inode = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["renaming", "position"], name="move_once")]
        indexes = [models.Index(fields=["renaming", "state", "position"], name="move_state")]

    def __str__(self) -> str:
        return f"{self.position} {self.state}"
