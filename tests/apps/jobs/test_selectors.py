"""The job tree says everything, in a constant number of queries; the list pages by key."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.domain.jobs.lifecycle import TrackState, TransferState, WantPhase
from apps.jobs import selectors
from apps.jobs.models import Job, JobTrack
from apps.jobs.selectors_list import JobRow, job_page
from apps.peers.models import Peer
from apps.transfers.models import Transfer, TransferSource, TransferVerdict, WantProgress
from tests.apps.jobs.test_services import resolved_job

pytestmark = pytest.mark.django_db


def transfer(track: JobTrack, *, state: str, root: bytes, verified: int = 0, speed: int = 0) -> Transfer:
    return Transfer.objects.create(
        want=track.want, payload_format="flac", payload_root=root * 32, profile="flac-16-44100-2", payload_bytes=1000,
        leaf_bytes=262144, state=state, verified_bytes=verified, speed_bps=speed,
    )  # fmt: skip


def fill(job: Job, peers: list[Peer]) -> None:
    for track in job.tracks.all():
        WantProgress.objects.create(want=track.want, phase=WantPhase.FETCHING, since=timezone.now(), sources_known=2)
        bad = transfer(track, state=TransferState.REJECTED, root=b"b", verified=1000)
        TransferVerdict.objects.create(
            transfer=bad,
            accepted=False,
            code="wrong_recording",
            params={"title": "Other", "artist": "X", "recording": "r"},
        )
        live = transfer(track, state=TransferState.FETCHING, root=b"g", verified=400, speed=100)
        TransferSource.objects.create(
            transfer=bad, peer=peers[0], payload_root=b"b" * 32, verified_bytes=1000, bad_leaves=2
        )
        for peer, verified in zip(peers, (100, 300), strict=True):
            TransferSource.objects.create(
                transfer=live, peer=peer, payload_root=b"g" * 32, verified_bytes=verified, bad_leaves=1, speed_bps=50
            )


@pytest.fixture
def peers(db: None) -> list[Peer]:
    return [Peer.objects.create(plane="overlay", key=key) for key in ("fast", "slow")]


def test_a_tree_holds_tracks_transfers_sources_and_rejections(release_mbid: uuid.UUID, peers: list[Peer]) -> None:
    job = resolved_job(release_mbid, tracks=1)
    fill(job, peers)
    tree = selectors.job_tree(job.id)
    assert tree is not None
    (track,) = tree.tracks
    assert track.transfer is not None and track.progress is not None
    assert (track.transfer.verified_bytes, track.transfer.eta_s, track.transfer.payload_root) == (
        400,
        6,
        (b"g" * 32).hex(),
    )
    assert [(one.peer, one.verified_bytes, one.share, one.bad_leaves) for one in track.sources] == [
        ("slow", 300, 0.75, 1),
        ("fast", 100, 0.25, 3),
    ]
    (refused,) = track.rejected
    assert refused.code == "wrong_recording"
    assert refused.sentence == "The file is another recording: Other by X (r)."
    assert refused.peers == ("fast",)
    assert (tree.verified_bytes, tree.payload_bytes, tree.speed_bps) == (400, 1000, 100)


def test_a_tree_of_many_tracks_takes_as_many_queries_as_one_of_one(release_mbid: uuid.UUID, peers: list[Peer]) -> None:
    counts: list[int] = []
    for tracks in (1, 12):
        job = resolved_job(release_mbid, tracks=tracks)
        fill(job, peers)
        with CaptureQueriesContext(connection) as queries:
            tree = selectors.job_tree(job.id)
        assert tree is not None and len(tree.tracks) == tracks
        counts.append(len(queries))
    assert counts == [5, 5]


def test_a_full_disk_that_the_node_met_is_shown_on_the_job(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid, tracks=2)
    first = job.tracks.first()
    assert first is not None and first.want is not None
    WantProgress.objects.create(want=first.want, phase=WantPhase.BLOCKED, code="disk_full", since=timezone.now())
    tree = selectors.job_tree(job.id)
    assert tree is not None
    assert (tree.code, tree.sentence) == ("disk_full", "The disk is full; it goes on by itself once there is room.")


def test_no_tree_for_no_job() -> None:
    assert selectors.job_tree(uuid.uuid4()) is None


def test_the_list_pages_by_key_without_gap_or_repeat(release_mbid: uuid.UUID) -> None:
    made = [resolved_job(release_mbid, tracks=1).id for _ in range(7)]
    JobTrack.objects.filter(job_id=made[0]).update(state=TrackState.COMPLETED)
    seen: list[JobRow] = []
    cursor = None
    while True:
        with CaptureQueriesContext(connection) as queries:
            page = job_page(cursor=cursor, limit=3)
        assert len(queries) == 2
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [row.id for row in seen] == made[::-1]
    assert (seen[-1].tracks_total, seen[-1].tracks_completed) == (1, 1)
