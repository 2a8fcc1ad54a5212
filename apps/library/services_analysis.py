"""Writer of what was measured of payloads: figures, verdicts and evidence of their sound, and the leases of the workers that measure.

A variant is due while its `analyser_version` is older than the analyser's. `lease_until` in the future means that a worker has it, or that it waits
there for the time of its next try. `attempt` counts the claims since it was last finished: a file that ends processes is given up after MAX_ATTEMPTS.
Finished is also what can't be analysed: it has a code and the analyser's version, so that only a newer analyser tries again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.common.transitions import lease_claim
from apps.domain.audio.analysis import ANALYSER_VERSION, SoundAnalysis
from apps.library.models import AudioFile, AudioVariant, VariantEvidence
from apps.library.services import FileStat, fingerprint_slice_write
from apps.library.services_canonical import variant_scored

MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisFile:
    """A file that holds the payload, and what it was like when it was read."""

    path: Path
    stat: FileStat
    """`inode` signed, as rows have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisClaim:
    """A variant that this worker holds."""

    variant_id: int
    attempt: int
    has_fingerprint: bool
    files: tuple[AnalysisFile, ...]
    """Present ones, at most three."""


def variant_analysed(variant_id: int, sound: SoundAnalysis) -> None:
    """What one decode measured of a payload: columns, evidence, score, and the marks of what counts it. Repeating it changes nothing."""
    with transaction.atomic():
        if AudioVariant.objects.filter(id=variant_id).update(**_columns(sound)):
            _evidence_write(variant_id, sound)
            variant_scored(variant_id)


def analysis_claim(variant_id: int, *, lease_s: int, version: int = ANALYSER_VERSION) -> AnalysisClaim | None:
    """Take a variant that is due and in nobody's hands; None otherwise, and for one that is given up now.

    Its code is why the last try had to be repeated; `analysis_crashed` where no try lived to say.
    """
    rows = AudioVariant.objects.filter(id=variant_id, analyser_version__lt=version)
    if not lease_claim(rows, seconds=lease_s):
        return None
    row = AudioVariant.objects.only("attempt", "fingerprint", "analysis_code").get(id=variant_id)
    files = AudioFile.objects.filter(variant_id=variant_id, missing_since=None, read_state="read")
    claim = AnalysisClaim(
        variant_id=variant_id,
        attempt=row.attempt,
        has_fingerprint=bool(bytes(row.fingerprint)),
        files=tuple(_file(one) for one in files.select_related("root").order_by("id")[:3]),
    )
    if claim.attempt > MAX_ATTEMPTS:
        analysis_refused(claim, code=row.analysis_code or "analysis_crashed", version=version)
        return None
    return claim


def analysis_renew(claim: AnalysisClaim, *, lease_s: int) -> bool:
    """Keep the lease. False: another worker has taken over."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def analysis_finished(claim: AnalysisClaim, sound: SoundAnalysis, *, fingerprint: bytes = b"") -> bool:
    """Record the analysis and give the variant back. `fingerprint`: compressed, for a variant that had none. False: it is not ours any more."""
    with transaction.atomic():
        if not _mine(claim).update(lease_until=None, attempt=0):
            return False
        if fingerprint and AudioVariant.objects.filter(id=claim.variant_id, fingerprint=b"").update(
            fingerprint=fingerprint
        ):
            fingerprint_slice_write(claim.variant_id, fingerprint)
        variant_analysed(claim.variant_id, sound)
    return True


def analysis_refused(claim: AnalysisClaim, *, code: str, version: int = ANALYSER_VERSION) -> bool:
    """It can't be analysed by this analyser; `code` says why. Figures of an older analysis stay."""
    done = _mine(claim).update(
        lease_until=None, attempt=0, analyser_version=version, analysis_code=code, analysed_at=Now()
    )
    return done == 1


def analysis_later(claim: AnalysisClaim, *, code: str, delay_s: float) -> bool:
    """Not now: nobody takes it before `delay_s` have passed. The try counts."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=delay_s), analysis_code=code) == 1


def _mine(claim: AnalysisClaim) -> QuerySet[AudioVariant]:
    return AudioVariant.objects.filter(id=claim.variant_id, attempt=claim.attempt, lease_until__isnull=False)


def _columns(sound: SoundAnalysis) -> dict[str, object]:
    return {
        "loudness_lufs": sound.loudness_lufs,
        "loudness_range_lu": sound.loudness_range_lu,
        "true_peak_dbtp": sound.true_peak_dbtp,
        "sample_peak_dbfs": sound.sample_peak_dbfs,
        "dynamic_range": sound.dynamic_range,
        "clipped_ppm": sound.clipped_ppm,
        "bandwidth_hz": sound.bandwidth_hz,
        "effective_bits": sound.effective_bits,
        "wasted_bits": sound.wasted_bits,
        "encoder": sound.encoder,
        "transcode_suspect": sound.transcode.suspect,
        "transcode_verdict": sound.transcode.code[:40],
        "analyser_version": sound.version,
        "analysis_code": "",
        "analysed_at": Now(),
    }


def _evidence_write(variant_id: int, sound: SoundAnalysis) -> None:
    verdicts, curves = sound.evidence()
    VariantEvidence.objects.bulk_create(
        [VariantEvidence(variant_id=variant_id, verdicts=verdicts, curves=curves)],
        update_conflicts=True,
        unique_fields=["variant"],
        update_fields=["verdicts", "curves"],
    )


def _file(row: AudioFile) -> AnalysisFile:
    return AnalysisFile(
        path=Path(row.root.path) / os.fsdecode(bytes(row.rel_path)),
        stat=FileStat(size_bytes=row.size_bytes, mtime_ns=row.mtime_ns, inode=row.inode),
    )
