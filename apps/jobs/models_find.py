"""What a person looks for, and what a person means to have."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.catalog.asked import FIND_ENDED, FindState
from apps.domain.jobs.targets import TargetState


class Find(models.Model):
    """One text of the find box. Made by whoever asks, worked by `workers.finding` through MusicBrainz' one limiter, kept a day.

    `asked`: what was understood (apps.domain.catalog.asked), `asked_key` equal for equal ones; `candidates`: apps.domain.catalog.candidates, at most
    MAX_CANDIDATES; `found` counts also those beyond. `merged_from`: the MBID that was asked for is one of what it is now. `code` of a `done` one is what
    there is to say of it, of a waiting one why it waits.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    text = models.CharField(max_length=500)
    asked = models.JSONField(default=dict)
    asked_key = models.CharField(max_length=64)
    state = models.CharField(
        max_length=8, choices=[(s.value, s.value) for s in FindState], default=FindState.WAITING.value
    )
    candidates = models.JSONField(default=list)
    found = models.PositiveIntegerField(default=0)
    merged_from = models.UUIDField(null=True, blank=True)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["asked_key", "-created_at"], name="find_equal"),
            models.Index(fields=["created_at"], name="find_by_age"),
            models.Index(
                fields=["next_step_at"],
                name="find_open",
                condition=~models.Q(state__in=sorted(one.value for one in FIND_ENDED)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.text} {self.state}"


class AlbumTarget(models.Model):
    """A release or a recording that a person means to have whole, and how much of it the library holds.

    Chosen by a person or by what they ask for (apps.jobs.services_targets, its only writer). The summary is counted anew when the library changed
    after `counted_at`; what a page shows of one target is counted when it is looked at. `source_ref` is the number at Discogs of a release that
    MusicBrainz does not have; `mbid` is derived then.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10)  # release, recording
    mbid = models.UUIDField(unique=True)
    source = models.CharField(max_length=12, default="musicbrainz")
    source_ref = models.CharField(max_length=100, blank=True, default="")
    title = models.CharField(max_length=1000, blank=True, default="")
    artist = models.CharField(max_length=1000, blank=True, default="")
    year = models.CharField(max_length=4, blank=True, default="")
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in TargetState], default="unknown")
    tracks = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0)
    extra = models.PositiveIntegerField(default=0)
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    counted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="target_newest"),
            models.Index(fields=["state", "-created_at", "-id"], name="target_by_state"),
            models.Index(fields=["counted_at"], name="target_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.mbid} {self.state}"
