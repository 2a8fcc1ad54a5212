"""Task: analyse the sound of payloads that were never analysed, or by an older analyser. In batches, at the end of every queue.

Each message takes one of the throttle's places, works for BATCH_S seconds and asks for the next message; a place that must rest does so without a
process. Every variant is claimed by lease and attempt, so that a killed worker costs one analysis and a file that kills workers is given up.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from apps.common.dispatch import TaskName, enqueue
from apps.domain.audio.throttle import Throttle
from apps.library.selectors_analysis import analyses_due
from apps.library.services import inode_signed
from apps.library.services_analysis import (
    AnalysisClaim,
    AnalysisFile,
    analysis_claim,
    analysis_finished,
    analysis_later,
    analysis_refused,
    analysis_renew,
)
from slskdn_site.config import Config, load_config
from workers.gateways.analysis import AnalysisWish, FileAnalysis, analyse_file
from workers.gateways.audio import DecodeFailed
from workers.gateways.files import FilesError
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost
from workers.slots import background_slot, broker
from workers.verification import stat_of

log = logging.getLogger(__name__)

BATCH_S = 20.0
"""After so long no new file is begun: a process of the pool is back for what is urgent."""
_LOOKED_AT = 50
"""Due rows asked for at once."""
_RETRY_S = 3600.0
"""A missing tool, a disk that does not answer, a file that was changed and waits for its scan: five tries in five hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone:
    """What a batch has done. `more`: it ended by the clock, not for want of work."""

    analysed: int
    refused: int
    busy_s: float
    more: bool


@shared_task(name=TaskName.ANALYSE_VARIANTS.value)
def analyse_variants() -> None:
    """See the module."""
    config = load_config()
    throttle = throttle_of(config)
    if not config.audio.analysis.enabled or throttle.quiet_s(datetime.now().astimezone()) > 0:
        return
    if not analyses_due(limit=1):
        return
    with background_slot(broker(), count=throttle.slots) as slot:
        if slot is None:
            return
        done = analyse_batch(fingerprinting=config.integration.chromaprint.enabled)
        slot.rest_s = throttle.rest_s(done.busy_s)
    log.info("analysis: analysed=%s refused=%s busy_s=%.1f", done.analysed, done.refused, done.busy_s)
    if done.more and slot.rest_s <= 0:
        enqueue(TaskName.ANALYSE_VARIANTS)


def throttle_of(config: Config) -> Throttle:
    """The library's background share of this machine, as configured: of as many cores as the worker has processes."""
    section = config.audio.analysis
    cores = config.worker.concurrency or os.cpu_count() or 1
    return Throttle(cores_percent=section.cores_percent, cores=cores, quiet_hours=section.quiet_hours)


def analyse_batch(
    *, fingerprinting: bool, batch_s: float = BATCH_S, clock: Callable[[], float] = time.monotonic
) -> BatchDone:
    """Analyse what is due until `batch_s` have passed on `clock`; what another worker has is passed over."""
    began = clock()
    analysed = refused = 0
    # What was tried is not due any more, whatever came of it: finished, or leased until its next try, or in another worker's hands.
    while due := analyses_due(limit=_LOOKED_AT):
        for variant_id in due:
            if clock() - began >= batch_s:
                return BatchDone(analysed=analysed, refused=refused, busy_s=clock() - began, more=True)
            match analyse_variant(variant_id, fingerprinting=fingerprinting):
                case True:
                    analysed += 1
                case False:
                    refused += 1
                case None:
                    pass
    return BatchDone(analysed=analysed, refused=refused, busy_s=clock() - began, more=False)


def analyse_variant(variant_id: int, *, fingerprinting: bool) -> bool | None:
    """Analyse one payload. True: recorded; False: not (now); None: it is not due, or in somebody else's hands."""
    claim = analysis_claim(variant_id, lease_s=LEASE_S)
    if claim is None:
        return None
    wish = AnalysisWish(fingerprint=fingerprinting and not claim.has_fingerprint)
    try:
        with LeaseKeeper(lambda: analysis_renew(claim, lease_s=LEASE_S)):
            made = _analysed(claim, wish)
        return _recorded(claim, made)
    except (DecodeFailed, FilesError) as error:
        log.info("not analysed: variant=%s code=%s", variant_id, error.code)
        if isinstance(error, FilesError) or error.retryable:
            analysis_later(claim, code=error.code, delay_s=_RETRY_S)
        else:
            analysis_refused(claim, code=error.code)
    except LeaseLost:
        log.info("analysis taken over: variant=%s", variant_id)
    except SoftTimeLimitExceeded:
        analysis_refused(claim, code="analysis_timeout")
        raise
    except Exception:  # a file that nobody thought of: it is tried again a few times, and given up
        log.exception("analysis failed unexpectedly: variant=%s", variant_id)
        analysis_later(claim, code="unexpected", delay_s=_RETRY_S)
    return False


def _analysed(claim: AnalysisClaim, wish: AnalysisWish) -> FileAnalysis:
    """Of the first file that is still what was read. Raises FilesError `file_changed` if none is."""
    for file in claim.files:
        if not _same(file):
            continue
        made = analyse_file(file.path, wish=wish)
        if _same(file):
            return made
    raise FilesError("No file holds this sound any more as it was read.", code="file_changed", retryable=True)


def _same(file: AnalysisFile) -> bool:
    try:
        now = stat_of(file.path)
    except FilesError:
        return False
    known = file.stat
    return (known.size_bytes, known.mtime_ns, known.inode) == (now.size_bytes, now.mtime_ns, inode_signed(now.inode))


def _recorded(claim: AnalysisClaim, made: FileAnalysis) -> bool:
    assert made.sound is not None
    compressed = made.print.compressed.encode("ascii") if made.print is not None else b""
    return analysis_finished(claim, made.sound, fingerprint=compressed)
