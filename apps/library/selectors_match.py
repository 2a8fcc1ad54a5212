"""Reads for matching folders: which are due, what a folder (or the discs of a set) offers; and the lists of pages, API and CLI."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.domain.library.scans import ReadState
from apps.domain.matching.discs import disc_name, same_set, siblings, without_disc
from apps.domain.matching.edition import MATCH_VERSION
from apps.domain.matching.states import FolderState
from apps.domain.matching.values import OfferedTrack, RecordingVote
from apps.library.models import AudioFile, FolderMatch, FolderWord
from apps.library.selectors_words import having_words

MAX_FILES: Final = 1500
"""Of one set. A folder with more is no album; it is told as such."""
READ_WAIT: Final = timedelta(hours=1)
"""Since its last change: so long a folder waits for the rest of its files to be read. A scan may be paused, or its disk away."""
FOLDER_ORDER: Final = ("-id",)
TAG_CONFIDENCE: Final = 0.5
"""Of a recording that only tags name: evidence, not proof."""
_BESIDE: Final = 200
"""Folders of one name that are looked through for discs with titles of their own."""
_MACHINE: Final = (FolderState.MATCHED, FolderState.AMBIGUOUS, FolderState.UNMATCHED)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFile:
    """A file with what matching needs of it. `here`: in the folder that is asked for, not in another disc of its set."""

    file_id: int
    here: bool
    display: str
    offered: OfferedTrack
    album: str
    artist: str
    """Of the album, as its tags say."""
    tags: Mapping[str, object]
    release_mbid: uuid.UUID | None
    group_mbid: uuid.UUID | None
    """Of its tags, both."""
    places: tuple[tuple[uuid.UUID, uuid.UUID | None], ...]
    """(release, group) where the candidates of its identification are found."""
    identifying: bool
    """Its identification is still under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSet:
    """The files of a folder, and of its sibling discs. `siblings`: ids of their rows. `too_many`: it was not read, there are more than MAX_FILES."""

    files: tuple[FolderFile, ...]
    siblings: tuple[int, ...]
    signature: str
    too_many: bool = False


def folders_due(*, limit: int, after_id: int = 0) -> tuple[int, ...]:
    """Ids of folders to be matched now, that nobody works on."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    rows = FolderMatch.objects.filter(
        free, folder_whole(), state=FolderState.PENDING, next_step_at__lte=now, id__gt=after_id
    )
    return tuple(rows.order_by("id").values_list("id", flat=True)[:limit])


def folder_whole() -> Q:
    """Folders of which no file waits to be read: half an album is not matched, to be matched anew with every file. What a person chose waits for nobody."""
    unread = AudioFile.objects.filter(
        root_id=OuterRef("root_id"),
        folder_hash=OuterRef("folder_hash"),
        read_state=ReadState.PENDING.value,
        missing_since=None,
    )
    return ~Exists(unread) | ~Q(choice="") | Q(next_step_at__lte=timezone.now() - READ_WAIT)


def folders_outdated(*, limit: int) -> tuple[int, ...]:
    """Ids of folders that an older version of the rules decided."""
    rows = FolderMatch.objects.filter(version__lt=MATCH_VERSION, state__in=_MACHINE)
    return tuple(rows.order_by("version", "id").values_list("id", flat=True)[:limit])


def folder_set(root_id: int, folder: bytes) -> FolderSet:
    """What lies in a folder; with it the other discs of the set, where its name says that it is one. At most six queries."""
    hashes = {
        hashlib.sha256(folder).digest(): folder,
        **sibling_folders(folder),
        **titled_siblings(root_id, folder),
    }
    rows = AudioFile.objects.filter(
        root_id=root_id, folder_hash__in=list(hashes), missing_since=None, read_state="read", variant__isnull=False
    )
    found = list(rows.order_by("id").values(*_COLUMNS)[: MAX_FILES + 1])
    if len(found) > MAX_FILES:
        return FolderSet(files=(), siblings=(), signature="", too_many=True)
    # Of "Foo" beside "Foo (Disc 2)" the first is disc 1; alone its name says nothing.
    named = {digest for row in found if disc_of(hashes[digest := bytes(row["folder_hash"])]) > 1}
    files = tuple(
        _file(row, hashes[bytes(row["folder_hash"])], folder, unnamed_disc=1 if named else 0) for row in found
    )
    files = _of_one_set(files)
    others = {bytes(row["folder_hash"]) for row in found} - {hashlib.sha256(folder).digest()}
    discs = FolderMatch.objects.filter(root_id=root_id, folder_hash__in=list(others)).values_list("id", flat=True)
    told = "\n".join(f"{one.file_id} {one.offered} {one.album} {one.release_mbid}" for one in files)
    return FolderSet(
        files=files,
        siblings=tuple(discs) if any(not one.here for one in files) else (),
        signature=hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:32],
    )


def sibling_folders(folder: bytes) -> dict[bytes, bytes]:
    """Hash → path of folders that may be the other discs of the set, by their names (apps.domain.matching.discs)."""
    parent, slash, name = folder.rpartition(b"/")
    text = name.decode("utf-8", "surrogateescape")
    paths = (parent + slash + other.encode("utf-8", "surrogateescape") for other in siblings(text)) if text else ()
    return {hashlib.sha256(path).digest(): path for path in paths}


def titled_siblings(root_id: int, folder: bytes) -> dict[bytes, bytes]:
    """Hash → path of other discs that have titles of their own ("CD1 – Foo" beside "CD2 – Bar"): looked for beside a disc that has one. One query."""
    parent, _, name = folder.rpartition(b"/")
    mine = disc_name(name.decode("utf-8", "surrogateescape"))
    above = parent.rpartition(b"/")[2].decode("utf-8", "replace")
    if mine is None or not mine.title or not above:
        return {}
    rows = having_words(
        FolderMatch.objects.filter(root_id=root_id), FolderWord.objects.all(), owner="folder", text=above
    )
    paths = (bytes(path) for path in rows.order_by("-id").values_list("folder", flat=True)[:_BESIDE])
    beside = (path for path in paths if path.rpartition(b"/")[0] == parent and path != folder)
    return {
        hashlib.sha256(path).digest(): path
        for path in beside
        if same_set(
            name.decode("utf-8", "surrogateescape"), path.rpartition(b"/")[2].decode("utf-8", "surrogateescape")
        )
    }


def disc_of(folder: bytes) -> int:
    """The disc that a folder's name names; 0: none."""
    found = disc_name(folder.rpartition(b"/")[2].decode("utf-8", "surrogateescape"))
    return found.number if found is not None else 0


def _of_one_set(files: tuple[FolderFile, ...]) -> tuple[FolderFile, ...]:
    """Without siblings of another album: "CD1" beside "CD2" are one set unless their tags name two."""
    mine = {without_disc(one.album).casefold() for one in files if one.here and one.album}
    if not mine:
        return files
    return tuple(one for one in files if one.here or not one.album or without_disc(one.album).casefold() in mine)


_COLUMNS: Final = (
    "id", "folder_hash", "display", "tags", "title", "artist", "album", "medium_position", "track_position", "release_mbid",
    "variant__duration_ms", "variant__recording_mbid", "variant__recording_source", "variant__verified", "variant__identification__state",
    "variant__identification__recording_mbid", "variant__identification__release_mbid", "variant__identification__confidence",
    "variant__identification__candidates",
)  # fmt: skip


def _file(row: Row, path: bytes, folder: bytes, *, unnamed_disc: int) -> FolderFile:
    tags: Mapping[str, object] = row["tags"] if isinstance(row["tags"], dict) else {}
    read = bool(tags)  # older rows have no tags of their own: what was taken over from them has to do
    disc = number(tags.get("disc")) if read else row["medium_position"] or 0
    offered = OfferedTrack(
        key=f"{row['id']:012}",
        title=text(tags.get("title")) if read else row["title"],
        artist=(text(tags.get("artist")) or text(tags.get("albumartist"))) if read else row["artist"],
        duration_ms=row["variant__duration_ms"] or None,
        disc=disc or disc_of(path) or unnamed_disc,
        track=number(tags.get("track")) if read else row["track_position"] or 0,
        disc_tracks=number(tags.get("tracks")),
        recordings=_votes(row, mbid(tags.get("recording_mbid"))),
        file_words=PurePosixPath(row["display"]).stem,
    )
    return FolderFile(
        file_id=row["id"],
        here=path == folder,
        display=row["display"],
        offered=offered,
        album=text(tags.get("album")) if read else row["album"],
        artist=text(tags.get("albumartist")),
        tags=tags,
        release_mbid=mbid(tags.get("release_mbid")) if read else row["release_mbid"],
        group_mbid=mbid(tags.get("release_group_mbid")),
        places=_places(row),
        identifying=row["variant__identification__state"] == "pending",
    )


def _votes(row: Row, tagged: uuid.UUID | None) -> tuple[RecordingVote, ...]:
    """Whoever listened to it goes before its tags. A few candidates of an undecided identification each have their share."""
    known = row["variant__recording_mbid"]
    if row["variant__verified"] and known is not None:
        return (RecordingVote(mbid=known),)
    decided = row["variant__identification__recording_mbid"]
    state = row["variant__identification__state"]
    if decided is not None and state in {"decided", "confirmed"}:
        confidence = 1.0 if state == "confirmed" else row["variant__identification__confidence"] or TAG_CONFIDENCE
        return (RecordingVote(mbid=decided, confidence=min(1.0, max(0.0, confidence))),)
    votes: dict[uuid.UUID, float] = {}
    for candidate in _candidates(row)[:8]:
        named, share = mbid(candidate.get("recording")), candidate.get("share")
        if named is not None and isinstance(share, int | float) and share > 0.05:
            votes.setdefault(named, min(1.0, float(share)))
    if not votes and (said := tagged or (known if row["variant__recording_source"] != "fingerprint" else None)):
        votes[said] = TAG_CONFIDENCE
    return tuple(RecordingVote(mbid=one, confidence=share) for one, share in votes.items())


def _places(row: Row) -> tuple[tuple[uuid.UUID, uuid.UUID | None], ...]:
    """Releases and groups that the identification's candidates name; a group alone stands for itself (release None is left out by the caller)."""
    found: dict[uuid.UUID, uuid.UUID | None] = {}
    if (decided := row["variant__identification__release_mbid"]) is not None:
        found[decided] = None
    for candidate in _candidates(row)[:3]:
        groups = candidate.get("groups")
        for value in groups[:10] if isinstance(groups, list) else ():
            if (group := mbid(value)) is not None:
                found.setdefault(group, group)
    return tuple(found.items())


def _candidates(row: Row) -> list[Mapping[str, object]]:
    value = row["variant__identification__candidates"]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """The first text of a tag."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""


def number(value: object) -> int:
    """A small number of a tag; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 < value < 32768 else 0


def mbid(value: object) -> uuid.UUID | None:
    """The MBID of a tag."""
    try:
        return uuid.UUID(text(value)) if text(value) else None
    except ValueError:
        return None


def folder_query(*, state: str = "", words: str = "") -> QuerySet[FolderMatch]:
    """Folders for lists, newest rows first (FOLDER_ORDER). `words`: how words of the path begin, each of them."""
    rows = FolderMatch.objects.select_related("root").defer("folder", "explanation", "candidates")
    if state in set(FolderState):
        rows = rows.filter(state=state)
    return having_words(rows, FolderWord.objects.all(), owner="folder_id", text=words)


def folder_one(match_id: int) -> FolderMatch | None:
    """A folder with all that is known of its match."""
    return FolderMatch.objects.select_related("root", "decided_by").filter(id=match_id).first()


def folder_counts() -> dict[str, int]:
    """State → folders, every state named; the index of states alone answers."""
    counted = dict(FolderMatch.objects.values_list("state").annotate(n=Count("*")).order_by())
    return {state.value: counted.get(state.value, 0) for state in FolderState}


def files_named(file_ids: Collection[int]) -> dict[int, str]:
    """File → its shown path; one query."""
    ids: Sequence[int] = sorted(file_ids)[:MAX_FILES]
    return dict(AudioFile.objects.filter(id__in=ids).values_list("id", "display"))
