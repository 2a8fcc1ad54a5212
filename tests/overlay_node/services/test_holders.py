"""Who claims which payload: what is forgotten when a stranger claims without end."""

from __future__ import annotations

from overlay_node.services.holders import Holders
from overlay_node.swarm.choice import PayloadKey


def key(number: int) -> PayloadKey:
    return PayloadKey("flac", number.to_bytes(32, "big"))


def test_who_claims_without_end_pushes_out_only_its_own() -> None:
    holders = Holders(limit=10)
    for number in range(4):
        holders.add(key(number), "honest")
    for number in range(1000):
        holders.add(key(number), "liar")
    assert holders.claimed_by("honest") == [key(number) for number in range(4)]
    assert holders.claimed_by("liar") == [key(number) for number in range(994, 1000)]
    assert holders.of(key(0)) == ("honest",)
    assert holders.of(key(999)) == ("liar",)
    assert len(holders) == 10


def test_claiming_the_same_again_costs_nothing() -> None:
    holders = Holders(limit=2)
    for _ in range(5):
        holders.add(key(1), "a")
        holders.add(key(1), "b")
    assert holders.of(key(1)) == ("a", "b")
    assert len(holders) == 2


def test_nothing_is_left_of_who_lost_its_last() -> None:
    holders = Holders(limit=1)
    holders.add(key(1), "a")
    holders.add(key(2), "b")
    assert holders.of(key(1)) == ()
    assert holders.claimed_by("a") == []
    assert holders.of(key(2)) == ("b",)
