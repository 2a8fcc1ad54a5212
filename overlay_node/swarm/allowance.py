"""How many more bytes of one transfer may be asked of peers: the guardrails of a rescue, as a budget like every other."""

from __future__ import annotations


class Allowance:
    """A `Budget`. Mutable: whoever judges sets `left`, every request takes from it."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left: float | None = None
        """bytes; None: as many as there are"""

    @property
    def spent(self) -> bool:
        """Nothing may be asked for now."""
        return self.left is not None and self.left <= 0

    def level(self, now: float) -> float:
        """Bytes at hand."""
        return float("inf") if self.left is None else self.left

    def take_debt(self, now: float, amount: float) -> None:
        """Take bytes, even below zero."""
        if self.left is not None:
            self.left -= amount
