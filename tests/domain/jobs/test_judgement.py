"""Every combination of evidence has one judgement."""

from __future__ import annotations

import uuid

import pytest

from apps.domain.jobs.judgement import Evidence, LocalEvidence, NamedRecording, judge

EXPECTED, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def evidence(
    *named: tuple[uuid.UUID, float],
    local: LocalEvidence = "none",
    actual: int = 200_000,
    expected: int | None = 200_000,
    require: bool = False,
) -> Evidence:
    return Evidence(
        expected=EXPECTED,
        local=local,
        named=[NamedRecording(recording_mbid=mbid, score=score, title="T", artist="A") for mbid, score in named],
        silent_code="acoustid_no_result",
        actual_ms=actual,
        expected_ms=expected,
        require_fingerprint=require,
    )


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (evidence(local="same"), "fingerprint"),
        (evidence((OTHER, 0.99), local="same"), "fingerprint"),
        (evidence((EXPECTED, 0.5)), "fingerprint"),
        (evidence((OTHER, 0.99), (EXPECTED, 0.8)), "fingerprint"),
        (evidence((EXPECTED, 0.9), local="different"), "fingerprint"),
        (evidence((EXPECTED, 0.9), actual=260_000), "fingerprint"),
        (evidence((OTHER, 0.9)), "wrong_recording"),
        (evidence((OTHER, 0.9), (EXPECTED, 0.49)), "wrong_recording"),
        (evidence(local="different"), "wrong_recording"),
        (evidence(), "unconfirmed"),
        (evidence((OTHER, 0.3)), "unconfirmed"),
        (evidence(expected=None), "unconfirmed"),
        (evidence(actual=207_000), "unconfirmed"),
        (evidence(actual=207_001), "wrong_duration"),
        (evidence(actual=192_999), "wrong_duration"),
        (evidence(require=True), "fingerprint_required"),
        (evidence((EXPECTED, 0.9), require=True), "fingerprint"),
    ],
)
def test_evidence_leads_to_one_judgement(given: Evidence, outcome: str) -> None:
    judgement = judge(given)
    assert (judgement.verification if judgement.accepted else judgement.code) == outcome
    assert judgement.accepted == bool(judgement.verification)


def test_a_wrong_recording_is_named() -> None:
    params = judge(evidence((OTHER, 0.9))).params
    assert (params["recording"], params["title"], params["artist"]) == (str(OTHER), "T", "A")


def test_an_unconfirmed_file_says_why() -> None:
    assert judge(evidence()).code == "acoustid_no_result"
