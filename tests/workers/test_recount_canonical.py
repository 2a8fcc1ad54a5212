"""The task that scores and counts: bounded by its time, and off when scoring is."""

from __future__ import annotations

import itertools
import uuid

import pytest

from apps.library.models import AudioVariant, CanonicalDirty, CanonicalStats
from apps.library.services_canonical import canonical_mark
from slskdn_site.config import load_config
from tests.apps.library import canonical_rows as rows
from workers.composition import canonical_policy
from workers.recount_canonical import recount

pytestmark = pytest.mark.django_db


def test_what_is_unscored_is_scored_and_counted_in_one_run() -> None:
    for number in range(3):
        rows.file(number, rows.variant(number, recording=uuid.UUID(int=1)), within=rows.root())
    assert recount(clock=iter(itertools.count()).__next__, budget_s=100) == (3, 1)
    assert CanonicalStats.objects.get().scored == 3
    assert recount(clock=iter(itertools.count()).__next__, budget_s=100) == (0, 0)


def test_what_the_time_does_not_suffice_for_waits_for_the_next_run() -> None:
    canonical_mark(recordings=[uuid.UUID(int=n) for n in range(1, 450)])
    recount(clock=iter([0.0, 0.5, 2.0]).__next__, budget_s=1)
    assert CanonicalDirty.objects.count() == 449 - 200
    assert not AudioVariant.objects.exists()


def test_the_policy_is_the_configuration() -> None:
    section = load_config().audio.canonical_scoring
    policy = canonical_policy()
    assert {name: getattr(policy, name) for name in type(section).model_fields} == section.model_dump()
