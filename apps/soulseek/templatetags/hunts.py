"""`{% hunt_of_job job.id %}`: what a job found on Soulseek, as a panel of its page; nothing for a job without a hunt."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django import template

from apps.nodelink.web.frame import Rights
from apps.soulseek.web.hunts import panel_of_job

register = template.Library()


@register.inclusion_tag("soulseek/_hunt_of_job.html", takes_context=True)
def hunt_of_job(context: Mapping[str, object], job_id: uuid.UUID) -> Mapping[str, object]:
    """See the module."""
    rights = context.get("rights")
    return panel_of_job(job_id, operates=isinstance(rights, Rights) and rights.operate)
