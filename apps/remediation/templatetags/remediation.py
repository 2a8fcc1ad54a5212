"""Fixes on the pages of issues and jobs: those apps lie below remediation and know nothing of it, their templates may."""

from __future__ import annotations

import uuid

from django import template

from apps.remediation.selectors import remediation_list
from apps.remediation.words import RemedyLine, remedy_line

register = template.Library()
SHOWN = 10


@register.simple_tag
def issue_fixes(issue_id: int) -> list[RemedyLine]:
    """The newest attempts to mend an issue; one query."""
    return [remedy_line(one) for one in remediation_list(issue_id=issue_id, limit=SHOWN).items]


@register.simple_tag
def job_fixes(job_id: uuid.UUID) -> list[RemedyLine]:
    """What a job is to mend; one query."""
    return [remedy_line(one) for one in remediation_list(job_id=job_id, limit=SHOWN).items]
