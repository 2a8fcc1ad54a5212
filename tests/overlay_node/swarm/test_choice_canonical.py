"""Download modes and the file to beat: what a job may have of what is on offer, what it waits for, and what it says meanwhile."""

from __future__ import annotations

import pytest

from apps.domain.jobs.constraints import Constraints
from overlay_node.swarm.choice import (
    CanonicalTarget,
    KnownPayload,
    NoChoice,
    PayloadClaim,
    PayloadKey,
    candidates_of,
    canonical_target,
)

FLAC, HIRES, MP3 = "flac-16-44100-2", "flac-24-96000-2", "mp3-320-44100-2"
NO_TRANSCODES, CANONICAL = Constraints(download_mode="no-transcodes"), Constraints(download_mode="canonical")


def key(name: str) -> PayloadKey:
    return PayloadKey("flac", name.encode().ljust(32, b"-"))


def says(peer: str, name: str, profile: str = FLAC, **more: object) -> PayloadClaim:
    facts = {fact: value for fact, value in more.items() if fact in ("suspect", "quality_milli")}
    given = {fact: value for fact, value in more.items() if fact not in facts}
    return PayloadClaim(
        peer=peer, group=f"g-{peer}", key=key(name), profile=profile, payload_bytes=10_000_000, facts=facts, **given
    )  # type: ignore[arg-type]


def choice(
    claims: list[PayloadClaim], wishes: Constraints, *, known: dict[PayloadKey, KnownPayload] | None = None,
    linked: set[str] | None = None,
) -> tuple[list[str], NoChoice | None]:  # fmt: skip
    target = canonical_target(claims, constraints=wishes, known=known)
    here = [one for one in claims if linked is None or one.peer in linked]
    found, why = candidates_of(here, constraints=wishes, denied=frozenset(), known=known, target=target)
    return [one.key.payload_root.rstrip(b"-").decode() for one in found], why


def test_any_takes_a_suspect_when_there_is_nothing_else_and_an_honest_lossy_file_before_it() -> None:
    assert choice([says("a", "fake", suspect=1)], Constraints()) == (["fake"], None)
    assert choice([says("a", "fake", suspect=1), says("b", "lossy", MP3)], Constraints()) == (["lossy", "fake"], None)


@pytest.mark.parametrize("wishes", [NO_TRANSCODES, CANONICAL])
def test_what_most_groups_call_a_transcode_is_never_fetched(wishes: Constraints) -> None:
    told = [says("a", "fake", suspect=1), says("b", "fake", suspect=1), says("c", "fake", suspect=0)]
    assert choice(told, wishes) == ([], NoChoice.ONLY_TRANSCODES)


def test_what_was_measured_here_overrules_what_is_told_of_a_transcode() -> None:
    told = [says("a", "fine", suspect=1), says("b", "fine", suspect=1)]
    assert choice(told, NO_TRANSCODES, known={key("fine"): KnownPayload(key=key("fine"), suspect=False)})[0] == ["fine"]
    silent = [says("a", "fake")]
    known = {key("fake"): KnownPayload(key=key("fake"), suspect=True)}
    assert choice(silent, NO_TRANSCODES, known=known) == ([], NoChoice.ONLY_TRANSCODES)


def test_only_what_beats_the_held_file_is_fetched() -> None:
    better = Constraints(better_than=0.65, min_improvement=0.1)
    assert choice([says("a", "same", MP3)], better) == ([], NoChoice.NOTHING_BETTER)
    assert choice([says("a", "same", MP3), says("b", "whole")], better) == (["whole"], None)
    assert choice([says("a", "poor", quality_milli=600)], better) == ([], NoChoice.NOTHING_BETTER)


def test_a_peer_that_praises_a_lossy_file_beyond_what_one_can_be_is_not_believed() -> None:
    better = Constraints(better_than=0.7, min_improvement=0.1)
    assert choice([says("a", "praised", MP3, quality_milli=1000)], better) == ([], NoChoice.NOTHING_BETTER)


def test_the_job_waits_for_the_canonical_variant_while_its_holders_are_away() -> None:
    claims = [says("away", "whole"), says("away2", "whole"), says("here", "lossy", MP3)]
    assert choice(claims, CANONICAL, linked={"here"}) == ([], NoChoice.NOT_CANONICAL)
    assert choice(claims, CANONICAL, linked={"here", "away"}) == (["whole"], None)
    assert choice(claims, Constraints(), linked={"here"}) == (["lossy"], None)


def test_another_payload_that_is_as_good_as_the_canonical_one_is_taken() -> None:
    claims = [says("away", "whole"), says("away2", "whole"), says("here", "other"), says("there", "finer", HIRES)]
    assert choice(claims, CANONICAL, linked={"here"}) == (["other"], None)
    assert choice(claims, CANONICAL, linked={"there"}) == (["finer"], None)


def test_one_who_praises_its_own_copy_makes_nobody_wait() -> None:
    claims = [
        says("liar", "rare", HIRES, quality_milli=1000),
        *(says(f"p{n}", "whole", quality_milli=930) for n in range(5)),
    ]
    target = canonical_target(claims, constraints=CANONICAL)
    assert target == CanonicalTarget(profile=FLAC, quality=0.93, groups=5)
    assert choice(claims, CANONICAL, linked={"p1"}) == (["whole"], None)


def test_a_suspect_is_never_the_canonical_variant_however_many_have_it() -> None:
    claims = [*(says(f"p{n}", "fake", suspect=1) for n in range(9)), says("a", "lossy", MP3)]
    target = canonical_target(claims, constraints=CANONICAL)
    assert target is not None
    assert target.profile == MP3
    assert choice(claims, CANONICAL) == (["lossy"], None)


def test_the_profile_that_statistics_named_counts_before_any_claim_is_heard() -> None:
    wishes = Constraints(download_mode="canonical", target_profile=FLAC)
    assert choice([says("a", "lossy", MP3)], wishes) == ([], NoChoice.NOT_CANONICAL)
    assert choice([says("a", "whole")], wishes) == (["whole"], None)


def test_preferring_the_canonical_variant_orders_and_never_forbids() -> None:
    claims = [says("a", "poor", quality_milli=700), *(says(f"p{n}", "whole", quality_milli=950) for n in range(3))]
    fast = [says("a", "poor", quality_milli=700, speed_bps=1e9), *claims[1:]]
    assert choice(fast, Constraints(prefer_canonical=True))[0] == ["whole", "poor"]
    assert choice([claims[0]], Constraints(prefer_canonical=True), linked={"a"})[0] == ["poor"]


def test_without_the_preference_the_canonical_variant_decides_nothing() -> None:
    claims = [says("a", "poor", MP3), says("b", "fine")]
    target = canonical_target(claims, constraints=Constraints(prefer_canonical=False))
    found, _ = candidates_of(claims, constraints=Constraints(prefer_canonical=False), denied=frozenset(), target=target)
    assert {one.terms.canonical for one in found} == {True}
