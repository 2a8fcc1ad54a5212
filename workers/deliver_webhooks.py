"""Task: tell a webhook's receiver what happened."""

from __future__ import annotations

import functools
import time
import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from slskdn_site.config import load_config
from workers.composition import VERSION
from workers.gateways.webhook import post
from workers.webhooks import deliver


@shared_task(name=TaskName.DELIVER_WEBHOOKS.value)
def deliver_webhooks(hook_id: str) -> None:
    """See workers.webhooks."""
    section = load_config().webhooks
    send = functools.partial(post, timeout_s=section.timeout_s, allow_private=section.allow_private)
    deliver(uuid.UUID(hook_id), post=send, monotonic=time.monotonic, now_s=time.time, version=VERSION)
