"""How a state looks on a page."""

from __future__ import annotations

from dataclasses import dataclass

from apps.common.sentences import Words


@dataclass(frozen=True, slots=True)
class Look:
    """A chip: a word, an icon and a tone. Never a colour alone."""

    label: Words
    icon: str
    tone: str
