"""The only writer of quality scores and of the statistics over variants: scoring, marking what must be counted again, counting.

**Marks.** Whoever changes a variant or a file marks its recording and release in the same transaction (`canonical_mark`). A recount reads a mark with
its number, counts, writes, and removes the mark only if it still has that number: what changed meanwhile stays marked. If the mark is gone or newer, the
recount was overtaken (two at once): the subject is marked anew, so that statistics are right after any sequence of changes.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from apps.domain.audio.profile import LOSSLESS, Codec, ProfileError, parse_profile
from apps.domain.audio.quality import QUALITY_VERSION, QualityFacts, QualityScore, quality_score
from apps.domain.library.canonical import VariantCount, tally
from apps.library.models import AudioFile, AudioVariant, CanonicalDirty, CanonicalStats, TrackStats, VariantEvidence

RECORDING: Final = "recording"
RELEASE: Final = "release"
SLICE: Final = 400
"""Ids in one statement: SQLite takes as few as 999 variables."""

_SCORED_BY: Final = (
    "id", "profile", "codec", "lossless", "recording_mbid", "bitrate_kbps", "rate_hz", "channels", "bits", "effective_bits", "clipped_ppm",
    "dynamic_range", "loudness_range_lu", "transcode_suspect", "transcode_verdict", "quality_score", "quality_version",
)  # fmt: skip
_COUNTED: Final = (
    "id", "recording_mbid", "profile", "codec", "lossless", "bitrate_kbps", "quality_score", "transcode_suspect"
)  # fmt: skip
_TALLIED: Final = ("variants", "scored", "mean_score", "suspects", "bitrates", "best", "best_score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounted:
    """What one run did. `more`: marks were left for the next."""

    recordings: int
    releases: int
    more: bool


def facts_of(row: AudioVariant) -> QualityFacts:
    """What a variant's row says that its score rests on. A profile that the grammar does not have counts as a lossy file of unknown kind."""
    try:
        profile = parse_profile(row.profile)
        codec, lossless = profile.codec, profile.lossless
        kbps = row.bitrate_kbps if lossless or row.bitrate_kbps else profile.nominal_kbps
    except ProfileError:
        codec, lossless, kbps = Codec.MP3, False, row.bitrate_kbps
    return QualityFacts(
        codec=codec,
        lossless=lossless,
        bitrate_kbps=kbps,
        rate_hz=row.rate_hz,
        channels=row.channels,
        bits=row.bits if lossless else 0,
        effective_bits=row.effective_bits,
        clipped_ppm=row.clipped_ppm,
        dynamic_range=row.dynamic_range,
        loudness_range_lu=row.loudness_range_lu,
        suspect=row.transcode_suspect,
        verdict=row.transcode_verdict,
    )


def variant_scored(variant_id: int) -> QualityScore | None:
    """Score a variant by what its row says now, keep the terms as evidence, and mark what counts it. None: there is no such variant."""
    with transaction.atomic():
        row = AudioVariant.objects.filter(id=variant_id).only(*_SCORED_BY).first()
        if row is None:
            return None
        made = _score_write([row])[row.pk]
        variants_mark([variant_id])
    return made


def variants_rescore(*, limit: int = 500) -> int:
    """Score the next variants that have no score of this version; returns how many. 0: none is left."""
    with transaction.atomic():
        rows = list(
            AudioVariant.objects.filter(quality_version__lt=QUALITY_VERSION)
            .only(*_SCORED_BY)
            .order_by("quality_version", "id")[:limit]
        )
        _score_write(rows)
        variants_mark([row.pk for row in rows])
    return len(rows)


def _score_write(rows: Sequence[AudioVariant]) -> dict[int, QualityScore]:
    scores: dict[int, QualityScore] = {}
    for row in rows:
        scores[row.pk] = made = quality_score(facts_of(row))
        row.quality_score, row.quality_version = made.score, made.version
        codec = row.profile.partition("-")[0][:12]
        row.codec, row.lossless = codec, codec in Codec._value2member_map_ and Codec(codec) in LOSSLESS
    AudioVariant.objects.bulk_update(rows, ["quality_score", "quality_version", "codec", "lossless"], batch_size=100)
    VariantEvidence.objects.bulk_create(
        [VariantEvidence(variant_id=key, terms=made.to_json()) for key, made in scores.items()],
        update_conflicts=True,
        unique_fields=["variant"],
        update_fields=["terms"],
        batch_size=100,
    )
    return scores


def canonical_mark(
    *,
    recording_mbid: uuid.UUID | None = None,
    release_mbid: uuid.UUID | None = None,
    recordings: Iterable[uuid.UUID | None] = (),
    releases: Iterable[uuid.UUID | None] = (),
) -> None:
    """Statistics of these must be counted again. Two statements; call it in the transaction of the change. Nothing and None mark nothing."""
    keys = {(RECORDING, one) for one in (recording_mbid, *recordings) if one is not None}
    keys |= {(RELEASE, one) for one in (release_mbid, *releases) if one is not None}
    _mark(sorted(keys))


def variants_mark(variant_ids: Collection[int]) -> None:
    """Mark the recordings of some variants, and the releases of their files."""
    ids = sorted(variant_ids)
    for at in range(0, len(ids), SLICE):
        some = ids[at : at + SLICE]
        recordings = AudioVariant.objects.filter(id__in=some, recording_mbid__isnull=False)
        releases = AudioFile.objects.filter(variant__in=some, release_mbid__isnull=False)
        canonical_mark(
            recordings=recordings.values_list("recording_mbid", flat=True).distinct(),
            releases=releases.values_list("release_mbid", flat=True).distinct(),
        )


def files_mark(file_ids: Collection[int]) -> None:
    """Mark what some files count for: before they are deleted, after they went missing, came back or changed their release."""
    ids = sorted(file_ids)
    for at in range(0, len(ids), SLICE):
        rows = AudioFile.objects.filter(id__in=ids[at : at + SLICE]).values_list(
            "variant__recording_mbid", "release_mbid"
        )
        found = list(rows)
        canonical_mark(recordings={one for one, _ in found}, releases={one for _, one in found})


def recount_due(*, limit: int = 200) -> Recounted:
    """Count what is marked again, the longest waiting first, at most `limit` subjects. Safe to run twice, or to be killed anywhere."""
    marks = list(CanonicalDirty.objects.order_by("id")[:limit])
    for at in range(0, len(marks), SLICE):
        some = marks[at : at + SLICE]
        with transaction.atomic():
            _count_recordings([one.mbid for one in some if one.kind == RECORDING])
            _count_releases([one.mbid for one in some if one.kind == RELEASE])
        for one in some:
            gone, _ = CanonicalDirty.objects.filter(id=one.pk, marks=one.marks).delete()
            if not gone:
                _mark([(one.kind, one.mbid)])
    return Recounted(
        recordings=sum(one.kind == RECORDING for one in marks),
        releases=sum(one.kind == RELEASE for one in marks),
        more=len(marks) == limit,
    )


def _mark(keys: Sequence[tuple[str, uuid.UUID]]) -> None:
    for at in range(0, len(keys), SLICE):
        some = keys[at : at + SLICE]
        with transaction.atomic():
            while some:
                CanonicalDirty.objects.bulk_create(
                    [CanonicalDirty(kind=kind, mbid=mbid) for kind, mbid in some], ignore_conflicts=True
                )
                # The UPDATE holds the row until the change that caused it is committed: a recount that has seen the mark, but not the change,
                # waits for us when it removes the mark, and then finds another number.
                left: list[tuple[str, uuid.UUID]] = []
                for kind in (RECORDING, RELEASE):
                    mbids = [mbid for word, mbid in some if word == kind]
                    rows = CanonicalDirty.objects.filter(kind=kind, mbid__in=mbids)
                    if mbids and rows.update(marks=F("marks") + 1) < len(mbids):
                        there = set(rows.values_list("mbid", flat=True))
                        left += [(kind, mbid) for mbid in mbids if mbid not in there]
                some = left


def _count_recordings(mbids: Sequence[uuid.UUID]) -> None:
    if not mbids:
        return
    present = AudioFile.objects.filter(variant=OuterRef("pk"), missing_since=None)
    rows = AudioVariant.objects.filter(Exists(present), recording_mbid__in=mbids).values_list(*_COUNTED)
    groups: dict[tuple[uuid.UUID, str], list[VariantCount]] = {}
    for row in rows.iterator(chunk_size=2000):
        one = _counted(row)
        groups.setdefault((row[1], one.profile), []).append(one)
    made = []
    for (mbid, profile), variants in groups.items():
        counted = tally(variants)
        made.append(
            CanonicalStats(
                recording_mbid=mbid,
                profile=profile,
                codec=variants[0].codec,
                lossless=variants[0].lossless,
                variants=counted.variants,
                scored=counted.scored,
                mean_score=counted.mean_score,
                suspects=counted.suspects,
                bitrates=dict(counted.bitrates),
                best_id=counted.best_id,
                best_score=counted.best_score,
            )
        )
    made.sort(key=lambda one: (one.recording_mbid, one.profile))
    known = CanonicalStats.objects.filter(recording_mbid__in=mbids).values_list("id", "recording_mbid", "profile")
    gone = [key for key, mbid, profile in known if (mbid, profile) not in groups]
    CanonicalStats.objects.filter(id__in=gone).delete()
    CanonicalStats.objects.bulk_create(
        made,
        update_conflicts=True,
        unique_fields=["recording_mbid", "profile"],
        update_fields=["codec", "lossless", *_TALLIED, "updated_at"],
        batch_size=50,
    )


def _count_releases(mbids: Sequence[uuid.UUID]) -> None:
    if not mbids:
        return
    rows = AudioFile.objects.filter(
        release_mbid__in=mbids,
        missing_since=None,
        variant__isnull=False,
        medium_position__isnull=False,
        track_position__isnull=False,
    ).values_list("release_mbid", "medium_position", "track_position", *(f"variant__{name}" for name in _COUNTED))
    groups: dict[tuple[uuid.UUID, int, int], dict[int, VariantCount]] = {}
    recordings: dict[tuple[uuid.UUID, int, int], dict[int, uuid.UUID]] = {}
    for row in rows.iterator(chunk_size=2000):
        place = (row[0], row[1], row[2])
        one = _counted(row[3:])
        groups.setdefault(place, {})[one.variant_id] = one
        if row[4] is not None:
            recordings.setdefault(place, {})[one.variant_id] = row[4]
    made = []
    for place, variants in groups.items():
        counted = tally(variants.values())
        named = recordings.get(place, {})
        # The recording of the best variant speaks for the track; without one, that of the oldest.
        speaks = counted.best_id if counted.best_id in named else min(named, default=None)
        made.append(
            TrackStats(
                release_mbid=place[0],
                medium_position=place[1],
                track_position=place[2],
                recording_mbid=named[speaks] if speaks is not None else None,
                variants=counted.variants,
                scored=counted.scored,
                mean_score=counted.mean_score,
                suspects=counted.suspects,
                codecs=dict(counted.codecs),
                bitrates=dict(counted.bitrates),
                best_id=counted.best_id,
                best_score=counted.best_score,
            )
        )
    made.sort(key=lambda one: (one.release_mbid, one.medium_position, one.track_position))
    known = TrackStats.objects.filter(release_mbid__in=mbids)
    places = known.values_list("id", "release_mbid", "medium_position", "track_position")
    gone = [key for key, *place in places if tuple(place) not in groups]
    TrackStats.objects.filter(id__in=gone).delete()
    TrackStats.objects.bulk_create(
        made,
        update_conflicts=True,
        unique_fields=["release_mbid", "medium_position", "track_position"],
        update_fields=["recording_mbid", "codecs", *_TALLIED, "updated_at"],
        batch_size=50,
    )


def _counted(row: Sequence[object]) -> VariantCount:
    variant_id, _, profile, codec, lossless, kbps, score, suspect = row
    assert isinstance(variant_id, int)
    assert isinstance(profile, str)
    assert isinstance(codec, str)
    assert isinstance(kbps, int)
    assert score is None or isinstance(score, float)
    assert suspect is None or isinstance(suspect, bool)
    return VariantCount(
        variant_id=variant_id,
        profile=profile,
        codec=codec or profile.partition("-")[0],
        lossless=bool(lossless),
        bitrate_kbps=kbps,
        score=score,
        suspect=suspect,
    )
