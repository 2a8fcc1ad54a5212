"""Why jobs' files can't be written, for the pages that show jobs."""

from __future__ import annotations

from django import template

from apps.common.sentences import Sentence, sentence
from apps.jobs.manifest_trouble import manifest_trouble

register = template.Library()


@register.simple_tag
def manifests_unwritten() -> Sentence | None:
    """What is the matter with the folder of manifests; None while all is well. One look into the broker."""
    trouble = manifest_trouble()
    return (
        None if trouble is None else sentence("manifests_unwritten", {"folder": trouble.folder, "code": trouble.code})
    )
