"""Several trees want one release: one job fetches it, the others wait for that one, and fetch by themselves only if it gives up."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from apps.domain.jobs.lifecycle import JobState
from apps.jobs.models import Job, PlannedRelease
from apps.jobs.selectors_tree import planned_page, tree_figures
from apps.jobs.services import job_cancel, job_create, job_pause, job_retry
from apps.jobs.services_tree import tree_touched, trees_put_right
from tests.apps.jobs.tree_rows import LABEL, an_id, ask_discography, graph_store, group_of, state_of
from workers.expanding import expand

pytestmark = pytest.mark.django_db(transaction=True)


def expanded(job_id: uuid.UUID) -> Job:
    expand(job_id, labels_found=lambda _words: [])
    job = Job.objects.get(id=job_id)
    assert job.expanded_at is not None
    return job


def crate(**given: object) -> Job:
    return expanded(job_create(kind="label_crate", target_mbid=LABEL.mbid, **given).id)  # type: ignore[arg-type]


@pytest.fixture
def two() -> tuple[Job, Job]:
    """A discography of three releases, and a crate that wants the same ones."""
    graph_store([group_of(at) for at in range(3)], editions=1)
    return expanded(ask_discography()), crate()


def end(job: Job, state: JobState) -> None:
    Job.objects.filter(id=job.id).update(state=state, ended_at=timezone.now(), next_step_at=None)
    tree_touched(job.id)


def lines(job: Job) -> dict[str, tuple[str, str]]:
    return {one.title: (one.state, one.reason) for one in planned_page(job.id).items}


def test_what_another_job_fetches_is_waited_for_with_a_link_and_held_when_it_came(two: tuple[Job, Job]) -> None:
    first, second = two
    assert (first.children.count(), second.children.count()) == (3, 0)
    assert second.state == JobState.RUNNING
    assert set(lines(second).values()) == {("wanted", "wanted_by_other")}
    linked = {one.other_id for one in planned_page(second.id).items}
    assert linked == set(first.children.values_list("id", flat=True))
    assert tree_figures([second.id])[second.id].releases_total == 3
    for child in first.children.all():
        end(child, JobState.COMPLETED)
    assert set(lines(second).values()) == {("held", "fetched_by_other")}
    assert state_of(first) == ("completed", "")
    assert state_of(second) == ("completed", "all_releases_held")


def test_what_the_other_job_gave_up_is_fetched_here(two: tuple[Job, Job]) -> None:
    first, second = two
    child = first.children.get(target_mbid=an_id("release", 0, 0))
    end(child, JobState.FAILED)
    own = second.children.get()
    assert (own.target_mbid, own.state, own.next_step_at is not None) == (child.target_mbid, JobState.PENDING, True)
    assert lines(second)["Album 0000"] == ("wanted", "other_gave_up")
    job_cancel(first.id)
    assert second.children.count() == 3
    assert PlannedRelease.objects.filter(job=second, other__isnull=False).count() == 0


def test_a_job_that_is_gone_is_found_by_the_sweep_and_each_child_is_made_once(two: tuple[Job, Job]) -> None:
    first, second = two
    assert trees_put_right() == 0, "a tree that waits for another job is in order"
    first.delete()
    trees_put_right()
    trees_put_right()
    assert second.children.count() == 3


def test_a_paused_tree_is_waited_for_and_says_so(two: tuple[Job, Job]) -> None:
    first, second = two
    job_pause(first.id)
    assert state_of(second) == ("running", "children_paused")
    assert second.children.count() == 0


def test_other_constraints_are_another_job(two: tuple[Job, Job]) -> None:
    assert crate(constraints={"allow_lossy": False}).children.count() == 3


def test_a_release_that_a_person_asked_for_alone_counts_and_one_of_some_tracks_does_not() -> None:
    graph_store([group_of(at) for at in range(2)], editions=1)
    whole = job_create(kind="mb_release", target_mbid=an_id("release", 0, 0)).id
    job_create(kind="mb_release", target_mbid=an_id("release", 1, 0), constraints={"tracks": [{"position": 1}]})
    tree = expanded(ask_discography())
    assert {one.title: one.other_id for one in planned_page(tree.id).items} == {"Album 0000": whole, "Album 0001": None}
    assert tree.children.get().target_mbid == an_id("release", 1, 0)


def test_a_cancelled_tree_stays_cancelled_whatever_the_other_does_and_a_retry_waits_again(two: tuple[Job, Job]) -> None:
    first, second = two
    job_cancel(second.id)
    children = list(first.children.order_by("target_mbid"))
    end(children[0], JobState.COMPLETED)
    assert state_of(second)[0] == "cancelled"
    job_retry(second.id)
    assert state_of(second)[0] == "running"
    assert sorted(lines(second).values()) == [("held", "fetched_by_other"), *[("wanted", "wanted_by_other")] * 2]
