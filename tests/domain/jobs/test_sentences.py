"""Codes become sentences; params are anybody's text and stay text."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase, digits

from apps.domain.jobs.backoff import RULES
from apps.domain.jobs.sentences import JOB_WIDE_CODES, SENTENCES, fill, sentence
from apps.domain.jobs.verdicts import CHARGING, DENYING, PREAMBLE_CODES, REVOCABLE
from apps.domain.library.canonical_words import CANONICAL_PHRASES


def test_every_sentence_is_one() -> None:
    for code, template in SENTENCES.items():
        assert code.replace("_", "").isalnum() and code == code.lower()
        if code.startswith("passed_") or code in CANONICAL_PHRASES:  # said after the name of a payload, file or term
            assert template[0] in f"{{{ascii_lowercase}{digits}" and template[-1] not in ".?", code
        else:
            assert template[0] in f"{{{ascii_uppercase}" and template[-1] in ".?", code


def test_everything_that_is_waited_for_or_refused_has_a_sentence() -> None:
    assert {*RULES, *DENYING, *CHARGING, *PREAMBLE_CODES, *REVOCABLE, *JOB_WIDE_CODES} <= set(SENTENCES)


def test_params_are_filled_in_and_missing_ones_show_as_a_dash() -> None:
    params = {"title": "{artist} {0.__class__}", "artist": ""}
    assert sentence("wrong_recording", params) == "The file is another recording: {artist} {0.__class__} by – (–)."


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert sentence("from_the_future") == "from_the_future"
    assert fill("", {}) == ""
