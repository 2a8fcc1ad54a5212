"""Pages of jobs."""

from __future__ import annotations

from django.urls import path

from apps.jobs.web import coverage, manifests, swarm, traces, views, webhooks

urlpatterns = [
    path("", views.arriving, name="arriving"),
    path("jobs/import", manifests.import_jobs, name="jobs-import"),
    path("jobs/export", manifests.jobs_export, name="jobs-export"),
    path("jobs/<uuid:job_id>", views.job, name="job"),
    path("catalog/artists/<uuid:artist>/coverage", coverage.coverage, name="artist-coverage"),
    path("catalog/artists/<uuid:artist>/coverage/get", coverage.fetch, name="artist-coverage-get"),
    path("catalog/artists/<uuid:artist>/coverage/read", coverage.read, name="artist-coverage-read"),
    path("jobs/<uuid:job_id>/trace", traces.trace, name="job-trace"),
    path("jobs/<uuid:job_id>/swarm", swarm.swarm, name="job-swarm"),
    path("jobs/act/<slug:name>", views.action, name="job-action"),
    path("system/webhooks", webhooks.webhooks, name="webhooks"),
    path("system/webhooks/add", webhooks.webhook_add, name="webhook-add"),
    path("system/webhooks/<uuid:hook_id>", webhooks.webhook, name="webhook"),
    path("system/webhooks/<uuid:hook_id>/act/<slug:name>", webhooks.webhook_act, name="webhook-act"),
    path(
        "system/webhooks/<uuid:hook_id>/deliveries/<int:delivery_id>/again",
        webhooks.delivery_again,
        name="webhook-again",
    ),
    path("live/arriving", views.live_list, name="live-arriving"),
    path("live/jobs/<uuid:job_id>", views.live_job, name="live-job"),
]
