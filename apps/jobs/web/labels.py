"""Labels of the mesh: which there are, by popularity; one label's releases; and its crate."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_POST

from apps.catalog.selectors_labels import labels_named
from apps.catalog.services_walk import label_graph_ask
from apps.common.ids import new_id
from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.common.text import searched
from apps.domain.errors import DomainError
from apps.jobs.selectors_labels import LabelView, label_view
from apps.jobs.services_crates import crate_ask
from apps.mesh.selectors_labels import LABEL_ORDER, label_query, label_rows, label_totals

SHOWN: Final = 50
CODECS: Final[Mapping[str, str | Promise]] = {
    "": lazy("Any codec"),
    "lossless": lazy("Lossless"),
    "flac": "FLAC",
    "mp3": "MP3",
}
WISHES: Final[Mapping[str, str | Promise]] = {
    "": lazy("As configured"),
    "lossless": lazy("Lossless only"),
    "flac": lazy("FLAC first"),
    "mp3": lazy("MP3 first"),
}
SIZES: Final[Mapping[str, str | Promise]] = {
    "10": lazy("the top 10"),
    "20": lazy("the top 20"),
    "50": lazy("the top 50"),
    "100": lazy("the top 100"),
    "all": lazy("all (at most 500)"),
}
LEAST: Final[Mapping[str, str | Promise]] = {
    "": lazy("Any number of releases"),
    "2": lazy("2 releases or more"),
    "5": lazy("5 releases or more"),
    "20": lazy("20 releases or more"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What the address asks for; what it can't ask for is left out."""

    text: str
    least: str

    @classmethod
    def of(cls, params: Mapping[str, str]) -> ListQuery:
        least = params.get("least", "")
        return cls(text=searched(params.get("q", "")), least=least if least in LEAST else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQuery:
    """As ListQuery, of one label."""

    codec: str
    studio: bool
    more: bool

    @classmethod
    def of(cls, params: Mapping[str, str]) -> LabelQuery:
        codec = params.get("codec", "")
        return cls(
            codec=codec if codec in CODECS else "", studio=params.get("studio") == "1", more=params.get("more") == "1"
        )


@require_GET
@page_role(Role.VIEWER)
def labels(request: HttpRequest) -> HttpResponse:
    """The most popular first."""
    query = ListQuery.of(request.GET.dict())
    rows = label_query(search=query.text, min_releases=int(query.least or 0))
    try:
        page = keyset_page(rows, order=LABEL_ORDER, cursor=request.GET.get("cursor"), limit=SHOWN)
    except CursorInvalid:
        return redirect("mesh-labels")
    lines = label_rows(page.items)
    context = {
        "page": page,
        "lines": lines,
        "query": query,
        "least": LEAST.items(),
        "totals": label_totals(),
        "named": labels_named(query.text) if query.text and not lines else (),
    }
    return render(request, "mesh/labels.html", context)


@require_GET
@page_role(Role.VIEWER)
def label(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """One label's releases, and the form for its crate."""
    return render(request, "mesh/label.html", _context(key, LabelQuery.of(request.GET.dict())))


@require_POST
@page_role(Role.OPERATOR)
def label_crate(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Make the crate; the form's key makes a double click one job."""
    size = request.POST.get("size", "")
    known = label_view(key, limit=1)
    try:
        made = crate_ask(
            known,
            limit=None if size == "all" else int(size) if size in SIZES else 10,
            studio_only=request.POST.get("studio") == "1",
            codec=request.POST.get("codec", ""),
            requested_by=request.user if isinstance(request.user, User) else None,
            idempotency_key=request.POST.get("key") or None,
        )
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
        return redirect("mesh-label", key=key)
    return redirect("job", job_id=made.id)


@require_POST
@page_role(Role.OPERATOR)
def label_ask(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Have MusicBrainz' list of the label read, or read again."""
    known = label_view(key, limit=1)
    if known.label_mbid is not None:
        label_graph_ask(known.label_mbid, refresh=request.POST.get("refresh") == "1")
    return redirect("mesh-label", key=key)


def _context(key: uuid.UUID, query: LabelQuery) -> dict[str, object]:
    found: LabelView = label_view(key, limit=500 if query.more else SHOWN, codec=query.codec, studio_only=query.studio)
    return {
        "label": found,
        "query": query,
        "codecs": CODECS.items(),
        "wishes": WISHES.items(),
        "sizes": SIZES.items(),
        "key": new_id(),
        "hidden": found.total - len(found.releases),
    }
