"""Asking for a label's crate from what is known of the label: by its MBID, else by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.contrib.auth.models import User

from apps.domain.catalog.identity import label_name_id
from apps.domain.jobs.selection import Selection
from apps.jobs.models import JobKind, TargetSource
from apps.jobs.refusals import JobRefused
from apps.jobs.selectors_labels import LabelView
from apps.jobs.services import JobCreated, job_create

CODEC_WISHES: Final[Mapping[str, Mapping[str, object]]] = {
    "": {},
    "lossless": {"allow_lossy": False},
    "flac": {"preferred_codecs": ["flac", "mp3"]},
    "mp3": {"preferred_codecs": ["mp3", "flac"]},
}
"""What a choice of codec means for every release of a crate."""


def crate_ask(
    label: LabelView,
    *,
    limit: int | None,
    studio_only: bool = False,
    codec: str = "",
    requested_by: User | None = None,
    idempotency_key: str | None = None,
) -> JobCreated:
    """Make the crate of the first `limit` releases (None: all) in the order of popularity. Raises what `job_create` raises, and JobRefused
    `crate_codec_unknown`."""
    if codec not in CODEC_WISHES:
        raise JobRefused("No crate is made for this codec.", code="crate_codec_unknown", codec=codec[:20])
    by_name = label.label_mbid is None
    return job_create(
        kind=JobKind.LABEL_CRATE.value,
        target_mbid=label_name_id(label.name) if label.label_mbid is None else label.label_mbid,
        target_source=(TargetSource.NAME if by_name else TargetSource.MUSICBRAINZ).value,
        target_ref=label.name if by_name else "",
        selection=Selection(label_name=label.name, limit_releases=limit, studio_only=studio_only),
        constraints=dict(CODEC_WISHES[codec]),
        requested_by=requested_by,
        idempotency_key=idempotency_key,
    )
