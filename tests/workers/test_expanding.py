"""Expanding a discography or a crate: waits for its graph, killed at every step and run again, at 1,000 groups: each child once, none lost."""

from __future__ import annotations

import resource
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.catalog.models import Walk
from apps.catalog.selectors_graph import group_detail
from apps.catalog.services_graph import briefs_store, groups_store
from apps.domain.catalog.graph import LabelDetail
from apps.domain.catalog.group_walks import IN_FLIGHT
from apps.domain.catalog.identity import label_name_id
from apps.domain.catalog.walks import WalkKind, WalkState
from apps.domain.jobs.lifecycle import JobState
from apps.domain.library.canonical import CanonicalPolicy
from apps.jobs.models import Job, PlannedRelease
from apps.jobs.selectors import job_tree
from apps.jobs.selectors_tree import planned_page, tree_figures
from apps.jobs.services import job_cancel, job_create, job_pause, job_resume, job_retry
from apps.jobs.services_expand import children_make, expand_claim
from apps.jobs.services_sweep import trees_waiting
from apps.jobs.services_tree import tree_refresh
from tests.apps.jobs.tree_rows import (
    ARTIST,
    LABEL,
    an_id,
    ask_discography,
    editions_of,
    graph_store,
    group_of,
    hold,
    walked,
)
from tests.workers.conftest import Killed, kill_at
from workers.expanding import expand
from workers.gateways.errors import Transient

pytestmark = pytest.mark.django_db(transaction=True)

MiB = 1 << 20


def nobody(words: str) -> Sequence[LabelDetail]:
    raise AssertionError(f"nobody asks for {words}")


def run(job_id: uuid.UUID, **given: object) -> Job:
    expand(job_id, labels_found=given.pop("labels_found", nobody), **given)  # type: ignore[arg-type]
    return Job.objects.get(id=job_id)


def due(job_id: uuid.UUID) -> None:
    """As if the time had come and the lease of whoever died had run out."""
    past = timezone.now() - timedelta(seconds=5)
    Job.objects.filter(id=job_id, next_step_at__isnull=False).update(next_step_at=past)
    Job.objects.filter(id=job_id, lease_until__isnull=False).update(lease_until=past)


def assert_whole(job_id: uuid.UUID, *, children: int) -> None:
    job = Job.objects.get(id=job_id)
    assert (job.state, job.lease_until, job.title) == (JobState.RUNNING, None, ARTIST.name)
    assert job.expanded_at is not None
    targets = list(job.children.values_list("target_mbid", flat=True))
    assert len(targets) == len(set(targets)) == children
    planned = PlannedRelease.objects.filter(job=job, state="wanted")
    assert {line.release_mbid: line.child.target_mbid for line in planned.select_related("child") if line.child} == {
        one: one for one in targets
    }
    started = job.children.filter(state=JobState.PENDING, next_step_at__isnull=False)
    assert started.count() == min(4, children)
    assert job.children.filter(code="waits_for_turn", next_step_at=None).count() == max(0, children - 4)


def test_a_discography_becomes_one_child_a_group_with_its_constraints() -> None:
    graph_store([*(group_of(at) for at in range(6)), group_of(6, kind="Single"), group_of(7, secondary=["Live"])])
    job_id = ask_discography(constraints={"allow_lossy": False})
    job = run(job_id)
    assert_whole(job_id, children=6)
    assert {child.constraints["allow_lossy"] for child in job.children.all()} == {False}
    lines = planned_page(job_id).items
    assert [line.state for line in lines] == ["wanted"] * 6 + ["omitted"] * 2
    assert {line.reason for line in lines if line.state == "omitted"} == {"type_excluded"}
    figures = tree_figures([job_id])[job_id]
    assert (figures.releases_total, figures.releases_omitted, figures.tracks_total) == (6, 2, 60)


def test_run_twice_changes_nothing() -> None:
    graph_store([group_of(at) for at in range(3)])
    job_id = ask_discography()
    run(job_id)
    run(job_id)
    assert_whole(job_id, children=3)


STEPS = ["claimed", "read", "planned 0", "planned 1", "planned 2", "children 0", "children 1", "children 2", "made"]


@pytest.mark.parametrize("step", [*STEPS, "finished"])
def test_killed_at_any_step_and_run_again_loses_no_child_and_makes_none_twice(step: str) -> None:
    graph_store([group_of(at) for at in range(120)], editions=1)
    job_id = ask_discography()
    with pytest.raises(Killed):
        run(job_id, checkpoint=kill_at(step))
    run(job_id)  # the lease of the dead is still live: nobody works
    due(job_id)
    run(job_id)
    assert_whole(job_id, children=120)


def test_a_plan_that_was_begun_keeps_its_editions_when_the_graph_changes_meanwhile() -> None:
    groups = [group_of(at) for at in range(60)]
    graph_store(groups, editions=1)
    job_id = ask_discography()
    with pytest.raises(Killed):
        run(job_id, checkpoint=kill_at("planned 0"))
    graph_store(groups, editions=3)
    due(job_id)
    run(job_id)
    assert_whole(job_id, children=60)
    assert PlannedRelease.objects.filter(job_id=job_id).values("group_mbid").distinct().count() == 60


def test_it_waits_while_the_graph_is_read_and_says_how_far_that_is() -> None:
    job_id = ask_discography()
    job = run(job_id)
    assert (job.state, job.code) == (JobState.PENDING, "graph_walking")
    assert job.next_step_at is not None and job.next_step_at > timezone.now()
    Walk.objects.filter(kind=WalkKind.ARTIST_GROUPS).update(state=WalkState.WALKING, taken=100, total=250)
    due(job_id)
    assert [step.id for step in trees_waiting()] == [job_id]
    told = {"taken": 100, "total": 250, "waits": "", "subject": str(ARTIST.mbid)}
    assert {**run(job_id).params, "tries": 0} == {**told, "tries": 0}
    graph_store([group_of(0)])
    due(job_id)
    run(job_id)
    assert_whole(job_id, children=1)


def test_a_graph_that_can_not_be_read_fails_the_job_and_a_retry_reads_it_anew() -> None:
    job_id = ask_discography()
    run(job_id)
    Walk.objects.update(state=WalkState.FAILED, code="artist_not_found", ended_at=timezone.now(), next_step_at=None)
    due(job_id)
    job = run(job_id)
    assert (job.state, job.code) == (JobState.FAILED, "artist_not_found")
    assert job_retry(job_id) is JobState.PENDING
    assert (run(job_id).code, Walk.objects.first().state) == ("graph_walking", WalkState.WAITING)  # type: ignore[union-attr]


def test_a_plan_of_a_list_that_came_short_says_so_for_good() -> None:
    graph_store([group_of(0)])
    lacks = {"read": 25, "total": 49, "unreadable": 0}
    Walk.objects.filter(kind=WalkKind.ARTIST_GROUPS).update(code="artist_groups_incomplete", params=lacks)
    job = run(ask_discography())
    job.children.update(state=JobState.COMPLETED, next_step_at=None)
    tree_refresh(job.id)
    tree = job_tree(job.id)
    assert tree is not None
    assert (tree.state, tree.code) == (JobState.COMPLETED, "")
    assert (tree.plan_code, tree.plan_params) == ("artist_groups_incomplete", lacks)


def walked_groups(*, most: int = 20) -> list[uuid.UUID]:
    """End the walks of groups that are open, each with one edition. Which those were."""
    open_ = list(Walk.objects.filter(kind=WalkKind.GROUP_RELEASES, state=WalkState.WAITING).order_by("id")[:most])
    for row in open_:
        group = group_detail(row.mbid)
        assert group is not None
        briefs_store(replace(one, mbid=an_id("edition", row.mbid)) for one in editions_of(group, 0, count=1))
        walked(WalkKind.GROUP_RELEASES, row.mbid)
    return [row.mbid for row in open_]


def test_groups_without_a_known_edition_are_asked_for_a_few_at_a_time_and_planned_when_their_lists_were_read() -> None:
    graph_store([group_of(at) for at in range(3)])
    groups_store([group_of(at, kind="EP" if at == 3 else "Album") for at in range(3, 17)])
    job_id = ask_discography(selection={"profile": "extended"})
    asked: list[uuid.UUID] = []
    for known in (0, IN_FLIGHT, 2 * IN_FLIGHT):
        job = run(job_id)
        assert (job.state, job.code, job.params["done"], job.params["total"]) == (
            "pending",
            "editions_walking",
            known,
            14,
        )
        run(job_id)  # not due: nothing more is asked for
        assert Walk.objects.filter(kind=WalkKind.GROUP_RELEASES, state=WalkState.WAITING).count() <= IN_FLIGHT
        asked += walked_groups()
        due(job_id)
    run(job_id)
    assert_whole(job_id, children=17)
    assert Walk.objects.filter(kind=WalkKind.GROUP_RELEASES).count() == 14
    # The weightiest first: the EP after all albums.
    assert len(asked) == len(set(asked)) == 14 and asked[-1] == group_of(3).facts.mbid
    assert {line.reason for line in planned_page(job_id).items if line.title == "Album 0005"} == {"edition_only"}


def test_groups_whose_lists_give_nothing_or_can_not_be_read_are_left_out_and_say_so() -> None:
    graph_store([group_of(0)])
    groups_store([group_of(1), group_of(2)])
    job_id = ask_discography()
    assert run(job_id).code == "editions_walking"
    walked(WalkKind.GROUP_RELEASES, group_of(1).facts.mbid)
    Walk.objects.filter(mbid=group_of(2).facts.mbid).update(
        state=WalkState.FAILED, code="group_releases_unreadable", ended_at=timezone.now(), next_step_at=None
    )
    due(job_id)
    run(job_id)
    assert_whole(job_id, children=1)
    left = {line.title: line.reason for line in planned_page(job_id, state="omitted").items}
    assert left == {"Album 0001": "no_edition_known", "Album 0002": "editions_unreadable"}


def test_nothing_to_fetch_fails_with_the_reason() -> None:
    graph_store([group_of(0, kind="Single")])
    job = run(ask_discography())
    assert (job.state, job.code) == (JobState.FAILED, "nothing_planned")
    assert job.planned.count() == 1


def test_an_artist_without_groups_fails_with_the_reason() -> None:
    graph_store([])
    job = run(ask_discography())
    assert (job.state, job.code) == (JobState.FAILED, "nothing_planned")


def test_what_the_library_holds_in_full_is_no_child_and_what_it_holds_in_part_is() -> None:
    groups = [group_of(at) for at in range(3)]
    graph_store(groups)
    hold(an_id("release", 0, 1), tracks=10)  # an edition that nobody would choose: but it is here
    hold(an_id("release", 1, 1), tracks=9)
    job_id = ask_discography()
    job = run(job_id, policy=CanonicalPolicy())
    assert {(line.title, line.state, line.reason) for line in planned_page(job_id).items} == {
        ("Album 0000", "held", "held_in_full"),
        ("Album 0001", "wanted", "edition_held"),
        ("Album 0002", "wanted", "edition_standard"),
    }
    assert job.children.count() == 2
    assert job.children.filter(target_mbid=an_id("release", 1, 1)).exists()
    assert tree_figures([job_id])[job_id].releases_held == 1


def test_lossy_files_are_not_held_where_only_lossless_ones_are_wanted() -> None:
    graph_store([group_of(0)], editions=1)
    hold(an_id("release", 0, 0), tracks=10, lossless=False)
    job_id = ask_discography(constraints={"allow_lossy": False})
    assert run(job_id, policy=CanonicalPolicy()).children.count() == 1


def test_everything_held_completes_the_tree_at_once() -> None:
    graph_store([group_of(0)], editions=1)
    hold(an_id("release", 0, 0), tracks=10)
    job = run(ask_discography(), policy=CanonicalPolicy())
    assert (job.state, job.code, job.children.count()) == (JobState.COMPLETED, "all_releases_held", 0)


def test_a_limit_takes_the_weightiest() -> None:
    graph_store([group_of(0, kind="EP"), *(group_of(at) for at in range(1, 4))])
    job = run(ask_discography(selection={"profile": "all", "limit_releases": 2}))
    assert {line.reason for line in planned_page(job.id, state="omitted").items} == {"beyond_limit"}
    assert job.children.count() == 2


def clock_that_runs(step_s: float) -> Callable[[], float]:
    ticks = count()
    return lambda: next(ticks) * step_s


def test_a_task_gives_the_job_back_after_its_share_and_the_next_goes_on() -> None:
    graph_store([group_of(at) for at in range(120)], editions=1)
    job_id = ask_discography()
    tasks = 0
    while Job.objects.get(id=job_id).expanded_at is None:
        due(job_id)
        job = run(job_id, clock=clock_that_runs(60.0))
        tasks += 1
        assert job.expanded_at is not None or (job.state, job.code) == (JobState.PENDING, "expanding")
        assert tasks < 20
    assert tasks == 7  # three batches of the plan, three of children, and the end
    assert_whole(job_id, children=120)


def test_cancelled_in_the_middle_it_makes_no_more_children_and_a_retry_makes_the_rest() -> None:
    graph_store([group_of(at) for at in range(120)], editions=1)
    job_id = ask_discography()

    def cancel(step: str) -> None:
        if step == "children 0":
            job_cancel(job_id)

    job = run(job_id, checkpoint=cancel)
    assert (job.state, job.code) == (JobState.CANCELLED, "cancelled_by_person")
    assert (
        job.children.count() == job.children.filter(state=JobState.CANCELLED, code="cancelled_with_tree").count() == 50
    )
    job_retry(job_id)
    due(job_id)
    run(job_id)
    assert_whole(job_id, children=120)


def test_paused_in_the_middle_it_goes_on_where_it_was() -> None:
    graph_store([group_of(at) for at in range(120)], editions=1)
    job_id = ask_discography()

    def pause(step: str) -> None:
        if step == "planned 0":
            job_pause(job_id)

    assert run(job_id, checkpoint=pause).state == JobState.PAUSED
    assert job_resume(job_id) is JobState.PENDING
    due(job_id)
    run(job_id)
    assert_whole(job_id, children=120)


def test_a_worker_that_lost_its_lease_writes_nothing() -> None:
    graph_store([group_of(at) for at in range(3)])
    job_id = ask_discography()
    first = expand_claim(job_id, lease_s=60)
    assert first is not None
    due(job_id)
    assert expand_claim(job_id, lease_s=60) is not None
    assert children_make(first) is None


def crate(**given: object) -> uuid.UUID:
    return job_create(kind="label_crate", **given).id  # type: ignore[arg-type]


def by_name(name: str, **given: object) -> uuid.UUID:
    return crate(target_mbid=label_name_id(name), target_source="name", target_ref=name, **given)


def test_a_crate_takes_the_labels_releases_and_says_where_they_come_from() -> None:
    graph_store([group_of(at) for at in range(12)])
    job = run(crate(target_mbid=LABEL.mbid, selection={"limit_releases": 10}))
    assert (job.state, job.code, job.title) == (JobState.RUNNING, "crate_from_musicbrainz", LABEL.name)
    assert job.children.count() == 10
    assert tree_figures([job.id])[job.id].releases_omitted == 2


def test_a_crate_by_name_finds_its_label_whatever_the_case() -> None:
    graph_store([group_of(0)])
    assert run(by_name("sub  POP")).children.count() == 1


def test_a_label_that_nobody_knows_fails_and_one_of_two_is_not_guessed() -> None:
    job = run(by_name("Void"), labels_found=lambda _words: [LabelDetail(mbid=uuid.uuid4(), name="Avoid")])
    assert (job.state, job.code) == (JobState.FAILED, "label_unknown")
    two = [LabelDetail(mbid=uuid.uuid4(), name=name) for name in ("VOID", "Void")]
    job = run(by_name("void"), labels_found=lambda _words: two)
    assert (job.state, job.code) == (JobState.FAILED, "label_ambiguous")


def test_a_search_that_is_away_is_waited_for() -> None:
    def away(_words: str) -> Sequence[LabelDetail]:
        raise Transient("away", code="musicbrainz_unavailable")

    job = run(by_name("Void"), labels_found=away)
    assert (job.state, job.code) == (JobState.PENDING, "musicbrainz_unavailable")


def test_a_thousand_groups_expand_in_few_queries_and_little_memory() -> None:
    groups = [group_of(at) for at in range(1000)]
    graph_store(groups, editions=5)
    job_id = ask_discography()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with CaptureQueriesContext(
        connection,
    ) as asked:
        run(job_id)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert_whole(job_id, children=1000)
    # Forty batches of some seven statements, and what reading the graph and the library takes: nothing grows with the rows of a batch.
    assert len(asked) < 600
    assert after - before < 200 * MiB


def test_a_crate_of_five_hundred_is_the_most_there_is() -> None:
    graph_store([group_of(at) for at in range(600)], editions=1)
    job = run(crate(target_mbid=LABEL.mbid))
    assert job.children.count() == 500
    assert tree_figures([job.id])[job.id].releases_omitted == 100


def test_editions_of_one_group_are_one_child() -> None:
    group = group_of(0)
    graph_store([group], editions=9)
    assert len(editions_of(group, 0, count=9)) == 9
    assert run(crate(target_mbid=LABEL.mbid)).children.count() == 1
