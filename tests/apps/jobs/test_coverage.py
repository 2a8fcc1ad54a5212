"""An artist's coverage: what is held, wanted and missing, in a fixed number of queries, over pages of a thousand groups."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common.pagination import CursorInvalid
from apps.domain.catalog.coverage import GroupCover, TrackCover
from apps.domain.jobs.selection import Selection
from apps.jobs.models import Job, JobTrack
from apps.jobs.selectors_coverage import CoveragePage, coverage_page
from tests.apps.jobs.tree_rows import ARTIST, an_id, graph_store, group_of, hold, tracklist_store

pytestmark = pytest.mark.django_db


def page(**given: object) -> CoveragePage:
    return coverage_page(ARTIST.mbid, given.pop("selection", Selection()), **given)  # type: ignore[arg-type]


def test_nothing_known_is_an_empty_page() -> None:
    found = coverage_page(uuid.uuid4(), Selection(profile="all"))
    assert (found.groups, found.total, found.next_cursor, found.previous_cursor) == ((), 0, None, None)


def test_tracks_are_held_wanted_or_missing() -> None:
    group = group_of(0)
    graph_store([group], editions=1)
    release = an_id("release", 0, 0)
    tracklist_store(group, release)
    hold(release, tracks=3)
    job = Job.objects.create(kind="recording", target_mbid=an_id("recording", release, 4), state="running")
    JobTrack.objects.create(job=job, position=1, title="x", recording_mbid=an_id("recording", release, 4))
    (found,) = page().groups
    assert [track.state for track in found.tracks] == [
        *[TrackCover.HELD] * 3,
        TrackCover.WANTED,
        *[TrackCover.MISSING] * 6,
    ]
    assert (found.state, found.held, found.track_count, found.release_mbid) == (GroupCover.WANTED, 3, 10, release)
    assert not found.askable


def test_without_a_tracklist_files_in_the_release_s_places_count() -> None:
    graph_store([group_of(0), group_of(1)], editions=1)
    hold(an_id("release", 0, 0), tracks=10)
    hold(an_id("release", 1, 0), tracks=4)
    found = page()
    assert [(one.state, one.held, one.tracks) for one in found.groups] == [
        (GroupCover.COMPLETE, 10, ()),
        (GroupCover.PART, 4, ()),
    ]
    assert (found.total, found.complete, found.begun) == (2, 1, 1)
    assert [one.askable for one in found.groups] == [False, True]
    assert [one.title for one in page(only_missing=True).groups] == ["Album 0001"]


def test_an_edition_that_is_asked_for_is_wanted_and_links_its_job() -> None:
    graph_store([group_of(0)], editions=2)
    job = Job.objects.create(kind="mb_release", target_mbid=an_id("release", 0, 0), state="pending")
    (found,) = page().groups
    assert (found.state, found.job_id, found.counts[TrackCover.WANTED]) == (GroupCover.WANTED, job.id, 10)


def test_the_profile_filters_and_a_group_without_an_edition_says_why() -> None:
    graph_store([group_of(0), group_of(1, kind="Single"), group_of(2, secondary=["Live"])])
    assert [one.title for one in page().groups] == ["Album 0000"]
    assert [one.title for one in page(selection=Selection(exclude_live=False)).groups] == ["Album 0000", "Album 0002"]
    everything = page(selection=Selection(profile="all", countries=("JP",), only_countries=True)).groups
    assert {(one.state, one.reason) for one in everything} == {(GroupCover.NO_EDITION, "no_edition_in_countries")}
    assert page(selection=Selection(profile="extended")).total == 1


def test_pages_go_forth_and_back_and_lose_nothing() -> None:
    graph_store([group_of(at) for at in range(30)], editions=1)
    titles: list[str] = []
    found = page(limit=12)
    while True:
        titles += [one.title for one in found.groups]
        if found.next_cursor is None:
            break
        found = page(limit=12, cursor=found.next_cursor)
    assert sorted(titles) == [f"Album {at:04}" for at in range(30)]
    assert len(set(titles)) == 30
    before = page(limit=12, cursor=found.previous_cursor)
    assert [one.title for one in before.groups] == titles[12:24]
    assert [one.title for one in page(limit=12, cursor=before.previous_cursor).groups] == titles[:12]


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJhIiwgImIiXQ", "\udcff", "bnVsbA"])
def test_a_strange_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        page(cursor=cursor)


@pytest.mark.parametrize("groups", [0, 1, 40])
def test_a_page_takes_a_fixed_number_of_queries(groups: int) -> None:
    details = [group_of(at) for at in range(groups)]
    graph_store(details, editions=3)
    for at, group in enumerate(details[:20]):
        tracklist_store(group, an_id("release", at, 1))
        hold(an_id("release", at, 1), tracks=5)
    with CaptureQueriesContext(connection) as asked:
        page(limit=12)
    assert len(asked) <= 18
