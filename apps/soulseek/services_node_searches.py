"""What the node writes of searches: answers, and how they stand. Everything may be written again."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from typing import Final

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.domain.contracts.soulseek_search import AnswerReport, SearchReport
from apps.domain.soulseek.answers import pack
from apps.domain.soulseek.states import SearchState
from apps.soulseek.models import Search, SearchAnswer, SearchProgress

BATCH: Final = 200
_TOLD: Final = (
    "state", "code", "params", "answers_in", "ahead", "due_at", "started_at", "ended_at", "users", "files", "truncated",
    "updated_at",
)  # fmt: skip
_ANSWERED: Final = ("files", "file_count", "locked", "free_slot", "queue", "speed_bps", "received_at", "captured_at")


def searches_record(reports: Sequence[SearchReport], answers: Sequence[AnswerReport]) -> None:
    """Answers replace what their user answered before; reports replace how the search stood. Searches that are gone are passed over. A search that is over
    stays over. Call inside a transaction."""
    named = {one.search_id for one in answers} | {one.search_id for one in reports}
    named |= {one.answers_in for one in reports if one.answers_in is not None}
    there = _there(named)
    _answers_write([one for one in answers if one.search_id in there])
    _progress_write([one for one in reports if one.search_id in there], there)
    ring(WEB_CHANNEL, "searches")


def _answers_write(answers: Sequence[AnswerReport]) -> None:
    newest = {(one.search_id, one.user): one for one in answers}
    rows = [
        SearchAnswer(
            search_id=one.search_id,
            user=one.user,
            files=pack(one.files),
            file_count=len(one.files),
            locked=one.locked,
            free_slot=one.free_slot,
            queue=one.queue,
            speed_bps=one.speed_bps,
            received_at=one.received_at,
        )
        for one in newest.values()
    ]
    SearchAnswer.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["search", "user"],
        update_fields=list(_ANSWERED),
    )


def _progress_write(reports: Sequence[SearchReport], there: Collection[uuid.UUID]) -> None:
    newest = {one.search_id: one for one in reports}
    ended = set(
        SearchProgress.objects.filter(search_id__in=list(newest), ended_at__isnull=False).values_list(
            "search_id", flat=True
        )
    )
    rows = [
        SearchProgress(
            search_id=one.search_id,
            state=one.state,
            code=one.code,
            params=dict(one.params),
            answers_in_id=one.answers_in if one.answers_in in there else None,
            ahead=one.ahead,
            due_at=one.due_at,
            started_at=one.started_at,
            ended_at=one.ended_at,
            users=one.users,
            files=one.files,
            truncated=one.truncated,
        )
        for one in newest.values()
        if one.search_id not in ended or one.state is SearchState.OVER
    ]
    SearchProgress.objects.bulk_create(
        rows, batch_size=BATCH, update_conflicts=True, unique_fields=["search"], update_fields=list(_TOLD)
    )


def _there(ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    named = list(ids)
    found: set[uuid.UUID] = set()
    for at in range(0, len(named), 500):
        found.update(Search.objects.filter(id__in=named[at : at + 500]).values_list("id", flat=True))
    return frozenset(found)
