"""What the node reads to share: roots and rules, files in batches, changes, one file that is to be sent, rules of users, uploads of before."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, cast

from django.db.models import Q, QuerySet, Sum

from apps.domain.contracts.soulseek_sharing import (
    FileToSend,
    ShareBatch,
    ShareChanges,
    SharedRoot,
    SharePlan,
    UploadKept,
    UserBytes,
    UserRulesRead,
)
from apps.domain.soulseek.share_index import SharedEntry, attributes_of
from apps.domain.soulseek.states import UPLOAD_ENDS
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from apps.domain.soulseek.virtual_paths import Audience, FolderRule, ShareRules, root_names, virtual_path
from apps.library.models import AudioFile, LibraryRoot
from apps.soulseek.models import ShareChange, ShareRule, Upload, UserRule

BATCH: Final = 500
_BUDDIES: Final = frozenset({"buddies"})
_EVERYONE: Final[frozenset[str]] = frozenset()
_Row = tuple[int, int, bytes, int, int | None, bool | None, str | None, int | None, int | None, int | None, int | None]


def share_plan() -> SharePlan:
    """Roots that can be read now, and the rules of folders. Two queries."""
    rows = list(LibraryRoot.objects.order_by("id").values_list("id", "path", "state_code"))
    names = root_names([(root_id, path) for root_id, path, _ in rows])
    return SharePlan(
        roots=tuple(
            SharedRoot(id=root_id, path=os.fsencode(path), name=names[root_id])
            for root_id, path, state_code in rows
            if not state_code
        ),
        rules=share_rules(),
    )


def share_rules() -> ShareRules:
    """All rules of folders."""
    return ShareRules.of(
        FolderRule(root_id=root_id, relative_path=bytes(path), audience=Audience(audience))
        for root_id, path, audience in ShareRule.objects.values_list("root_id", "relative_path", "audience")
    )


def share_batch(plan: SharePlan, *, after_id: int, limit: int = BATCH) -> ShareBatch:
    """The next files of the plan's roots, by rising id."""
    files = AudioFile.objects.filter(id__gt=after_id, root_id__in=[one.id for one in plan.roots]).order_by("id")
    return _batch(plan, _rows(files)[:limit], limit=limit)


def share_files(plan: SharePlan, file_ids: Collection[int]) -> ShareBatch:
    """These files (at most BATCH); what is no more, or not shared, is told as unshared."""
    wanted = sorted(file_ids)[:BATCH]
    found = _batch(plan, _rows(AudioFile.objects.filter(id__in=wanted)), limit=BATCH + 1)
    there = {one.file_id for one in found.entries} | set(found.unshared)
    return ShareBatch(entries=found.entries, unshared=(*found.unshared, *(one for one in wanted if one not in there)))


def share_changes(limit: int = BATCH) -> ShareChanges:
    """Files that changed and were not taken yet."""
    rows = list(ShareChange.objects.order_by("id").values_list("id", "file_id")[:limit])
    return ShareChanges(
        file_ids=tuple(dict.fromkeys(file_id for _, file_id in rows)), marks=tuple(mark for mark, _ in rows)
    )


def file_to_send(file_id: int) -> tuple[FileToSend, Audience] | None:
    """The file as its row is now, and who may have it. None: it is no more, its root can't be read, or nobody may have it."""
    row = (
        AudioFile.objects.filter(id=file_id, missing_since=None, root__state_code="")
        .exclude(read_state="unreadable")
        .values_list("root_id", "root__path", "rel_path", "size_bytes", "mtime_ns")
        .first()
    )
    if row is None:
        return None
    root_id, root, relative, size, mtime_ns = row
    audience = share_rules().audience(root_id, bytes(relative))
    if audience is Audience.NOBODY:
        return None
    return (
        FileToSend(
            file_id=file_id, root=os.fsencode(root), relative_path=bytes(relative), size=size, mtime_ns=mtime_ns
        ),
        audience,
    )


def rules_read() -> UserRulesRead:
    """All rules of users, oldest first. The stamp is of their ids and contents: rules are few."""
    rows = list(UserRule.objects.order_by("id").values_list("effect", "match", "pattern", "group"))
    rules = tuple(
        Rule(effect=Effect(effect), match=MatchBy(match), pattern=pattern, group=group)
        for effect, match, pattern, group in rows
    )
    return UserRulesRead(rules=rules, stamp=str(hash(rules)))


def uploads_kept() -> tuple[UploadKept, ...]:
    """Uploads that are live by their rows, as they were asked for: after a start, those of the boot before."""
    rows = Upload.objects.filter(~Q(state__in=sorted(UPLOAD_ENDS))).order_by("asked_at", "id")
    return tuple(
        UploadKept(
            id=row.id,
            user=row.user,
            remote_path=row.remote_path,
            file_id=row.file_id,
            size=row.size_bytes,
            asked_at=row.asked_at,
            sent_bytes=row.sent_bytes,
        )
        for row in rows[:50_000]
    )


def user_bytes(user: str, *, day: datetime, week: datetime) -> UserBytes:
    """What a user was sent by uploads that ended since then."""
    found = Upload.objects.filter(user=user, ended_at__gte=min(day, week)).aggregate(
        day=Sum("sent_bytes", filter=Q(ended_at__gte=day)), week=Sum("sent_bytes", filter=Q(ended_at__gte=week))
    )
    return UserBytes(day=found["day"] or 0, week=found["week"] or 0)


def average_speed(last: int = 20) -> int:
    """Bytes/s of the last uploads that came to their end: what others are told. 0: there were none."""
    speeds = list(
        Upload.objects.filter(state="succeeded", speed_bps__gt=0)
        .order_by("-ended_at")
        .values_list("speed_bps", flat=True)[:last]
    )
    return sum(speeds) // len(speeds) if speeds else 0


def _rows(files: QuerySet[AudioFile]) -> QuerySet[AudioFile, _Row]:
    rows = (
        files.filter(missing_since=None)
        .exclude(read_state="unreadable")
        .values_list(
            "id",
            "root_id",
            "rel_path",
            "size_bytes",
            "variant_id",
            "variant__lossless",
            "variant__profile",
            "variant__bitrate_kbps",
            "variant__duration_ms",
            "variant__rate_hz",
            "variant__bits",
        )
    )
    return cast("QuerySet[AudioFile, _Row]", rows)  # columns of a variant are null where there is none


def _batch(plan: SharePlan, rows: Iterable[_Row], *, limit: int) -> ShareBatch:
    names = {one.id: one.name for one in plan.roots}
    entries: list[SharedEntry] = []
    unshared: list[int] = []
    count, last_id = 0, None
    for row in rows:
        count, last_id = count + 1, row[0]
        entry = _entry(plan.rules, names, row)
        if entry is None:
            unshared.append(row[0])
        else:
            entries.append(entry)
    return ShareBatch(entries=tuple(entries), unshared=tuple(unshared), last_id=last_id if count == limit else None)


def _entry(rules: ShareRules, names: dict[int, str], row: _Row) -> SharedEntry | None:
    file_id, root_id, rel_path, size, variant_id, lossless, profile, bitrate, duration_ms, rate, bits = row
    name = names.get(root_id)
    if name is None:
        return None
    relative = bytes(rel_path)
    audience = rules.audience(root_id, relative)
    path = virtual_path(name, relative) if audience is not Audience.NOBODY else None
    if path is None:
        return None
    return SharedEntry(
        file_id=file_id,
        path=path,
        size=size,
        attributes=()
        if variant_id is None
        else attributes_of(
            {
                "lossless": lossless,
                "bitrate_kbps": bitrate or None,
                "length_s": (duration_ms or 0) // 1000 or None,
                "vbr": _vbr(profile or ""),
                "rate": rate or None,
                "bits": bits or None,
            }
        ),
        audience=_BUDDIES if audience is Audience.BUDDIES else _EVERYONE,
    )


def _vbr(profile: str) -> bool | None:
    """From `mp3-v0-44100-2`, `vorbis-q6-…`, `mp3-320-…`: variable, constant, or not told."""
    parts = profile.split("-")
    if len(parts) < 2 or not parts[1]:
        return None
    return True if parts[1][0] in "vq" else (False if parts[1].isdecimal() else None)
