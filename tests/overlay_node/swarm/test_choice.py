"""Which payload is chosen, and why."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.jobs.constraints import Constraints
from overlay_node.swarm.choice import (
    TERMS,
    Candidate,
    KnownPayload,
    NoChoice,
    PayloadClaim,
    PayloadKey,
    Proof,
    candidates_of,
    expected_s,
    explain,
)

FLAC, HIGH, MP3 = "flac-16-44100-2", "flac-24-96000-2", "mp3-320-44100-2"


def claim(peer: str, root: str, profile: str = FLAC, **changes: object) -> PayloadClaim:
    given: dict[str, object] = {
        "peer": peer,
        "group": f"group of {peer}",
        "key": PayloadKey(profile.partition("-")[0], root.encode().ljust(32)),
        "profile": profile,
        "payload_bytes": 1000,
    }
    return PayloadClaim(**{**given, **changes})  # type: ignore[arg-type]


def chosen(*claims: PayloadClaim, **options: object) -> tuple[list[str], NoChoice | None]:
    given: dict[str, object] = {"constraints": Constraints(), "denied": frozenset()}
    found, why = candidates_of(claims, **{**given, **options})  # type: ignore[arg-type]
    return [one.key.payload_root.decode().strip() for one in found], why


def test_lossless_wins_over_more_lossy_sources() -> None:
    assert chosen(claim("a", "m", MP3), claim("b", "m", MP3), claim("c", "f")) == (["f", "m"], None)


def test_more_groups_win_over_more_peers_of_one_group() -> None:
    crowd = [claim(f"p{number}", "crowd", group="one") for number in range(5)]
    assert chosen(*crowd, claim("a", "wide"), claim("b", "wide"))[0] == ["wide", "crowd"]


def test_more_peers_win_within_one_group() -> None:
    assert chosen(claim("a", "z", group="g"), claim("b", "z", group="g"), claim("c", "a", group="g"))[0] == ["z", "a"]


def test_a_claimer_who_lied_before_loses_to_one_who_did_not() -> None:
    liars = [claim("a", "bad", wrong_claims=1), claim("b", "bad", wrong_claims=2)]
    assert chosen(*liars, claim("c", "good"))[0] == ["good", "bad"]


def test_a_length_that_does_not_fit_loses_and_an_unknown_one_does_not() -> None:
    wrong = [claim(peer, "long", facts={"dur_ms": 90_000}) for peer in "abc"]
    assert chosen(*wrong, claim("d", "unknown"), duration_ms=60_000)[0] == ["unknown", "long"]


def test_denied_and_refuted_payloads_are_out_and_it_is_said() -> None:
    denied = frozenset({PayloadKey("flac", b"x".ljust(32))})
    assert chosen(claim("a", "x"), denied=denied) == ([], NoChoice.ALL_DENIED)
    assert chosen(claim("a", "x", refuted=True)) == ([], NoChoice.ALL_DENIED)
    assert chosen() == ([], NoChoice.NO_SOURCE)


def test_lossless_only_says_that_there_are_only_lossy_sources() -> None:
    strict = Constraints(allow_lossy=False)
    assert chosen(claim("a", "m", MP3), constraints=strict) == ([], NoChoice.ONLY_LOSSY)


def test_the_preferred_codec_wins_among_lossy_ones() -> None:
    prefers = Constraints(preferred_codecs=("opus", "mp3"))
    assert chosen(claim("a", "m", MP3), claim("b", "o", "opus-128-48000-2"), constraints=prefers)[0] == ["o", "m"]


def test_a_whole_payload_wins_over_a_partial_one_and_a_finer_profile_breaks_the_tie() -> None:
    assert chosen(claim("a", "p", complete=False), claim("b", "w"))[0] == ["w", "p"]
    assert chosen(claim("a", "low"), claim("b", "high", HIGH))[0] == ["high", "low"]


def test_nonsense_profiles_are_ignored_and_one_liar_does_not_speak_for_a_payload() -> None:
    assert chosen(claim("a", "x", "flac-99-1-1")) == ([], NoChoice.NO_SOURCE)
    honest = [claim("a", "x"), claim("b", "x"), claim("c", "x", payload_bytes=5)]
    found, _ = candidates_of(honest, constraints=Constraints(), denied=frozenset())
    assert isinstance(found[0], Candidate)
    assert found[0].payload_bytes == 1000
    assert found[0].peers == ("a", "b", "c")


# ---- what is known, told and expected


def ranked(*claims: PayloadClaim, **options: object) -> tuple[Candidate, ...]:
    given: dict[str, object] = {"constraints": Constraints(), "denied": frozenset()}
    found, _ = candidates_of(claims, **{**given, **options})  # type: ignore[arg-type]
    return found


def test_what_was_measured_here_beats_what_is_told() -> None:
    praised = claim("a", "praised", facts={"quality_milli": 990, "suspect": 0, "dur_ms": 60_000})
    plain = claim("b", "plain", facts={"quality_milli": 700})
    assert chosen(praised, plain)[0] == ["praised", "plain"]
    measured = {praised.key: KnownPayload(key=praised.key, suspect=True, quality=0.2, duration_ms=90_000)}
    found = ranked(praised, plain, known=measured, duration_ms=60_000)
    assert [one.key for one in found] == [plain.key, praised.key]
    terms = found[1].terms
    assert (terms.suspect, terms.quality, terms.duration_fits) == (True, 2, False)


def test_a_payload_that_was_analysed_here_wins_over_one_that_was_delivered_in_part_and_that_one_over_a_word() -> None:
    known = claim("a", "known")
    found = ranked(
        claim("b", "word"),
        claim("c", "part", delivered=True),
        known,
        known={known.key: KnownPayload(key=known.key, is_recording=True)},
    )
    assert [one.terms.proof for one in found] == [Proof.RECORDING, Proof.DELIVERED, Proof.WORD]


def test_many_names_in_one_group_have_one_word_and_its_most_honest_member_speaks_it() -> None:
    crowd = [claim(f"p{n}", "x", group="g", wrong_claims=1, facts={"quality_milli": 1000}) for n in range(9)]
    honest = [claim("q", "x", group="g", facts={"quality_milli": 100}), claim("r", "x", facts={"quality_milli": 300})]
    assert ranked(*crowd, *honest)[0].terms.quality == 2


def test_of_equal_payloads_the_one_expected_sooner_wins_and_small_differences_do_not_count() -> None:
    def of(root: str, speed: float) -> PayloadClaim:
        return claim(f"peer of {root}", root, payload_bytes=30_000_000, speed_bps=speed)

    assert chosen(of("slow", 100_000.0), of("z fast", 4_000_000.0))[0] == ["z fast", "slow"]
    assert chosen(of("a", 3_900_000.0), of("b", 4_000_000.0))[0] == ["a", "b"]


def test_an_unmeasured_crowd_behind_one_address_promises_no_more_than_one_peer() -> None:
    one, crowd = [claim("a", "x", group="g")], [claim(f"p{n}", "x", group="g") for n in range(50)]
    assert expected_s(1000, one) == expected_s(1000, crowd)
    assert expected_s(1000, [claim("a", "x", reputation=0.0)]) > expected_s(1000, one)
    assert expected_s(1000, []) == float("inf")


def test_who_failed_to_deliver_is_not_chosen_while_the_pause_lasts_and_it_is_said() -> None:
    assert chosen(claim("a", "x", cooling=True), claim("b", "y", MP3))[0] == ["y"]
    assert chosen(claim("a", "x", cooling=True)) == ([], NoChoice.NOT_DELIVERED)
    assert ranked(claim("a", "x", cooling=True), claim("b", "x"))[0].peers == ("b",)


def test_a_payload_that_only_quarantined_peers_claim_comes_last() -> None:
    assert chosen(claim("a", "low", reputation=0.1, delivered=True), claim("b", "word"))[0] == ["word", "low"]


def test_the_explanation_names_the_term_that_decided_and_both_values() -> None:
    found = ranked(claim("a", "f"), claim("b", "m", MP3), claim("c", "z"))
    told = explain(found, found[0])
    assert (told.term, told.others) == ("root", 2)
    assert [(one.term, one.theirs) for one in told.runners_up] == [
        ("root", b"z".ljust(32).hex()[:12]),
        ("lossless", MP3),
    ]
    assert explain(found[:1], found[0]).term == "only"
    # a fallback is explained against those that it was preferred to
    assert (explain(found, found[1]).term, explain(found, found[1]).theirs) == ("lossless", MP3)
    assert explain(found, found[0]).to_json()["version"] == 1


CLAIMS = st.lists(
    st.builds(
        claim,
        st.sampled_from("abcdefgh"),
        st.sampled_from("uvwxyz"),
        st.sampled_from([FLAC, HIGH, MP3]),
        group=st.sampled_from(["g", "h", ""]),
        complete=st.booleans(),
        wrong_claims=st.integers(0, 2),
        delivered=st.booleans(),
        cooling=st.booleans(),
        reputation=st.floats(0, 1),
        speed_bps=st.none() | st.floats(0, 1e9),
        payload_bytes=st.integers(1, 10**9),
        facts=st.dictionaries(st.sampled_from(["dur_ms", "suspect", "quality_milli"]), st.integers(0, 100_000)),
    ),
    max_size=12,
    unique_by=lambda one: (one.peer, one.key),
)


@given(claims=CLAIMS, seed=st.integers(0, 99))
def test_the_choice_does_not_depend_on_the_order_of_hearing(claims: list[PayloadClaim], seed: int) -> None:
    # one peer has one speed, whatever it claims
    speeds: dict[str, float | None] = {}
    claims = [replace(one, speed_bps=speeds.setdefault(one.peer, one.speed_bps)) for one in claims]
    shuffled = claims[:]
    random.Random(seed).shuffle(shuffled)
    options = {"constraints": Constraints(), "denied": frozenset[PayloadKey](), "duration_ms": 60_000}
    assert candidates_of(claims, **options) == candidates_of(shuffled, **options)  # type: ignore[arg-type]


@given(claims=CLAIMS)
def test_nobody_is_ranked_above_one_that_is_as_good_in_everything_and_better_in_something(
    claims: list[PayloadClaim],
) -> None:
    found = ranked(*claims, duration_ms=60_000)
    for at, worse in enumerate(found):
        for better in found[at + 1 :]:
            pairs = [(better.terms.rank(name), worse.terms.rank(name)) for name in TERMS]
            dominates = all(mine >= theirs for mine, theirs in pairs) and any(mine > theirs for mine, theirs in pairs)  # type: ignore[operator]
            assert not dominates


@given(claims=CLAIMS)
def test_every_runner_up_is_told_with_a_term_in_which_it_is_no_better(claims: list[PayloadClaim]) -> None:
    found = ranked(*claims)
    if not found:
        return
    told = explain(found, found[0])
    assert told.others == len(found) - 1
    for one in told.runners_up:
        other = next(candidate for candidate in found if candidate.key == one.key)
        if one.term == "root":
            assert found[0].key < other.key
        else:
            assert found[0].terms.rank(one.term) > other.terms.rank(one.term)  # type: ignore[operator]


@pytest.mark.parametrize("term", TERMS)
def test_every_term_of_the_order_can_be_shown(term: str) -> None:
    found = ranked(claim("a", "x"))
    assert found[0].terms.rank(term) is not None
