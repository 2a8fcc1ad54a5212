"""The only rows that join an issue to a job."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id


class Remediation(models.Model):
    """One attempt to mend one issue. Actions, states and moves: apps.domain.library.remedy.

    Several issues may share one job (the missing tracks of a release). Written by apps.remediation.services alone.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    issue = models.ForeignKey("library.LibraryIssue", on_delete=models.CASCADE, related_name="remediations")
    job = models.ForeignKey("jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="remediations")
    action = models.CharField(max_length=24)
    state = models.CharField(max_length=12, default="planned")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    old_file = models.ForeignKey(
        "library.AudioFile", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    new_file = models.ForeignKey(
        "library.AudioFile", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    trashed = models.ForeignKey(
        "library.TrashedFile", on_delete=models.SET_NULL, null=True, blank=True, related_name="remediations"
    )
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issue"],
                condition=models.Q(state__in=["planned", "waiting", "placing", "undoing"]),
                name="remediation_one_live",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_step_at"],
                name="remediation_open",
                condition=models.Q(state__in=["planned", "waiting", "placing", "undoing"]),
            ),
            models.Index(fields=["state", "-id"], name="remediation_state"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.state}"
