"""What is shared, as people look at it: the tree of roots and folders with who may see what, as anybody else would see it; uploads; rules of users."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.db.models import Case, Count, IntegerField, Min, Q, QuerySet, Sum, Value, When

from apps.common.sentences import sentence
from apps.domain.errors import Param
from apps.domain.soulseek.states import UPLOAD_ENDS, UploadState
from apps.domain.soulseek.virtual_paths import Audience, root_names, virtual_path
from apps.library.models import AudioFile, LibraryRoot
from apps.nodelink.models import NodeHeartbeat
from apps.nodelink.selectors_status import node_glance
from apps.soulseek.models import SoulseekSession, Upload, UserRule
from apps.soulseek.models.session import ONLY
from apps.soulseek.selectors_node_sharing import share_rules

VIEWS: Final[Mapping[str, frozenset[Audience]]] = {
    "": frozenset(Audience),
    "everyone": frozenset({Audience.EVERYONE}),
    "buddies": frozenset({Audience.EVERYONE, Audience.BUDDIES}),
}
"""Whose eyes → which audiences they see; "" = ours."""
UploadRow = Upload
"""For pages, which see rows and never their manager."""
UPLOAD_ORDER: Final = ("-asked_at", "-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Files, folders with files, bytes."""

    files: int = 0
    folders: int = 0
    size_bytes: int = 0

    def plus(self, files: int, size_bytes: int) -> Amount:
        """With one folder more."""
        return Amount(files=self.files + files, folders=self.folders + 1, size_bytes=self.size_bytes + size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFolder:
    """A folder with everything below it. `own`: it has a rule of its own; else `audience` comes from above. `mixed`: something below has another audience."""

    root_id: int
    path: bytes
    name: str
    audience: Audience
    own: bool
    amount: Amount
    below: Mapping[Audience, int]
    """files by audience"""
    has_folders: bool

    @property
    def key(self) -> str:
        """The path as hex, for addresses."""
        return self.path.hex()

    @property
    def mixed(self) -> bool:
        """Whether something below is for others."""
        return any(count for audience, count in self.below.items() if audience is not self.audience)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFile:
    """A file, as the network calls it."""

    path: str
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareTree:
    """One folder (or all roots) with what is right in it. `totals`: of everything, by audience."""

    here: ShareFolder | None
    above: tuple[tuple[str, str], ...]
    """(hex path, name) of the folders on the way here, the root first"""
    folders: tuple[ShareFolder, ...]
    files: tuple[ShareFile, ...]
    totals: Mapping[Audience, Amount]
    known: bool = True
    """False: the library has no such root"""


@dataclass(frozen=True, slots=True)
class _Counted:
    root_id: int
    path: bytes
    files: int
    size_bytes: int


def share_tree(*, root_id: int | None = None, path: bytes = b"", seen_by: str = "", files: int = 200) -> ShareTree:
    """A folder of the tree; without a root, the roots. Three queries and one for files, whatever the library's size; cost grows with folders.

    `seen_by`: a key of VIEWS: folders and files that these would not see are left out.
    """
    rules = share_rules()
    audiences = VIEWS[seen_by]
    roots = list(LibraryRoot.objects.order_by("id").values_list("id", "path"))
    names = root_names(roots)
    totals = {audience: Amount() for audience in Audience}
    inside: dict[tuple[int, bytes], list[_Counted]] = {}
    depth = path.count(b"/") + 1 if path else 0
    mine: list[_Counted] = []
    for one in _folders():
        audience = rules.audience(one.root_id, one.path)
        totals[audience] = totals[audience].plus(one.files, one.size_bytes)
        if audience not in audiences:
            continue
        if root_id is None:
            inside.setdefault((one.root_id, b""), []).append(one)
        elif one.root_id == root_id and (not path or one.path == path or one.path.startswith(path + b"/")):
            mine.append(one)
            if one.path != path:
                child = b"/".join(one.path.split(b"/")[: depth + 1])
                inside.setdefault((root_id, child), []).append(one)
    if root_id is None and not seen_by:
        for known, _path in roots:
            inside.setdefault((known, b""), [])

    def folder(key: tuple[int, bytes], found: list[_Counted]) -> ShareFolder:
        amount = Amount()
        below: dict[Audience, int] = {}
        for one in found:
            amount = amount.plus(one.files, one.size_bytes)
            audience = rules.audience(one.root_id, one.path)
            below[audience] = below.get(audience, 0) + one.files
        return ShareFolder(
            root_id=key[0],
            path=key[1],
            name=key[1].rpartition(b"/")[2].decode("utf-8", "replace") if key[1] else names.get(key[0], ""),
            audience=rules.audience(*key),
            own=key[1] in rules.by_root.get(key[0], {}),
            amount=amount,
            below=below,
            has_folders=any(one.path != key[1] for one in found),
        )

    children = sorted((folder(key, found) for key, found in inside.items()), key=lambda one: one.name.casefold())
    here = folder((root_id, path), mine) if root_id is not None else None
    parts = path.split(b"/") if path else []
    above = [("", names.get(root_id or 0, ""))] if root_id is not None and path else []
    above += [(b"/".join(parts[:at]).hex(), parts[at - 1].decode("utf-8", "replace")) for at in range(1, len(parts))]
    shown = here is not None and here.audience in audiences
    return ShareTree(
        here=here,
        above=tuple(above),
        folders=tuple(children),
        files=_files(root_id, path, names[root_id], files) if shown and root_id in names else (),
        totals=totals,
        known=root_id is None or root_id in names,
    )


def _folders() -> list[_Counted]:
    """Folders that hold files themselves, with their counts: one row of the database for each."""
    found = list(
        _shared()
        .values("root_id", "folder_hash")
        .annotate(files=Count("id"), size=Sum("size_bytes"), first=Min("id"))
        .values_list("root_id", "files", "size", "first")
    )
    firsts = _shared().values("root_id", "folder_hash").annotate(first=Min("id")).values("first")
    paths = {
        file_id: bytes(path).rpartition(b"/")[0]
        for file_id, path in AudioFile.objects.filter(id__in=firsts).values_list("id", "rel_path")
    }
    return [
        _Counted(root_id, paths[first], files, size or 0) for root_id, files, size, first in found if first in paths
    ]


def _files(root_id: int | None, path: bytes, root_name: str, most: int) -> tuple[ShareFile, ...]:
    import hashlib

    rows = (
        _shared()
        .filter(root_id=root_id, folder_hash=hashlib.sha256(path).digest())
        .order_by("display", "id")
        .values_list("rel_path", "size_bytes")[:most]
    )
    found = []
    for relative, size in rows:
        virtual = virtual_path(root_name, bytes(relative))
        if virtual is not None:
            found.append(ShareFile(path=virtual, name=virtual.rpartition("\\")[2], size_bytes=size))
    return tuple(found)


def _shared() -> QuerySet[AudioFile]:
    return AudioFile.objects.filter(missing_since=None).exclude(read_state="unreadable")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareStatus:
    """What the node has in its index. `told` False: no node says anything."""

    told: bool = False
    enabled: bool = True
    files: int = 0
    folders: int = 0
    reading: bool = False
    read: int = 0
    read_s: float | None = None
    changes: int = 0


def share_status() -> ShareStatus:
    """As the node said last."""
    beat = NodeHeartbeat.objects.order_by("-beat_at").first()
    said = beat.report.get("soulseek", {}) if beat is not None else {}
    shares = said.get("shares") if isinstance(said, dict) else None
    if not isinstance(shares, dict):
        row = SoulseekSession.objects.filter(id=ONLY).first()
        return ShareStatus(files=row.shared_files, folders=row.shared_folders) if row is not None else ShareStatus()
    seconds = shares.get("read_s")
    return ShareStatus(
        told=True,
        enabled=bool(shares.get("enabled", True)),
        files=int(shares.get("files") or 0),
        folders=int(shares.get("folders") or 0),
        reading=bool(shares.get("reading")),
        read=int(shares.get("read") or 0),
        read_s=float(seconds) if isinstance(seconds, int | float) else None,
        changes=int(shares.get("changes") or 0),
    )


# ---- uploads


def uploads_live(limit: int = 200) -> list[Upload]:
    """What runs, then what waits, oldest first."""
    running = Case(
        When(state=UploadState.SENDING, then=Value(0)),
        When(state=UploadState.CONNECTING, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    rows = Upload.objects.filter(~Q(state__in=sorted(UPLOAD_ENDS))).annotate(turn=running)
    return list(rows.order_by("turn", "asked_at", "id")[:limit])


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPlace:
    """What the node says of an upload that waits: its place as its user hears it, why it does not begin (`code` "": it does in a moment), and within which
    seconds it is likely to; None: not known."""

    place: int
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    low_s: int | None = None
    high_s: int | None = None

    @property
    def message(self) -> str:
        """The code as a sentence."""
        return str(sentence(self.code, self.params))


def upload_places() -> Mapping[uuid.UUID, UploadPlace]:
    """Of those who are next (the node tells a hundred, with each heartbeat); nothing while it is away."""
    said = node_glance().report.get("soulseek")
    uploads = said.get("uploads") if isinstance(said, dict) else None
    rows = uploads.get("waits") if isinstance(uploads, dict) else None
    found = {}
    for row in rows if isinstance(rows, list) else ():
        match row:
            case [str(upload), int(place), str(code), dict(params), (int() | None) as low, (int() | None) as high]:
                found[uuid.UUID(upload)] = UploadPlace(place=place, code=code, params=params, low_s=low, high_s=high)
    return found


def uploads_query(*, show: str = "all", user: str = "") -> QuerySet[Upload]:
    """`live`, `ended` or `all`; of one user, or of all."""
    rows = Upload.objects.all()
    if show == "live":
        rows = rows.filter(~Q(state__in=sorted(UPLOAD_ENDS)))
    elif show == "ended":
        rows = rows.filter(state__in=sorted(UPLOAD_ENDS))
    return rows.filter(user=user) if user else rows


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSums:
    """At a glance."""

    running: int
    waiting: int
    speed_bps: int


def upload_sums() -> UploadSums:
    """Of all live uploads."""
    live = Upload.objects.filter(~Q(state__in=sorted(UPLOAD_ENDS)))
    found = live.aggregate(
        waiting=Count("id", filter=Q(state=UploadState.QUEUED)), all=Count("id"), speed=Sum("speed_bps")
    )
    return UploadSums(running=found["all"] - found["waiting"], waiting=found["waiting"], speed_bps=found["speed"] or 0)


# ---- rules of users


def rules_query(*, effect: str = "") -> QuerySet[UserRule]:
    """Newest first."""
    rows = UserRule.objects.order_by("-id")
    return rows.filter(effect=effect) if effect else rows


def rules_of(users: list[str]) -> dict[str, set[str]]:
    """Effects of rules by exact name: user → effects. For pages that show users with buttons."""
    found: dict[str, set[str]] = {}
    for user, effect in UserRule.objects.filter(match="user", pattern__in=users).values_list("pattern", "effect"):
        found.setdefault(user, set()).add(effect)
    return found
