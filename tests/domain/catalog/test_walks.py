"""What follows a page of a list: to its end, back a little when it shrank, once more when it grew, and to an end in any case."""

from __future__ import annotations

from apps.domain.catalog.graph import Page
from apps.domain.catalog.walks import MAX_PASSES, Step, step_after


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
