"""What the library holds of recordings, what peers tell of them, and which variant is the canonical one. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Count, Q

from apps.catalog.models import Release
from apps.domain.jobs.constraints import Constraints
from apps.domain.library.canonical import (
    UNKNOWN_MASTER,
    CanonicalCandidate,
    HeldVariant,
    ToldVariant,
    canonical_order,
)
from apps.domain.library.master import MASTER_RANK, EditionFacts, MasterWord, master_of
from apps.library.models import AudioFile, AudioVariant, CanonicalDirty, CanonicalStats, TrackStats
from apps.mesh.selectors_told import payloads_told

SLICE = 200
"""Recordings looked at together."""
MAX_RELEASE_TRACKS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileStats:
    """Variants of one recording in one codec profile."""

    profile: str
    codec: str
    lossless: bool
    variants: int
    scored: int
    mean_score: float | None
    suspects: int
    bitrates: Mapping[str, int]
    best_variant_id: int | None
    best_score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackStatsView:
    """Variants held of one track of a release."""

    medium: int
    track: int
    recording_mbid: uuid.UUID | None
    variants: int
    scored: int
    mean_score: float | None
    suspects: int
    codecs: Mapping[str, int]
    bitrates: Mapping[str, int]
    best_variant_id: int | None
    best_score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalView:
    """A recording: its variants in canonical order, told ones among them, and the statistics. `stale`: they are about to be counted again."""

    recording_mbid: uuid.UUID
    candidates: tuple[CanonicalCandidate, ...]
    stats: tuple[ProfileStats, ...]
    stale: bool


def held_variants(recordings: Collection[uuid.UUID]) -> dict[uuid.UUID, list[HeldVariant]]:
    """Variants of these recordings with a present file, each with what is known of the master of its editions; three queries for 200 recordings."""
    found: dict[uuid.UUID, list[HeldVariant]] = {}
    wanted = sorted(set(recordings))
    for at in range(0, len(wanted), SLICE):
        some = wanted[at : at + SLICE]
        rows = (
            AudioVariant.objects.filter(recording_mbid__in=some)
            .annotate(present=Count("files", filter=Q(files__missing_since=None)))
            .filter(present__gt=0)
            .order_by("id")
            .values_list(
                "id", "recording_mbid", "payload_format", "payload_root", "profile", "codec", "lossless", "quality_score",
                "transcode_suspect", "verified", "present",
            )
        )  # fmt: skip
        listed = list(rows)
        masters = _masters([row[0] for row in listed])
        for key, mbid, kind, root, profile, codec, lossless, score, suspect, verified, present in listed:
            if mbid is None:
                continue
            found.setdefault(mbid, []).append(
                HeldVariant(
                    variant_id=key,
                    payload_format=kind,
                    payload_root=bytes(root),
                    profile=profile,
                    codec=codec,
                    lossless=lossless or profile.startswith(_LOSSLESS_PREFIXES),
                    score=score,
                    suspect=suspect,
                    verified=verified,
                    files=present,
                    master=masters.get(key, UNKNOWN_MASTER),
                )
            )
    return found


def told_variants(recordings: Collection[uuid.UUID]) -> dict[uuid.UUID, list[ToldVariant]]:
    """What peers tell of these recordings, in the form in which it is weighed."""
    return {
        mbid: [
            ToldVariant(
                group=one.group,
                payload_format=one.payload_format,
                payload_root=one.payload_root,
                profile=one.profile,
                complete=one.complete,
                facts=one.facts,
            )
            for one in words
        ]
        for mbid, words in payloads_told(recordings).items()
    }


def canonical_candidates(
    recording_mbid: uuid.UUID, constraints: Constraints | None = None, *, told: bool = False
) -> tuple[CanonicalCandidate, ...]:
    """The recording's variants, the most canonical first, with reasons. Held ones only, unless `told`; what peers tell weighs in both cases.

    `constraints` leave out what the job may not have, and order by its preferences.
    """
    found = canonical_of([recording_mbid], constraints)[recording_mbid]
    return found if told else tuple(one for one in found if one.held)


def canonical_of(
    recordings: Collection[uuid.UUID], constraints: Constraints | None = None
) -> dict[uuid.UUID, tuple[CanonicalCandidate, ...]]:
    """`canonical_candidates` with what is told, for many recordings at once: five queries for 200 of them."""
    held, told = held_variants(recordings), told_variants(recordings)
    return {
        mbid: canonical_order(held.get(mbid, ()), told.get(mbid, ()), constraints=constraints)
        for mbid in set(recordings)
    }


def canonical_view(recording_mbid: uuid.UUID, constraints: Constraints | None = None) -> CanonicalView:
    """All that is known of a recording's variants, for a person."""
    stats = CanonicalStats.objects.filter(recording_mbid=recording_mbid).order_by("-best_score", "profile")
    return CanonicalView(
        recording_mbid=recording_mbid,
        candidates=canonical_candidates(recording_mbid, constraints, told=True),
        stats=tuple(
            ProfileStats(
                profile=row.profile,
                codec=row.codec,
                lossless=row.lossless,
                variants=row.variants,
                scored=row.scored,
                mean_score=row.mean_score,
                suspects=row.suspects,
                bitrates=_by_rate(row.bitrates),
                best_variant_id=row.best_id,
                best_score=row.best_score,
            )
            for row in stats
        ),
        stale=CanonicalDirty.objects.filter(kind="recording", mbid=recording_mbid).exists(),
    )


def track_stats(release_mbid: uuid.UUID) -> tuple[TrackStatsView, ...]:
    """Statistics of a release's tracks, in its order; empty when nothing of it is held."""
    rows = TrackStats.objects.filter(release_mbid=release_mbid).order_by("medium_position", "track_position")
    return tuple(
        TrackStatsView(
            medium=row.medium_position,
            track=row.track_position,
            recording_mbid=row.recording_mbid,
            variants=row.variants,
            scored=row.scored,
            mean_score=row.mean_score,
            suspects=row.suspects,
            codecs=_most_first(row.codecs),
            bitrates=_by_rate(row.bitrates),
            best_variant_id=row.best_id,
            best_score=row.best_score,
        )
        for row in rows[:MAX_RELEASE_TRACKS]
    )


def files_of_variants(variant_ids: Collection[int]) -> dict[int, tuple[int, str]]:
    """A present file of each variant that has one: its id, and its whole path as text."""
    found: dict[int, tuple[int, str]] = {}
    ids = sorted(set(variant_ids))
    for at in range(0, len(ids), SLICE):
        files = AudioFile.objects.filter(variant__in=ids[at : at + SLICE], missing_since=None).select_related("root")
        for row in files.order_by("id"):
            if row.variant_id is not None:
                found.setdefault(row.variant_id, (row.pk, f"{row.root.path}/{row.display}"))
    return found


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first, equal ones by name: Postgres keeps no order of keys, so rows can't say it."""
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _by_rate(counts: Mapping[str, int]) -> dict[str, int]:
    """Buckets of bit rates in rising order, for the same reason. A bucket that is no number comes last."""
    return dict(sorted(counts.items(), key=lambda one: (not one[0].isdecimal(), len(one[0]), one[0])))


def _masters(variant_ids: Collection[int]) -> dict[int, MasterWord]:
    """The most favourable word on the masters of the editions that variants' files belong to."""
    releases: dict[uuid.UUID, set[int]] = {}
    ids = list(variant_ids)
    for at in range(0, len(ids), SLICE):
        files = AudioFile.objects.filter(
            variant__in=ids[at : at + SLICE], missing_since=None, release_mbid__isnull=False
        )
        for key, release in files.values_list("variant_id", "release_mbid").distinct():
            if release is not None and key is not None:
                releases.setdefault(release, set()).add(key)
    words: dict[int, MasterWord] = {}
    wanted = sorted(releases)
    for at in range(0, len(wanted), SLICE):
        rows = Release.objects.filter(mbid__in=wanted[at : at + SLICE])
        for mbid, title, date, first in rows.values_list("mbid", "title", "date", "release_group__first_release_date"):
            word = master_of(EditionFacts(title=title, date=date, first_date=first or ""))
            for key in releases[mbid]:
                known = words.get(key)
                if known is None or MASTER_RANK[word.master] > MASTER_RANK[known.master]:
                    words[key] = word
    return words


_LOSSLESS_PREFIXES = ("flac-", "alac-", "pcm-", "ape-", "wavpack-", "tta-", "tak-")
