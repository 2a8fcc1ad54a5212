"""Facts of a payload have one form, whoever states them and however."""

from __future__ import annotations

from apps.domain.contracts.node_work import MeasuredPayload
from apps.domain.mesh.claims import contradicts, measured_facts, stated_facts


def test_what_is_not_known_is_left_out_and_what_a_peer_said_by_name_counts() -> None:
    assert stated_facts() == {}
    assert stated_facts({"dr10": 93, "dur_ms": 5}, duration_ms=7, suspect=False, quality_score=0.87654) == {
        "dr10": 93,
        "dur_ms": 5,
        "suspect": 0,
        "quality_milli": 877,
    }
    assert stated_facts(quality_score=7.0) == {"quality_milli": 1000}


def test_measured_facts_are_comparable_with_stated_ones() -> None:
    measured = MeasuredPayload(
        payload_format="flac",
        payload_root=b"r" * 32,
        recording_mbid=None,
        verified=False,
        duration_ms=200_000,
        suspect=True,
        quality=0.4,
    )
    facts = measured_facts(measured)
    assert not contradicts(stated_facts(duration_ms=199_000, suspect=True, quality_score=0.5), facts)
    assert contradicts(stated_facts(suspect=False), facts)
    assert contradicts(stated_facts(quality_score=0.9), facts)
    assert contradicts(stated_facts(duration_ms=100_000), facts)
