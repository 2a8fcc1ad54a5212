"""Who can dial whom, and so who can be linked when. The models are those of RFC 4787, as far as they matter to TCP."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from overlay_node.protocol.limits import CONNECT_TIMEOUT_S


class Nat(StrEnum):
    """What is between a node and the world."""

    NONE = "none"
    """reachable by everybody"""
    ENDPOINT_INDEPENDENT = "endpoint_independent"
    """reachable at its mapping by everybody, while that is fresh"""
    ADDRESS_RESTRICTED = "address_restricted"
    """reachable by those it contacted itself"""
    SYMMETRIC = "symmetric"
    """another mapping for each contact: what others know of it is of no use to anybody"""
    DOUBLE = "double"
    """two in a row, the outer one not its own"""


def accepts(target: Nat, *, contacted: bool, fresh: bool) -> bool:
    """Does a dial reach `target`? `contacted`: it sent to the dialler lately. `fresh`: the mapping the dialler knows is alive."""
    match target:
        case Nat.NONE:
            return True
        case Nat.ENDPOINT_INDEPENDENT:
            return fresh
        case Nat.ADDRESS_RESTRICTED:
            return contacted and fresh
        case Nat.SYMMETRIC | Nat.DOUBLE:
            return False


@dataclass(frozen=True, slots=True)
class Meeting:
    """How a downloader and a peer come together."""

    after_s: float
    """from the peer's arrival to the dial that succeeds"""
    peer_dials: bool = False
    linked_already: bool = False
    """the link is up when it arrives: for recorded ones"""


def meeting(downloader: Nat, peer: Nat, *, stale: float, random: Random) -> Meeting | None:
    """None: they never meet. `stale`: how likely the downloader knows an old mapping at first.

    Order of things: the downloader dials what it knows; a dial into an old mapping runs into its timeout, and the address is looked up anew. A
    peer that cannot be dialled hears of the downloader and dials it some seconds later, if that can be dialled. Nobody punches holes.
    """
    fresh = random.random() >= stale
    hears_after_s = random.uniform(1.0, 5.0)
    if accepts(peer, contacted=False, fresh=fresh):
        return Meeting(0.0)
    if accepts(peer, contacted=False, fresh=True):
        return Meeting(CONNECT_TIMEOUT_S + hears_after_s / 5)
    if accepts(downloader, contacted=False, fresh=True):
        return Meeting(hears_after_s, peer_dials=True)
    return None
