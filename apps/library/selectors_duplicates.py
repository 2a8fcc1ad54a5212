"""Groups of files that are the same music. Pages walk keys in their order, so that the last is as quick as the first; nothing is joined with itself.

In a small library the keys are counted when they are asked for, along an index. In a large one, where copies may be rare and the index would be walked
to its end, they are those that the background counted last (`services_measures`); what a page shows of them is always what is there now.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from apps.common.pagination import CursorInvalid, Page
from apps.domain.library.duplicates import DuplicateFile, DuplicateKind, Ranked, best_first
from apps.library.models import AudioFile, AudioVariant, DuplicateKey, LibraryMeasure, SameSound
from apps.library.selectors import COUNTED_AT_ONCE

DEFAULT_LIMIT: Final = 25
MAX_LIMIT: Final = 100
MEASURE: Final = "duplicates"
"""The measure that says when keys were counted, and over how many files."""
MOST_KEYS: Final = 400
"""Looked at in one go where many turn out to be none any more."""
MAX_MEMBERS: Final = 50
"""Files shown of one group."""

_MEMBER = (
    "id", "display", "size_bytes", "title", "artist", "album", "release_mbid", "root_id", "root__path", "root__writable", "variant_id",
    "variant__profile", "variant__quality_score", "variant__transcode_suspect", "variant__verified", "variant__recording_mbid",
    "variant__pcm_md5",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Files that are the same music, the one to keep first."""

    kind: DuplicateKind
    key: str
    title: str
    artist: str
    recording_mbid: uuid.UUID | None
    files: tuple[Ranked, ...]
    more: int
    """further files that are not listed"""

    @property
    def spare_bytes(self) -> int:
        """What the others take."""
        return sum(one.file.size_bytes for one in self.files[1:])


def duplicate_groups(
    kind: DuplicateKind, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[DuplicateGroup]:
    """One page of groups of a kind, in the order of their keys, forwards. Raises CursorInvalid."""
    limit = max(1, min(limit, MAX_LIMIT))
    after = _read(cursor) if cursor else None
    if after is not None:
        _value(kind, after)
    groups: list[DuplicateGroup] = []
    more, asked, counted = True, limit, _counted_before()
    # A key may turn out to have one present file only (the others went missing): then the next keys, more of them at a time, fill the page.
    while more and len(groups) < limit:
        keys = _keys(kind, after=after, limit=asked + 1, counted=counted)
        more = len(keys) > asked
        keys = keys[:asked]
        asked = min(2 * asked, MOST_KEYS)
        if not keys:
            break
        found = _groups(kind, keys)
        for key in keys:
            after = key
            if key in found:
                groups.append(found[key])
            if len(groups) == limit:
                more = more or key != keys[-1]
                break
    return Page(items=groups, next_cursor=_write(after) if more and after else None, previous_cursor=None)


def duplicate_group(kind: DuplicateKind, key: str) -> DuplicateGroup | None:
    """One group by its key; None when it is none any more. Raises CursorInvalid for what is no key."""
    _value(kind, key)
    return _groups(kind, [key]).get(key)


def stored_keys(kind: DuplicateKind) -> Iterator[str]:
    """Every key of a kind as a DuplicateKey has it, counted now. Walks an index from end to end: for the background."""
    for value in _counted(kind, after=None).iterator(chunk_size=5000):
        yield _stored(kind, _text(kind, value))


def _counted_before() -> bool:
    """The library is so large that its keys were counted in the background."""
    values = LibraryMeasure.objects.filter(name=MEASURE).values_list("values", flat=True).first() or {}
    return int(values.get("files", 0)) > COUNTED_AT_ONCE


def _keys(kind: DuplicateKind, *, after: str | None, limit: int, counted: bool) -> list[str]:
    if not counted:
        return [_text(kind, value) for value in _counted(kind, after=after)[:limit]]
    rows = DuplicateKey.objects.filter(kind=kind.value)
    if after is not None:
        rows = rows.filter(key__gt=_stored(kind, after))
    return [_told(kind, key) for key in rows.order_by("key").values_list("key", flat=True)[:limit]]


def _counted(kind: DuplicateKind, *, after: str | None) -> QuerySet[Any, Any]:
    """Values of the column that is the same for a group, in their order."""
    # Rows are counted, not ids: then the index (of copies: file_copies) alone answers, which matters where there are no copies and it is walked to its end.
    rows: QuerySet[Any]
    match kind:
        case DuplicateKind.PAYLOAD:
            name, rows = "variant", AudioFile.objects.filter(missing_since=None, variant__gt=0)
        case DuplicateKind.PCM:
            name, rows = "pcm_md5", AudioVariant.objects.filter(pcm_md5__isnull=False)
        case DuplicateKind.RECORDING:
            name, rows = "recording_mbid", AudioVariant.objects.filter(recording_mbid__isnull=False)
        case DuplicateKind.SOUND:
            return _heads(int(after) if after is not None else 0)
    if after is not None:
        rows = rows.filter(**{f"{name}__gt": _value(kind, after)})
    found: QuerySet[Any, Any] = (
        rows.order_by(name).values(name).annotate(n=Count("*")).filter(n__gt=1).values_list(name, flat=True)
    )
    return found


def _heads(after: int) -> QuerySet[Any, Any]:
    """Variants that others sound like, without a common MBID. Likeness is no equivalence (a chain of edits is not one recording), so a group is a variant
    with all greater ones like it; of two that both sound like a lesser third no group of their own is made."""
    both = SameSound.objects.filter(variant=OuterRef("variant"), other__lt=OuterRef("variant"))
    covered = both.filter(
        Exists(SameSound.objects.filter(variant=OuterRef("other"), other=OuterRef(OuterRef("other"))))
    )
    pairs = SameSound.objects.filter(_UNLIKE, variant__gt=after, other__gt=F("variant")).filter(~Exists(covered))
    found: QuerySet[Any, Any] = pairs.order_by("variant").values_list("variant", flat=True).distinct()
    return found


_UNLIKE: Final = (
    Q(variant__recording_mbid=None)
    | Q(other__recording_mbid=None)
    | ~Q(variant__recording_mbid=F("other__recording_mbid"))
)
"""Nothing but their sound says that two variants are the same recording."""


def _text(kind: DuplicateKind, value: Any) -> str:
    """The key of a group, from its column."""
    return bytes(value).hex() if kind is DuplicateKind.PCM else str(value)


def _stored(kind: DuplicateKind, key: str) -> str:
    """A key as a DuplicateKey has it."""
    return key.zfill(19) if kind in (DuplicateKind.PAYLOAD, DuplicateKind.SOUND) else key.replace("-", "")


def _told(kind: DuplicateKind, stored: str) -> str:
    match kind:
        case DuplicateKind.PAYLOAD | DuplicateKind.SOUND:
            return str(int(stored))
        case DuplicateKind.PCM:
            return stored
        case DuplicateKind.RECORDING:
            return str(uuid.UUID(stored))


def _groups(kind: DuplicateKind, keys: Sequence[str]) -> dict[str, DuplicateGroup]:
    """The groups of these keys that have two present files or more; two queries."""
    alike: dict[int, list[str]] = {}
    match kind:
        case DuplicateKind.PAYLOAD:
            rows = AudioFile.objects.filter(variant__in=[int(key) for key in keys])
        case DuplicateKind.PCM:
            twins = AudioVariant.objects.filter(pcm_md5__in=[bytes.fromhex(key) for key in keys]).values_list(
                "id", "pcm_md5", "total_samples", "rate_hz", "channels", "bits"
            )
            # The same MD5 with another shape would be a collision, or a header that lies: those are nobody's duplicates.
            shapes: dict[tuple[object, ...], list[int]] = {}
            for pk, md5, *shape in twins:
                shapes.setdefault((bytes(md5 or b""), *shape), []).append(pk)
            rows = AudioFile.objects.filter(
                variant__in=[pk for some in shapes.values() if len(some) > 1 for pk in some]
            )
        case DuplicateKind.RECORDING:
            rows = AudioFile.objects.filter(variant__recording_mbid__in=[uuid.UUID(key) for key in keys])
        case DuplicateKind.SOUND:
            alike = _alike([int(key) for key in keys])
            rows = AudioFile.objects.filter(variant__in=sorted(alike))
    members: dict[str, list[Mapping[str, object]]] = {}
    for row in rows.filter(missing_since=None).order_by("id").values(*_MEMBER):
        for key in alike[_int(row["variant_id"])] if kind is DuplicateKind.SOUND else [_key_of(kind, row)]:
            members.setdefault(key, []).append(row)
    found: dict[str, DuplicateGroup] = {}
    for key, some in members.items():
        variants = {row["variant_id"] for row in some}
        recordings = {row["variant__recording_mbid"] for row in some}
        if kind is DuplicateKind.SOUND and len(recordings) == 1 and None not in recordings:
            continue  # their MBID says it meanwhile
        if len(some) > 1 and (kind is DuplicateKind.PAYLOAD or len(variants) > 1):
            found[key] = _group(kind, key, some)
    return found


def _alike(heads: Sequence[int]) -> dict[int, list[str]]:
    """Variant → groups it is of: its own, and those of lesser ones that it sounds like. One query."""
    found = {head: [str(head)] for head in heads}
    pairs = SameSound.objects.filter(variant__in=heads, other__gt=F("variant")).order_by("variant", "other")
    for head, other in pairs.values_list("variant", "other"):
        found.setdefault(other, []).append(str(head))
    return found


def _group(kind: DuplicateKind, key: str, rows: Sequence[Mapping[str, object]]) -> DuplicateGroup:
    ranked = best_first([_file(row) for row in rows], kind=kind)
    first = next(row for row in rows if row["id"] == ranked[0].file.file_id)
    mbid = first["variant__recording_mbid"]
    return DuplicateGroup(
        kind=kind,
        key=key,
        title=str(first["title"] or first["display"]),
        artist=str(first["artist"]),
        recording_mbid=mbid if isinstance(mbid, uuid.UUID) else None,
        files=ranked[:MAX_MEMBERS],
        more=max(0, len(ranked) - MAX_MEMBERS),
    )


def _file(row: Mapping[str, object]) -> DuplicateFile:
    score, suspect = row["variant__quality_score"], row["variant__transcode_suspect"]
    return DuplicateFile(
        file_id=_int(row["id"]),
        variant_id=_int(row["variant_id"]),
        path=f"{row['root__path']}/{row['display']}",
        root_id=_int(row["root_id"]),
        writable=bool(row["root__writable"]),
        size_bytes=_int(row["size_bytes"]),
        profile=str(row["variant__profile"]),
        score=score if isinstance(score, float) else None,
        suspect=suspect if isinstance(suspect, bool) else None,
        verified=bool(row["variant__verified"]),
        placed=row["release_mbid"] is not None,
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _key_of(kind: DuplicateKind, row: Mapping[str, object]) -> str:
    match kind:
        case DuplicateKind.PAYLOAD | DuplicateKind.SOUND:
            return str(row["variant_id"])
        case DuplicateKind.PCM:
            md5 = row["variant__pcm_md5"]
            return bytes(md5).hex() if isinstance(md5, bytes | memoryview) else ""
        case DuplicateKind.RECORDING:
            return str(row["variant__recording_mbid"])


def _value(kind: DuplicateKind, key: str) -> int | bytes | uuid.UUID:
    try:
        match kind:
            case DuplicateKind.PAYLOAD | DuplicateKind.SOUND:
                if not 0 < int(key) < 1 << 63:
                    raise ValueError(key)
                return int(key)
            case DuplicateKind.PCM:
                return bytes.fromhex(key)
            case DuplicateKind.RECORDING:
                return uuid.UUID(key)
    except ValueError as error:
        raise CursorInvalid("This is no group of this list.") from error


def _write(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def _read(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error) as error:
        raise CursorInvalid("This cursor is not from this list.") from error
