"""An edition that can't be read gives way to another one of its group, in the order of the edition rules; only when none is left the child fails."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.catalog.services_graph import briefs_store
from apps.domain.jobs.lifecycle import JobState
from apps.jobs.models import Job, PlannedRelease
from apps.jobs.selectors_tree import planned_page
from apps.jobs.services import job_create
from apps.jobs.services_instead import MAX_TRIED
from tests.apps.jobs.tree_rows import LABEL, ask_discography, editions_of, graph_store, group_of
from tests.workers.conftest import Metadata
from tests.workers.test_resolution import RELEASE
from workers.expanding import expand
from workers.gateways.musicbrainz import Musicbrainz
from workers.resolution import resolve

pytestmark = pytest.mark.django_db(transaction=True)

GONE = [uuid.UUID(int=0x10 + at) for at in range(10)]
"""Editions that the service does not have, in the order of their ids, which is the last of the edition rules."""


def known(mbids: Sequence[uuid.UUID], *, tracks: int = 10) -> None:
    """Editions of one group, alike but for their ids."""
    group = group_of(0)
    graph_store([group], editions=0)
    one = editions_of(group, 0, count=1, tracks=tracks)[0]
    briefs_store(replace(one, mbid=mbid) for mbid in mbids)


def child_of(job_id: uuid.UUID) -> Job:
    expand(job_id, labels_found=lambda _words: [])
    return Job.objects.get(parent_id=job_id)


def turn(child: Job, musicbrainz: Musicbrainz) -> Job:
    past = timezone.now() - timedelta(seconds=5)
    Job.objects.filter(id=child.id, next_step_at__isnull=False).update(next_step_at=past)
    resolve(child.id, musicbrainz=musicbrainz)
    child.refresh_from_db()
    return child


def test_a_release_that_is_gone_gives_way_to_the_next_edition_and_the_plan_says_so(musicbrainz: Musicbrainz) -> None:
    known([GONE[0], GONE[1], RELEASE])
    job_id = ask_discography()
    child = child_of(job_id)
    assert child.target_mbid == GONE[0]
    turn(child, musicbrainz)
    assert (child.state, child.code, child.target_mbid) == (JobState.PENDING, "other_edition", GONE[1])
    assert child.params == {"left": str(GONE[0]), "why": "release_not_found"}
    turn(child, musicbrainz)
    assert child.target_mbid == RELEASE
    turn(child, musicbrainz)
    assert (child.state, child.release_mbid) == (JobState.RUNNING, RELEASE)
    (line,) = planned_page(job_id).items
    assert (line.release_mbid, line.child_id, line.reason) == (RELEASE, child.id, "edition_instead")
    assert "can't be read" in line.sentence
    assert PlannedRelease.objects.get().tried == [str(GONE[0]), str(GONE[1])]


def test_when_no_edition_is_left_the_child_fails_with_the_reason(musicbrainz: Musicbrainz) -> None:
    known(GONE[:2])
    child = child_of(ask_discography())
    turn(child, musicbrainz)
    assert child.state == JobState.PENDING
    turn(child, musicbrainz)
    assert (child.state, child.code) == (JobState.FAILED, "release_not_found")


def test_not_every_edition_of_a_group_is_tried(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    known(GONE)
    child = child_of(ask_discography())
    while child.state == JobState.PENDING:
        turn(child, musicbrainz)
    assert (child.state, len(metadata.requests)) == (JobState.FAILED, MAX_TRIED)


def test_an_answer_that_stays_garbled_gives_way_and_an_absent_musicbrainz_does_not(
    musicbrainz: Musicbrainz, metadata: Metadata
) -> None:
    known([GONE[0], RELEASE])
    child = child_of(ask_discography())
    metadata.fault("status", status=503)
    turn(child, musicbrainz)
    assert (child.code, child.target_mbid) == ("musicbrainz_unavailable", GONE[0])
    metadata.fault("garbage", count=5)
    for _ in range(4):
        turn(child, musicbrainz)
        assert (child.code, child.target_mbid) == ("musicbrainz_garbled", GONE[0])
    turn(child, musicbrainz)
    assert (child.code, child.target_mbid) == ("other_edition", RELEASE)


def test_a_crate_takes_only_editions_of_its_label(musicbrainz: Musicbrainz) -> None:
    known([GONE[0], GONE[2]])
    group = group_of(0)
    briefs_store([replace(editions_of(group, 0, count=1)[0], mbid=GONE[1], labels=())])
    child = child_of(job_create(kind="label_crate", target_mbid=LABEL.mbid).id)
    turn(child, musicbrainz)
    assert child.target_mbid == GONE[2]


def test_a_release_that_was_asked_for_by_itself_is_not_exchanged(musicbrainz: Musicbrainz) -> None:
    known(GONE[:2])
    job = Job.objects.get(id=job_create(kind="mb_release", target_mbid=GONE[0]).id)
    turn(job, musicbrainz)
    assert (job.state, job.target_mbid) == (JobState.FAILED, GONE[0])
