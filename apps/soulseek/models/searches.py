"""Searches: one row per caller, also where equal queries are sent once."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id
from apps.domain.soulseek.budget import SearchScope
from apps.domain.soulseek.states import SearchState
from apps.transfers.models import choices

ORIGINS = [("job", "job"), ("wishlist", "wishlist"), ("person", "person"), ("v0", "v0")]
"""Who asked. `v0`: an integration that speaks slskd's API."""


class Search(models.Model):
    """A search that somebody handed in. Written by the control plane; the node reads those not over and says how they stand in SearchProgress.

    The id may be the caller's. `urgency`: apps.domain.soulseek.budget.Urgency. `anew`: no answers that were kept of an equal search.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    query = models.CharField(max_length=250)
    scope = models.CharField(max_length=8, choices=choices(SearchScope), default=SearchScope.NETWORK)
    whom = models.CharField(max_length=120, blank=True, default="")
    urgency = models.PositiveSmallIntegerField(default=0)
    anew = models.BooleanField(default=False)
    origin = models.CharField(max_length=10, choices=ORIGINS, default="person")
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    hunt = models.ForeignKey("soulseek.Hunt", on_delete=models.CASCADE, null=True, blank=True, related_name="searches")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    weighed_at = models.DateTimeField(null=True, blank=True)  # its hunt took the answers in
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "searches"
        indexes = [
            models.Index(fields=["-created_at", "id"], name="search_newest"),
            models.Index(fields=["hunt", "created_at"], name="search_of_hunt"),
            models.Index(
                fields=["hunt"],
                name="search_to_weigh",
                condition=models.Q(hunt__isnull=False) & models.Q(weighed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.query


class SearchProgress(models.Model):
    """How a search stands. Written by the node. `answers_in`: the search under which the answers are kept (an equal one, sent for several callers)."""

    search = models.OneToOneField(Search, on_delete=models.CASCADE, primary_key=True, related_name="progress")
    state = models.CharField(max_length=10, choices=choices(SearchState), default=SearchState.QUEUED)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    answers_in = models.ForeignKey(Search, on_delete=models.SET_NULL, null=True, blank=True, related_name="shared_with")
    ahead = models.PositiveIntegerField(default=0)  # searches before it
    due_at = models.DateTimeField(null=True, blank=True)  # when its turn is expected
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    users = models.PositiveIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    truncated = models.BooleanField(default=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "search progress"
        indexes = [
            models.Index(
                fields=["search"], name="search_not_over", condition=models.Q(state__in=["queued", "running"])
            ),
            models.Index(fields=["ended_at"], name="search_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.search_id} {self.state}"


class SearchAnswer(models.Model):
    """What one user answered. Written by the node, in batches while the search runs; goes with its search, or by age.

    `files`: zlib-compressed JSON [[path, size, {attribute: value}], …], at most 2,000 files; `locked` counts those the user keeps for others.
    """

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="answers")
    user = models.CharField(max_length=120)
    files = models.BinaryField()
    file_count = models.PositiveIntegerField()
    locked = models.PositiveIntegerField(default=0)
    free_slot = models.BooleanField(default=False)
    queue = models.PositiveIntegerField(default=0)
    speed_bps = models.BigIntegerField(default=0)
    received_at = models.DateTimeField()
    captured_at = models.DateTimeField(
        null=True, blank=True
    )  # written by the control plane when it took it into what it knows

    class Meta:
        constraints = [models.UniqueConstraint(fields=["search", "user"], name="answer_once")]
        indexes = [
            models.Index(
                fields=["received_at"], name="answer_to_capture", condition=models.Q(captured_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.file_count}"
