"""Pages of sharing: the tree of what is shared and with whom, uploads, rules of users."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, sentence
from apps.common.sse import stream_response
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.user_rules import Effect, MatchBy
from apps.domain.soulseek.virtual_paths import Audience
from apps.nodelink.web.frame import frame_parts, rights_of
from apps.soulseek.interval_words import interval_words
from apps.soulseek.selectors_sharing import (
    UPLOAD_ORDER,
    VIEWS,
    UploadPlace,
    UploadRow,
    rules_of,
    rules_query,
    share_status,
    share_tree,
    upload_places,
    upload_sums,
    uploads_live,
    uploads_query,
)
from apps.soulseek.services_sharing import (
    folder_checked,
    rule_add,
    rule_remove,
    share_set,
    share_unset,
    upload_cancel,
    uploads_cancel_of,
)

LIVE_SHOWN: Final = 200


AUDIENCES: Final[Mapping[Audience, Look]] = {
    Audience.EVERYONE: Look(label=lazy("Everyone"), icon="check", tone="ok"),
    Audience.BUDDIES: Look(label=lazy("Buddies"), icon="peers", tone="info"),
    Audience.NOBODY: Look(label=lazy("Nobody"), icon="stop", tone="idle"),
}
STATES: Final[Mapping[str, Look]] = {
    UploadState.QUEUED: Look(label=lazy("Waits"), icon="clock", tone="idle"),
    UploadState.CONNECTING: Look(label=lazy("Calling"), icon="retry", tone="info"),
    UploadState.SENDING: Look(label=lazy("Sending"), icon="up", tone="info"),
    UploadState.SUCCEEDED: Look(label=lazy("Sent"), icon="check", tone="ok"),
    UploadState.REFUSED: Look(label=lazy("Refused"), icon="cross", tone="warn"),
    UploadState.CANCELLED: Look(label=lazy("Cancelled"), icon="stop", tone="idle"),
    UploadState.TIMED_OUT: Look(label=lazy("Not reached"), icon="clock", tone="warn"),
    UploadState.ERRORED: Look(label=lazy("Failed here"), icon="warning", tone="bad"),
    UploadState.ABORTED: Look(label=lazy("Broken off"), icon="warning", tone="warn"),
}
EFFECTS: Final[Mapping[str, Look]] = {
    Effect.BUDDY: Look(label=lazy("Buddy"), icon="check", tone="ok"),
    Effect.IGNORE: Look(label=lazy("Ignored"), icon="stop", tone="idle"),
    Effect.BAN: Look(label=lazy("Banned"), icon="cross", tone="bad"),
    Effect.GROUP: Look(label=lazy("In a group"), icon="peers", tone="info"),
}
MATCHES: Final[Mapping[str, Promise]] = {
    MatchBy.USER: lazy("this name"),
    MatchBy.REGEX: lazy("names like"),
    MatchBy.CIDR: lazy("addresses"),
}
GROUPS: Final[Mapping[str, Promise]] = {
    "buddies": lazy("buddies"),
    "default": lazy("everybody"),
    "leechers": lazy("leechers"),
    "privileged": lazy("privileged"),
}


# ---- what is shared


@require_GET
@page_role(Role.VIEWER)
def shares(request: HttpRequest) -> HttpResponse:
    """A folder of the tree, or the roots; as we, buddies or everybody see it."""
    view = request.GET.get("view", "")
    root, folder = _place(request.GET.get("root", ""), request.GET.get("path", ""))
    tree = share_tree(root_id=root, path=folder, seen_by=view if view in VIEWS else "")
    if not tree.known:
        return redirect("shares")
    context = {
        "tree": tree,
        "root": root,
        "view": view if view in VIEWS else "",
        "looks": {audience.value: look for audience, look in AUDIENCES.items()},
        "lines": [(one, AUDIENCES[one.audience]) for one in tree.folders],
        "here_look": AUDIENCES[tree.here.audience] if tree.here is not None else None,
        "totals": [(AUDIENCES[audience], amount) for audience, amount in tree.totals.items()],
        "status": share_status(),
        "choices": [(audience.value, look.label) for audience, look in AUDIENCES.items()],
        "rights": rights_of(request),
    }
    return render(request, "soulseek/shares.html", context)


@require_POST
@page_role(Role.OPERATOR)
def share_rule(request: HttpRequest) -> HttpResponse:
    """Who may see a folder."""
    root, folder = _place(request.POST.get("root", ""), request.POST.get("path", ""))
    audience = request.POST.get("audience", "")
    try:
        if root is not None and audience == "inherit":
            share_unset(root, folder)
        elif root is not None and audience in {one.value for one in Audience}:
            share_set(root, folder, audience=Audience(audience))
    except DomainError as error:
        messages.error(request, str(sentence(error.code, error.params)))
    return _back(request, "shares")


def _place(root: str, path_hex: str) -> tuple[int | None, bytes]:
    """From the address; what is no folder is the roots."""
    try:
        folder = folder_checked(bytes.fromhex(path_hex))
    except (ValueError, DomainError):
        return None, b""
    known = root.isdecimal() and len(root) < 19
    return (int(root), folder) if known else (None, b"")


# ---- uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLine:
    """An upload as shown. `rules`: effects of rules about its user by name. `place`: in the queue, as its user hears it (0: not known); `eta`: until it
    begins, or until it is through; "" = not known."""

    row: UploadRow
    look: Look
    says: Sentence | None
    place: int
    waits: Sentence | None
    eta: str
    group: Promise | str
    percent: int
    rules: frozenset[str]
    name: str
    folder: str


def _lines(rows: list[UploadRow], places: Mapping[uuid.UUID, UploadPlace] | None = None) -> list[UploadLine]:
    rules = rules_of(sorted({row.user for row in rows}))
    places = places or {}
    found = []
    for row in rows:
        folder, _separator, name = row.remote_path.rpartition("\\")
        told = places.get(row.id) if row.state == UploadState.QUEUED else None
        found.append(
            UploadLine(
                row=row,
                look=STATES[row.state],
                says=sentence(row.code, row.params) if row.code else None,
                place=told.place if told is not None else 0,
                waits=sentence(told.code, told.params) if told is not None and told.code else None,
                eta=interval_words(told.low_s, told.high_s) if told is not None else _left(row),
                group=GROUPS.get(row.group, row.group),
                percent=min(100, (row.offset + row.sent_bytes) * 100 // row.size_bytes) if row.size_bytes else 0,
                rules=frozenset(rules.get(row.user, ())),
                name=name,
                folder=folder,
            )
        )
    return found


def _left(row: UploadRow) -> str:
    """How long one that runs will go on at its present speed."""
    if row.state != UploadState.SENDING or not row.speed_bps:
        return ""
    seconds = max(0, row.size_bytes - row.offset - row.sent_bytes) // row.speed_bps
    return interval_words(seconds * 4 // 5, seconds * 5 // 4 + 1)


def _live_context() -> dict[str, object]:
    live, places = uploads_live(LIVE_SHOWN + 1), upload_places()
    known = [row for row in live if row.id in places]  # in the order in which they will begin, before those behind them
    known.sort(key=lambda row: places[row.id].place)
    running = [row for row in live if row.state != UploadState.QUEUED]
    shown = list(dict.fromkeys([*running, *known, *live]))
    return {
        "live": _lines(shown[:LIVE_SHOWN], places),
        "more": len(live) > LIVE_SHOWN,
        "sums": upload_sums(),
    }


@require_GET
@page_role(Role.VIEWER)
def uploads(request: HttpRequest) -> HttpResponse:
    """What runs and waits, and the history."""
    user = request.GET.get("user", "")[:120]
    try:
        page = keyset_page(uploads_query(show="ended", user=user), order=UPLOAD_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("uploads")
    context = {**_live_context(), "page": page, "ended": _lines(list(page.items)), "user_shown": user}
    return render(request, "soulseek/uploads.html", {**context, "rights": rights_of(request)})


@require_GET
@page_role(Role.VIEWER)
def live_uploads(request: HttpRequest) -> HttpResponseBase:
    """Patches of what runs and waits."""
    rights = rights_of(request)

    def parts() -> Mapping[str, object]:
        context = {**_live_context(), "rights": rights}
        return {**frame_parts(), "uploads-live": render_to_string("soulseek/_uploads_live.html", context)}

    return stream_response(parts)


@require_POST
@page_role(Role.OPERATOR)
def upload_act(request: HttpRequest, name: str) -> HttpResponse:
    """cancel (`id`), cancel-all, ban, buddy (`user`)."""
    person = request.user if isinstance(request.user, User) else None
    user = request.POST.get("user", "")
    try:
        if name == "cancel":
            upload_cancel(uuid.UUID(request.POST.get("id", "")), user=person)
            messages.success(request, _("The upload was cancelled."))
        elif name == "cancel-all":
            count = uploads_cancel_of(user, user=person)
            messages.success(
                request, ngettext("%(n)s upload cancelled.", "%(n)s uploads cancelled.", count) % {"n": count}
            )
        elif name in ("ban", "buddy"):
            rule_add(effect=name, match="user", pattern=user, replace=True)
            words = _("They are banned; what waited for them is gone.") if name == "ban" else _("They are a buddy now.")
            messages.success(request, words)
    except ValueError:
        pass
    except DomainError as error:
        messages.error(request, str(sentence(error.code, error.params)))
    return _back(request, "uploads")


# ---- rules of users


@require_GET
@page_role(Role.VIEWER)
def user_rules(request: HttpRequest) -> HttpResponse:
    """All rules, and a form for one more."""
    effect = request.GET.get("effect", "")
    try:
        page = keyset_page(
            rules_query(effect=effect if effect in EFFECTS else ""), order=("-id",), cursor=request.GET.get("cursor")
        )
    except CursorInvalid:
        return redirect("user-rules")
    context = {
        "page": page,
        "lines": [(row, EFFECTS[row.effect], MATCHES[row.match]) for row in page.items],
        "effect": effect if effect in EFFECTS else "",
        "effects": [(value, look.label) for value, look in EFFECTS.items()],
        "matches": [(value, words) for value, words in MATCHES.items()],
        "given": {key: request.GET.get(key, "") for key in ("pattern", "match", "as", "group", "note")},
        "rights": rights_of(request),
    }
    return render(request, "soulseek/user_rules.html", context)


@require_POST
@page_role(Role.OPERATOR)
def user_rule_add(request: HttpRequest) -> HttpResponse:
    """One more; what was typed comes back when it is refused."""
    given = {key: request.POST.get(key, "") for key in ("effect", "match", "pattern", "group", "note")}
    try:
        rule_add(
            effect=given["effect"],
            match=given["match"],
            pattern=given["pattern"],
            group=given["group"],
            note=given["note"],
        )
    except (DomainError, ValueError) as error:
        if isinstance(error, DomainError):
            messages.error(request, str(sentence(error.code, error.params)))
        kept = {"as": given.pop("effect"), **given}
        return redirect(f"{reverse('user-rules')}?{urlencode(kept)}")
    messages.success(request, _("The rule holds from now on."))
    return redirect("user-rules")


@require_POST
@page_role(Role.OPERATOR)
def user_rule_remove(request: HttpRequest, rule_id: int) -> HttpResponse:
    """One less."""
    if rule_remove(rule_id):
        messages.success(request, _("The rule is gone."))
    return redirect("user-rules")


def _back(request: HttpRequest, otherwise: str) -> HttpResponse:
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()})
    return redirect(target if safe and target else otherwise)


urlpatterns = [
    path("soulseek/shares", shares, name="shares"),
    path("soulseek/shares/rule", share_rule, name="share-rule"),
    path("soulseek/uploads", uploads, name="uploads"),
    path("soulseek/uploads/act/<slug:name>", upload_act, name="upload-act"),
    path("live/uploads", live_uploads, name="live-uploads"),
    path("soulseek/users/rules", user_rules, name="user-rules"),
    path("soulseek/users/rules/add", user_rule_add, name="user-rule-add"),
    path("soulseek/users/rules/<int:rule_id>/remove", user_rule_remove, name="user-rule-remove"),
]
