"""What the files are, on what evidence, and what a person must decide."""

from __future__ import annotations

from django.db import models

from apps.library.models.files import AudioVariant, LibraryRoot


class AcoustidAnswer(models.Model):
    """AcoustID's answer to one fingerprint, kept so that nobody asks twice. Written by whichever worker asked."""

    key = models.BinaryField(max_length=32, unique=True)  # SHA-256 of duration and compressed fingerprint
    duration_s = models.PositiveIntegerField()
    matches = models.JSONField(default=list)
    fetched_at = models.DateTimeField()

    def __str__(self) -> str:
        return bytes(self.key).hex()[:12]


class Identification(models.Model):
    """Which recording a variant is, and why. `ambiguous` ones are the review queue. States: apps.domain.library.identity.

    Made `pending` by whoever records a new variant; written by the identifying worker, and by a person's answer (`confirmed`, `rejected`).
    """

    variant = models.OneToOneField(
        AudioVariant, on_delete=models.CASCADE, primary_key=True, related_name="identification"
    )
    state = models.CharField(max_length=12, default="pending")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    recording_mbid = models.UUIDField(null=True, blank=True)
    release_mbid = models.UUIDField(null=True, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    evidence = models.JSONField(default=list)
    candidates = models.JSONField(default=list)
    version = models.PositiveSmallIntegerField(default=0)
    decided_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["state", "variant"], name="identification_state"),
            models.Index(fields=["next_step_at"], name="identification_due", condition=models.Q(state="pending")),
            models.Index(
                fields=["next_step_at"],
                name="identification_again",
                condition=models.Q(state__in=["decided", "unknown"], next_step_at__isnull=False),
            ),
            models.Index(
                fields=["version", "variant"],
                name="identification_version",
                condition=models.Q(state__in=["ambiguous", "decided", "unknown"]),
            ),
            models.Index(fields=["updated_at"], name="identification_changed"),
        ]

    def __str__(self) -> str:
        return f"{self.variant_id} {self.state}"


class SameSound(models.Model):
    """Two variants whose fingerprints are one recording's; a row for each direction. Written by the identifying worker."""

    variant = models.ForeignKey(AudioVariant, on_delete=models.CASCADE, related_name="sounds_like")
    other = models.ForeignKey(AudioVariant, on_delete=models.CASCADE, related_name="+")
    ber = models.FloatField()  # share of differing bits at the best alignment, 0..0.15

    class Meta:
        constraints = [models.UniqueConstraint(fields=["variant", "other"], name="same_sound_once")]

    def __str__(self) -> str:
        return f"{self.variant_id} {self.other_id} {self.ber:.3f}"


class FolderMatch(models.Model):
    """Which release a folder is as a whole, with every penalty explained. Made `pending` when a file of the folder changes; a person's choice stays.

    Written by apps.library.services_match, and put back to `pending` by whoever records files (apps.library.services).
    """

    root = models.ForeignKey(LibraryRoot, on_delete=models.CASCADE, related_name="folders")
    folder = models.BinaryField()
    folder_hash = models.BinaryField(max_length=32)
    display = models.CharField(max_length=4000)
    state = models.CharField(max_length=12, default="pending")  # apps.domain.matching.states
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    release_mbid = models.UUIDField(null=True, blank=True)
    distance = models.FloatField(null=True, blank=True)
    explanation = models.JSONField(default=dict)
    candidates = models.JSONField(default=list)
    files = models.PositiveIntegerField(default=0)
    version = models.PositiveSmallIntegerField(default=0)
    choice = models.CharField(
        max_length=8, blank=True, default=""
    )  # what a person said: release (chosen_mbid), ignored
    chosen_mbid = models.UUIDField(null=True, blank=True)
    refused = models.JSONField(default=list)  # releases of which a person said "not this"
    decided_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["root", "folder_hash"], name="folder_once_per_root")]
        indexes = [
            models.Index(fields=["state", "id"], name="folder_state"),
            models.Index(fields=["release_mbid"], name="folder_by_release"),
            models.Index(fields=["next_step_at"], name="folder_due", condition=models.Q(state="pending")),
            models.Index(fields=["updated_at"], name="folder_changed"),
            models.Index(fields=["version", "id"], name="folder_version"),
        ]

    def __str__(self) -> str:
        return self.display


class FolderWord(models.Model):
    """A word of a folder's path (apps.domain.library.words), so that a filter by path is a range of an index. Written with the folder's row."""

    folder = models.ForeignKey(FolderMatch, on_delete=models.CASCADE, related_name="words", db_index=False)
    word = models.CharField(max_length=40)  # on Postgres in collation "C"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["folder", "word"], name="folder_word_once")]
        indexes = [models.Index(fields=["word", "folder"], name="folder_word")]

    def __str__(self) -> str:
        return f"{self.folder_id} {self.word}"
