"""The end of a list lets those trees look at once that wait for it, and nobody else; without the message they look by themselves."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from apps.catalog.models import MergedMbid, Walk
from apps.catalog.services_graph import groups_store
from apps.catalog.services_walk import walk_claim, walk_failed, walk_page
from apps.common.dispatch import TaskName
from apps.domain.catalog.graph import LabelDetail, Page
from apps.domain.catalog.identity import label_name_id
from apps.domain.catalog.walks import WalkKind, WalkState
from apps.jobs.models import Job
from apps.jobs.services import job_create
from tests.apps.jobs.tree_rows import ARTIST, LABEL, ask_discography, graph_store, group_of, walked
from tests.workers.test_expanding import due
from workers import walk_step
from workers.expanding import expand

pytestmark = pytest.mark.django_db(transaction=True)

Sent = list[tuple[str, ...]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What is sent to the broker; the end of a walk is worked on at once."""
    found: Sent = []

    def send(name: str, args: tuple[str, ...], **_more: object) -> None:
        found.append((name, *map(str, args)))
        if name == TaskName.WALK_ENDED:
            walk_step.walk_ended(*args)

    monkeypatch.setattr("apps.common.dispatch.current_app.send_task", send)
    return found


def waiting(job_id: uuid.UUID, code: str) -> uuid.UUID:
    expand(job_id, labels_found=lambda _words: [LabelDetail(mbid=LABEL.mbid, name=LABEL.name)])
    assert Job.objects.get(id=job_id).code == code
    assert not is_due(job_id)
    return job_id


def is_due(job_id: uuid.UUID) -> bool:
    at = Job.objects.get(id=job_id).next_step_at
    return at is not None and at <= timezone.now()


def end(kind: WalkKind, mbid: uuid.UUID, *, failed: bool = False) -> None:
    """As the worker that reads its last page."""
    walk = Walk.objects.get(kind=kind, mbid=mbid)
    claim = walk_claim(walk.id, lease_s=60)
    assert claim is not None
    if failed:
        assert walk_failed(claim, code="artist_not_found", params={})
    else:
        assert walk_page(claim, Page(0, 0, 0), ()) is None


def test_the_last_of_an_artists_lists_wakes_the_trees_that_wait_for_it_and_no_other(sent: Sent) -> None:
    ours, also = waiting(ask_discography(), "graph_walking"), waiting(ask_discography(), "graph_walking")
    other = waiting(job_create(kind="discography", target_mbid=uuid.uuid4()).id, "graph_walking")
    sent.clear()
    end(WalkKind.ARTIST_GROUPS, ARTIST.mbid)
    assert not is_due(ours), "the other list is still read"
    end(WalkKind.ARTIST_RELEASES, ARTIST.mbid)
    assert (is_due(ours), is_due(also), is_due(other)) == (True, True, False)
    woken = {one for one in sent if one[0] == TaskName.EXPAND_JOB}
    assert woken == {(TaskName.EXPAND_JOB, str(one)) for one in (ours, also)}


def test_a_list_that_failed_is_at_its_end_too(sent: Sent) -> None:
    job_id = waiting(ask_discography(), "graph_walking")
    end(WalkKind.ARTIST_GROUPS, ARTIST.mbid)
    end(WalkKind.ARTIST_RELEASES, ARTIST.mbid, failed=True)
    assert is_due(job_id)


def test_a_crate_that_knows_its_label_by_name_is_woken(sent: Sent) -> None:
    by_name = {"target_source": "name", "target_ref": LABEL.name}
    job_id = job_create(kind="label_crate", target_mbid=label_name_id(LABEL.name), **by_name).id  # type: ignore[arg-type]
    waiting(job_id, "graph_walking")
    end(WalkKind.LABEL_RELEASES, LABEL.mbid)
    assert is_due(job_id)


def test_who_asked_for_an_artist_that_was_merged_meanwhile_is_woken(sent: Sent) -> None:
    old = uuid.uuid4()
    job_id = waiting(job_create(kind="discography", target_mbid=old).id, "graph_walking")
    MergedMbid.objects.create(kind="artist", old=old, mbid=ARTIST.mbid)
    Walk.objects.update(mbid=ARTIST.mbid)
    for kind in (WalkKind.ARTIST_GROUPS, WalkKind.ARTIST_RELEASES):
        end(kind, ARTIST.mbid)
    assert is_due(job_id)


def test_the_last_of_the_groups_lists_wakes_a_plan_that_waits_for_editions(sent: Sent) -> None:
    graph_store([])
    groups_store([group_of(1), group_of(2)])
    job_id = waiting(ask_discography(), "editions_walking")
    first, last = group_of(1).facts.mbid, group_of(2).facts.mbid
    end(WalkKind.GROUP_RELEASES, first)
    assert not is_due(job_id)
    end(WalkKind.GROUP_RELEASES, last)
    assert is_due(job_id)


def test_without_the_message_it_looks_by_itself() -> None:
    job_id = waiting(ask_discography(), "graph_walking")
    for kind in (WalkKind.ARTIST_GROUPS, WalkKind.ARTIST_RELEASES):
        walked(kind, ARTIST.mbid)
    assert Walk.objects.filter(state=WalkState.DONE).count() == 2
    due(job_id)
    expand(job_id, labels_found=lambda _words: [])
    assert Job.objects.get(id=job_id).expanded_at is not None
