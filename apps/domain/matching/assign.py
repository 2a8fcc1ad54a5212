"""Which offered track is which track of the release: the assignment of least cost, where leaving both alone is always possible.

The linear sum assignment problem on a rectangular matrix, solved by scipy's `linear_sum_assignment` (D. F. Crouse, "On implementing 2D rectangular
assignment algorithms", 2016, the shortest augmenting path algorithm of Jonker and Volgenant).

A pair costs REFUSED at most: what two tracks cost that stay alone, one missing and one extra. Clipping at that price and leaving such pairs out gives
the same optimum as a matrix with a dummy for every track.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

MISSING: Final = 0.9
"""Cost of a track of the release that nobody offers; a misspelt one costs about 0.1."""
EXTRA: Final = 0.7
"""Cost of an offered track that the release does not have."""
REFUSED: Final = MISSING + EXTRA
UNLIKE: Final = 0.55
"""A pair's distance from which on two tracks are not the same. Unrelated tracks at the same place are at 0.6–0.9."""


def pair_cost(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A pair's distance (0..1) on the scale of MISSING and EXTRA: at UNLIKE it costs as much as two lone tracks."""
    return np.minimum(distance / UNLIKE, 1.0) * REFUSED


def assign(distance: npt.NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Pairs (row, column) of least total cost, by row; a row or column without one stays alone.

    The same matrix always gives the same pairs; callers put rows and columns in an order of their own, which settles ties.
    """
    if not distance.size:
        return ()
    # Here, not above: every process that knows the models would take 0.3 s longer to start, and few of them ever match anything.
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    cost = pair_cost(distance)
    rows, columns = linear_sum_assignment(cost)
    return tuple(
        (int(row), int(column)) for row, column in zip(rows, columns, strict=True) if cost[row, column] < REFUSED
    )
