"""The canonical variant, what of a recording is worth fetching, and what is known of masters. Each key of audio.canonical_scoring decides here."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.jobs.constraints import Constraints
from apps.domain.library.canonical import (
    TERMS,
    CanonicalPolicy,
    HeldVariant,
    ToldVariant,
    VariantCount,
    bitrate_bucket,
    canonical_order,
    fetch_decision,
    tally,
)
from apps.domain.library.canonical_words import CANONICAL_PHRASES, CANONICAL_SENTENCES
from apps.domain.library.master import EditionFacts, Master, MasterWord, master_of

FLAC, HIRES, MP3 = "flac-16-44100-2", "flac-24-96000-2", "mp3-320-44100-2"
ANY, POLICY = Constraints(), CanonicalPolicy()


def held(number: int = 1, profile: str = FLAC, **more: object) -> HeldVariant:
    given: dict[str, object] = {
        "variant_id": number, "payload_format": "flac", "payload_root": bytes([number]) * 32, "profile": profile,
        "codec": profile.partition("-")[0], "lossless": profile.startswith("flac"), "score": 0.95, "suspect": False, "verified": True,
    }  # fmt: skip
    return HeldVariant(**given | more)  # type: ignore[arg-type]


def told(group: str, number: int = 9, profile: str = FLAC, **facts: int) -> ToldVariant:
    return ToldVariant(
        group=group, payload_format="flac", payload_root=bytes([number]) * 32, profile=profile, facts=facts
    )


@pytest.mark.parametrize(
    ("worse", "term"),
    [
        (held(2, suspect=True, score=0.99), "genuine"),
        (held(2, score=0.7), "quality"),
        (held(2, verified=False), "proof"),
        (held(2, profile="alac-16-44100-2"), "codec"),
        (held(2, score=0.93), "score"),
    ],
)
def test_the_better_variant_is_canonical_and_the_deciding_term_is_told(worse: HeldVariant, term: str) -> None:
    first, second = canonical_order([worse, held(1)])
    assert (first.variant_id, second.variant_id) == (1, 2)
    assert first.reasons[0].code == f"canonical_first_{term}"
    assert second.reasons[0].code == f"canonical_behind_{term}"


def test_more_networks_decide_among_alike_and_one_network_speaks_once() -> None:
    crowd = [told("one/24", 8) for _ in range(50)]
    spread = [told("a/24", 9), told("b/24", 9)]
    first, second = canonical_order([], [*crowd, *spread])
    assert (first.payload_root[0], first.groups, second.groups) == (9, 2, 1)
    assert first.reasons[0].code == "canonical_first_consensus"


def test_holders_of_the_same_payload_add_to_the_consensus_of_what_is_held() -> None:
    [one] = canonical_order([held(1)], [told("a", 1), told("b", 1)])
    assert (one.variant_id, one.groups) == (1, 3)


def test_what_is_measured_here_beats_what_is_told_and_what_is_told_what_a_profile_is_worth() -> None:
    [one] = canonical_order([held(1, score=0.5)], [told("a", 1, quality_milli=1000, suspect=1)])
    assert (one.score, one.scored, one.suspect) == (0.5, "measured", False)
    [word] = canonical_order(
        [], [told("a", quality_milli=700), told("b", quality_milli=800), told("c", quality_milli=900)]
    )
    assert (word.score, word.scored) == (0.8, "told")
    [silent] = canonical_order([], [told("a")])
    assert silent.scored == "profile"


def test_praise_beyond_what_a_profile_can_be_is_cut() -> None:
    [one] = canonical_order([], [told("a", profile=MP3, quality_milli=1000)])
    assert one.score < 0.8


def test_most_networks_decide_whether_a_payload_is_a_transcode() -> None:
    [one] = canonical_order([], [told("a", suspect=1), told("b", suspect=1), told("c", suspect=0)])
    assert one.suspect
    assert canonical_order([], [told("a", suspect=1)], constraints=Constraints(download_mode="no-transcodes")) == ()


def test_nonsense_profiles_are_no_candidates_and_lossy_ones_only_where_they_are_taken() -> None:
    assert canonical_order([], [told("a", profile="best-quality")]) == ()
    assert canonical_order([held(1, MP3)], constraints=Constraints(allow_lossy=False)) == ()


ORIGINAL = MasterWord(master=Master.ORIGINAL, code="master_first_edition", year="1959", first_year="1959")
REMASTER = MasterWord(master=Master.REMASTER, code="master_said_remastered", year="1997", first_year="1959")


def test_the_original_master_decides_only_where_it_is_wished_for_and_known() -> None:
    pair = [held(1, master=REMASTER, score=0.96), held(2, master=ORIGINAL)]
    assert canonical_order(pair)[0].variant_id == 1
    wished = canonical_order(pair, constraints=Constraints(original_master=True))
    assert wished[0].variant_id == 2
    assert wished[0].reasons[0].code == "canonical_first_master"
    unknown = canonical_order([held(1, score=0.96), held(2)], constraints=Constraints(original_master=True))
    assert unknown[0].variant_id == 1
    assert "master_edition_unknown" in {reason.code for reason in unknown[0].reasons}


@pytest.mark.parametrize(
    ("edition", "master", "code"),
    [
        (EditionFacts(date="1959-08-17", first_date="1959"), Master.ORIGINAL, "master_first_edition"),
        (EditionFacts(date="1997", first_date="1959"), Master.REMASTER, "master_later_edition"),
        (EditionFacts(title="Kind of Blue (Remastered)", date="1959", first_date="1959"), Master.REMASTER, "master_said_remastered"),
        (EditionFacts(disambiguation="MFSL", first_date="1959"), Master.REMASTER, "master_said_remastered"),
        (EditionFacts(title="X (Deluxe Edition)", date="1961", first_date="1959"), Master.REMASTER, "master_reissue_words"),
        (EditionFacts(date="1961", first_date="1959"), Master.UNKNOWN, "master_undecided"),
        (EditionFacts(date="1961"), Master.UNKNOWN, "master_date_unknown"),
        (EditionFacts(), Master.UNKNOWN, "master_date_unknown"),
    ],
)  # fmt: skip
def test_what_a_catalogue_says_of_a_master(edition: EditionFacts, master: Master, code: str) -> None:
    word = master_of(edition)
    assert (word.master, word.code) == (master, code)


def test_every_reason_has_its_sentence() -> None:
    codes = {f"canonical_{place}_{term}" for term in [*TERMS, "root"] for place in ("first", "behind")}
    codes |= {"canonical_only", "canonical_suspect", "canonical_no_evidence", "canonical_groups"}
    assert codes <= {*CANONICAL_PHRASES, *CANONICAL_SENTENCES}


def test_a_good_file_is_not_fetched_again() -> None:
    decision = fetch_decision([held(1, score=0.85)], constraints=ANY, policy=POLICY)
    assert (decision.fetch, decision.code, decision.variant_id) == (False, "already_held", 1)


def test_a_lesser_file_is_only_replaced_by_something_better() -> None:
    decision = fetch_decision([held(1, MP3, score=0.7)], constraints=ANY, policy=POLICY)
    assert (decision.fetch, decision.code, decision.better_than) == (True, "held_not_good_enough", 0.7)


def test_a_suspected_transcode_is_never_good_enough() -> None:
    assert fetch_decision([held(1, score=0.99, suspect=True)], constraints=ANY, policy=POLICY).fetch


def test_the_threshold_is_as_configured() -> None:
    strict = dataclasses.replace(POLICY, local_quality_threshold=0.97)
    assert fetch_decision([held(1)], constraints=ANY, policy=strict).fetch
    lax = dataclasses.replace(POLICY, local_quality_threshold=0.5)
    assert not fetch_decision([held(1, MP3, score=0.6)], constraints=ANY, policy=lax).fetch


def test_what_is_held_does_not_count_where_it_may_not_be_taken() -> None:
    lossless = Constraints(allow_lossy=False)
    lax = dataclasses.replace(POLICY, local_quality_threshold=0.5)
    assert fetch_decision([held(1, MP3, score=0.7)], constraints=lossless, policy=lax).code == "nothing_held"


def test_a_persons_or_a_fixs_word_overrules_what_is_configured() -> None:
    good = [held(1)]
    assert fetch_decision(good, constraints=Constraints(redownload=True), policy=POLICY).better_than is None
    asked = fetch_decision(good, constraints=Constraints(better_than=0.3), policy=POLICY)
    assert (asked.fetch, asked.better_than) == (True, 0.3)


def test_nothing_decides_while_scoring_is_off() -> None:
    off = dataclasses.replace(POLICY, enabled=False)
    assert fetch_decision([held(1)], constraints=ANY, policy=off).code == "scoring_off"


def test_an_unscored_file_counts_as_what_its_profile_is_worth() -> None:
    assert not fetch_decision([held(1, score=None, suspect=None)], constraints=ANY, policy=POLICY).fetch
    assert fetch_decision([held(1, MP3, score=None, suspect=None)], constraints=ANY, policy=POLICY).fetch


def test_bit_rates_fall_into_buckets() -> None:
    assert [bitrate_bucket(kbps, lossless=False) for kbps in (0, 127, 245, 500)] == ["unknown", "128", "256", "320"]
    assert [bitrate_bucket(kbps, lossless=True) for kbps in (199, 200, 1411)] == ["0", "200", "1400"]


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(0, 1)), st.sampled_from([None, False, True])), max_size=12))
def test_a_tally_counts_everything_once_and_its_best_is_genuine_where_one_is(
    given: list[tuple[float | None, bool | None]],
) -> None:
    variants = [
        VariantCount(
            variant_id=at, profile=FLAC, codec="flac", lossless=True, bitrate_kbps=900, score=score, suspect=suspect
        )
        for at, (score, suspect) in enumerate(given)
    ]
    made = tally(reversed(variants))
    assert (made.variants, sum(made.codecs.values()), sum(made.bitrates.values())) == (len(given),) * 3
    genuine = [score for score, suspect in given if score is not None and not suspect]
    if genuine:
        assert made.best_score == max(genuine)
