"""A label's crate: one edition of each group, the popular ones first."""

from __future__ import annotations

from apps.domain.catalog.crate import crate
from apps.domain.catalog.discography import Filters
from apps.domain.jobs.plan import crate_plan
from tests.apps.jobs.tree_rows import editions_of, group_of


def test_a_crate_takes_one_edition_a_group_and_orders_by_popularity_then_weight() -> None:
    groups = [group_of(0, kind="Single"), group_of(1), group_of(2, kind="EP")]
    releases = [one for at, group in enumerate(groups) for one in editions_of(group, at)]
    picks, omitted = crate(releases, popularity={releases[4].mbid: 3.0}, filters=Filters())
    assert [pick.group.title if pick.group else "" for pick in picks] == ["Album 0002", "Album 0001", "Album 0000"]
    assert not omitted
    assert picks[0].recommended and picks[1].recommended and not picks[2].recommended


def test_of_a_group_the_edition_that_the_mesh_has_is_taken_unless_another_is_held_or_asked_for() -> None:
    gb, us = editions_of(group_of(1), 1)
    mesh = {us.mbid: 2.0}

    def taken(**given: object) -> tuple[object, str]:
        (pick,), _ = crate([gb, us], **{"popularity": mesh, "filters": Filters(), **given})  # type: ignore[arg-type]
        return pick.release.mbid, pick.reason

    usual = crate([gb, us], popularity={}, filters=Filters())[0][0].release.mbid
    assert {taken(popularity={one.mbid: 2.0})[0] for one in (gb, us)} == {gb.mbid, us.mbid}
    assert usual in {gb.mbid, us.mbid}
    assert taken() == (us.mbid, "edition_popular")
    assert taken(held={gb.mbid}) == (gb.mbid, "edition_held")
    assert taken(filters=Filters(countries=("GB",))) == (gb.mbid, "edition_country")
    assert taken(filters=Filters(countries=("GB",), only_countries=True))[0] == gb.mbid


def test_studio_albums_only_leaves_out_the_rest_and_says_so() -> None:
    groups = [group_of(0, kind="Single"), group_of(1), group_of(2, secondary=["Live"])]
    releases = [one for at, group in enumerate(groups) for one in editions_of(group, at)]
    picks, omitted = crate(releases, popularity={}, filters=Filters(), studio_only=True)
    assert [pick.release.title for pick in picks] == ["Album 0001"]
    assert {one.code for one in omitted} == {"not_studio"}


def test_the_limit_leaves_out_the_last_ones_and_held_ones_count() -> None:
    groups = [group_of(at) for at in range(4)]
    releases = [one for at, group in enumerate(groups) for one in editions_of(group, at, count=1)]
    picks, omitted = crate(releases, popularity={}, filters=Filters())
    lines = crate_plan(picks, omitted, held={picks[0].release.mbid}, limit=2)
    assert [(line.state, line.reason) for line in lines] == [
        ("held", "held_in_full"),
        ("wanted", "edition_only"),
        ("omitted", "beyond_limit"),
        ("omitted", "beyond_limit"),
    ]
    assert [line.position for line in lines] == [0, 1, 2, 3]


def test_nothing_makes_an_empty_crate() -> None:
    assert crate([], popularity={}, filters=Filters()) == ((), ())
