"""Policies by name: the product's, and what others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.session import SwarmSession

PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy and how a session gets it."""

    name: str
    about: str
    make: Callable[[PayloadKey, int], SwarmSession]

    def session(self, key: PayloadKey, *, seed: int) -> SwarmSession:
        """A session of one payload with this policy."""
        return self.make(key, seed)


def _product(key: PayloadKey, _seed: int) -> SwarmSession:
    return SwarmSession(key)


POLICIES = {one.name: one for one in (NamedPolicy(PRODUCT, "what slskdn does", _product),)}


def policy_named(name: str) -> NamedPolicy:
    """KeyError when there is none."""
    return POLICIES[name]


BASELINES: tuple[str, ...] = tuple(name for name in POLICIES if name != PRODUCT)
