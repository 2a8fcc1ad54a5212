"""New variants are identified against the demonstration's AcoustID, real rows, and a real index."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.library.models import AcoustidAnswer, AudioFile, AudioVariant, FingerprintSlice, Identification, SameSound
from apps.library.selectors_identity import variants_like
from apps.library.services import slice_of
from tests.apps.library import canonical_rows as rows
from tests.workers.conftest import ANSWERS, Killed, Metadata
from workers.gateways.acoustid import Acoustid, AcoustidQuery
from workers.gateways.errors import Permanent
from workers.gateways.fingerprint_store import FingerprintStore
from workers.identify_variants import identify_due

pytestmark = pytest.mark.django_db(transaction=True)

PRINTS = [json.loads(line) for line in (ANSWERS / "acoustid/fingerprints.jsonl").read_text().splitlines()]


def waiting(number: int, row: dict[str, object], *, folder: str = "album", **more: object) -> AudioVariant:
    compressed = str(row["fingerprint"]).encode()
    variant = rows.variant(number, fingerprint=compressed, duration_ms=int(str(row["duration"])) * 1000, **more)  # type: ignore[arg-type]
    file = rows.file(number, variant, within=rows.root(), name=f"{folder}/{number:03}.flac")
    AudioFile.objects.filter(id=file.id).update(
        title="", artist="", album="", folder_hash=hashlib.sha256(folder.encode()).digest()
    )
    FingerprintSlice.objects.create(variant=variant, items=slice_of(compressed))
    Identification.objects.create(variant=variant, next_step_at=timezone.now() - timedelta(seconds=1))
    return variant


@pytest.fixture
def store(tmp_path: Path) -> FingerprintStore:
    return FingerprintStore(folder=tmp_path / "index")


def run(service: object, store: FingerprintStore) -> bool:
    def index() -> FingerprintStore:
        store.refreshed(now=0.0)
        return store

    return identify_due(service, index=index, clock=lambda: 0.0)  # type: ignore[arg-type]


def row_of(variant: AudioVariant) -> Identification:
    return Identification.objects.select_related("variant").get(variant=variant)


def due_again() -> None:
    Identification.objects.update(state="pending", lease_until=None, next_step_at=Now())


def test_an_album_is_identified_with_a_request_for_ten_and_nothing_is_asked_twice(
    acoustid: Acoustid, metadata: Metadata, store: FingerprintStore
) -> None:
    variants = [waiting(number, row) for number, row in enumerate(PRINTS, start=1)]
    assert run(acoustid, store) is False
    assert len(metadata.requests) == -(-len(PRINTS) // 10)
    states = [row_of(one).state for one in variants]
    assert states.count("decided") >= len(PRINTS) - 2 and "pending" not in states
    for variant in variants:
        row = row_of(variant)
        if row.state == "decided":
            assert (row.variant.recording_mbid, row.variant.verified) == (row.recording_mbid, True)
            assert row.evidence and row.confidence and row.confidence >= 0.8
    due_again()
    run(acoustid, store)
    assert len(metadata.requests) == -(-len(PRINTS) // 10)
    assert AcoustidAnswer.objects.count() == len(PRINTS)


def test_without_acoustid_the_librarys_own_confirmed_prints_and_tags_speak(store: FingerprintStore) -> None:
    song, tagged_as = uuid.uuid4(), uuid.uuid4()
    known = waiting(1, PRINTS[0], folder="old", recording=song, recording_source="fingerprint", verified=True)
    Identification.objects.filter(variant=known).delete()
    twin, tagged, nothing = waiting(2, PRINTS[0]), waiting(3, PRINTS[1], recording=tagged_as), waiting(4, PRINTS[2])
    run(None, store)
    assert (row_of(twin).state, row_of(twin).code, row_of(twin).variant.recording_mbid) == (
        "decided",
        "by_library",
        song,
    )
    assert row_of(twin).variant.verified
    assert (row_of(tagged).code, row_of(tagged).variant.recording_mbid) == ("by_tags", tagged_as)
    assert not row_of(tagged).variant.verified
    assert (row_of(nothing).state, row_of(nothing).code) == ("unknown", "acoustid_disabled")
    assert [one.variant_id for one in variants_like(known.id)] == [twin.id]


def test_a_service_that_is_away_makes_it_wait_and_in_the_end_go_on_without(
    acoustid: Acoustid, metadata: Metadata, store: FingerprintStore
) -> None:
    variant = waiting(1, PRINTS[0])
    metadata.fault("status", count=1)
    run(acoustid, store)
    row = row_of(variant)
    assert (row.state, row.code, row.tries) == ("pending", "acoustid_unavailable", 1)
    assert row.next_step_at is not None and row.next_step_at > timezone.now()
    Identification.objects.update(tries=11, next_step_at=Now())
    metadata.fault("status", count=1)
    run(acoustid, store)
    assert (row_of(variant).state, row_of(variant).code) == ("unknown", "acoustid_unavailable")


class Refusing:
    def lookup_batch(self, queries: list[AcoustidQuery]) -> tuple[None, ...]:
        raise Permanent("no", code="acoustid_key_invalid")


def test_a_wrong_key_is_said_on_the_row_and_the_library_goes_on(store: FingerprintStore) -> None:
    variant = waiting(1, PRINTS[0])
    run(Refusing(), store)
    assert (row_of(variant).state, row_of(variant).code) == ("unknown", "acoustid_key_invalid")


class KilledAfterAsking:
    """Answers the first batch, then the process is killed."""

    def __init__(self, service: Acoustid) -> None:
        self.service, self.asked = service, 0

    def lookup_batch(self, queries: list[AcoustidQuery]) -> object:
        self.asked += 1
        if self.asked == 2:
            raise Killed
        return self.service.lookup_batch(queries)


def test_a_worker_killed_in_the_middle_loses_no_answer_and_its_leases_run_out(
    acoustid: Acoustid, metadata: Metadata, store: FingerprintStore
) -> None:
    variants = [waiting(number, row) for number, row in enumerate(PRINTS[:12], start=1)]
    with pytest.raises(Killed):
        run(KilledAfterAsking(acoustid), store)
    assert {row_of(one).state for one in variants} == {"pending"}
    assert run(acoustid, store) is False and {row_of(one).state for one in variants} == {"pending"}  # leased
    Identification.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    run(acoustid, store)
    assert "pending" not in {row_of(one).state for one in variants}
    assert len(metadata.requests) == 2  # the first ten before the kill, two after it


@pytest.mark.parametrize(
    ("compressed", "code"),
    [(b"", "fingerprint_missing"), (b"\xff!", "fingerprint_invalid"), (b"AQAAAA", "fingerprint_undecidable")],
)
def test_a_print_that_says_nothing_is_not_asked_about(
    compressed: bytes, code: str, acoustid: Acoustid, metadata: Metadata, store: FingerprintStore
) -> None:
    variant = waiting(1, PRINTS[0])
    AudioVariant.objects.update(fingerprint=compressed)
    run(acoustid, store)
    assert (row_of(variant).state, row_of(variant).code, metadata.requests) == ("unknown", code, [])


def test_a_single_and_its_longer_version_are_not_the_same_sound(store: FingerprintStore) -> None:
    waiting(1, PRINTS[0])
    waiting(2, {**PRINTS[0], "duration": int(PRINTS[0]["duration"]) + 60})
    run(None, store)
    assert SameSound.objects.count() == 0


def test_time_used_up_is_told_so_that_another_run_follows(store: FingerprintStore) -> None:
    for number in range(1, 42):
        waiting(number, PRINTS[number % len(PRINTS)], folder=f"f{number}")
    clock = iter(float(one) for one in range(0, 10_000, 300))
    assert identify_due(None, index=lambda: store, clock=lambda: next(clock)) is True
    assert Identification.objects.filter(state="pending").count() == 1
