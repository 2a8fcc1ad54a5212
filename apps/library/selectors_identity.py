"""Reads of identifications: the review queue, what sounds the same, what AcoustID said before, what the identifying worker weighs."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Count, Max, Prefetch, QuerySet
from django.utils import timezone

from apps.domain.library.identity import IdentityState
from apps.domain.library.offers import Offer, offers_from_json
from apps.library.models import AcoustidAnswer, AudioFile, AudioVariant, FingerprintSlice, Identification, SameSound

ANSWER_FRESH: Final = timedelta(days=60)
"""AcoustID's database grows slowly for prints it knows."""
SILENCE_FRESH: Final = timedelta(days=5)
"""A print it does not know may be submitted any day."""
IDENTIFICATION_ORDER: Final = ("-variant_id",)
"""Newest first."""
COUNTED: Final = 1_000
"""Counts of the queue stop here: "1000+" tells a person as much as the exact number would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSound:
    """A variant that the local index named."""

    variant_id: int
    fingerprint: bytes
    recording_mbid: uuid.UUID | None
    source: str
    verified: bool
    title: str
    """Of one of its files; shown and compared, "" if none is known."""
    artist: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LikeVariant:
    """A variant that sounds like another one."""

    variant_id: int
    ber: float
    recording_mbid: uuid.UUID | None


def identification_query(
    *, states: Collection[str] = (), folder: tuple[int, bytes] | None = None
) -> QuerySet[Identification]:
    """Identifications with variant and files, three queries a page. `folder`: (root id, folder hash)."""
    files = AudioFile.objects.filter(missing_since=None).only(
        "id", "root_id", "display", "title", "artist", "album", "variant_id", "folder_hash", "track_position",
        "medium_position", "release_mbid",
    )  # fmt: skip
    # Variants are fetched by the keys of the page: joined, they would be read from the start of their table to where the page begins.
    variants = AudioVariant.objects.defer("leaf_hashes", "fingerprint", "preamble")
    rows = Identification.objects.select_related("decided_by")
    if states:
        rows = rows.filter(state__in=list(states))
    if folder is not None:
        rows = rows.filter(
            variant_id__in=AudioFile.objects.filter(root_id=folder[0], folder_hash=folder[1]).values("variant_id")
        )
    return rows.prefetch_related(
        Prefetch("variant", queryset=variants),
        Prefetch("variant__files", queryset=files.order_by("id"), to_attr="present"),
    )


def identification_show(variant_id: int) -> Identification | None:
    """One, as `identification_query` gives it."""
    return identification_query().filter(variant_id=variant_id).first()


def review_count() -> int:
    """How many questions wait for a person, at most COUNTED. One range of an index."""
    rows = Identification.objects.filter(state=IdentityState.AMBIGUOUS.value)
    return rows.order_by("variant")[:COUNTED].count()


def identification_counts() -> dict[str, int]:
    """By state, exactly: for the command line and the System page. One scan of an index."""
    rows = Identification.objects.values("state").annotate(found=Count("variant_id")).order_by("state")
    return {row["state"]: row["found"] for row in rows}


def variants_like(variant_id: int, *, limit: int = 50) -> tuple[LikeVariant, ...]:
    """Variants whose fingerprint is the same recording's as this one's, the likest first. One query."""
    rows = SameSound.objects.filter(variant_id=variant_id).order_by("ber", "other_id")
    return tuple(
        LikeVariant(variant_id=other, ber=ber, recording_mbid=mbid)
        for other, ber, mbid in rows.values_list("other_id", "ber", "other__recording_mbid")[:limit]
    )


def answers_known(keys: Collection[bytes], *, fresh_for: timedelta | None = None) -> dict[bytes, tuple[Offer, ...]]:
    """AcoustID's kept answers that are still fresh, by key (`services_identity.answer_key`). One query; at most 400 keys.

    `fresh_for`: only those younger than this.
    """
    now = timezone.now()
    rows = AcoustidAnswer.objects.filter(
        key__in=list(keys), fetched_at__gte=now - min(fresh_for or ANSWER_FRESH, ANSWER_FRESH)
    )
    found: dict[bytes, tuple[Offer, ...]] = {}
    for row in rows:
        offers = offers_from_json(row.matches)
        if offers is None or (not offers and row.fetched_at < now - SILENCE_FRESH):
            continue
        found[bytes(row.key)] = offers
    return found


def sounds_known(variant_ids: Collection[int]) -> dict[int, KnownSound]:
    """What is known of these variants. Two queries."""
    rows = AudioVariant.objects.filter(id__in=list(variant_ids)).values_list(
        "id", "fingerprint", "recording_mbid", "recording_source", "verified", "duration_ms"
    )
    texts: dict[int, tuple[str, str]] = {}
    files = AudioFile.objects.filter(variant_id__in=list(variant_ids), missing_since=None).exclude(title="")
    for variant, title, artist in files.order_by("-id").values_list("variant_id", "title", "artist"):
        if variant is not None:
            texts[variant] = (title, artist)
    return {
        key: KnownSound(
            variant_id=key,
            fingerprint=bytes(compressed),
            recording_mbid=mbid,
            source=source,
            verified=verified,
            title=texts.get(key, ("", ""))[0],
            artist=texts.get(key, ("", ""))[1],
            duration_ms=duration_ms,
        )
        for key, compressed, mbid, source, verified, duration_ms in rows
    }


def companions_known(
    folders: Collection[tuple[int, bytes]],
) -> dict[tuple[int, bytes], dict[int, frozenset[uuid.UUID]]]:
    """Of folders (root id, folder hash): variant → release groups and releases it may lie on, as far as it was looked at. Two queries a folder's worth.

    At most 300 variants of a folder: a folder that holds everything is no album, and its files say nothing of each other.
    """
    found: dict[tuple[int, bytes], dict[int, frozenset[uuid.UUID]]] = {one: {} for one in folders}
    for root_id, hashes in _by_root(folders).items():
        files = AudioFile.objects.filter(
            root_id=root_id, folder_hash__in=hashes, missing_since=None, variant_id__isnull=False
        )
        rows = files.order_by("id").values_list("folder_hash", "variant_id", "release_mbid")[: 300 * len(hashes)]
        members = [(bytes(folder), variant, release) for folder, variant, release in rows]
        places = dict(_places({variant for _, variant, _ in members}))
        for folder, variant, release in members:
            tagged = frozenset({release}) if release else frozenset()
            found[root_id, folder][variant or 0] = places.get(variant, frozenset()) | tagged
    return found


def _by_root(folders: Collection[tuple[int, bytes]]) -> Mapping[int, list[bytes]]:
    grouped: dict[int, list[bytes]] = defaultdict(list)
    for root_id, folder in sorted(folders):
        grouped[root_id].append(folder)
    return grouped


def _places(variants: Collection[int]) -> Iterator[tuple[int, frozenset[uuid.UUID]]]:
    ids = sorted(variants)
    for start in range(0, len(ids), 400):
        rows = Identification.objects.filter(variant_id__in=ids[start : start + 400]).exclude(candidates=[])
        for variant, candidates in rows.values_list("variant_id", "candidates"):
            yield variant, places_of(candidates)


def places_of(candidates: object) -> frozenset[uuid.UUID]:
    """Release groups and releases of kept candidates (`Judged.to_json`) that a fingerprint or the tags speak for."""
    found: set[uuid.UUID] = set()
    for one in candidates if isinstance(candidates, list) else []:
        if not isinstance(one, Mapping) or float(one.get("points", 0) or 0) < 0:
            continue
        groups, releases = one.get("groups"), one.get("releases")
        texts = [*(groups if isinstance(groups, list) else [])]
        texts += [
            each[0] for each in (releases if isinstance(releases, list) else []) if isinstance(each, list) and each
        ]
        for text in texts:
            try:
                found.add(uuid.UUID(str(text)))
            except ValueError:
                continue
    return frozenset(found)


def slices_after(variant_id: int, *, limit: int = 5_000) -> dict[int, bytes]:
    """Slices for the local index by variant, in the order of their ids. One query."""
    rows = FingerprintSlice.objects.filter(variant_id__gt=variant_id).order_by("variant_id")
    return {key: bytes(items) for key, items in rows.values_list("variant_id", "items")[:limit]}


def slices_of(variant_ids: Sequence[int]) -> dict[int, bytes]:
    """Slices of these variants; at most 400."""
    rows = FingerprintSlice.objects.filter(variant_id__in=list(variant_ids)[:400])
    return {key: bytes(items) for key, items in rows.values_list("variant_id", "items")}


def slices_counted(*, up_to: int) -> tuple[int, int]:
    """(number, greatest id) of the slices of variants up to an id: whether an index that knew as many still knows all."""
    row = FingerprintSlice.objects.filter(variant_id__lte=up_to).aggregate(
        found=Count("variant_id"), last=Max("variant_id")
    )
    return int(row["found"]), int(row["last"] or 0)


def slice_ids(*, up_to: int) -> frozenset[int]:
    """Ids of all slices up to one: what an index is compared with when numbers differ. 8 MB a hundred thousand."""
    rows = FingerprintSlice.objects.filter(variant_id__lte=up_to).values_list("variant_id", flat=True)
    return frozenset(rows.iterator(chunk_size=10_000))
