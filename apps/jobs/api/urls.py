"""Addresses of the jobs API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.jobs.actions import ACTIONS
from apps.jobs.api import coverage, manifests, streams, swarm, traces, trees, views, webhooks

urlpatterns = [
    path("jobs", views.Jobs.as_view(), name="api-jobs"),
    path("jobs/mb-release", views.ReleaseJobs.as_view(), name="api-job-mb-release"),
    path("jobs/recording", views.RecordingJobs.as_view(), name="api-job-recording"),
    path("catalog/artists/<uuid:artist_mbid>/coverage", coverage.Coverage.as_view(), name="api-artist-coverage"),
    path("jobs/discography", trees.DiscographyJobs.as_view(), name="api-job-discography"),
    path("jobs/label-crate", trees.LabelCrateJobs.as_view(), name="api-job-label-crate"),
    path("jobs/<uuid:job_id>/releases", trees.Planned.as_view(), name="api-job-releases"),
    path("jobs/import", manifests.JobImport.as_view(), name="api-job-import"),
    path("jobs/<uuid:job_id>/export", manifests.JobExport.as_view(), name="api-job-export"),
    path("jobs/<uuid:job_id>", views.OneJob.as_view(), name="api-job"),
    path("jobs/<uuid:job_id>/children", views.JobChildren.as_view(), name="api-job-children"),
    path("jobs/<uuid:job_id>/events", streams.job_events, name="api-job-events"),
    path("swarm/jobs/<uuid:job_id>", swarm.OneJobSwarm.as_view(), name="api-swarm-job"),
    path("jobs/<uuid:job_id>/trace", traces.Trace.as_view(), name="api-job-trace"),
    path("jobs/<uuid:job_id>/trace/columns", traces.TraceColumns.as_view(), name="api-job-trace-columns"),
    path("jobs/<uuid:job_id>/trace/summary", traces.TraceSummaryView.as_view(), name="api-job-trace-summary"),
    path("jobs/<uuid:job_id>/trace/tracks/<str:track>", traces.TrackSummaryView.as_view(), name="api-job-trace-track"),
    path("swarm/tracing", traces.Tracing.as_view(), name="api-tracing"),
    path("webhooks", webhooks.Webhooks.as_view(), name="api-webhooks"),
    path("webhooks/<uuid:hook_id>", webhooks.OneWebhook.as_view(), name="api-webhook"),
    path("webhooks/<uuid:hook_id>/secret", webhooks.WebhookSecret.as_view(), name="api-webhook-secret"),
    path("webhooks/<uuid:hook_id>/test", webhooks.WebhookTest.as_view(), name="api-webhook-test"),
    path("webhooks/<uuid:hook_id>/deliveries", webhooks.Deliveries.as_view(), name="api-webhook-deliveries"),
    path(
        "webhooks/<uuid:hook_id>/deliveries/<int:delivery_id>/redeliver",
        webhooks.Redeliver.as_view(),
        name="api-webhook-redeliver",
    ),
    path("events", streams.list_events, name="api-events"),
    *(
        path(
            f"jobs/<uuid:job_id>/{action}",
            views.JobAction.as_view(action_name=action),
            name=f"api-job-{action}",
        )
        for action in ACTIONS
    ),
]
