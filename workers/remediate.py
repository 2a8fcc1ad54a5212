"""Task: mend an issue, or take a fix back; and the look for what is due."""

from __future__ import annotations

import logging
import uuid

from celery import shared_task

from apps.common.dispatch import TaskName, enqueue
from apps.remediation.selectors import live_unasked, remediations_due, transcodes_unmended
from apps.remediation.services import FixPolicy, issues_fix
from slskdn_site.config import Config, load_config
from workers.composition import remedier

log = logging.getLogger(__name__)

MAX_UNASKED = 5
"""Transcodes mended by themselves at once (`audio.canonical_scoring.auto_replace_transcodes`): a large library must not become a thousand jobs."""


@shared_task(name=TaskName.REMEDIATE.value)
def remediate(remediation_id: str) -> None:
    """See workers.remedies."""
    remedier().step(uuid.UUID(remediation_id))


def remediations_hint() -> None:
    """A job moved on: fixes that waited for it go on at once. The sweep finds what this misses."""
    for step in remediations_due(limit=50):
        enqueue(TaskName.REMEDIATE, str(step.id))


def transcodes_mend(config: Config | None = None) -> int:
    """Begin fixes of suspected transcodes that nobody asked for, if that is switched on; how many."""
    config = config or load_config()
    scoring, health = config.audio.canonical_scoring, config.library_health
    if not (scoring.enabled and scoring.auto_replace_transcodes and health.enabled):
        return 0
    room = MAX_UNASKED - live_unasked()
    found = transcodes_unmended(limit=room) if room > 0 else []
    begun = issues_fix(found, policy=fix_policy(config)) if found else ()
    return sum(one.created for one in begun)


def fix_policy(config: Config | None = None) -> FixPolicy:
    """`library_health.remediation` as configured."""
    section = (config or load_config()).library_health.remediation
    return FixPolicy(replace_existing=section.replace_existing, backup_before_replace=section.backup_before_replace)
