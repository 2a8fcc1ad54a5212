"""The Celery application. Tasks live in `workers`, one thin file each; routes and the beat table in `workers/schedule.py`."""

from __future__ import annotations

import logging.config
import os
from contextlib import ExitStack

from celery import Celery
from celery.signals import import_modules, setup_logging

from apps.common.dispatch import QUEUES
from slskdn_site.logs import logging_settings
from slskdn_site.settled import loading, settle
from workers.schedule import BEAT_SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")

# Worker and beat load what they need in the receivers of one signal, in the order in which these were connected: this one and `_loaded`
# stand around Celery's own.
_load = ExitStack()


@import_modules.connect
def _loads(**_: object) -> None:
    _load.enter_context(loading())


app = Celery("slskdn")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = BEAT_SCHEDULE
app.conf.task_routes = {task.value: {"queue": queue} for task, queue in QUEUES.items()}
app.set_default()
# Found when a worker imports its modules, after Django is set up: tasks import models.
app.autodiscover_tasks(["workers"], related_name="tasks")
app.loader.import_module("workers.process_guard")


@import_modules.connect
def _loaded(**_: object) -> None:
    """What is frozen before the pool forks stays shared with its children: no collection writes into it."""
    _load.close()
    settle()


@setup_logging.connect
def _log_like_everybody(**_: object) -> None:
    """With a receiver here, Celery leaves logging alone: worker and beat log as the other processes do."""
    logging.config.dictConfig(logging_settings())
