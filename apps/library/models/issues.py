"""What the Collection Doctor found, and its counts, kept with every change so that no page counts rows."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
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
    open = models.BooleanField(default=True)  # the state is one of OPEN_STATES: what lists show by default
    subject = models.BinaryField(max_length=32, unique=True)
    file = models.ForeignKey(AudioFile, on_delete=models.SET_NULL, null=True, blank=True, related_name="issues")
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
        # Those with an ascending id serve two orders: by name (both ascending), and the newest of one name (read backwards).
        indexes = [
            models.Index(fields=["state", "-id"], name="issue_state"),
            models.Index(fields=["state", "type", "id"], name="issue_state_type"),
            models.Index(fields=["state", "-rank", "-id"], name="issue_state_rank"),
            models.Index(fields=["state", "artist", "id"], name="issue_state_artist"),
            models.Index(fields=["release_mbid", "state"], name="issue_release"),
            models.Index(fields=["open", "-id"], name="issue_open"),
            models.Index(fields=["open", "type", "id"], name="issue_open_type"),
            models.Index(fields=["open", "-rank", "-id"], name="issue_open_rank"),
            models.Index(fields=["open", "artist", "id"], name="issue_open_artist"),
            models.Index(fields=["open", "type", "-rank", "-id"], name="issue_open_type_rank"),
            models.Index(fields=["open", "album", "id"], name="issue_open_album"),
            models.Index(fields=["-rank", "-id"], name="issue_rank"),
            models.Index(fields=["artist", "id"], name="issue_artist"),
            models.Index(fields=["album", "id"], name="issue_album"),
            models.Index(fields=["type", "id"], name="issue_type"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.state}"


class IssueWord(models.Model):
    """A word of the artist's or album's name of an issue (apps.domain.library.words), so that a search is a range of an index.

    Written with the issue's row.
    """

    issue = models.ForeignKey(LibraryIssue, on_delete=models.CASCADE, related_name="words", db_index=False)
    word = models.CharField(max_length=40)  # on Postgres in collation "C"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issue", "word"], name="issue_word_once")]
        indexes = [models.Index(fields=["word", "issue"], name="issue_word")]

    def __str__(self) -> str:
        return f"{self.issue_id} {self.word}"


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


class IssueTally(models.Model):
    """Open issues of one artist or one release, so that the worst are found without counting. Changed in the transaction that changes an issue."""

    kind = models.CharField(max_length=8)  # artist, release
    key = models.CharField(max_length=200)  # the artist's name as issues have it; the release's MBID
    label = models.CharField(max_length=400, blank=True, default="")
    open = models.PositiveIntegerField(default=0)
    weight = models.PositiveIntegerField(default=0)  # sum of the ranks of its open issues

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="issue_tally_once")]
        indexes = [models.Index(fields=["kind", "-weight", "-id"], name="issue_tally_worst")]

    def __str__(self) -> str:
        return f"{self.kind} {self.label} {self.open}"


class DoctorScan(models.Model):
    """One look of the Collection Doctor over the rows of the library. Written by the worker that looks; a person may pause and cancel.

    `kind`: full (every row), changed (what changed since `since`). Stages, states and moves: apps.domain.library.doctor. `cursor` is the last key of
    `stage` whose findings are in the rows: a look that was killed goes on behind it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, default="full")
    state = models.CharField(max_length=12, default="queued")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    stage = models.CharField(max_length=12, default="files")
    cursor = models.CharField(max_length=80, blank=True, default="")
    since = models.DateTimeField(null=True, blank=True)  # kind changed: what changed after this
    expected = models.PositiveBigIntegerField(default=0)  # rows of all stages, as counted or estimated at the start
    done = models.PositiveBigIntegerField(default=0)
    files = models.PositiveBigIntegerField(default=0)  # looked at
    found = models.PositiveBigIntegerField(default=0)  # findings, known ones too
    added = models.PositiveBigIntegerField(default=0)  # new or found anew
    resolved = models.PositiveBigIntegerField(default=0)  # no longer found
    held_back = models.PositiveBigIntegerField(default=0)  # files that could not be judged: their folder is away
    origin = models.CharField(max_length=10, default="person")  # person, schedule, change
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind"],
                condition=models.Q(state__in=["queued", "running", "paused"]),
                name="doctor_scan_one_live",
            )
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="doctor_scan_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"


class LibraryMeasure(models.Model):
    """A figure over the whole library that is too dear to count for each request: counted in the background when something changed."""

    name = models.CharField(max_length=40, unique=True)  # quality, picks, roots
    values = models.JSONField(default=dict)  # with their version
    measured_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.measured_at}"
