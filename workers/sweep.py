"""Task: the net under every lost message. Rows that wait, are due and are in nobody's hands get their task sent again.

A row is sent at most once per RESEND_S and attempt, so that a full queue is not filled with copies; that memory is a hint in the broker and may be
lost at any time (the rows decide who works, copies find nothing to do).
"""

from __future__ import annotations

import functools
import logging
import uuid

import redis
from celery import shared_task

from apps.catalog.selectors_graph import walks_due
from apps.common.dispatch import TaskName, enqueue
from apps.jobs.selectors_find import finds_waiting
from apps.jobs.services_sweep import jobs_waiting, tracks_put_right, trees_waiting, verifications_waiting
from apps.jobs.services_tree import trees_put_right
from apps.jobs.services_webhooks import hooks_waiting
from apps.library.selectors_rename import renamings_waiting
from apps.library.selectors_trash import trash_proven, trash_waiting
from apps.library.services_trash import trash_purge_ask
from apps.remediation.selectors import remediations_due
from slskdn_site.broker import redis_url
from workers.remediate import transcodes_mend

log = logging.getLogger(__name__)

RESEND_S = 30
"""Longer than a task usually waits in the queue, shorter than anybody's patience."""


@shared_task(name=TaskName.SWEEP.value)
def sweep() -> None:
    """See the module."""
    sent = sum(send_again(TaskName.RESOLVE_JOB, step.id, step.attempt) for step in jobs_waiting())
    sent += sum(send_again(TaskName.EXPAND_JOB, step.id, step.attempt) for step in trees_waiting())
    sent += sum(send_again(TaskName.VERIFY_DOWNLOAD, step.id, step.attempt) for step in verifications_waiting())
    sent += sum(send_again(TaskName.TRASH_STEP, step.id, step.attempt) for step in trash_waiting())
    sent += sum(send_again(TaskName.RENAME_STEP, key, attempt) for key, attempt in renamings_waiting())
    sent += sum(send_again(TaskName.REMEDIATE, step.id, step.attempt) for step in remediations_due())
    sent += sum(send_again(TaskName.DELIVER_WEBHOOKS, key, attempt) for key, attempt in hooks_waiting())
    sent += sum(send_again(TaskName.WALK_STEP, step.id, step.attempt) for step in walks_due())
    sent += sum(send_again(TaskName.FIND, key, attempt) for key, attempt in finds_waiting())
    mended, proven = transcodes_mend(), len(trash_purge_ask(trash_proven()))
    if mended or proven:
        log.info("sweep: transcodes_mended=%s replaced_purged=%s", mended, proven)
    if (put_right := tracks_put_right() + trees_put_right()) or sent:
        log.info("sweep: sent=%s put_right=%s", sent, put_right)


@functools.cache
def _hints() -> redis.Redis:
    return redis.Redis.from_url(redis_url(), socket_timeout=2, socket_connect_timeout=2)


def send_again(task: TaskName, row_id: uuid.UUID | int, attempt: int) -> bool:
    """Send a row's task, unless that was done a moment ago. False: it was, or the broker is away."""
    try:
        first = _hints().set(f"slskdn:sent:{task.value}:{row_id}:{attempt}", b"1", nx=True, ex=RESEND_S)
    except (redis.RedisError, OSError):
        return False  # a task could not be sent either; the next sweep tries again
    if first:
        enqueue(task, str(row_id))
    return bool(first)
