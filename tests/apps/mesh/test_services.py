"""Claims, seeded releases and announcements as rows."""

from __future__ import annotations

import uuid

import pytest

from apps.domain.contracts.node_work import ClaimReport
from apps.domain.mesh.policy import MAX_ANNOUNCED
from apps.mesh.selectors import claims_of, seeded_releases
from apps.mesh.selectors_list import announcement_list, claims_by_verdict
from apps.mesh.services import (
    MAX_OPEN_CLAIMS,
    SeedLimit,
    announcement_done,
    announcements_sync,
    claims_judge,
    claims_record,
    release_seed,
    release_unseed,
)
from apps.peers.services import peer_ids

pytestmark = pytest.mark.django_db
RECORDING = uuid.uuid4()


def claim(peer: str, **changes: object) -> ClaimReport:
    given: dict[str, object] = {
        "peer": peer,
        "group": "g",
        "recording_mbid": RECORDING,
        "payload_format": "flac",
        "payload_root": b"r" * 32,
        "profile": "flac-16-44100-2",
        "payload_bytes": 9,
        "complete": True,
    }
    return ClaimReport(**{**given, **changes})  # type: ignore[arg-type]


def record(*claims: ClaimReport) -> None:
    claims_record(claims, peer_ids=peer_ids({one.peer for one in claims}))


def test_a_claim_said_twice_is_one_row_with_the_newest_words() -> None:
    record(claim("a"))
    record(claim("a", payload_bytes=10, facts={"dur_ms": 5}))
    (known,) = claims_of(RECORDING)
    assert (known.claim.payload_bytes, known.claim.facts) == (10, {"dur_ms": 5})


def test_one_message_may_name_a_payload_twice() -> None:
    record(claim("a"), claim("a", payload_bytes=11))
    assert len(claims_of(RECORDING)) == 1


def test_a_peer_that_makes_up_payloads_fills_no_table_and_can_not_push_its_first_claims_away() -> None:
    other = uuid.uuid4()
    record(claim("a"), claim("b", recording_mbid=other))
    for start in range(0, 128, 64):
        record(*(claim("a", payload_root=bytes([start + n]) * 32) for n in range(64)))
    known = claims_of(RECORDING)
    assert len(known) == MAX_OPEN_CLAIMS
    assert b"r" * 32 in {one.claim.payload_root for one in known}
    assert len(claims_of(other)) == 1
    assert claims_judge(RECORDING, payload_format="flac", payload_root=b"r" * 32, confirmed=False) == ["a"]


def test_only_open_claims_of_that_payload_are_judged_and_partial_holders_answer_for_nothing() -> None:
    record(claim("a"), claim("b", complete=False), claim("c", payload_root=b"s" * 32))
    keys = claims_judge(RECORDING, payload_format="flac", payload_root=b"r" * 32, confirmed=False)
    assert keys == ["a"]
    assert claims_judge(RECORDING, payload_format="flac", payload_root=b"r" * 32, confirmed=False) == []
    assert claims_by_verdict() == {"refuted": 2, "open": 1}


def test_seeding_twice_is_seeding_once_and_unseeding_ends_it() -> None:
    release = uuid.uuid4()
    assert release_seed(release)
    assert not release_seed(release)
    assert seeded_releases() == [release]
    assert release_unseed(release)
    assert not release_unseed(release)


def test_more_than_a_hundred_releases_are_refused_with_a_code() -> None:
    for _ in range(MAX_ANNOUNCED):
        release_seed(uuid.uuid4())
    with pytest.raises(SeedLimit) as failure:
        release_seed(uuid.uuid4())
    assert failure.value.code == "seed_limit_reached"


def test_announcements_keep_their_slots_and_at_most_a_hundred_are_made() -> None:
    releases = [uuid.uuid4() for _ in range(MAX_ANNOUNCED + 5)]
    assert len(announcements_sync(releases)) == MAX_ANNOUNCED
    announcement_done(releases[7], stored_at=8)
    kept = announcements_sync([releases[7], releases[3], uuid.uuid4()])
    assert {row.release_mbid: row.slot for row in kept if row.release_mbid in releases} == {
        releases[7]: 7,
        releases[3]: 3,
    }
    assert [row.stored_at for row in announcement_list() if row.release_mbid == releases[7]] == [8]
