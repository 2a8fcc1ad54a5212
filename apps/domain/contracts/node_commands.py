"""What the control plane asks of the node once, and its answer: values of `NodeCommand` and `NodeCommandAnswer`. Pure.

`kind` names an errand that a part of the node registered; `payload` and `body` are JSON objects that the two of them agree on, versioned by `version`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.domain.errors import Param


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandWork:
    """A command that the node has taken. `left_s`: seconds until nobody waits for its answer any more."""

    id: uuid.UUID
    kind: str
    version: int
    payload: Mapping[str, object]
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What came of a command. `code` "": it was done, and `body` says what was found."""

    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    body: Mapping[str, object] = field(default_factory=dict)
