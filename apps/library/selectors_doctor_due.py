"""What changed since the Collection Doctor looked last, and how much there is to look at."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Max, Q

from apps.library.models import AudioFile, AudioVariant, FolderMatch, Identification, LibraryIssue
from apps.library.selectors_doctor import SETTLED, parts_of, some_of

MAX_CHANGED: Final = 5000
"""Files that changed since the last look; from more on the whole library is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What changed: files, their recordings and releases. `more`: too much of it, everything has to be looked at."""

    files: tuple[int, ...]
    recordings: tuple[uuid.UUID, ...]
    releases: tuple[uuid.UUID, ...]
    more: bool


def doctor_expected() -> int:
    """Rows that a full look goes over: files once by themselves, once by recording, and one step for each release."""
    files = AudioFile.objects.count()
    return 2 * files + AudioFile.objects.exclude(release_mbid=None).values("release_mbid").distinct().count()


def newest_change() -> datetime | None:
    """When anything changed that the doctor's rules look at; four looks into an index."""
    times = [
        AudioFile.objects.aggregate(at=Max("read_at"))["at"],
        AudioFile.objects.filter(missing_since__isnull=False).aggregate(at=Max("missing_since"))["at"],
        AudioVariant.objects.aggregate(at=Max("analysed_at"))["at"],
        Identification.objects.aggregate(at=Max("updated_at"))["at"],
        FolderMatch.objects.aggregate(at=Max("updated_at"))["at"],
    ]
    return max((one for one in times if one is not None), default=None)


def changed_since(since: datetime) -> Changed:
    """Files that changed since then, and all others that must be looked at with them."""
    limit = MAX_CHANGED + 1
    files: set[int] = set()
    files.update(AudioFile.objects.filter(read_at__gte=since).values_list("id", flat=True)[:limit])
    files.update(
        AudioFile.objects.filter(missing_since__isnull=False, missing_since__gte=since).values_list("id", flat=True)[
            :limit
        ]
    )
    variants: set[int] = set(AudioVariant.objects.filter(analysed_at__gte=since).values_list("id", flat=True)[:limit])
    variants.update(Identification.objects.filter(updated_at__gte=since).values_list("variant_id", flat=True)[:limit])
    folders = list(FolderMatch.objects.filter(updated_at__gte=since).values_list("root_id", "folder_hash")[:limit])
    if max(len(files), len(variants), len(folders)) > MAX_CHANGED:
        return Changed(files=(), recordings=(), releases=(), more=True)
    for part in parts_of(sorted(variants)):
        files.update(AudioFile.objects.filter(variant_id__in=part).values_list("id", flat=True)[:limit])
    for part in parts_of(folders):
        wanted = Q()
        for root, folder in part:
            wanted |= Q(root_id=root, folder_hash=folder)
        files.update(AudioFile.objects.filter(wanted).values_list("id", flat=True)[:limit])
    recordings: set[uuid.UUID] = set()
    releases: set[uuid.UUID] = set()
    for part in parts_of(sorted(files)):
        rows = AudioFile.objects.filter(id__in=part).values_list("variant__recording_mbid", "release_mbid")
        known = LibraryIssue.objects.filter(file_id__in=part, open=True).values_list("recording_mbid", "release_mbid")
        for recording, release in [*rows, *known]:
            recordings.update(some_of([recording]))
            releases.update(some_of([release]))
    for root, folder in folders:
        found = FolderMatch.objects.filter(root_id=root, folder_hash=folder, state__in=SETTLED)
        releases.update(some_of(found.values_list("release_mbid", flat=True)))
    for part in parts_of(sorted(recordings)):
        files.update(
            AudioFile.objects.filter(variant__recording_mbid__in=part).values_list("id", flat=True)[: 2 * limit]
        )
    more = len(files) > MAX_CHANGED
    return Changed(
        files=() if more else tuple(sorted(files)),
        recordings=() if more else tuple(sorted(recordings)),
        releases=() if more else tuple(sorted(releases)),
        more=more,
    )
