"""What happens to jobs is told where it happens: in the order of happening, once."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from apps.jobs.models_webhooks import WebhookDelivery
from apps.jobs.services import job_cancel, job_create
from apps.jobs.services_resolve import resolve_claim, resolve_failed
from apps.jobs.services_verify import verify_claim, verify_failed, verify_rejected
from apps.jobs.services_webhooks import webhook_add
from tests.workers.assembled import Names, assemble, due, recording_id, running_job
from workers.verification import Verifier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def hook() -> uuid.UUID:
    return webhook_add("http://127.0.0.1:9/").id


def told() -> list[tuple[str, str]]:
    rows = WebhookDelivery.objects.order_by("id")
    return [(row.event, json.loads(row.body)["job"]["state"]) for row in rows]


def test_a_job_asked_for_and_called_off() -> None:
    job = job_create(kind="mb_release", target_mbid=uuid.uuid4()).id
    job_cancel(job)
    job_cancel(job)
    assert told() == [("job.created", "pending"), ("job.cancelled", "cancelled")]


def test_a_job_that_can_not_be_resolved() -> None:
    job = job_create(kind="mb_release", target_mbid=uuid.uuid4()).id
    claim = resolve_claim(job, lease_s=60)
    assert claim is not None
    assert resolve_failed(claim, code="release_not_found", params={})
    assert not resolve_failed(claim, code="release_not_found", params={})
    assert told()[1:] == [("job.failed", "failed")]


def test_a_job_from_its_asking_to_its_last_track(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    names = Names(recordings=(recording_id(1),))
    Verifier(
        acoustid=names,
        fingerprinting=True,
        require_fingerprint=False,
        library_root=lambda: library,
        template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}",
    ).verify(transfer.id)
    assert told() == [
        ("job.created", "pending"),
        ("job.resolved", "running"),
        ("track.completed", "running"),
        ("job.completed", "completed"),
    ]
    row = WebhookDelivery.objects.get(event="track.completed")
    track = json.loads(row.body)["track"]
    assert (track["state"], track["verification"], track["recording_mbid"]) == (
        "completed",
        "fingerprint",
        str(recording_id(1)),
    )
    assert str(library) not in "".join(WebhookDelivery.objects.values_list("body", flat=True))


def test_a_refused_payload_and_a_track_that_can_not_be_placed(tmp_path: Path) -> None:
    job = running_job(tracks=2)
    first = verify_claim(assemble(job, tmp_path, position=1).id, lease_s=60)
    assert first is not None
    assert verify_rejected(first, code="wrong_recording", params={})
    due(job)
    second = verify_claim(assemble(job, tmp_path, position=2).id, lease_s=60)
    assert second is not None
    assert verify_failed(second, code="path_too_long", params={})
    assert [event for event, _state in told()[2:]] == ["track.rejected", "track.failed"]
