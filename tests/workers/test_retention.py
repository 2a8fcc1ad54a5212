"""What nobody needs any more is forgotten, and what somebody may still look at is not."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.domain.contracts.soulseek_session import SessionHappening
from apps.domain.soulseek.states import HuntState, Outcome
from apps.nodelink.models import NodeCommand
from apps.nodelink.services_command import command_put
from apps.soulseek.models import Batch, Hunt, SessionEvent, SourceOutcome
from apps.soulseek.services_node_session import session_record
from slskdn_site.config import load_config
from workers.retention import retention

pytestmark = pytest.mark.django_db(transaction=True)


def test_commands_and_events_of_the_session_go_by_age(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = timezone.now()
    old, young = command_put("echo", deadline_s=1), command_put("echo", deadline_s=1)
    NodeCommand.objects.filter(id=old).update(deadline=now - timedelta(days=2))
    session_record(
        None,
        [
            SessionHappening(kind="lost", at=now - timedelta(days=31)),
            SessionHappening(kind="connected", at=now - timedelta(days=29)),
        ],
    )
    retention()
    assert [row.id for row in NodeCommand.objects.all()] == [young]
    assert [row.kind for row in SessionEvent.objects.all()] == ["connected"]
    assert "commands=1 session_events=1" in caplog.text


def test_what_soulseek_left_goes_by_the_configured_age(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = timezone.now()
    kept_days = load_config().soulseek.downloads.retention_days
    for days in (kept_days - 1, kept_days + 1):
        at = now - timedelta(days=days)
        Batch.objects.create(user="bob", ended_at=at)
        SourceOutcome.objects.create(user="bob", path_digest=b"x" * 32, outcome=Outcome.SUCCEEDED, at=at)
        hunt = Hunt.objects.create(words=f"{days}", state=HuntState.DONE)
        Hunt.objects.filter(id=hunt.id).update(updated_at=at)
    retention()
    assert Batch.objects.get().ended_at == SourceOutcome.objects.get().at == Hunt.objects.get().updated_at
    assert "downloads=1 hunts_candidates=(1, 0) outcomes=1" in caplog.text
