"""Files of a folder as one offered album: what most of them say of it. For matching, and for the edition solver."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence

from apps.domain.matching.discs import without_disc
from apps.domain.matching.values import OfferedSet
from apps.domain.matching.words import words_of
from apps.library.selectors_match import FolderFile, text


def offered_set(files: Sequence[FolderFile]) -> OfferedSet:
    """Files as one offered album: what most of them say of it."""

    def said(name: str) -> str:
        return most(text(one.tags.get(name)) for one in files)

    artists = {words_of(one.offered.artist).core for one in files if one.offered.artist}
    artist = most(one.artist for one in files)
    if not artist and len(artists) == 1:
        artist = most(one.offered.artist for one in files)
    releases, groups = common((one.release_mbid for one in files), 1), common((one.group_mbid for one in files), 1)
    discs = [one.offered.disc for one in files]
    stated = Counter(value for one in files if isinstance(value := one.tags.get("discs"), int) and 0 < value < 100)
    return OfferedSet(
        tracks=tuple(one.offered for one in files),
        album=without_disc(most(one.album for one in files)),
        artist="" if artist.casefold() in {"various artists", "various", "va"} else artist,
        year=said("date")[:4],
        country=said("country"),
        label=said("label"),
        catalog_number=said("catalog_number"),
        barcode=said("barcode"),
        discs=stated.most_common(1)[0][0] if stated else max(discs) if discs and min(discs) > 0 else 0,
        release_mbid=releases[0] if releases else None,
        group_mbid=groups[0] if groups else None,
    )


def common(values: Iterable[uuid.UUID | None], limit: int) -> list[uuid.UUID]:
    """The values that most have, most common first."""
    counted = Counter(one for one in values if one is not None)
    return [mbid for mbid, _ in sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))[:limit]]


def most(values: Iterable[str]) -> str:
    """The text that most say; "" where none says any."""
    counted = Counter(one for one in values if one)
    return min(counted, key=lambda one: (-counted[one], one)) if counted else ""
