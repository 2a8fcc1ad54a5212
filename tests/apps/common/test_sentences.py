"""Every code has words; a strange one has its own name."""

from __future__ import annotations

import pytest

from apps.common.api_errors import error_body, status_of
from apps.common.sentences import NEXT, OWN, message_of, sentence
from apps.domain.errors import DomainError
from apps.domain.jobs.sentences import SENTENCES


@pytest.mark.parametrize("code", sorted({*OWN, *SENTENCES}))
def test_every_known_code_says_a_sentence_without_any_params(code: str) -> None:
    said = str(sentence(code))
    assert said
    assert "{" not in said


def test_what_comes_next_is_only_said_of_codes_that_exist() -> None:
    assert set(NEXT) <= {*OWN, *SENTENCES}


def test_an_unknown_code_is_said_by_its_name() -> None:
    assert str(sentence("flux_capacitor_low")) == "Flux capacitor low."


def test_no_code_says_nothing() -> None:
    assert str(sentence("")) == ""


def test_params_are_shown_harmless_and_never_followed() -> None:
    said = sentence("wrong_recording", {"title": "x\u202ey\n", "artist": "{title.__class__}", "recording": 7}).what
    assert "xy" in said
    assert "{title.__class__}" in said


def test_an_unknown_code_takes_the_errors_own_sentence_in_a_body() -> None:
    assert message_of("odd_code", {}, fallback="It is odd.") == "It is odd."
    assert error_body("odd_code", fallback="It is odd.")["message"] == "It is odd."


@pytest.mark.parametrize(
    ("code", "retryable", "status"),
    [
        ("job_unknown", False, 404),
        ("release_not_found", False, 404),
        ("idempotency_conflict", False, 409),
        ("job_ended", False, 409),
        ("musicbrainz_unavailable", True, 503),
        ("constraints_invalid", False, 400),
        ("job_kind_unknown", False, 400),
    ],
)
def test_codes_have_http_statuses(code: str, retryable: bool, status: int) -> None:
    assert status_of(DomainError("x", code=code, retryable=retryable)) == status
