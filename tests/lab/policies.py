"""Policies by name: the product's, and what others do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from overlay_node.swarm.actions import Manifest
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.session import SwarmSession

NewSession: TypeAlias = Callable[[Manifest | None, Iterable[int]], SwarmSession]
"""(manifest and leaves that are held already) -> a session of one payload"""
SessionMaker: TypeAlias = Callable[[PayloadKey, int, float], NewSession]
"""(payload, seed, the node's time) -> how to make its sessions"""

PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy and how a session gets it."""

    name: str
    about: str
    sessions: SessionMaker


def _product(key: PayloadKey, _seed: int, _now: float) -> NewSession:
    return lambda manifest, held: SwarmSession(key, manifest=manifest, held=held)


POLICIES = {one.name: one for one in (NamedPolicy(PRODUCT, "what slskdn does", _product),)}
BASELINES: tuple[str, ...] = tuple(name for name in POLICIES if name != PRODUCT)
