"""How fixes and the trash look: words of actions and states, icons and tones. Codes' sentences: apps.common.sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as lazy

from apps.common.sentences import Sentence, Words, sentence
from apps.common.web.looks import Look
from apps.domain.library.remedy import RemedyAction, RemedyState
from apps.domain.library.trash import TrashReason, TrashState
from apps.library.selectors_trash import TrashView
from apps.remediation.selectors import RemediationView

ACTIONS: Final[Mapping[RemedyAction, Words]] = {
    RemedyAction.FETCH_MISSING: lazy("Fetch the missing track"),
    RemedyAction.BETTER_VARIANT: lazy("Replace it by a better file"),
    RemedyAction.REPLACE_CORRUPT: lazy("Replace it by a sound file"),
    RemedyAction.RETAG: lazy("Write its tags anew"),
    RemedyAction.REMOVE_DUPLICATE: lazy("Move the spare copies to the trash"),
    RemedyAction.REIDENTIFY: lazy("Find out anew what it is"),
}
_STATES: Final[Mapping[RemedyState, tuple[Words, str, str]]] = {
    RemedyState.PLANNED: (lazy("Waits for a worker"), "clock", "idle"),
    RemedyState.WAITING: (lazy("Waits for its download"), "arriving", "overlay"),
    RemedyState.PLACING: (lazy("Files are exchanged"), "retry", "overlay"),
    RemedyState.DONE: (lazy("Done"), "check", "ok"),
    RemedyState.FAILED: (lazy("Failed"), "warning", "bad"),
    RemedyState.UNDOING: (lazy("Being taken back"), "retry", "warn"),
    RemedyState.UNDONE: (lazy("Taken back"), "stop", "idle"),
}
_TRASH: Final[Mapping[TrashState, tuple[Words, str, str]]] = {
    TrashState.PLANNED: (lazy("Waits for a worker"), "clock", "idle"),
    TrashState.MOVING: (lazy("On its way to the trash"), "clock", "idle"),
    TrashState.TRASHED: (lazy("In the trash"), "check", "info"),
    TrashState.RESTORING: (lazy("On its way back"), "retry", "overlay"),
    TrashState.RESTORED: (lazy("Back"), "check", "ok"),
    TrashState.PURGING: (lazy("Being deleted"), "clock", "warn"),
    TrashState.PURGED: (lazy("Deleted"), "stop", "idle"),
    TrashState.FAILED: (lazy("It stayed"), "warning", "bad"),
}
REASONS: Final[Mapping[str, Words]] = {
    TrashReason.REPLACED: lazy("Replaced"),
    TrashReason.DUPLICATE: lazy("A spare copy"),
    TrashReason.RETAGGED: lazy("As it was before its tags were written"),
    TrashReason.UNDONE: lazy("From a fix that was taken back"),
    TrashReason.PERSON: lazy("Somebody put it there"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyLine:
    """A fix on a page."""

    row: RemediationView
    action: Words
    look: Look
    says: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashLine:
    """A trashed file on a page."""

    row: TrashView
    look: Look
    reason: Words
    says: Sentence


def remedy_line(row: RemediationView) -> RemedyLine:
    """For a list or a page."""
    label, icon, tone = _STATES[row.state]
    return RemedyLine(
        row=row,
        action=ACTIONS[row.action],
        look=Look(label=label, icon=icon, tone=tone),
        says=sentence(row.code, row.params),
    )


def trash_line(row: TrashView) -> TrashLine:
    """For a list."""
    label, icon, tone = _TRASH[row.state]
    return TrashLine(
        row=row,
        look=Look(label=label, icon=icon, tone=tone),
        reason=REASONS.get(row.reason, row.reason),
        says=sentence(row.code, row.params),
    )
