"""Task: look again at files that were placed without a fingerprint's word, as far as AcoustID can be asked now."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.domain.audio import fingerprint
from apps.domain.errors import DomainError
from apps.domain.jobs.judgement import Evidence, Judgement, NamedRecording, judge
from apps.jobs.services_recheck import (
    RecheckClaim,
    recheck_claim,
    recheck_confirmed,
    recheck_later,
    recheck_refuted,
    recheck_released,
    rechecks_due,
)
from workers.acoustid_kept import KeptAcoustid
from workers.composition import acoustid, verifier
from workers.gateways.acoustid import AcoustidPort
from workers.gateways.chromaprint import FingerprintFailed, fingerprint_file
from workers.gateways.errors import Permanent, Transient
from workers.lease import LEASE_S
from workers.verification import compared_here, named_of

log = logging.getLogger(__name__)

BATCH = 60
"""Files of one run: at three requests a second, and with a fingerprint to make for each, well below a task's five minutes."""
FRESH = timedelta(hours=12)
"""An older answer is what the last look had, and would say the same: the next comes after a day at the earliest."""


@shared_task(name=TaskName.RECHECK_UNCONFIRMED.value)
def recheck_unconfirmed() -> None:
    """Nothing happens while AcoustID is disabled or without a key: the files stay due."""
    asked = acoustid()
    if asked is not None and verifier().fingerprinting:
        recheck_batch(KeptAcoustid(asked, fresh_for=FRESH))


def recheck_batch(service: AcoustidPort) -> None:
    """Look at what is due. Ends early when AcoustID can't answer: then nobody's turn is over."""
    for track_id in rechecks_due(limit=BATCH):
        claim = recheck_claim(track_id, lease_s=LEASE_S)
        if claim is None:
            continue
        try:
            _recheck(claim, service)
        except (Transient, Permanent) as error:
            if (
                error.code == "acoustid_refused"
            ):  # this fingerprint, not us: it must not be the first to be asked for ever
                recheck_later(claim, code=error.code)
                continue
            recheck_released(claim)
            log.warning("re-check stopped: code=%s", error.code)
            return
        except Exception:  # nor may a file that nobody thought of
            log.exception("re-check failed unexpectedly: track=%s", track_id)
            recheck_later(claim, code="unexpected")


def _recheck(claim: RecheckClaim, service: AcoustidPort) -> None:
    try:
        compressed = claim.fingerprint or fingerprint_file(claim.path).compressed.encode("ascii")
        items, _ = fingerprint.decode(compressed.decode("ascii"))
    except (FingerprintFailed, fingerprint.FingerprintError, UnicodeDecodeError) as error:
        recheck_later(claim, code=error.code if isinstance(error, DomainError) else "fingerprint_failed")
        return
    if fingerprint.is_low_entropy(items):
        recheck_later(claim, code="fingerprint_undecidable")
        return
    local = compared_here(claim.recording_mbid, items)
    named: list[NamedRecording] = []
    if local != "same":
        named = named_of(service.lookup(compressed.decode("ascii"), duration_s=round(claim.duration_ms / 1000)))
    judgement = judge(
        Evidence(
            expected=claim.recording_mbid,
            local=local,
            named=named,
            silent_code="acoustid_no_result",
            actual_ms=claim.duration_ms,
            expected_ms=None,  # the length was judged when it was placed
            require_fingerprint=False,
        )
    )
    _record(claim, judgement, named, compressed)


def _record(claim: RecheckClaim, judgement: Judgement, named: list[NamedRecording], compressed: bytes) -> None:
    if judgement.verification == "fingerprint":
        recheck_confirmed(claim, fingerprint=compressed, params=judgement.params)
    elif judgement.accepted:
        recheck_later(claim, code=judgement.code)
    else:
        actual = named[0].recording_mbid if judgement.params.get("recording") else None
        recheck_refuted(claim, recording_mbid=actual, fingerprint=compressed, params=judgement.params)
    log.info("re-checked: track=%s verification=%s code=%s", claim.track_id, judgement.verification, judgement.code)
