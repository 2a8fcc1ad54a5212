"""The Collection Doctor's rule about copies: one recording more than once under one root. Pure.

The same recording on an album and on a compilation is two tracks of two releases: nobody wants one of them away. Copies are files of one recording
that stand for the same track of the same release, or whose release is not known. Files that are the same sound to the bit are copies whatever they
are called, as long as they are not on different releases.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.library.detect import Thresholds
from apps.domain.library.duplicates import is_copys_name
from apps.domain.library.issues import Finding, IssueSeverity, IssueType, ParamValue, SubjectPart

MAX_COPIES_NAMED: Final = 20
"""Copies listed in the evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One file of a recording (or, with `recording_mbid` None, of a payload)."""

    file_id: int
    root_id: int
    variant_id: int
    path: str
    size_bytes: int
    recording_mbid: uuid.UUID | None
    release_mbid: uuid.UUID | None
    medium: int
    position: int
    duration_ms: int
    profile: str
    quality: float | None
    pcm_md5: bytes | None
    artist: str = ""
    album: str = ""
    title: str = ""


def duplicate_findings(copies: Collection[Copy], thresholds: Thresholds) -> tuple[Finding, ...]:
    """Findings over the files of one recording (all of them), or of one payload whose recording nobody knows."""
    found = []
    by_root: Mapping[int, list[Copy]] = defaultdict(list)
    for copy in copies:
        by_root[copy.root_id].append(copy)
    for root, here in sorted(by_root.items()):
        for place, group in sorted(_groups(here).items()):
            alike = _of_one_length(group, thresholds.duration_tolerance_ms)
            if len(alike) > 1:
                found.append(_finding(root, place, alike))
    return tuple(found)


def best_first(copies: Collection[Copy]) -> list[Copy]:
    """Which one a person would keep: the better sound, then the longer, the one with a place on a release, the one whose name is no copy's, the older row."""
    return sorted(
        copies,
        key=lambda one: (
            -(one.quality if one.quality is not None else -1.0),
            -one.duration_ms,
            one.release_mbid is None,
            is_copys_name(one.path),
            one.file_id,
        ),
    )


def _groups(copies: Sequence[Copy]) -> dict[str, list[Copy]]:
    """Release (and place on it) → copies. Those without a release join the only release there is, else they are a group of their own."""
    groups: dict[str, list[Copy]] = defaultdict(list)
    loose: list[Copy] = []
    for copy in copies:
        if copy.release_mbid is None:
            loose.append(copy)
        else:
            groups[f"{copy.release_mbid}"].append(copy)
    # A recording may be on one release twice, at two places: then each place is a track of its own.
    for name in list(groups):
        places = {(one.medium, one.position) for one in groups[name]}
        if len(places) == len(groups[name]) and len(places) > 1 and all(one.position for one in groups[name]):
            del groups[name]
    if loose:
        target = next(iter(groups)) if len(groups) == 1 else ""
        groups[target].extend(loose)
    return dict(groups)


def _of_one_length(copies: Sequence[Copy], tolerance_ms: int) -> list[Copy]:
    """Without those that last longer or shorter than the best one: they are something else under the same id, or cut off (an issue of its own)."""
    first, *others = best_first(copies)
    return [first, *(one for one in others if abs(one.duration_ms - first.duration_ms) <= tolerance_ms)]


def _finding(root: int, place: str, copies: Sequence[Copy]) -> Finding:
    ordered = best_first(copies)
    best, worst = ordered[0], ordered[-1]
    payloads = {one.variant_id for one in ordered}
    sounds = {one.pcm_md5 for one in ordered}
    if len(payloads) == 1:
        code = "duplicate_payload"
    elif len(sounds) == 1 and None not in sounds:
        code = "duplicate_sound"
    else:
        code = "duplicate_recording"
    params: dict[str, ParamValue] = {
        "copies": len(ordered),
        "keep": best.file_id,
        "keep_path": best.path,
        "keep_profile": best.profile,
        "profile": worst.profile,
        "files": [str(one.file_id) for one in ordered[:MAX_COPIES_NAMED]],
        "spare_bytes": sum(one.size_bytes for one in ordered[1:]),
    }
    subject: tuple[SubjectPart, ...] = (
        ("root", root, "recording", best.recording_mbid, place)
        if best.recording_mbid
        else ("root", root, "variant", best.variant_id)
    )
    return Finding(
        type=IssueType.DUPLICATE_VARIANT,
        severity=IssueSeverity.LOW,
        subject=subject,
        code=code,
        params=params,
        file_id=worst.file_id,
        variant_id=worst.variant_id,
        release_mbid=best.release_mbid or worst.release_mbid,
        recording_mbid=best.recording_mbid,
        medium_position=best.medium or None,
        track_position=best.position or None,
        artist=best.artist or worst.artist,
        album=best.album or worst.album,
        title=best.title or worst.title,
        path=worst.path,
    )
