"""What the Collection Doctor found, and its counts, kept with every change so that no page counts rows."""

from __future__ import annotations

from django.db import models

from apps.library.models.files import AudioFile, AudioVariant


class LibraryIssue(models.Model):
    """One thing that is wrong with one subject. Types, severities, states and moves: apps.domain.library.issues.

    `subject` (SHA-256 of type and subject) makes a second finding of the same thing the same row. Written by the doctor's scan, by a person
    (ignored, resolved) and by remediation (fixing, resolved, failed), always through apps.library.services_issues.
    """

    type = models.CharField(max_length=32)
    severity = models.CharField(max_length=8)
    rank = models.PositiveSmallIntegerField(default=0)  # of the severity: greater = worse
    state = models.CharField(max_length=12, default="detected")
    subject = models.BinaryField(max_length=32, unique=True)
    file = models.ForeignKey(AudioFile, on_delete=models.CASCADE, null=True, blank=True, related_name="issues")
    variant = models.ForeignKey(AudioVariant, on_delete=models.SET_NULL, null=True, blank=True, related_name="issues")
    release_mbid = models.UUIDField(null=True, blank=True)
    recording_mbid = models.UUIDField(null=True, blank=True)
    medium_position = models.PositiveSmallIntegerField(null=True, blank=True)
    track_position = models.PositiveSmallIntegerField(null=True, blank=True)
    artist = models.CharField(max_length=200, blank=True, default="")
    album = models.CharField(max_length=200, blank=True, default="")
    title = models.CharField(max_length=200, blank=True, default="")
    path = models.CharField(max_length=4000, blank=True, default="")  # shown; the file row has the bytes
    code = models.CharField(max_length=60)
    params = models.JSONField(default=dict)  # the evidence, as codes and numbers
    outcome_code = models.CharField(max_length=60, blank=True, default="")  # why a fix failed, who resolved it
    outcome_params = models.JSONField(default=dict)
    found_by = models.UUIDField(null=True, blank=True)  # the doctor's scan that saw it last
    detected_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["state", "-id"], name="issue_state"),
            models.Index(fields=["state", "type", "-id"], name="issue_state_type"),
            models.Index(fields=["state", "-rank", "-id"], name="issue_state_rank"),
            models.Index(fields=["state", "artist", "-id"], name="issue_state_artist"),
            models.Index(fields=["release_mbid", "state"], name="issue_release"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.state}"


class IssueCount(models.Model):
    """How many issues of a kind there are in a state. Changed in the transaction that changes an issue."""

    type = models.CharField(max_length=32)
    severity = models.CharField(max_length=8)
    state = models.CharField(max_length=12)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["type", "severity", "state"], name="issue_count_once")]

    def __str__(self) -> str:
        return f"{self.type} {self.severity} {self.state} {self.count}"


class IssueDay(models.Model):
    """What one day (UTC) brought: the trend of the dashboard."""

    day = models.DateField()
    type = models.CharField(max_length=32)
    detected = models.PositiveIntegerField(default=0)
    resolved = models.PositiveIntegerField(default=0)
    open_at_end = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "type"], name="issue_day_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.type}"
