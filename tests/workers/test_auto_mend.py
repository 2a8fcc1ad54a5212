"""Transcodes that are mended without being asked: only if that is switched on, a bounded number at once, never the same one twice; and the sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.domain.library.issues import IssueState, IssueType
from apps.domain.library.trash import TrashReason
from apps.library.models import TrashedFile
from apps.library.services_issues import issues_move
from apps.remediation.models import Remediation
from slskdn_site.config import Config
from tests.workers.assembled import flac
from tests.workers.conftest import Killed, kill_at
from tests.workers.mending import Home, issue, time_passes
from workers import remediate
from workers.remediate import transcodes_mend
from workers.retention import retention
from workers.sweep import sweep
from workers.trash import trash_file, trash_step

pytestmark = pytest.mark.django_db(transaction=True)


def configured(*, on: bool, scoring: bool = True) -> Config:
    return Config.model_validate({"audio": {"canonical_scoring": {"auto_replace_transcodes": on, "enabled": scoring}}})


@pytest.fixture
def suspects(tmp_path: Path) -> list[int]:
    home = Home(folder=tmp_path)
    return [
        issue(
            IssueType.SUSPECTED_TRANSCODE,
            position=n,
            file_id=home.own(f"{n}.flac", flac(n), position=n, quality=0.2),
        )
        for n in (1, 2, 3)
    ]


def test_nothing_is_mended_unasked_by_default_or_without_scoring(suspects: list[int]) -> None:
    assert transcodes_mend(Config()) == transcodes_mend(configured(on=True, scoring=False)) == 0
    assert not Remediation.objects.exists()


def test_switched_on_a_bounded_number_is_mended_at_once_and_none_twice(
    suspects: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remediate, "MAX_UNASKED", 2)
    assert transcodes_mend(configured(on=True)) == 2
    assert transcodes_mend(configured(on=True)) == 0  # until one of them has ended
    ended = Remediation.objects.order_by("id")[0]
    Remediation.objects.filter(id=ended.id).update(state="failed")
    issues_move([ended.issue_id], to=IssueState.FAILED)
    issues_move([ended.issue_id], to=IssueState.DETECTED)
    assert transcodes_mend(configured(on=True)) == 1
    assert Remediation.objects.filter(issue_id=ended.issue_id).count() == 1  # it failed once: a person decides
    assert Remediation.objects.count() == 3


def test_the_sweep_finds_what_waits_and_retention_gives_up_what_was_kept_long_enough(tmp_path: Path) -> None:
    home = Home(folder=tmp_path)
    with pytest.raises(Killed):
        trash_file(home.own("1.flac", flac()), reason=TrashReason.PERSON, checkpoint=kill_at("written"))
    time_passes()
    sweep()  # sends it again; nobody is there to take it
    row = TrashedFile.objects.get()
    trash_step(row.id)
    TrashedFile.objects.update(trashed_at="2020-01-01T00:00:00Z")
    retention()
    assert TrashedFile.objects.get().state == "purging"
    trash_step(row.id)
    assert TrashedFile.objects.get().state == "purged"
