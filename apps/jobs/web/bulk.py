"""One act on several jobs, and what to tell the person about it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.common.sentences import message_of
from apps.domain.errors import DomainError
from apps.jobs.actions import ACTIONS, UNDO

MAX_IDS = 200  # a page of the list


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, and what was refused with which words."""

    name: str
    done: tuple[uuid.UUID, ...]
    refused: tuple[str, ...]

    @property
    def says(self) -> str:
        """One line."""
        count = len(self.done)
        words = {
            "pause": ngettext("%(n)s job paused.", "%(n)s jobs paused.", count),
            "resume": ngettext("%(n)s job goes on.", "%(n)s jobs go on.", count),
            "cancel": ngettext(
                "%(n)s job cancelled; finished tracks stay.", "%(n)s jobs cancelled; finished tracks stay.", count
            ),
            "retry": ngettext("%(n)s job is tried again.", "%(n)s jobs are tried again.", count),
        }[self.name]
        return words % {"n": count} if count else _("Nothing changed.")

    @property
    def undo(self) -> str:
        """The act that takes it back; "" when there is none."""
        return UNDO.get(self.name, "") if self.done else ""


def act(name: str, ids: Sequence[str]) -> Outcome:
    """Do `name` to each job; one refusal stops none of the others."""
    done: list[uuid.UUID] = []
    refused: list[str] = []
    for text in ids[:MAX_IDS]:
        try:
            job_id = uuid.UUID(text)
            ACTIONS[name](job_id)
            done.append(job_id)
        except ValueError:
            continue
        except DomainError as error:
            refused.append(message_of(error.code, error.params, fallback=error.sentence))
    return Outcome(name=name, done=tuple(done), refused=tuple(dict.fromkeys(refused)))


def toast_response(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    """A toast with its undo, for htmx to add to the page; the rows themselves come over the live stream."""
    return render(request, "components/toast_outcome.html", {"outcome": outcome})
