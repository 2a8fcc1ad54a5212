"""All that is known of one file: what it is and on what evidence, how good it is and why, what is wrong with it, and what else there is of it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min, Q

from apps.common.names import RecordingName, recording_names
from apps.domain.audio.picture import Chart, charts_of
from apps.domain.audio.quality import QualityTerm, quality_score
from apps.domain.library.canonical import CanonicalCandidate
from apps.domain.library.paths import display_text
from apps.library.models import AudioFile, AudioVariant, Identification, LibraryIssue, LibraryRoot, VariantEvidence
from apps.library.selectors_canonical import canonical_candidates, files_of_variants
from apps.library.selectors_identity import variants_like
from apps.library.services_canonical import facts_of

MAX_OTHERS = 20
"""Files of the same payload that are listed, and other variants likewise."""


_SAMPLED = (
    "display", "root__path", "variant__profile", "variant__quality_score", "variant__transcode_suspect", "variant__transcode_verdict",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLine:
    """A file with its verdicts, to be checked by ear."""

    path: str
    profile: str
    score: float | None
    suspect: bool | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantView:
    """A payload with its figures. Levels are dB; None: not measured, or nothing to measure."""

    id: int
    payload_format: str
    payload_root: str
    profile: str
    container: str
    codec: str
    lossless: bool
    rate_hz: int
    channels: int
    bits: int
    bitrate_kbps: int
    duration_ms: int
    recording_mbid: uuid.UUID | None
    recording_source: str
    verified: bool
    loudness_lufs: float | None
    loudness_range_lu: float | None
    true_peak_dbtp: float | None
    sample_peak_dbfs: float | None
    dynamic_range: float | None
    clipped_ppm: int | None
    bandwidth_hz: int | None
    effective_bits: int | None
    encoder: str
    suspect: bool | None
    verdict: str
    score: float
    """of the stored facts as they are now"""
    scored: bool
    """it is stored; otherwise the statistics do not know it yet"""
    terms: tuple[QualityTerm, ...]
    verdicts: Mapping[str, object]
    charts: tuple[Chart, ...]
    analysed_at: datetime | None
    analysis_code: str
    analyser_version: int

    @property
    def evidence(self) -> Mapping[str, object]:
        """Numbers that the verdict on a transcode rests on."""
        transcode = self.verdicts.get("transcode")
        found = transcode.get("evidence") if isinstance(transcode, Mapping) else None
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityView:
    """Which recording it is, and why. `evidence` as the identifying worker wrote it."""

    state: str
    code: str
    params: Mapping[str, object]
    confidence: float | None
    evidence: Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueLine:
    """Something the Doctor found about this file."""

    id: int
    type: str
    severity: str
    state: str
    code: str
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVariant:
    """Another variant of the recording. `file`: id and path of a present file; None: only told of by peers."""

    candidate: CanonicalCandidate
    file: tuple[int, str] | None
    this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeFile:
    """A file with another payload whose fingerprint is the same recording's."""

    file_id: int
    path: str
    ber: float
    """share of differing bits, 0..0.15"""
    recording_mbid: uuid.UUID | None

    @property
    def percent(self) -> str:
        """Of its bits, those that differ."""
        return f"{100 * self.ber:.1f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """One file."""

    id: int
    path: str
    title: str
    artist: str
    album: str
    release_mbid: uuid.UUID | None
    medium: int | None
    track: int | None
    size_bytes: int
    added_at: datetime
    missing_since: datetime | None
    read_state: str
    read_code: str
    read_params: Mapping[str, object]
    writable: bool
    variant: VariantView | None
    name: RecordingName | None
    """of the recording, as the catalogue has it"""
    identity: IdentityView | None
    issues: tuple[IssueLine, ...]
    copies: tuple[tuple[int, str], ...]
    """other present files of the same payload"""
    variants: tuple[OtherVariant, ...]
    """all variants of the recording, the canonical one first"""
    alike: tuple[AlikeFile, ...]
    """present files that sound the same, though no common MBID says that they are"""


def file_view(file_id: int) -> FileView | None:
    """A file with everything that is known of it; None when there is none. A fixed number of queries."""
    row = (
        AudioFile.objects.select_related("root", "variant")
        .defer("variant__leaf_hashes", "variant__fingerprint", "variant__preamble", "rel_path", "tags")
        .filter(id=file_id)
        .first()
    )
    if row is None:
        return None
    variant = _variant(row.variant) if row.variant is not None else None
    mbid = variant.recording_mbid if variant is not None else None
    return FileView(
        id=row.pk,
        path=f"{row.root.path}/{row.display}",
        title=row.title,
        artist=row.artist,
        album=row.album,
        release_mbid=row.release_mbid,
        medium=row.medium_position,
        track=row.track_position,
        size_bytes=row.size_bytes,
        added_at=row.added_at,
        missing_since=row.missing_since,
        read_state=row.read_state,
        read_code=row.read_code,
        read_params=row.read_params,
        writable=row.root.writable,
        variant=variant,
        name=recording_names([mbid]).get(mbid) if mbid is not None else None,
        identity=_identity(row.variant_id),
        issues=_issues(row),
        copies=_copies(row),
        variants=_variants(mbid, row.variant_id),
        alike=_alike(mbid, row.variant_id),
    )


def variant_view(variant_id: int) -> VariantView | None:
    """One payload with its figures, terms and curves; None when there is none."""
    row = AudioVariant.objects.defer("leaf_hashes", "fingerprint", "preamble").filter(id=variant_id).first()
    return None if row is None else _variant(row)


def quality_sample(count: int) -> list[SampleLine]:
    """Up to `count` present files spread evenly over the library: the same ones each time."""
    present = AudioFile.objects.filter(missing_since=None, variant__isnull=False).order_by("id")
    ends = present.aggregate(first=Min("id"), last=Max("id"))
    if ends["first"] is None:
        return []
    step = max(1, (ends["last"] - ends["first"] + 1) // max(1, count))
    found: list[SampleLine] = []
    after = ends["first"] - 1
    while len(found) < count:
        row = present.select_related("root", "variant").only(*_SAMPLED).filter(id__gt=after).first()
        if row is None:
            break
        after = max(row.pk, after + step)
        one = row.variant
        assert one is not None  # asked for
        found.append(
            SampleLine(
                path=f"{row.root.path}/{row.display}",
                profile=one.profile,
                score=one.quality_score,
                suspect=one.transcode_suspect,
                verdict=one.transcode_verdict,
            )
        )
    return found


def variants_below(path: str) -> Iterator[int]:
    """Ids of the variants of present files at or below an absolute path, in batches of one query each."""
    seen: set[int] = set()
    for root in LibraryRoot.objects.order_by("id"):
        files = AudioFile.objects.filter(root=root, missing_since=None, variant__isnull=False)
        if root.path != path and not root.path.startswith(path.rstrip("/") + "/"):
            if not path.startswith(root.path.rstrip("/") + "/"):
                continue
            shown = display_text(os.fsencode(path[len(root.path.rstrip("/")) + 1 :]))
            files = files.filter(Q(display=shown) | Q(display__startswith=f"{shown}/"))
        for key in files.order_by("id").values_list("variant_id", flat=True).iterator(chunk_size=2000):
            if key not in seen:
                seen.add(key)
                yield key


def _variant(row: AudioVariant) -> VariantView:
    kept = VariantEvidence.objects.filter(variant_id=row.pk).first()
    verdicts: Mapping[str, object] = kept.verdicts if kept is not None else {}
    made = quality_score(facts_of(row))
    transcode = verdicts.get("transcode")
    evidence = transcode.get("evidence") if isinstance(transcode, Mapping) else None
    return VariantView(
        id=row.pk,
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root).hex(),
        profile=row.profile,
        container=row.container,
        codec=row.codec or row.profile.partition("-")[0],
        lossless=row.lossless,
        rate_hz=row.rate_hz,
        channels=row.channels,
        bits=row.bits,
        bitrate_kbps=row.bitrate_kbps,
        duration_ms=row.duration_ms,
        recording_mbid=row.recording_mbid,
        recording_source=row.recording_source,
        verified=row.verified,
        loudness_lufs=row.loudness_lufs,
        loudness_range_lu=row.loudness_range_lu,
        true_peak_dbtp=row.true_peak_dbtp,
        sample_peak_dbfs=row.sample_peak_dbfs,
        dynamic_range=row.dynamic_range,
        clipped_ppm=row.clipped_ppm,
        bandwidth_hz=row.bandwidth_hz,
        effective_bits=row.effective_bits,
        encoder=row.encoder,
        suspect=row.transcode_suspect,
        verdict=row.transcode_verdict,
        score=made.score,
        scored=row.quality_score is not None,
        terms=made.terms,
        verdicts=verdicts,
        charts=charts_of(
            kept.curves if kept is not None else {},
            rate_hz=row.rate_hz,
            bandwidth_hz=row.bandwidth_hz,
            evidence=evidence if isinstance(evidence, Mapping) else {},
        ),
        analysed_at=row.analysed_at,
        analysis_code=row.analysis_code,
        analyser_version=row.analyser_version,
    )


def _identity(variant_id: int | None) -> IdentityView | None:
    row = Identification.objects.filter(variant_id=variant_id).first() if variant_id is not None else None
    if row is None:
        return None
    return IdentityView(
        state=row.state, code=row.code, params=row.params, confidence=row.confidence, evidence=list(row.evidence)
    )


def _issues(row: AudioFile) -> tuple[IssueLine, ...]:
    rows = LibraryIssue.objects.filter(file_id=row.pk).exclude(state="resolved").order_by("-rank", "-id")
    return tuple(
        IssueLine(id=one.pk, type=one.type, severity=one.severity, state=one.state, code=one.code, params=one.params)
        for one in rows[:MAX_OTHERS]
    )


def _copies(row: AudioFile) -> tuple[tuple[int, str], ...]:
    if row.variant_id is None:
        return ()
    others = AudioFile.objects.filter(variant_id=row.variant_id, missing_since=None).exclude(id=row.pk)
    found = others.order_by("id").values_list("id", "root__path", "display")[:MAX_OTHERS]
    return tuple((key, f"{root}/{display}") for key, root, display in found)


def _variants(mbid: uuid.UUID | None, variant_id: int | None) -> tuple[OtherVariant, ...]:
    if mbid is None:
        return ()
    ranked = canonical_candidates(mbid, told=True)[:MAX_OTHERS]
    files = files_of_variants([one.variant_id for one in ranked if one.variant_id is not None])
    return tuple(
        OtherVariant(
            candidate=one,
            file=files.get(one.variant_id) if one.variant_id is not None else None,
            this=one.variant_id is not None and one.variant_id == variant_id,
        )
        for one in ranked
    )


def _alike(mbid: uuid.UUID | None, variant_id: int | None) -> tuple[AlikeFile, ...]:
    if variant_id is None:
        return ()
    found = [one for one in variants_like(variant_id) if mbid is None or one.recording_mbid != mbid][:MAX_OTHERS]
    files = files_of_variants([one.variant_id for one in found])
    return tuple(
        AlikeFile(
            file_id=files[one.variant_id][0],
            path=files[one.variant_id][1],
            ber=one.ber,
            recording_mbid=one.recording_mbid,
        )
        for one in found
        if one.variant_id in files
    )
