"""Jobs of jobs: asked for, their turns, every button on the tree and on one child, figures in a fixed number of queries, and the net below."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.domain.catalog.identity import label_name_id
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import JobState, TrackState, WantDesired
from apps.jobs.models import Job, JobTrack, PlannedRelease
from apps.jobs.selectors_tree import TreeFigures, planned_page, tree_figures
from apps.jobs.services import job_cancel, job_create, job_pause, job_refresh_state, job_resume, job_retry
from apps.jobs.services_resolve import resolve_claim, resolve_failed
from apps.jobs.services_sweep import jobs_waiting, tracks_put_right, trees_waiting
from apps.jobs.services_tree import tree_adopt, tree_refresh, trees_put_right
from apps.transfers.models import Want
from tests.apps.jobs.tree_rows import ARTIST, LABEL, an_id, ask_discography, state_of, tracks_of, tree_of

pytestmark = pytest.mark.django_db(transaction=True)

S = JobState


def states(children: list[Job]) -> list[str]:
    return [state_of(child)[0] for child in children]


def started(parent: Job) -> int:
    return parent.children.filter(state=S.PENDING, next_step_at__isnull=False).count()


def desired(job: Job) -> set[str]:
    return set(Want.objects.filter(job_track__job=job).values_list("desired", flat=True))


def test_a_tree_waits_for_its_expansion_and_no_resolver_takes_it() -> None:
    job_id = ask_discography()
    assert jobs_waiting() == []
    assert [step.id for step in trees_waiting()] == [job_id]
    assert resolve_claim(job_id, lease_s=60) is None


def test_one_key_and_one_request_make_one_tree_and_another_selection_is_a_conflict() -> None:
    first = ask_discography(idempotency_key="k", selection={"profile": "core"})
    assert ask_discography(idempotency_key="k", selection={"profile": "core"}) == first
    with pytest.raises(DomainError) as refused:
        ask_discography(idempotency_key="k", selection={"profile": "all"})
    assert refused.value.code == "idempotency_conflict"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"kind": "discography", "constraints": {"tracks": [{"position": 1}]}}, "constraints_invalid"),
        ({"kind": "discography", "selection": {"profile": "best"}}, "selection_invalid"),
        ({"kind": "discography", "selection": {"studio_only": True}}, "selection_invalid"),
        ({"kind": "discography", "selection": {"colour": "red"}}, "selection_invalid"),
        ({"kind": "label_crate", "selection": {"limit_releases": 0}}, "selection_invalid"),
        ({"kind": "label_crate", "selection": {"limit_releases": 501}}, "selection_invalid"),
        ({"kind": "label_crate", "target_source": "name", "target_ref": "Sub Pop"}, "target_invalid"),
        ({"kind": "mb_release", "selection": {"profile": "core"}}, "selection_invalid"),
        ({"kind": "mb_release", "target_source": "discogs", "target_ref": "x"}, "target_invalid"),
        ({"kind": "discography", "constraints": {"use_overlay": False}}, "constraint_unavailable"),
    ],
)
def test_what_no_tree_could_mean_is_refused(given: dict[str, object], code: str) -> None:
    with pytest.raises(DomainError) as refused:
        job_create(target_mbid=ARTIST.mbid, **given)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert not Job.objects.exists()


def test_a_label_by_its_name_has_an_id_of_its_own() -> None:
    made = job_create(
        kind="label_crate", target_mbid=label_name_id("Sub Pop"), target_source="name", target_ref="sub  pop"
    )
    assert Job.objects.get(id=made.id).target_ref == "sub  pop"
    assert label_name_id("SUB POP") == label_name_id("sub  pop") != LABEL.mbid


def test_turns_go_to_the_first_of_the_plan_and_no_more_than_the_budget_allows() -> None:
    parent, children = tree_of(*[S.PENDING] * 6)
    for at, child in enumerate(reversed(children)):
        PlannedRelease.objects.create(
            job=parent, position=at, release_mbid=child.target_mbid, title="x", state="wanted", child=child
        )
    assert tree_refresh(parent.id) is S.RUNNING
    assert started(parent) == 4
    assert [Job.objects.get(id=child.id).next_step_at is not None for child in children] == [False] * 2 + [True] * 4
    tree_refresh(parent.id)
    assert started(parent) == 4


def test_a_child_that_ends_makes_room_for_the_next() -> None:
    parent, children = tree_of(S.RUNNING, S.RUNNING, S.RUNNING, S.RUNNING, S.PENDING)
    JobTrack.objects.filter(job=children[0]).update(state=TrackState.COMPLETED)
    assert job_refresh_state(children[0].id) is S.COMPLETED
    assert started(parent) == 1
    assert state_of(children[4]) == (S.PENDING, "")


def test_a_child_whose_resolving_fails_makes_room_and_the_last_one_ends_the_tree() -> None:
    parent, children = tree_of(S.PENDING, S.COMPLETED)
    tree_refresh(parent.id)
    claim = resolve_claim(children[0].id, lease_s=60)
    assert claim is not None
    resolve_failed(claim, code="release_not_found", params={})
    assert state_of(parent) == (S.PARTIAL, "releases_failed")
    parent.refresh_from_db()
    assert parent.params == {"failed": 1, "total": 2}
    assert parent.ended_at is not None


def test_a_tree_pauses_what_is_under_way_and_resumes_exactly_that() -> None:
    parent, children = tree_of(S.RUNNING, S.PENDING, S.RUNNING, S.COMPLETED, S.PENDING)
    tree_refresh(parent.id)
    job_pause(children[2].id)
    assert job_pause(parent.id) is S.PAUSED
    assert job_pause(parent.id) is S.PAUSED
    assert states(children) == [S.PAUSED, S.PAUSED, S.PAUSED, S.COMPLETED, S.PAUSED]
    assert [state_of(child)[1] for child in children[:3]] == ["paused_with_tree", "paused_with_tree", ""]
    assert desired(children[0]) == {WantDesired.PAUSED}
    tree_refresh(parent.id)
    assert states(children)[0] == S.PAUSED
    assert job_resume(parent.id) is S.RUNNING
    assert states(children) == [S.RUNNING, S.PENDING, S.PAUSED, S.COMPLETED, S.PENDING]
    assert (desired(children[0]), desired(children[2])) == ({WantDesired.ACTIVE}, {WantDesired.PAUSED})
    assert started(parent) == 2


def test_a_child_paused_by_hand_while_the_tree_is_paused_stays_paused() -> None:
    parent, children = tree_of(S.RUNNING, S.RUNNING)
    job_pause(parent.id)
    job_pause(children[0].id)
    job_resume(parent.id)
    assert states(children) == [S.PAUSED, S.RUNNING]


def test_a_tree_of_which_only_paused_children_are_left_says_so_and_goes_on_with_one() -> None:
    parent, children = tree_of(S.COMPLETED, S.RUNNING)
    job_pause(children[1].id)
    assert state_of(parent) == (S.RUNNING, "children_paused")
    job_resume(children[1].id)
    assert state_of(parent) == (S.RUNNING, "")


def test_a_child_resumed_while_all_turns_are_taken_waits_for_one() -> None:
    parent, children = tree_of(*[S.RUNNING] * 5, S.PENDING)
    job_pause(children[4].id)
    assert job_resume(children[4].id) is S.PAUSED
    assert state_of(children[4]) == (S.PAUSED, "waits_for_turn")
    assert desired(children[4]) == {WantDesired.PAUSED}
    job_cancel(children[0].id)
    assert state_of(children[4]) == (S.RUNNING, "")
    assert desired(children[4]) == {WantDesired.ACTIVE}
    assert state_of(children[5])[0] == S.PENDING
    assert started(parent) == 0


def test_a_child_resumed_in_a_paused_tree_comes_with_the_tree() -> None:
    parent, children = tree_of(S.RUNNING, S.RUNNING)
    job_pause(parent.id)
    job_resume(children[0].id)
    assert state_of(children[0]) == (S.PAUSED, "waits_for_turn")
    job_resume(parent.id)
    assert states(children) == [S.RUNNING, S.RUNNING]


def test_cancelling_a_tree_cancels_all_that_has_not_ended() -> None:
    parent, children = tree_of(S.COMPLETED, S.RUNNING, S.PENDING, S.FAILED)
    assert job_cancel(parent.id) is S.CANCELLED
    assert job_cancel(parent.id) is S.CANCELLED
    assert states(children) == [S.COMPLETED, S.CANCELLED, S.CANCELLED, S.FAILED]
    assert state_of(children[1]) == (S.CANCELLED, "cancelled_with_tree")
    assert desired(children[1]) == {WantDesired.CANCELLED}
    assert set(children[1].tracks.values_list("state", flat=True)) == {TrackState.CANCELLED}
    with pytest.raises(DomainError):
        job_pause(parent.id)


def test_retrying_a_tree_retries_what_failed_in_turns() -> None:
    parent, children = tree_of(S.COMPLETED, *[S.PARTIAL] * 5, S.FAILED, state=S.PARTIAL)
    assert job_retry(parent.id) is S.RUNNING
    assert states(children) == [S.COMPLETED, *[S.RUNNING] * 4, S.PAUSED, S.PENDING]
    assert state_of(children[5]) == (S.PAUSED, "waits_for_turn")
    assert state_of(children[6]) == (S.PENDING, "waits_for_turn")
    first = list(children[1].tracks.values_list("state", flat=True))
    assert first == [TrackState.COMPLETED, TrackState.WANTED]
    assert desired(children[1]) == {WantDesired.SATISFIED, WantDesired.ACTIVE}
    assert desired(children[5]) == {WantDesired.SATISFIED, WantDesired.PAUSED}
    with pytest.raises(DomainError) as refused:
        job_retry(parent.id)
    assert refused.value.code == "job_not_retryable"


def test_retrying_a_cancelled_tree_leaves_what_was_cancelled_by_hand() -> None:
    parent, children = tree_of(S.RUNNING, S.RUNNING)
    job_cancel(children[0].id)
    job_cancel(parent.id)
    assert job_retry(parent.id) is S.RUNNING
    assert states(children) == [S.CANCELLED, S.RUNNING]


def test_a_tree_that_is_complete_can_not_be_retried() -> None:
    parent, _ = tree_of(S.COMPLETED)
    assert tree_refresh(parent.id) is S.COMPLETED
    with pytest.raises(DomainError) as refused:
        job_retry(parent.id)
    assert refused.value.code == "job_not_retryable"


@pytest.mark.parametrize("ended", [S.PARTIAL, S.CANCELLED, S.FAILED])
def test_a_child_that_is_retried_brings_its_ended_tree_back(ended: JobState) -> None:
    parent, children = tree_of(S.PARTIAL, S.CANCELLED, state=ended)
    job_retry(children[0].id)
    assert state_of(parent)[0] == S.RUNNING
    parent.refresh_from_db()
    assert parent.ended_at is None
    JobTrack.objects.filter(job=children[0]).update(state=TrackState.COMPLETED)
    job_refresh_state(children[0].id)
    assert state_of(parent) == (S.PARTIAL, "releases_failed")


def test_cancelling_the_last_open_child_ends_the_tree() -> None:
    parent, children = tree_of(S.RUNNING)
    job_cancel(children[0].id)
    assert state_of(parent) == (S.CANCELLED, "releases_cancelled")


def test_the_sweep_finds_ended_starving_and_woken_trees_and_nothing_else() -> None:
    over, _ = tree_of(S.COMPLETED)
    starving, _ = tree_of(S.RUNNING, S.PENDING)
    woken, children = tree_of(S.PENDING, state=S.PARTIAL)
    Job.objects.filter(id=children[0].id).update(next_step_at="2026-01-01T00:00:00Z")
    tree_of(*[S.RUNNING] * 4, S.PENDING)
    tree_of(S.PENDING, state=S.PAUSED)
    tree_of(expanded=False, state=S.PENDING)
    assert tracks_put_right() == 0
    assert trees_put_right() == 3
    assert trees_put_right() == 0
    assert (state_of(over)[0], state_of(woken)[0], started(starving)) == (S.COMPLETED, S.RUNNING, 1)


def test_figures_of_many_trees_take_three_queries() -> None:
    trees = [tree_of(S.COMPLETED, S.PARTIAL, S.RUNNING, S.PENDING)[0] for _ in range(5)]
    for parent in trees:
        unresolved = parent.children.get(state=S.PENDING)
        for at, (state, child) in enumerate(
            (("wanted", unresolved), ("wanted", None), ("held", None), ("omitted", None))
        ):
            PlannedRelease.objects.create(
                job=parent, position=at, release_mbid=an_id(parent.id, at), title="x", track_count=10, state=state,
                child=child,
            )  # fmt: skip
    with CaptureQueriesContext(connection) as asked:
        figures = tree_figures([parent.id for parent in trees])
    assert len(asked) == 3
    assert set(figures.values()) == {
        TreeFigures(
            releases_total=5,
            releases_completed=1,
            releases_failed=1,
            releases_running=1,
            releases_held=1,
            releases_omitted=1,
            tracks_total=26,
            tracks_completed=3,
            tracks_failed=1,
        )
    }
    assert tree_figures([]) == {}
    lonely = uuid.uuid4()
    assert tree_figures([lonely]) == {lonely: TreeFigures()}


def test_the_plan_comes_in_pages_with_one_query_each() -> None:
    parent, children = tree_of(S.RUNNING)
    for at in range(5):
        PlannedRelease.objects.create(
            job=parent, position=at, release_mbid=an_id(at), title=f"t{at}", child=children[0] if at == 0 else None
        )
    with CaptureQueriesContext(connection) as asked:
        first = planned_page(parent.id, limit=3)
    assert len(asked) == 1
    assert [line.title for line in first.items] == ["t0", "t1", "t2"]
    assert (first.items[0].child_id, first.items[0].child_state) == (children[0].id, "running")
    rest = planned_page(parent.id, limit=3, cursor=first.next_cursor)
    assert [line.title for line in rest.items] == ["t3", "t4"]


def test_cancelling_and_retrying_five_hundred_children_takes_few_queries() -> None:
    parent, _ = tree_of(*[S.PENDING] * 500)
    tracks_of(parent.children.first())  # type: ignore[arg-type]
    with CaptureQueriesContext(connection) as cancelled:
        job_cancel(parent.id)
    with CaptureQueriesContext(connection) as retried:
        job_retry(parent.id)
    assert len(cancelled) < 30
    assert len(retried) < 50
    assert parent.children.filter(state=S.PENDING).count() == 499


def test_an_import_makes_a_tree_with_its_own_ids_and_children_that_wait_until_it_is_adopted() -> None:
    old, new = uuid.uuid4(), uuid.uuid4()
    made = job_create(kind="discography", target_mbid=ARTIST.mbid, job_id=new, imported_from=old)
    assert made.id == new
    child = job_create(kind="mb_release", target_mbid=an_id("a"), parent_id=new)
    assert state_of(Job.objects.get(id=child.id)) == (S.PENDING, "waits_for_turn")
    assert jobs_waiting() == []
    with pytest.raises(DomainError) as taken:
        job_create(kind="discography", target_mbid=ARTIST.mbid, job_id=new)
    assert taken.value.code == "job_id_taken"
    with pytest.raises(DomainError) as twice:
        job_create(kind="mb_release", target_mbid=an_id("a"), parent_id=new)
    assert twice.value.code == "job_child_exists"
    with pytest.raises(DomainError) as below:
        job_create(kind="mb_release", target_mbid=an_id("b"), parent_id=child.id)
    assert below.value.code == "job_parent_invalid"
    assert tree_adopt(new) is S.RUNNING
    assert [step.id for step in jobs_waiting()] == [child.id]
    with pytest.raises(DomainError):
        tree_adopt(new)
