"""Task: what searches were answered and what was fetched teaches who offers what. On this machine only; see apps.soulseek.services_capture."""

from __future__ import annotations

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.soulseek.services_capture import answers_capture, downloads_capture
from slskdn_site.config import data_dir, load_config
from workers.gateways.pseudonyms import sharer_namer

BATCHES = 20
"""Of one run: the next is a minute away."""


@shared_task(name=TaskName.CAPTURE.value)
def capture() -> None:
    """Batch by batch, until nothing waits."""
    config = load_config()
    if not config.soulseek.capture.enabled:
        return
    name = sharer_namer(data_dir() / "keys", keyed=config.mesh.privacy.anonymize_usernames)
    for take in (answers_capture, downloads_capture):
        for _ in range(BATCHES):
            if not take(name):
                break
