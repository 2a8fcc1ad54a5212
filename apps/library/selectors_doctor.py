"""What the Collection Doctor looks at, in bounded slices by key: rows in, values for the rules out. A fixed number of queries for a slice.

A file under a root that is away now is `held back`: nothing can be said of it, so its issues stay as they are. Missing files are part of a slice
(their issues must go) but are not judged.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from django.db.models import F

from apps.catalog.models import Medium, Recording, Release, Track
from apps.domain.library.canonical import CanonicalCandidate
from apps.domain.library.detect import (
    Better,
    FileFacts,
    Guess,
    Known,
    ReleaseTrack,
    ReleaseTracks,
    SoundFacts,
    TagFacts,
)
from apps.domain.library.detect_duplicates import Copy
from apps.domain.library.detect_releases import HeldTrack, ReleaseHeld, ReleaseMedium
from apps.domain.library.identity import DECIDED, IdentityState
from apps.domain.library.issues import ParamValue
from apps.domain.library.scans import ReadState
from apps.library.models import (
    AudioFile,
    AudioVariant,
    FolderMatch,
    LibraryRoot,
    VariantEvidence,
)
from apps.library.selectors_canonical import canonical_of

T = TypeVar("T")

SETTLED: Final = ("matched", "confirmed")
"""States of folder matches (apps.domain.matching.states) that are no question any more."""
IDENTIFIED: Final = (IdentityState.DECIDED.value, IdentityState.CONFIRMED.value)
EVIDENCE_NUMBERS: Final = 8
"""Of a verdict's numbers, kept with the issue; the whole is on the file's page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSlice:
    """Files to be judged. `ids`: all that were looked at, missing ones too; `held_back`: those under a root that is away."""

    files: tuple[FileFacts, ...]
    ids: tuple[int, ...]
    held_back: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySlice:
    """Files by recording (or by payload). `held_back`: recordings of which some file is under a root that is away."""

    groups: tuple[tuple[Copy, ...], ...]
    recordings: tuple[uuid.UUID, ...]
    held_back: tuple[uuid.UUID, ...]
    last: str
    """The key behind which the next slice begins."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSlice:
    """Releases of which something is here. Those whose tracklist is not known are in `ids`, not in `releases`."""

    releases: tuple[ReleaseHeld, ...]
    ids: tuple[uuid.UUID, ...]
    held_back: tuple[uuid.UUID, ...]


def files_after(after_id: int, *, limit: int) -> FileSlice:
    """The next files by id; empty at the end."""
    return _file_slice(AudioFile.objects.filter(id__gt=after_id).order_by("id").values(*_FILE)[:limit])


def files_of(ids: Collection[int]) -> FileSlice:
    """These files; ids without a row count as looked at."""
    slice_ = _file_slice(AudioFile.objects.filter(id__in=list(ids)).order_by("id").values(*_FILE))
    return FileSlice(files=slice_.files, ids=tuple(sorted(ids)), held_back=slice_.held_back)


def recordings_after(after: str, *, limit: int) -> CopySlice:
    """The next recordings by MBID, of about `limit` variants together; `last` "" at the end."""
    rows = AudioVariant.objects.filter(recording_mbid__isnull=False)
    if after:
        rows = rows.filter(recording_mbid__gt=uuid.UUID(after))
    mbids = list(rows.order_by("recording_mbid").values_list("recording_mbid", flat=True)[:limit])
    if not mbids:
        return CopySlice(groups=(), recordings=(), held_back=(), last="", rows=0)
    files = AudioFile.objects.filter(variant__recording_mbid__gte=mbids[0], variant__recording_mbid__lte=mbids[-1])
    return _copy_slice(files, last=str(mbids[-1]), recordings=sorted(some_of(mbids)))


def recordings_of(mbids: Collection[uuid.UUID]) -> CopySlice:
    """The files of these recordings."""
    wanted = sorted(mbids)
    files = AudioFile.objects.filter(variant__recording_mbid__in=wanted)
    return _copy_slice(files, last=str(wanted[-1]) if wanted else "", recordings=wanted)


def payloads_after(after: str, *, limit: int) -> CopySlice:
    """The next payloads whose recording nobody knows, by id of their variant."""
    rows = AudioVariant.objects.filter(id__gt=int(after or 0), recording_mbid=None)
    ids = list(rows.order_by("id").values_list("id", flat=True)[:limit])
    if not ids:
        return CopySlice(groups=(), recordings=(), held_back=(), last="", rows=0)
    return _copy_slice(AudioFile.objects.filter(variant_id__in=ids), last=str(ids[-1]), recordings=())


def releases_after(after: str, *, limit: int) -> ReleaseSlice:
    """The next releases by MBID of which a file is here, by its row or by the match of its folder."""
    files = AudioFile.objects.filter(release_mbid__isnull=False)
    folders = FolderMatch.objects.filter(release_mbid__isnull=False, state__in=SETTLED)
    if after:
        files, folders = (
            files.filter(release_mbid__gt=uuid.UUID(after)),
            folders.filter(release_mbid__gt=uuid.UUID(after)),
        )
    found = [
        mbid
        for rows in (files, folders)
        for mbid in rows.order_by("release_mbid").values_list("release_mbid", flat=True).distinct()[:limit]
        if mbid is not None
    ]
    return releases_of(sorted(set(found))[:limit])


def releases_of(mbids: Collection[uuid.UUID]) -> ReleaseSlice:
    """These releases with what is here of each."""
    wanted = sorted(set(mbids))
    away = _roots_away()
    held, present, matched, held_back = _held(wanted, away)
    tracks = _tracks(wanted)
    formats = {
        (row["release_id"], row["position"]): row["format"]
        for row in Medium.objects.filter(release_id__in=wanted).values("release_id", "position", "format")
    }
    releases = []
    for mbid, release in tracks.items():
        if mbid in held_back or mbid not in present:
            continue
        media: dict[int, list[ReleaseTrack]] = defaultdict(list)
        for track in release.tracks:
            media[track.medium].append(track)
        releases.append(
            ReleaseHeld(
                mbid=mbid,
                title=release.title,
                artist=release.artist,
                media=tuple(
                    ReleaseMedium(position=position, format=formats.get((mbid, position), ""), tracks=tuple(found))
                    for position, found in sorted(media.items())
                ),
                held=tuple(held[mbid]),
                matched=mbid in matched,
            )
        )
    return ReleaseSlice(releases=tuple(releases), ids=tuple(wanted), held_back=tuple(sorted(held_back)))


# --- files ----------------------------------------------------------------------------------------------------------------------------

_FILE: Final = (
    "id", "root_id", "display", "read_state", "read_code", "read_params", "missing_since", "tags", "release_mbid", "medium_position",
    "track_position", "title", "artist", "album", "folder_hash", "variant_id", "variant__recording_mbid", "variant__recording_source",
    "variant__verified", "variant__profile", "variant__lossless", "variant__duration_ms", "variant__transcode_suspect",
    "variant__transcode_verdict", "variant__quality_score", "variant__identification__state",
    "variant__identification__release_mbid", "variant__identification__confidence",
)  # fmt: skip
Row = Mapping[str, Any]  # one of .values(): what each name holds is what the models say


def _file_slice(rows: Iterable[Row]) -> FileSlice:
    listed = list(rows)
    away = _roots_away()
    judged = [row for row in listed if row["missing_since"] is None and row["root_id"] not in away]
    held_back = tuple(row["id"] for row in listed if row["missing_since"] is None and row["root_id"] in away)
    tags = {row["id"]: _tags(row) for row in judged}
    named = [
        row["variant__recording_mbid"] if row["variant_id"] is not None else tags[row["id"]].recording_mbid
        for row in judged
    ]
    recordings = set(some_of(named))
    known = {row["mbid"]: row for row in _recordings(recordings)}
    releases = _tracks({one.release_mbid for one in tags.values() if one.release_mbid})
    guesses = _guesses(judged)
    evidence = _evidence([row["variant_id"] for row in judged if row["variant__transcode_suspect"]])
    better = _better(judged)
    return FileSlice(
        files=tuple(
            _facts(
                row,
                tags=tags[row["id"]],
                known=known,
                releases=releases,
                guess=guesses.get(row["id"]),
                evidence=evidence,
                better=better,
            )
            for row in judged
        ),
        ids=tuple(row["id"] for row in listed),
        held_back=held_back,
    )


def _facts(
    row: Row,
    *,
    tags: TagFacts,
    known: Mapping[uuid.UUID, Row],
    releases: Mapping[uuid.UUID, ReleaseTracks],
    guess: Guess | None,
    evidence: Mapping[int, Mapping[str, ParamValue]],
    better: Mapping[int, Better],
) -> FileFacts:
    variant, mbid = row["variant_id"], row["variant__recording_mbid"]
    if variant is None:
        # It never could be read: its tags have the only word on what it should be, and its name on where.
        mbid = tags.recording_mbid
        tags = replace(tags, track=tags.track or _number_in_front(row["display"]))
    recording: Row = known.get(mbid, {})
    unreadable = row["read_state"] == ReadState.UNREADABLE
    sound = SoundFacts(
        variant_id=variant,
        profile=row["variant__profile"] or "",
        lossless=bool(row["variant__lossless"]),
        duration_ms=row["variant__duration_ms"] or 0,
        suspect=row["variant__transcode_suspect"],
        verdict=row["variant__transcode_verdict"] or "",
        evidence=evidence.get(variant, {}),
        quality=row["variant__quality_score"],
    )
    return FileFacts(
        file_id=row["id"],
        path=row["display"],
        unreadable_code=(row["read_code"] or "unreadable") if unreadable else "",
        unreadable_params=_plain(row["read_params"]) if unreadable else {},
        tags=tags,
        sound=sound if variant is not None else None,
        known=Known(
            recording_mbid=mbid,
            title=recording.get("title", ""),
            artist=recording.get("artist_credit", ""),
            length_ms=recording.get("length_ms"),
            settled=_settled(row),
        ),
        tagged_release=releases.get(tags.release_mbid) if tags.release_mbid else None,
        guess=guess,
        better=better.get(row["id"]),
    )


def _settled(row: Row) -> bool:
    """A fingerprint or a person says what it is; what only tags decided is their own witness."""
    if row["variant__verified"] or row["variant__recording_source"] == "person":
        return True
    state, confidence = row["variant__identification__state"], row["variant__identification__confidence"]
    return state == IdentityState.CONFIRMED or (state == IdentityState.DECIDED and (confidence or 0.0) >= DECIDED)


def _tags(row: Row) -> TagFacts:
    """By the tags as they were read; of rows older than that column, by what was taken over from them."""
    said: Mapping[str, Any] = row["tags"] or {}
    if not said:
        return TagFacts(
            title=row["title"],
            artist=row["artist"],
            album=row["album"],
            release_mbid=row["release_mbid"],
            medium=row["medium_position"] or 0,
            track=row["track_position"] or 0,
            read=False,
        )
    return TagFacts(
        title=_first(said.get("title")),
        artist=_first(said.get("artist")) or _first(said.get("albumartist")),
        album=_first(said.get("album")),
        recording_mbid=_mbid(said.get("recording_mbid")),
        release_mbid=_mbid(said.get("release_mbid")) or row["release_mbid"],
        medium=_number(said.get("disc")) or row["medium_position"] or 0,
        track=_number(said.get("track")) or row["track_position"] or 0,
    )


def _recordings(mbids: Collection[uuid.UUID]) -> Iterable[Row]:
    for part in parts_of(sorted(mbids)):
        yield from Recording.objects.filter(mbid__in=part).values("mbid", "title", "artist_credit", "length_ms")


def _tracks(mbids: Collection[uuid.UUID]) -> dict[uuid.UUID, ReleaseTracks]:
    """Releases whose tracklist is known. Three columns of three tables; no row for what the catalog lacks."""
    found: dict[uuid.UUID, ReleaseTracks] = {}
    for part in parts_of(sorted(mbids)):
        lists: dict[uuid.UUID, list[ReleaseTrack]] = defaultdict(list)
        rows = Track.objects.filter(medium__release_id__in=part).order_by("medium__position", "position")
        for release, medium, position, recording, title, length, whole in rows.values_list(
            "medium__release_id", "medium__position", "position", "recording_id", "title", "length_ms", F("recording__length_ms")
        ):  # fmt: skip
            lists[release].append(
                ReleaseTrack(
                    medium=medium,
                    position=position,
                    recording_mbid=recording,
                    title=title,
                    length_ms=length if length is not None else whole,
                )
            )
        for mbid, title, artist in Release.objects.filter(mbid__in=part).values_list("mbid", "title", "artist_credit"):
            if lists[mbid]:
                found[mbid] = ReleaseTracks(mbid=mbid, title=title, artist=artist, tracks=tuple(lists[mbid]))
    return found


def _guesses(rows: Sequence[Row]) -> dict[int, Guess]:
    """Which release each file is from, as its folder's match says, else its identification."""
    hashes = {(row["root_id"], bytes(row["folder_hash"])) for row in rows if row["folder_hash"]}
    folders: dict[tuple[int, bytes], uuid.UUID] = {}
    for part in parts_of(sorted(hashes)):
        matches = FolderMatch.objects.filter(
            folder_hash__in=[one for _, one in part], state__in=SETTLED, release_mbid__isnull=False
        )
        for root, folder, mbid in matches.values_list("root_id", "folder_hash", "release_mbid"):
            if mbid is not None:  # for mypy: the filter says so
                folders[root, bytes(folder)] = mbid
    guessed: dict[int, tuple[uuid.UUID, bool]] = {}
    for row in rows:
        by_folder = folders.get((row["root_id"], bytes(row["folder_hash"] or b"")))
        settled = row["variant__identification__state"] in IDENTIFIED
        by_print = row["variant__identification__release_mbid"] if settled else None
        mbid = by_folder or by_print
        if mbid is not None:
            guessed[row["id"]] = (mbid, by_folder is not None)
    titles: dict[uuid.UUID, str] = {}
    for part in parts_of(sorted({mbid for mbid, _ in guessed.values()})):
        titles.update(Release.objects.filter(mbid__in=part).values_list("mbid", "title"))
    return {
        file_id: Guess(release_mbid=mbid, title=titles.get(mbid, ""), by="folder" if folder else "fingerprint")
        for file_id, (mbid, folder) in guessed.items()
    }


def _evidence(variants: Collection[int]) -> dict[int, dict[str, ParamValue]]:
    """The score and a few numbers of the verdicts of suspects."""
    found: dict[int, dict[str, ParamValue]] = {}
    for part in parts_of(sorted(set(variants))):
        for variant, verdicts in VariantEvidence.objects.filter(variant_id__in=part).values_list(
            "variant_id", "verdicts"
        ):
            verdict = verdicts.get("transcode") if isinstance(verdicts, dict) else None
            if not isinstance(verdict, dict):
                continue
            numbers = verdict.get("evidence")
            kept = _plain(numbers if isinstance(numbers, dict) else {}, limit=EVIDENCE_NUMBERS)
            score = verdict.get("score")
            found[variant] = {"score": round(score, 2) if isinstance(score, float) else score, **kept}
    return found


def _better(rows: Sequence[Row]) -> dict[int, Better]:
    """The best variant known besides a file's own, for files that have a recording and a score."""
    asked = [row for row in rows if row["variant__recording_mbid"] and row["variant__quality_score"] is not None]
    candidates = canonical_of({row["variant__recording_mbid"] for row in asked})
    best: dict[int, CanonicalCandidate] = {}
    for row in asked:
        others = [
            one
            for one in candidates.get(row["variant__recording_mbid"], ())
            if one.variant_id != row["variant_id"] and not one.suspect and one.complete
        ]
        if others:
            best[row["id"]] = max(others, key=lambda one: one.score)
    held = sorted({one.variant_id for one in best.values() if one.variant_id is not None})
    places: dict[int, set[tuple[int, uuid.UUID | None]]] = defaultdict(set)
    for part in parts_of(held):
        files = AudioFile.objects.filter(variant_id__in=part, missing_since=None)
        for variant, root, release in files.values_list("variant_id", "root_id", "release_mbid"):
            if variant is not None:
                places[variant].add((root, release))
    found: dict[int, Better] = {}
    for row in asked:
        one = best.get(row["id"])
        if one is None or one.score <= (row["variant__quality_score"] or 0):
            continue
        there = places.get(one.variant_id or 0, set())
        own = row["release_mbid"]
        same_place = any(
            root == row["root_id"] and (release == own or release is None or own is None) for root, release in there
        )
        found[row["id"]] = Better(
            score=one.score,
            profile=one.profile,
            where="library" if one.held else "peers",
            variant_id=one.variant_id,
            same_place=same_place,
        )
    return found


# --- copies and releases --------------------------------------------------------------------------------------------------------------


def _copy_slice(files: Any, *, last: str, recordings: Sequence[uuid.UUID]) -> CopySlice:  # a QuerySet of files
    away = _roots_away()
    rows = (
        files.filter(missing_since=None)
        .order_by("id")
        .values(
            "id", "root_id", "variant_id", "display", "size_bytes", "release_mbid", "medium_position", "track_position", "artist", "album",
            "title", "variant__recording_mbid", "variant__duration_ms", "variant__profile", "variant__quality_score", "variant__pcm_md5",
        )
    )  # fmt: skip
    groups: dict[object, list[Copy]] = defaultdict(list)
    held_back: set[uuid.UUID] = set()
    count = 0
    for row in rows:
        count += 1
        mbid = row["variant__recording_mbid"]
        if row["root_id"] in away:
            held_back.update(some_of([mbid]))
            continue
        md5 = row["variant__pcm_md5"]
        groups[mbid or row["variant_id"]].append(
            Copy(
                file_id=row["id"],
                root_id=row["root_id"],
                variant_id=row["variant_id"],
                path=row["display"],
                size_bytes=row["size_bytes"],
                recording_mbid=mbid,
                release_mbid=row["release_mbid"],
                medium=row["medium_position"] or 0,
                position=row["track_position"] or 0,
                duration_ms=row["variant__duration_ms"],
                profile=row["variant__profile"],
                quality=row["variant__quality_score"],
                pcm_md5=bytes(md5) if md5 else None,
                artist=row["artist"],
                album=row["album"],
                title=row["title"],
            )
        )
    return CopySlice(
        groups=tuple(tuple(group) for group in groups.values() if len(group) > 1),
        recordings=tuple(recordings),
        held_back=tuple(sorted(held_back)),
        last=last,
        rows=count,
    )


def _held(
    wanted: Sequence[uuid.UUID], away: Collection[int]
) -> tuple[dict[uuid.UUID, list[HeldTrack]], set[uuid.UUID], set[uuid.UUID], set[uuid.UUID]]:
    """Release → what is here of it; those of which anything is here; those that a folder was matched to; those with files that are away."""
    held: dict[uuid.UUID, list[HeldTrack]] = defaultdict(list)
    present: set[uuid.UUID] = set()
    held_back: set[uuid.UUID] = set()
    matched: dict[tuple[int, bytes], uuid.UUID] = {}
    for part in parts_of(wanted):
        rows = FolderMatch.objects.filter(release_mbid__in=part, state__in=SETTLED)
        for root, folder, mbid in rows.values_list("root_id", "folder_hash", "release_mbid"):
            if mbid is not None:
                matched[root, bytes(folder)] = mbid
    seen: set[int] = set()
    folders: dict[tuple[int, bytes], Counter[uuid.UUID]] = defaultdict(Counter)
    by_release = (
        AudioFile.objects.filter(missing_since=None, release_mbid__in=part).values(*_PLACE) for part in parts_of(wanted)
    )
    by_folder = (
        AudioFile.objects.filter(missing_since=None, folder_hash__in=[one for _, one in part]).values(*_PLACE)
        for part in parts_of(sorted(matched))
    )
    for rows in [*by_folder, *by_release]:
        for row in rows:
            place = (row["root_id"], bytes(row["folder_hash"] or b""))
            mbid = matched.get(place) or row["release_mbid"]
            if row["id"] in seen or mbid is None or mbid not in wanted:
                continue
            seen.add(row["id"])
            if row["root_id"] in away:
                held_back.add(mbid)
                continue
            present.add(mbid)
            if place[1]:
                folders[place][mbid] += 1
            held[mbid].append(
                HeldTrack(
                    medium=row["medium_position"] or 0,
                    position=row["track_position"] or _number_in_front(row["display"]),
                    recording_mbid=row["variant__recording_mbid"],
                )
            )
    _place_broken(held, folders)
    return held, present, set(matched.values()), held_back


def _place_broken(
    held: Mapping[uuid.UUID, list[HeldTrack]], folders: Mapping[tuple[int, bytes], Counter[uuid.UUID]]
) -> None:
    """A file that can't be read is here too, and that is an issue of its own. If nothing else says where it belongs, its folder and its name do.

    So is one whose tags name no release: its sound says which of the tracks it is.
    """
    for part in parts_of(sorted(folders)):
        rows = AudioFile.objects.filter(
            folder_hash__in=[folder for _, folder in part],
            read_state__in=[ReadState.UNREADABLE, ReadState.READ],
            release_mbid=None,
            missing_since=None,
        )
        for root, folder, shown, state, recording in rows.values_list(
            "root_id", "folder_hash", "display", "read_state", "variant__recording_mbid"
        ):
            releases = folders.get((root, bytes(folder)))
            position = _number_in_front(shown) if state == ReadState.UNREADABLE else 0
            if releases and (position or recording):
                held[releases.most_common(1)[0][0]].append(
                    HeldTrack(medium=0, position=position, recording_mbid=recording)
                )


_PLACE: Final = (
    "id", "root_id", "folder_hash", "release_mbid", "medium_position", "track_position", "display", "variant__recording_mbid"
)  # fmt: skip


def _roots_away() -> frozenset[int]:
    """Roots that can't be read now: an absent mount says nothing about its files."""
    return frozenset(LibraryRoot.objects.exclude(state_code="").values_list("id", flat=True))


def parts_of(items: Sequence[Any], size: int = 400) -> Iterable[Sequence[Any]]:
    """As many as SQLite takes in one statement."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _plain(params: Mapping[str, Any], *, limit: int = 20) -> dict[str, ParamValue]:
    """Numbers, texts and truths of a JSON column."""
    kept = [(key, value) for key, value in params.items() if isinstance(value, str | int | float | bool | None)]
    return dict(kept[:limit])


def some_of(values: Iterable[T | None]) -> set[T]:
    return {one for one in values if one is not None}


def _number_in_front(path: str) -> int:
    """Track number that a file's name begins with ("03 Song.flac", "1-03 Song.flac"); 0 if none."""
    found = re.match(r"(?:\d{1,2}-)?(\d{1,3})(?!\d)", path.rpartition("/")[2])
    return int(found[1]) if found else 0


def _first(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""


def _mbid(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(_first(value)) if value else None
    except ValueError:
        return None


def _number(value: object) -> int:
    text = _first(value) if not isinstance(value, int) else str(value)
    return min(int(text), 32767) if text.isascii() and text.isdigit() else 0
