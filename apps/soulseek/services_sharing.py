"""What people say of sharing: who may see which folder, whom they like, whose upload is enough. The only writers of ShareRule and UserRule."""

from __future__ import annotations

import os
import uuid
from datetime import datetime
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.domain.errors import DomainError
from apps.domain.soulseek.states import UPLOAD_ENDS
from apps.domain.soulseek.user_rules import MAX_RULES, Effect, MatchBy, Rule, checked
from apps.domain.soulseek.virtual_paths import Audience
from apps.library.models import LibraryRoot
from apps.nodelink.services_command import command_ask
from apps.soulseek.models import ShareChange, ShareRule, Upload, UserRule

UPLOAD_CANCEL: Final = "soulseek.upload.cancel"
MAX_FOLDER_RULES: Final = 10_000
_SLICE: Final = 2_000


class ShareRefused(DomainError):
    """A rule that can't be. Codes: `share_root_unknown`, `share_folder_invalid`, `share_rules_full`, `user_rule_there`, `user_rules_full`."""

    default_code = "share_folder_invalid"


# ---- folders


def share_set(root_id: int, relative_path: bytes, *, audience: Audience) -> ShareRule:
    """Who may see a folder, and what is below it. The folder may be empty, or not there yet. Raises ShareRefused."""
    path = folder_checked(relative_path)
    if not LibraryRoot.objects.filter(id=root_id).exists():
        raise ShareRefused("The library has no such folder.", code="share_root_unknown")
    with transaction.atomic():
        full = ShareRule.objects.count() >= MAX_FOLDER_RULES
        if full and not ShareRule.objects.filter(root_id=root_id, relative_path=path).exists():
            raise ShareRefused("There are too many rules.", code="share_rules_full", most=MAX_FOLDER_RULES)
        rule, _made = ShareRule.objects.update_or_create(
            root_id=root_id,
            relative_path=path,
            defaults={"display": path.decode("utf-8", "replace")[:4096], "audience": audience.value},
        )
        _rung()
    return rule


def share_unset(root_id: int, relative_path: bytes) -> bool:
    """The folder goes by what is above it again. False: it had no rule of its own."""
    with transaction.atomic():
        gone, _ = ShareRule.objects.filter(root_id=root_id, relative_path=folder_checked(relative_path)).delete()
        _rung()
    return bool(gone)


def folder_checked(relative_path: bytes) -> bytes:
    """A folder's path below its root in its normal form. Raises ShareRefused for one that leads elsewhere."""
    path = relative_path.strip(b"/")
    parts = path.split(b"/") if path else []
    if len(path) > 4096 or any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
        raise ShareRefused("This is no folder below the root.", code="share_folder_invalid")
    return path


def root_of(text: str) -> tuple[int, bytes]:
    """Root and folder of a path of the filesystem, as people type it. Raises ShareRefused."""
    wanted = os.fsencode(os.path.normpath(text))
    for root_id, path in sorted(LibraryRoot.objects.values_list("id", "path"), key=lambda row: -len(row[1])):
        base = os.fsencode(path).rstrip(b"/")
        if wanted == base or wanted.startswith(base + b"/"):
            return root_id, folder_checked(wanted[len(base) :])
    raise ShareRefused("The library has no such folder.", code="share_root_unknown")


# ---- users


def rule_add(
    *, effect: str, match: str, pattern: str, group: str = "", note: str = "", replace: bool = False
) -> UserRule:
    """A rule. `replace`: of the same user, other effects of the same match go (a buddy is banned: one click). Raises BadPattern, ShareRefused."""
    rule = checked(Rule(effect=Effect(effect), match=MatchBy(match), pattern=pattern, group=group.strip()))
    with transaction.atomic():
        same = UserRule.objects.filter(match=rule.match.value, pattern=rule.pattern)
        if same.filter(effect=rule.effect.value).exists() and not replace:
            raise ShareRefused("There is this rule already.", code="user_rule_there")
        if UserRule.objects.count() >= MAX_RULES:
            raise ShareRefused("There are too many rules.", code="user_rules_full", most=MAX_RULES)
        if replace:
            same.exclude(effect=Effect.GROUP.value).exclude(effect=rule.effect.value).delete()
        row, _made = UserRule.objects.update_or_create(
            effect=rule.effect.value,
            match=rule.match.value,
            pattern=rule.pattern,
            defaults={"group": rule.group, "note": note.strip()[:500]},
        )
        _rung()
    return row


def rule_remove(rule_id: int) -> bool:
    """Take a rule away. False: there is none."""
    with transaction.atomic():
        gone, _ = UserRule.objects.filter(id=rule_id).delete()
        _rung()
    return bool(gone)


# ---- uploads


def upload_cancel(upload_id: uuid.UUID, *, user: AbstractBaseUser | None = None) -> None:
    """End an upload; its user is told. Raises DomainError: `upload_over`, `node_away`."""
    if not Upload.objects.filter(~Q(state__in=sorted(UPLOAD_ENDS)), id=upload_id).exists():
        raise DomainError("This upload is over.", code="upload_over")
    _asked({"upload_id": str(upload_id)}, user)


def uploads_cancel_of(name: str, *, user: AbstractBaseUser | None = None) -> int:
    """End all uploads of a user; how many. Raises DomainError `node_away`."""
    return _asked({"user": name}, user)


def _asked(payload: dict[str, object], user: AbstractBaseUser | None) -> int:
    answer = command_ask(UPLOAD_CANCEL, payload, user=user)
    if answer.code:
        raise DomainError(
            "The node did not do it.", code=answer.code, retryable=answer.code == "node_away", **answer.params
        )
    ring(WEB_CHANNEL, "soulseek_uploads")
    count = answer.body.get("cancelled", 0)
    return count if isinstance(count, int) else 0


# ---- retention


def uploads_forget(*, ended_before: datetime) -> int:
    """Remove the history of before; how many."""
    gone = 0
    while ids := list(Upload.objects.filter(ended_at__lt=ended_before).values_list("id", flat=True)[:500]):
        gone += Upload.objects.filter(id__in=ids).delete()[0]
    return gone


def changes_sweep(*, before: datetime) -> int:
    """Remove changes that no node took: its next start reads everything."""
    ids = list(ShareChange.objects.filter(at__lt=before).order_by("at").values_list("id", flat=True)[: 25 * _SLICE])
    for at in range(0, len(ids), 500):
        ShareChange.objects.filter(id__in=ids[at : at + 500]).delete()
    return len(ids)


def _rung() -> None:
    ring(NODE_CHANNEL, "soulseek_sharing")
    ring(WEB_CHANNEL, "soulseek_sharing")
