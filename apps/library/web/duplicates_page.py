"""The page of duplicates: groups of files that are the same music, one proposed to be kept. Nothing goes unless somebody presses the button."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, message_of
from apps.common.sentences import sentence as sentence_of
from apps.domain.errors import DomainError
from apps.domain.library.duplicates import DuplicateKind, Ranked
from apps.library.selectors_duplicates import DuplicateGroup, duplicate_groups
from apps.library.services_duplicates import duplicates_trash

KINDS = (
    (
        DuplicateKind.PAYLOAD,
        lazy("Copies"),
        lazy("The same encoded sound in several files; only their tags may differ."),
    ),
    (
        DuplicateKind.PCM,
        lazy("Same samples"),
        lazy("Different encodings of exactly the same samples: no sound is lost by keeping any one."),
    ),
    (
        DuplicateKind.RECORDING,
        lazy("Same recording"),
        lazy("Different variants of one recording. They may be masters or formats that are kept on purpose."),
    ),
    (
        DuplicateKind.SOUND,
        lazy("Same sound"),
        lazy(
            "Their fingerprints are one recording's, though no common MBID says so. An edit may sound the same: listen first."
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """A file of a group."""

    one: Ranked
    keep: bool
    says: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCard:
    """A group with its files, the one to keep first."""

    group: DuplicateGroup
    lines: tuple[FileLine, ...]
    movable: int
    """files besides the first that may be moved"""


@require_GET
@page_role(Role.VIEWER)
def duplicates(request: HttpRequest) -> HttpResponse:
    """Groups of one kind."""
    kind = kind_of(request.GET.get("kind", ""))
    try:
        page = duplicate_groups(kind, cursor=request.GET.get("cursor") or None)
    except CursorInvalid:
        return redirect("library-duplicates")
    about = next(words for one, _label, words in KINDS if one is kind)
    cards = [card(group) for group in page.items]
    return render(
        request,
        "library/duplicates.html",
        {
            "page": page,
            "cards": cards,
            "kind": kind.value,
            "kinds": KINDS,
            "about": about,
            "first": not request.GET.get("cursor"),
        },
    )


@require_POST
@page_role(Role.OPERATOR)
def trash(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Keep one file of a group, put the others into the trash."""
    chosen = kind_of(kind)
    try:
        done = duplicates_trash(chosen, key, keep=int(request.POST.get("keep", "0") or 0))
    except ValueError:
        messages.error(request, message_of("duplicate_not_member", {}))
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    else:
        gone = sum(one.trash_id is not None for one in done)
        if gone:
            text = ngettext(
                "%(n)s file goes to the trash; it can be taken back there.",
                "%(n)s files go to the trash; they can be taken back there.",
                gone,
            )
            messages.success(request, text % {"n": gone})
        for code in sorted({one.code for one in done if one.code}):
            messages.error(request, message_of(code, {}))
    return redirect(f"{reverse('library-duplicates')}?kind={chosen.value}")


def kind_of(text: str) -> DuplicateKind:
    """The kind by its word; copies for anything else."""
    return DuplicateKind(text) if text in DuplicateKind._value2member_map_ else DuplicateKind.PAYLOAD


def card(group: DuplicateGroup) -> GroupCard:
    """A group for the page."""
    return GroupCard(
        group=group,
        lines=tuple(
            FileLine(one=one, keep=at == 0, says=sentence_of(one.reason.code, one.reason.params))
            for at, one in enumerate(group.files)
        ),
        movable=sum(one.file.writable for one in group.files[1:]),
    )
