"""The Celery application. Tasks live in `workers`, one thin file each; routes and the beat table in `workers/schedule.py`."""

from __future__ import annotations

import logging.config
import os

from celery import Celery
from celery.signals import setup_logging

from apps.common.dispatch import QUEUES
from slskdn_site.logs import logging_settings
from workers.schedule import BEAT_SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")

app = Celery("slskdn")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = BEAT_SCHEDULE
app.conf.task_routes = {task.value: {"queue": queue} for task, queue in QUEUES.items()}
app.set_default()
# Found when a worker imports its modules, after Django is set up: tasks import models.
app.autodiscover_tasks(["workers"], related_name="tasks")
app.loader.import_module("workers.process_guard")


@setup_logging.connect
def _log_like_everybody(**_: object) -> None:
    """With a receiver here, Celery leaves logging alone: worker and beat log as the other processes do."""
    logging.config.dictConfig(logging_settings())
