"""Jobs and their tracks for operators."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common.admin_base import ReadOnlyAdmin, ReadOnlyInline
from apps.common.sentences import sentence
from apps.jobs import admin_find, admin_trees  # noqa: F401  (they register themselves)
from apps.jobs.models import Job, JobTrack
from apps.jobs.models_webhooks import Webhook, WebhookDelivery
from apps.jobs.services_webhooks import delivery_again
from apps.jobs.web.bulk import act


class JobTrackInline(ReadOnlyInline):
    """The tracks of a job."""

    model = JobTrack
    fields = ["medium_position", "position", "title", "state", "code", "verification", "placed_path", "updated_at"]
    show_change_link = True


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Newest first; the actions are the services' own."""

    list_display = [
        "id",
        "kind",
        "title",
        "artist",
        "state",
        "reason",
        "requested_by",
        "attempt",
        "next_step_at",
        "created_at",
    ]
    list_filter = ["state", "kind", "origin", "created_at"]
    list_select_related = ["requested_by"]
    search_fields = ["id", "target_mbid", "title", "artist", "code"]
    inlines = [JobTrackInline]
    actions = ["pause", "resume", "cancel", "retry"]

    @admin.display(description="reason")
    def reason(self, job: Job) -> str:
        """The code's sentence."""
        return sentence(job.code, job.params).what

    @admin.action(description="Pause", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """By the service."""
        self._act(request, queryset, "pause")

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """By the service."""
        self._act(request, queryset, "resume")

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """By the service."""
        self._act(request, queryset, "cancel")

    @admin.action(description="Retry", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """By the service."""
        self._act(request, queryset, "retry")

    def _act(self, request: HttpRequest, queryset: QuerySet[Job], name: str) -> None:
        outcome = act(name, [str(pk) for pk in queryset.values_list("pk", flat=True)])
        messages.success(request, outcome.says)
        for words in outcome.refused:
            messages.warning(request, words)


@admin.register(JobTrack)
class JobTrackAdmin(ReadOnlyAdmin):
    """Tracks of all jobs, newest first: by their places all of them would be sorted for a page."""

    ordering = ["-id"]
    list_display = ["title", "artist", "job", "state", "code", "verification", "attempt", "next_step_at", "updated_at"]
    list_filter = ["state", "verification", "code"]
    list_select_related = ["job"]
    search_fields = ["title", "artist", "recording_mbid", "job__id"]


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Who is told; made and changed on the pages, where the secret is shown once."""

    list_display = ["id", "name", "enabled", "failures", "code", "next_step_at", "created_by", "created_at"]
    list_filter = ["enabled", "code"]
    list_select_related = ["created_by"]
    search_fields = ["id", "name"]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """What was sent, and how it went."""

    list_display = ["id", "event", "hook", "job_id", "state", "tries", "status", "code", "next_step_at", "created_at"]
    list_filter = ["state", "event", "code", "by_hand"]
    list_select_related = ["hook"]
    search_fields = ["event_id", "job_id"]
    actions = ["again"]

    @admin.action(description="Send again", permissions=["operate"])
    def again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """By the service."""
        for key in queryset.order_by("id").values_list("id", flat=True):
            delivery_again(key)
        messages.success(request, "Sent again.")
