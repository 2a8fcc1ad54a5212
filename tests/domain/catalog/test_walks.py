"""What follows a page of a list: to its end, back a little when it shrank, once more when it grew, and to an end in any case."""

from __future__ import annotations

from apps.domain.catalog.graph import Page
from apps.domain.catalog.walks import LIST_UNSTEADY, MAX_PASSES, Step, WalkKind, missing_of, step_after


def walked(lengths: list[int], *, limit: int = 100) -> tuple[list[tuple[int, int]], Step]:
    """The (offset, taken) of every page of a list that has these lengths at each request; the last one stays."""
    pages: list[tuple[int, int]] = []
    step: Step | None = None
    for number in range(200):
        offset = step.taken if step else 0
        length = lengths[min(number, len(lengths) - 1)]
        taken = max(0, min(limit, length - offset))
        pages.append((offset, taken))
        step = step_after(Page(taken, length, 0), offset=offset, before=step)
        if step.done:
            return pages, step
    raise AssertionError("no end")


def test_a_list_is_read_to_its_end() -> None:
    pages, end = walked([250])
    assert pages == [(0, 100), (100, 100), (200, 50)]
    assert (end.taken, end.total, end.moved, end.passes) == (250, 250, False, 0)


def test_a_list_that_gives_less_than_it_promised_lacks_the_rest() -> None:
    end = step_after(Page(0, 49, 0), offset=25, before=Step(taken=25, total=49))
    assert missing_of(WalkKind.ARTIST_GROUPS, end, before=None, unreadable=1) == (
        "artist_groups_incomplete", {"read": 24, "total": 49, "unreadable": 1},
    )  # fmt: skip


def test_a_list_whose_promise_flaps_lacks_what_it_promised_last() -> None:
    """49 are promised, 25 come, and then there were never more than 25."""
    step, before = None, None
    for _ in range(MAX_PASSES):
        before = step_after(Page(25, 49, 0), offset=0, before=step)
        step = step_after(Page(0, 25, 0), offset=25, before=before)
    assert step is not None and step.done
    code, params = missing_of(WalkKind.ARTIST_GROUPS, step, before=before, unreadable=0)
    assert (code, params["read"], params["total"]) == ("artist_groups_incomplete", 25, 49)


def test_a_list_that_grows_on_and_on_is_unsteady_and_a_whole_one_lacks_nothing() -> None:
    _, end = walked([101 + 50 * at for at in range(40)])
    assert missing_of(WalkKind.LABEL_RELEASES, end, before=None, unreadable=0)[0] == LIST_UNSTEADY
    for lengths in ([250], [250, 247], [0], [150, 250, 250]):
        _, end = walked(lengths)
        assert missing_of(WalkKind.LABEL_RELEASES, end, before=None, unreadable=0) == ("", {})


def test_an_empty_list_is_one_page() -> None:
    assert walked([0]) == ([(0, 0)], Step(taken=0, total=0, done=True))


def test_a_list_that_shrank_is_read_from_a_place_before() -> None:
    pages, end = walked([250, 247])
    assert pages == [(0, 100), (100, 100), (197, 50)]
    assert (end.taken, end.moved, end.again) == (247, True, False)


def test_a_list_that_grew_is_read_once_more() -> None:
    pages, end = walked([250, 251])
    assert pages == [(0, 100), (100, 100), (200, 51), (0, 100), (100, 100), (200, 51)]
    assert (end.passes, end.moved, end.taken) == (1, False, 251)


def test_a_list_that_shrank_by_more_than_half_a_page_is_read_once_more() -> None:
    pages, end = walked([500, 400])
    assert pages[:3] == [(0, 100), (100, 100), (150, 100)]
    assert end.passes == 1
    assert end.taken == 400


def test_servers_that_disagree_are_read_to_an_end() -> None:
    pages, end = walked([1000, 100] * 100)
    assert end.done
    assert len(pages) < 60
    assert end.passes < MAX_PASSES
    grows = [250 + number for number in range(200)]
    pages, end = walked(grows)
    assert end.passes == MAX_PASSES - 1
    assert len(pages) <= 4 * MAX_PASSES


def test_an_empty_page_ends_a_list_whatever_its_total_claims() -> None:
    step = step_after(Page(25, 49, 0), offset=0, before=None)
    assert not step.done
    end = step_after(Page(0, 49, 0), offset=25, before=step)
    assert (end.done, end.taken, end.total) == (True, 25, 49)
