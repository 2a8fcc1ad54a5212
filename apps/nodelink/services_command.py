"""Commands: what the control plane asks the node to do once, and waits for. The only writers of both rows, the node's side below.

Whoever asks writes the row, rings the doorbell and looks for the answer until the deadline; a node that is away costs that wait and the code `node_away`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.doorbell import NODE_CHANNEL, ring
from apps.domain.contracts.node_commands import CommandAnswer, CommandWork
from apps.nodelink.models import NodeCommand, NodeCommandAnswer

POLL_S: Final = 0.05
MAX_WAIT_S: Final = 5.0
"""Longest that a request of a person waits; what takes longer is put, and looked at later."""


def command_put(
    kind: str,
    payload: Mapping[str, object] | None = None,
    *,
    deadline_s: float,
    user: AbstractBaseUser | None = None,
    dedup_key: str = "",
    version: int = 1,
) -> uuid.UUID:
    """Ask for something, in the current transaction; its id. With `dedup_key`: the open command of that key, when there is one."""
    with transaction.atomic():
        if dedup_key:
            open_one = (
                NodeCommand.objects.filter(kind=kind, dedup_key=dedup_key, deadline__gt=Now())
                .exclude(answer__done_at__isnull=False)
                .order_by("created_at")
                .first()
            )
            if open_one is not None:
                return open_one.id
        row = NodeCommand.objects.create(
            kind=kind,
            version=version,
            payload=dict(payload or {}),
            dedup_key=dedup_key,
            requested_by_id=user.pk if user is not None else None,
            deadline=timezone.now() + timedelta(seconds=deadline_s),
        )
        ring(NODE_CHANNEL, "command")
    return row.id


def command_answer(command_id: uuid.UUID) -> CommandAnswer | None:
    """The answer; None: there is none yet."""
    row = NodeCommandAnswer.objects.filter(command_id=command_id, done_at__isnull=False).first()
    return CommandAnswer(code=row.code, params=row.params, body=row.body) if row is not None else None


def command_ask(
    kind: str,
    payload: Mapping[str, object] | None = None,
    *,
    deadline_s: float = MAX_WAIT_S,
    user: AbstractBaseUser | None = None,
    dedup_key: str = "",
) -> CommandAnswer:
    """Ask and wait, at most `deadline_s` (≤ 5 s). The answer has the code `node_away` when none came.

    Raises RuntimeError inside a transaction: the node would never see the row.
    """
    if connection.in_atomic_block:
        sentence = "a command is asked for outside of transactions"
        raise RuntimeError(sentence)
    deadline_s = min(deadline_s, MAX_WAIT_S)
    command_id = command_put(kind, payload, deadline_s=deadline_s, user=user, dedup_key=dedup_key)
    until = time.monotonic() + deadline_s
    while True:
        answer = command_answer(command_id)
        if answer is not None:
            return answer
        if time.monotonic() >= until:
            return CommandAnswer(code="node_away")
        time.sleep(POLL_S)


def commands_sweep(*, before: datetime) -> int:
    """Delete commands whose deadline passed before a time, with their answers; returns how many."""
    _, per_model = NodeCommand.objects.filter(deadline__lt=before).delete()
    return per_model.get(NodeCommand._meta.label, 0)


# ---- the node's side


def commands_waiting(*, kinds: Sequence[str]) -> bool:
    """Is there any command to take?"""
    return NodeCommand.objects.filter(answer=None, kind__in=list(kinds), deadline__gt=timezone.now()).exists()


def commands_take(boot_id: str, *, kinds: Sequence[str], limit: int) -> tuple[CommandWork, ...]:
    """Commands that nobody took and that are still waited for, oldest first; marked as taken by this boot. Inside a transaction."""
    now = timezone.now()
    rows = list(
        NodeCommand.objects.filter(answer=None, kind__in=list(kinds), deadline__gt=now).order_by("created_at")[:limit]
    )
    NodeCommandAnswer.objects.bulk_create([NodeCommandAnswer(command_id=row.id, boot_id=boot_id) for row in rows])
    return tuple(
        CommandWork(
            id=row.id,
            kind=row.kind,
            version=row.version,
            payload=row.payload,
            left_s=max(0.0, (row.deadline - now).total_seconds()),
        )
        for row in rows
    )


def command_answered(command_id: uuid.UUID, *, boot_id: str, answer: CommandAnswer) -> bool:
    """Write the answer of a command that this boot took. False: it has one, or another boot took it."""
    moved = NodeCommandAnswer.objects.filter(command_id=command_id, boot_id=boot_id, done_at=None).update(
        code=answer.code, params=dict(answer.params), body=dict(answer.body), done_at=Now()
    )
    return moved == 1


def commands_forsaken(boot_id: str) -> int:
    """Answer what other boots took and never finished; how many."""
    return (
        NodeCommandAnswer.objects.filter(done_at=None)
        .exclude(boot_id=boot_id)
        .update(code="node_restarted", done_at=Now())
    )
