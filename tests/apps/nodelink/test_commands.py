"""Commands to the node as the control plane sees them."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from apps.domain.contracts.node_commands import CommandAnswer
from apps.nodelink.models import NodeCommand, NodeCommandAnswer
from apps.nodelink.services_command import (
    command_answered,
    command_ask,
    command_put,
    commands_sweep,
    commands_take,
)


@pytest.mark.django_db(transaction=True)
def test_whoever_asks_gets_the_answer_as_soon_as_it_is_there() -> None:
    def node() -> None:
        try:
            while not (works := commands_take("boot", kinds=["echo"], limit=9)):
                time.sleep(0.01)
            (work,) = works
            command_answered(work.id, boot_id="boot", answer=CommandAnswer(body={"said": work.payload["say"]}))
        finally:
            connection.close()

    thread = threading.Thread(target=node)
    thread.start()
    answer = command_ask("echo", {"say": "hi"}, deadline_s=5)
    thread.join()
    assert answer == CommandAnswer(body={"said": "hi"})


@pytest.mark.django_db(transaction=True)
def test_a_node_that_is_away_is_told_as_such_after_the_deadline() -> None:
    began = time.monotonic()
    assert command_ask("echo", deadline_s=0.2).code == "node_away"
    assert time.monotonic() - began >= 0.2
    assert not NodeCommandAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_inside_a_transaction() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        command_ask("echo")
    assert not NodeCommand.objects.exists()


@pytest.mark.django_db
def test_an_open_command_of_the_same_key_is_joined_and_a_done_one_is_not() -> None:
    user = User.objects.create_user("olga")
    first = command_put("browse", {"user": "bob"}, deadline_s=60, dedup_key="bob", user=user)
    assert command_put("browse", {"user": "bob"}, deadline_s=60, dedup_key="bob") == first
    assert command_put("browse", {"user": "eve"}, deadline_s=60, dedup_key="eve") != first
    commands_take("boot", kinds=["browse"], limit=1)
    assert command_put("browse", {"user": "bob"}, deadline_s=60, dedup_key="bob") == first
    command_answered(first, boot_id="boot", answer=CommandAnswer())
    assert command_put("browse", {"user": "bob"}, deadline_s=60, dedup_key="bob") != first
    assert NodeCommand.objects.get(id=first).requested_by == user


@pytest.mark.django_db
def test_old_commands_are_swept_with_their_answers() -> None:
    old, _young = command_put("echo", deadline_s=1), command_put("echo", deadline_s=3600)
    commands_take("boot", kinds=["echo"], limit=9)
    assert commands_sweep(before=timezone.now() + timedelta(minutes=1)) == 1
    assert not NodeCommand.objects.filter(id=old).exists()
    assert NodeCommandAnswer.objects.count() == 1
