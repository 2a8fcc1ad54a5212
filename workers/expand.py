"""Task: expand a discography or a label crate into its releases."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.domain.catalog.graph import LabelDetail
from workers.composition import canonical_policy, musicbrainz
from workers.expanding import expand


@shared_task(name=TaskName.EXPAND_JOB.value)
def expand_job(job_id: str) -> None:
    """See workers.expanding."""
    expand(uuid.UUID(job_id), labels_found=_labels_found, policy=canonical_policy())


def _labels_found(words: str) -> Sequence[LabelDetail]:
    return [one.value for one in musicbrainz().search_labels(words)]
