"""What is looked for on Soulseek, what was offered, and what came of it. Written by the control plane, but for the outcomes of streams."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.soulseek.states import HUNT_LIVE, HuntState, Outcome
from apps.soulseek.models.searches import ORIGINS
from apps.transfers.models import choices


class Hunt(models.Model):
    """A release, a recording or words that are looked for; the wishlist are the hunts that wait (state `wishing`) and those with words.

    `job_id` names the job (None: a wish of words, or a dry run). `dry_run`: what would be chosen is shown, nothing is fetched, and it is forgotten soon. `target`: what to compare with (apps.domain.soulseek.hunting, versioned JSON: artist, title, tracks with
    recording, position, duration, want). `rung`: the next query of the ladder. A hunt of a job stays with its
    job; one of words goes `soulseek.downloads.retention_days` after it ended. Claimed as jobs are: next_step_at, lease_until, attempt.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job_id = models.UUIDField(null=True, blank=True, unique=True)
    words = models.CharField(max_length=250, blank=True, default="")
    title = models.CharField(max_length=500, blank=True, default="")
    target = models.JSONField(default=dict)
    constraints = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=choices(HuntState), default=HuntState.SEARCHING)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    auto_download = models.BooleanField(default=True)
    dry_run = models.BooleanField(default=False)
    priority = models.PositiveSmallIntegerField(default=5)
    rung = models.PositiveSmallIntegerField(default=0)
    rounds = models.PositiveIntegerField(default=0)  # times the whole ladder was asked
    origin = models.CharField(max_length=10, choices=ORIGINS, default="job")
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    searched_at = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(job_id__isnull=False) | ~models.Q(words=""), name="hunt_of_a_job_or_of_words"
            ),
        ]
        indexes = [
            models.Index(fields=["next_step_at"], name="hunt_due", condition=models.Q(state__in=sorted(HUNT_LIVE))),
            models.Index(fields=["state", "-created_at", "id"], name="hunt_by_state"),
        ]

    def __str__(self) -> str:
        return self.title or self.words


class Candidate(models.Model):
    """A user's folder (or file) that may be it, with every reason. At most 50 per hunt; replaced by each weighing, but for those that were tried.

    `files`: [{path, size, attributes, position, disc, want, profile, distance, penalties}]; `terms`: [{name, value, weight, code, params}].
    `refused`: why it may not be asked ("" = it may). `tried_at`: a batch was made of it. Gone `soulseek.downloads.retention_days` after its hunt ended.
    """

    hunt = models.ForeignKey(Hunt, on_delete=models.CASCADE, related_name="candidates")
    rank = models.PositiveSmallIntegerField()
    user = models.CharField(max_length=120)
    folder = models.CharField(max_length=2000, blank=True, default="")
    score = models.FloatField()
    whole = models.BooleanField(default=False)
    files = models.JSONField(default=list)
    missing = models.JSONField(default=list)
    terms = models.JSONField(default=list)
    payload_bytes = models.BigIntegerField(default=0)
    expected_s = models.FloatField(default=0)
    refused = models.CharField(max_length=60, blank=True, default="")
    chosen_by = models.CharField(max_length=8, blank=True, default="")  # rule | person
    tried_at = models.DateTimeField(null=True, blank=True)
    found_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["hunt", "rank", "id"], name="candidate_by_rank")]

    def __str__(self) -> str:
        return f"{self.user} {self.folder}"


class SourceOutcome(models.Model):
    """What came of a source, for a target: appended by the node when a stream ends, by the control plane when a file was judged. Never changed.

    `path_digest`: SHA-256 of the remote path as told. `payload_root` once it is known. Failures for good (apps.domain.soulseek.states.FOR_GOOD) are never
    asked again for this recording; the others not before `again_at`. A file that is not what its owner says stays so: those rows stay, and are as many as
    streams that failed so. The others go `soulseek.downloads.retention_days` later, once they keep nobody from asking.
    """

    recording_mbid = models.UUIDField(null=True, blank=True)
    hunt_id = models.UUIDField(null=True, blank=True)
    user = models.CharField(max_length=120)
    path_digest = models.BinaryField(max_length=32)
    payload_format = models.CharField(max_length=12, blank=True, default="")
    payload_root = models.BinaryField(max_length=32, null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=choices(Outcome))
    code = models.CharField(max_length=60, blank=True, default="")
    again_at = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["recording_mbid", "user"], name="outcome_of_recording"),
            models.Index(fields=["user", "path_digest"], name="outcome_of_file"),
            models.Index(fields=["at"], name="outcome_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.outcome}"
