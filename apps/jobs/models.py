"""What a person asked for, and how far it is."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState, TrackState


class JobKind(models.TextChoices):
    """What a job asks for."""

    MB_RELEASE = "mb_release"
    RECORDING = "recording"
    DISCOGRAPHY = "discography"
    LABEL_CRATE = "label_crate"


class TargetSource(models.TextChoices):
    """Who gave the target its id."""

    MUSICBRAINZ = "musicbrainz"
    DISCOGS = "discogs"
    """`target_ref` is the Discogs release; `target_mbid` is derived from it (apps.domain.catalog.identity)"""
    NAME = "name"
    """a label known by its name only: `target_ref` is the name, `target_mbid` derived from it"""


class Job(models.Model):
    """A request by identity. `lease_until`, `attempt` and `next_step_at` belong to the worker that moves it (DESIGN: fencing).

    A job of jobs (discography, label_crate) has no tracks: `selection` says which releases it takes, its PlannedReleases what became of each, and its
    children fetch them. A child is `pending` without `next_step_at` until its parent gives it its turn.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=20, choices=JobKind.choices)
    target_mbid = models.UUIDField()
    target_source = models.CharField(max_length=12, choices=TargetSource.choices, default=TargetSource.MUSICBRAINZ)
    target_ref = models.CharField(max_length=1000, blank=True, default="")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")
    selection = models.JSONField(default=dict, blank=True)  # apps.domain.jobs.selection
    imported_from = models.UUIDField(null=True, blank=True)  # the id in the manifest that it was made from
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in JobState], default=JobState.PENDING)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    constraints = models.JSONField(default=dict)
    placements = models.JSONField(default=dict, blank=True)  # track → apps.domain.jobs.placement
    title = models.CharField(max_length=1000, blank=True, default="")
    artist = models.CharField(max_length=1000, blank=True, default="")
    year = models.CharField(max_length=4, blank=True, default="")
    release_mbid = models.UUIDField(null=True, blank=True)
    origin = models.CharField(max_length=10, default="person")
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  (NULL: none given)
    request_hash = models.BinaryField(max_length=32, default=bytes)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    expanded_at = models.DateTimeField(null=True, blank=True)  # a job of jobs had all its children then
    plan_code = models.CharField(max_length=60, blank=True, default="")  # what its list lacked when it was planned
    plan_params = models.JSONField(default=dict, blank=True)
    manifest_due_at = models.DateTimeField(null=True, blank=True)  # its manifest on disk is older than the row
    imported_tracks = models.JSONField(
        default=dict, blank=True
    )  # tracks as its manifest told them, until it has its own
    awaits_library = models.BooleanField(default=False)  # imported: not begun before the library was read

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "target_mbid"], condition=models.Q(parent__isnull=False), name="job_child_once"
            ),
            models.UniqueConstraint(fields=["requested_by", "idempotency_key"], name="job_idempotency_once"),
            # NULLs differ from each other in a unique index, so jobs without a person need one of their own.
            models.UniqueConstraint(
                fields=["idempotency_key"],
                condition=models.Q(requested_by__isnull=True),
                name="job_idempotency_once_anonymous",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="job_newest"),
            models.Index(fields=["-created_at", "-id"], name="job_top_newest", condition=models.Q(parent__isnull=True)),
            models.Index(
                fields=["code"], name="job_top_code", condition=models.Q(parent__isnull=True) & ~models.Q(code="")
            ),
            models.Index(fields=["parent", "-created_at", "-id"], name="job_child_newest"),
            models.Index(fields=["next_step_at"], name="job_open", condition=~models.Q(state__in=sorted(JOB_ENDED))),
            models.Index(fields=["parent", "state"], name="job_child_state"),
            models.Index(fields=["target_mbid"], name="job_target"),
            models.Index(
                fields=["manifest_due_at"], name="job_manifest_due", condition=models.Q(manifest_due_at__isnull=False)
            ),
            models.Index(fields=["id"], name="job_awaits_library", condition=models.Q(awaits_library=True)),
            models.Index(
                fields=["id"], name="job_discogs_open", condition=models.Q(target_source="discogs", state="running")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target_mbid} {self.state}"


class PlannedState(models.TextChoices):
    """What a job of jobs does about a release."""

    WANTED = "wanted"
    HELD = "held"
    """the library holds it all"""
    OMITTED = "omitted"
    """the profile, a filter or the limit leaves it out"""


class PlannedRelease(models.Model):
    """A release that a job of jobs looked at: taken (then `child` fetches it), held already, or left out, and why. Written by its expansion in batches;
    what is there is not planned again, so a killed expansion goes on where it was."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="planned")
    position = models.PositiveIntegerField()  # order in which they are fetched
    release_mbid = models.UUIDField()
    group_mbid = models.UUIDField(null=True, blank=True)
    title = models.CharField(max_length=1000)
    artist = models.CharField(max_length=1000, blank=True, default="")
    year = models.CharField(max_length=4, blank=True, default="")
    kind = models.CharField(max_length=40, blank=True, default="")  # album, ep, single, live …
    track_count = models.PositiveIntegerField(default=0)
    weight = models.FloatField(default=0.0)
    recommended = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=PlannedState.choices, default=PlannedState.WANTED)
    reason = models.CharField(max_length=60, blank=True, default="")
    tried = models.JSONField(default=list, blank=True)  # editions of the group that could not be read
    child = models.OneToOneField(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="planned_release")

    other = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="waited_by")
    """a job outside of this tree that fetches, or fetched, this very release with the same constraints"""

    class Meta:
        ordering = ["job", "position"]
        constraints = [models.UniqueConstraint(fields=["job", "release_mbid"], name="planned_release_once")]
        indexes = [models.Index(fields=["job", "position"], name="planned_in_order")]

    def __str__(self) -> str:
        return f"{self.title} {self.state}"


class JobTrack(models.Model):
    """One recording of a job. Completed means: verified, tagged and placed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="tracks")
    medium_position = models.PositiveSmallIntegerField(default=1)
    position = models.PositiveSmallIntegerField()
    number = models.CharField(max_length=40, blank=True, default="")
    title = models.CharField(max_length=1000)
    artist = models.CharField(max_length=1000, blank=True, default="")
    recording_mbid = models.UUIDField()
    track_mbid = models.UUIDField(null=True, blank=True)
    length_ms = models.PositiveIntegerField(null=True, blank=True)
    want = models.OneToOneField(
        "transfers.Want", on_delete=models.SET_NULL, null=True, blank=True, related_name="job_track"
    )
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in TrackState], default=TrackState.WANTED)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    verification = models.CharField(max_length=12, blank=True, default="")  # apps.domain.jobs.likeness.Verification
    audio_file = models.ForeignKey("library.AudioFile", on_delete=models.SET_NULL, null=True, blank=True)
    placed_path = models.CharField(max_length=4000, blank=True, default="")
    file_sha256 = models.BinaryField(max_length=32, null=True, blank=True)
    placing = models.JSONField(
        default=dict
    )  # transfer, name (hex), found: its very bytes lay there before, so the file is not ours
    payload_root = models.BinaryField(max_length=32, null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["medium_position", "position"]
        constraints = [
            models.UniqueConstraint(fields=["job", "medium_position", "position"], name="job_track_position_once"),
        ]
        indexes = [
            models.Index(fields=["recording_mbid"], name="job_track_recording"),
            models.Index(fields=["job", "state"], name="job_track_state"),
            models.Index(fields=["next_step_at"], name="job_track_open", condition=models.Q(state="verifying")),
            models.Index(
                fields=["next_step_at"], name="job_track_unconfirmed", condition=models.Q(verification="unconfirmed")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.medium_position}-{self.position:02} {self.title}"


# Django finds the rows of an app in its `models`.
from apps.jobs.models_find import AlbumTarget, Find  # noqa: E402
from apps.jobs.models_webhooks import Webhook, WebhookDelivery  # noqa: E402

__all__ = [
    "AlbumTarget",
    "Find",
    "Job",
    "JobKind",
    "JobTrack",
    "PlannedRelease",
    "PlannedState",
    "TargetSource",
    "Webhook",
    "WebhookDelivery",
]
