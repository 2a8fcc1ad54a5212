"""Cursors walk a list forwards and backwards, whatever comes and goes meanwhile."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.common.pagination import CursorInvalid, keyset_page
from apps.jobs.models import Job
from apps.peers.models import Peer

ORDER = ("-created_at", "-id")
pytestmark = pytest.mark.django_db


def thousand_jobs() -> list[Job]:
    now = timezone.now()
    jobs = Job.objects.bulk_create(
        [Job(kind="recording", target_mbid="78db95c6-be79-4c9b-9b27-a6c3a40e2fc5") for _ in range(1000)]
    )
    for index, job in enumerate(jobs):
        job.created_at = now - timedelta(seconds=index // 3)  # three share each moment: the id decides
    Job.objects.bulk_update(jobs, ["created_at"], batch_size=200)
    return list(Job.objects.order_by(*ORDER))


def test_a_thousand_rows_are_each_seen_once_forwards_and_again_backwards() -> None:
    expected = [job.id for job in thousand_jobs()]
    seen, cursor, last = [], None, None
    while True:
        last = keyset_page(Job.objects.all(), order=ORDER, cursor=cursor, limit=77)
        seen += [job.id for job in last.items]
        cursor = last.next_cursor
        if cursor is None:
            break
    assert seen == expected
    back = [job.id for job in last.items]
    while last.previous_cursor is not None:
        last = keyset_page(Job.objects.all(), order=ORDER, cursor=last.previous_cursor, limit=77)
        back = [job.id for job in last.items] + back
    assert back == expected


def test_new_rows_do_not_shift_the_next_page() -> None:
    for index in range(6):
        Peer.objects.create(plane="overlay", key=f"peer{index}")
    first = keyset_page(Peer.objects.all(), order=("-id",), limit=3)
    Peer.objects.create(plane="overlay", key="newcomer")
    second = keyset_page(Peer.objects.all(), order=("-id",), cursor=first.next_cursor, limit=3)
    assert [peer.key for peer in second.items] == ["peer2", "peer1", "peer0"]
    assert second.next_cursor is None


def test_ascending_lists_work_alike() -> None:
    for index in range(5):
        Peer.objects.create(plane="overlay", key=f"peer{index}")
    first = keyset_page(Peer.objects.all(), order=("id",), limit=2)
    second = keyset_page(Peer.objects.all(), order=("id",), cursor=first.next_cursor, limit=2)
    again = keyset_page(Peer.objects.all(), order=("id",), cursor=second.previous_cursor, limit=2)
    assert [peer.key for peer in second.items] == ["peer2", "peer3"]
    assert [peer.key for peer in again.items] == ["peer0", "peer1"]
    assert again.previous_cursor is None


def test_a_page_takes_one_query(django_assert_num_queries: object) -> None:
    Peer.objects.create(plane="overlay", key="peer")
    with django_assert_num_queries(1):  # type: ignore[operator]
        keyset_page(Peer.objects.all(), order=("-id",))


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "====",
        encoded({}),
        encoded([0]),
        encoded([0, 1, 2]),
        encoded([2, "a", "b"]),
        encoded([0, "never", "b"]),
        encoded([0, "2026-01-01T00:00:00Z", "no uuid"]),
        encoded("text"),
        "A" * 5000,
    ],
)
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        keyset_page(Job.objects.all(), order=ORDER, cursor=cursor)
