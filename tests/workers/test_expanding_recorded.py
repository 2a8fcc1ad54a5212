"""From an id to a discography and a crate by what MusicBrainz really answered: asked for, walked, planned, expanded, in turns."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.catalog.selectors_graph import artist_groups
from apps.catalog.services_graph import briefs_store
from apps.catalog.services_walk import walk_ask
from apps.domain.catalog.graph import ReleaseBrief
from apps.domain.catalog.walks import WalkKind
from apps.domain.jobs.lifecycle import JobState
from apps.jobs.models import Job, PlannedRelease
from apps.jobs.selectors_tree import tree_figures
from apps.jobs.services import job_create
from tests.apps.jobs.tree_rows import walked
from tests.recorded import needs_recorded
from tests.workers.test_walks import KASABIAN, NIRVANA, UBIKTUNE, Served, recorded, run
from workers.expanding import expand
from workers.resolution import resolve

__all__ = ["recorded"]

pytestmark = [pytest.mark.django_db(transaction=True), needs_recorded]


def step(job_id: uuid.UUID, served: Served) -> Job:
    past = timezone.now() - timedelta(seconds=5)
    Job.objects.filter(id=job_id, next_step_at__isnull=False).update(next_step_at=past)
    expand(
        job_id,
        labels_found=lambda words: [one.value for one in served.musicbrainz.search_labels(words)],
    )
    return Job.objects.get(id=job_id)


def expanded(served: Served, *, kind: str, target: uuid.UUID, **selection: object) -> Job:
    """The job after its walks and its expansion, as workers take them in turn."""
    job_id = job_create(kind=kind, target_mbid=target, selection=selection).id
    assert step(job_id, served).code == "graph_walking"
    run(served)
    while (job := step(job_id, served)).code == "editions_walking":
        run(served)
    assert job.state == JobState.RUNNING
    assert job.expanded_at is not None
    return job


def titles(job: Job) -> set[str]:
    return set(PlannedRelease.objects.filter(job=job, state="wanted").values_list("title", flat=True))


def test_nirvana_s_core_discography_is_its_studio_albums(recorded: Served) -> None:
    """Of In Utero no edition was recorded, and no list of them: it is left out, and the plan says why."""
    job = expanded(recorded, kind="discography", target=NIRVANA)
    assert job.title == "Nirvana"
    assert titles(job) == {"Bleach", "Nevermind"}
    assert job.children.filter(state=JobState.PENDING, next_step_at__isnull=False).count() == job.children.count() == 2
    left = dict(PlannedRelease.objects.filter(job=job, state="omitted").values_list("title", "reason"))
    assert left["In Utero"] == "editions_unreadable"
    assert left["MTV Unplugged in New York"] == "type_excluded"


def test_nirvana_s_extended_discography_has_the_well_known_live_album_and_resolves_to_tracks(recorded: Served) -> None:
    job = expanded(recorded, kind="discography", target=NIRVANA, profile="extended")
    assert titles(job) == {"Bleach", "Nevermind", "MTV Unplugged in New York"}
    outcomes: Counter[str] = Counter()
    for child in list(job.children.filter(next_step_at__isnull=False)):
        resolve(child.id, musicbrainz=recorded.musicbrainz)
        child.refresh_from_db()
        outcomes[child.state if child.state == JobState.RUNNING else child.code] += 1
    # Not every edition's own page was recorded: what was becomes tracks, of the rest the reason is told.
    assert outcomes[JobState.RUNNING]
    assert tree_figures([job.id])[job.id].tracks_total > 0


def test_kasabian_s_recorded_groups_make_their_discography(recorded: Served) -> None:
    """Their releases were not recorded, their groups were: with an edition of each the plan is made of these."""
    walk_ask(WalkKind.ARTIST_GROUPS, KASABIAN)
    run(recorded)
    groups = artist_groups(KASABIAN)
    briefs_store(
        ReleaseBrief(
            mbid=uuid.uuid5(one.facts.mbid, "edition"), title=one.facts.title, artists=one.artists, group=one.facts,
            status="Official", formats=("CD",), track_count=10,
        )
        for one in groups
    )  # fmt: skip
    walked(WalkKind.ARTIST_RELEASES, KASABIAN)
    job_id = job_create(kind="discography", target_mbid=KASABIAN).id
    job = step(job_id, recorded)
    albums = {one.facts.title for one in groups if one.facts.primary_type == "Album" and not one.facts.secondary_types}
    assert (job.state, job.title) == (JobState.RUNNING, "Kasabian")
    assert titles(job) == albums
    assert "Kasabian" in albums
    assert job.children.filter(state=JobState.PENDING, next_step_at__isnull=False).count() == min(4, len(albums))


def test_ubiktune_s_crate_is_its_releases(recorded: Served) -> None:
    job = expanded(recorded, kind="label_crate", target=UBIKTUNE, limit_releases=10)
    assert (job.title, job.code) == ("Ubiktune", "crate_from_musicbrainz")
    assert 0 < job.children.count() <= 10
    figures = tree_figures([job.id])[job.id]
    assert figures.releases_total == job.children.count()
