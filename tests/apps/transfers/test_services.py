"""What the control plane tells the node: wants that move by the table, one verdict a transfer, one denial a payload."""

from __future__ import annotations

import uuid

import pytest

from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.transfers.models import PayloadDenial, Transfer, TransferVerdict, Want
from apps.transfers.selectors import transfer_facts
from apps.transfers.services import (
    WANT_MOVES,
    denial_write,
    denials_revoke,
    verdict_write,
    want_create,
    wants_lossy,
    wants_move,
)

pytestmark = pytest.mark.django_db

RECORDING = uuid.UUID(int=9)


@pytest.fixture
def want(db: None) -> Want:
    return want_create(
        RECORDING, release_mbids=[uuid.UUID(int=3)], duration_ms=1000, constraints=Constraints(), requested_by_id=None
    )


@pytest.fixture
def transfer(want: Want) -> Transfer:
    return Transfer.objects.create(
        want=want, payload_format="flac", payload_root=b"r" * 32, profile="flac-16-44100-2", payload_bytes=1, leaf_bytes=262144, state="assembled", path="/x"
    )  # fmt: skip


@pytest.mark.parametrize("before", list(WantDesired))
@pytest.mark.parametrize("after", list(WantDesired))
def test_a_want_moves_by_the_table_alone(before: WantDesired, after: WantDesired, want: Want) -> None:
    Want.objects.update(desired=before)
    moved = wants_move([want.id], desired=after)
    assert moved == (1 if after in WANT_MOVES[before] else 0)
    assert Want.objects.get().desired == (after if moved else before)


def test_a_transfer_is_judged_once(transfer: Transfer) -> None:
    assert verdict_write(transfer.id, accepted=False, code="wrong_recording", params={"recording": "x"})
    assert not verdict_write(transfer.id, accepted=True)
    verdict = TransferVerdict.objects.get()
    assert (verdict.accepted, verdict.code, verdict.applied_at) == (False, "wrong_recording", None)


def test_a_payload_is_denied_once_and_only_for_its_recording(transfer: Transfer) -> None:
    for _ in range(2):
        denial_write(transfer.id, code="decode_failed")
    assert PayloadDenial.objects.count() == 1
    assert PayloadDenial.objects.get().recording_mbid == RECORDING
    assert denials_revoke([RECORDING], codes=["fingerprint_required"]) == 0
    assert denials_revoke([RECORDING], codes=["decode_failed"]) == 1


def test_lossy_payloads_are_forbidden_and_allowed_again(want: Want) -> None:
    assert wants_lossy([want.id], allowed=True) == 0
    assert wants_lossy([want.id], allowed=False) == 1
    assert not Constraints.from_json(Want.objects.get().constraints).allow_lossy
    assert wants_lossy([want.id], allowed=True) == 1


def test_the_facts_of_a_transfer_say_whether_it_was_judged(transfer: Transfer) -> None:
    facts = transfer_facts(transfer.id)
    assert facts is not None
    assert (facts.state, facts.judged, facts.recording_mbid, facts.payload_root) == (
        TransferState.ASSEMBLED,
        False,
        RECORDING,
        b"r" * 32,
    )
    verdict_write(transfer.id, accepted=True)
    judged = transfer_facts(transfer.id)
    assert judged is not None and judged.judged
    assert transfer_facts(uuid.uuid4()) is None
