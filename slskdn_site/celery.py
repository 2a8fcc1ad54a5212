"""The Celery application. Tasks live in `workers`, one thin file each; routes and the beat table in `workers/schedule.py`."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")

app = Celery("slskdn")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks(["workers"], related_name="tasks", force=True)
