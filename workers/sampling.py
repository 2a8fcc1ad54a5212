"""The first two minutes of a file that is still being fetched: another recording is told before the rest of it has come (DESIGN §5).

Only `wrong_recording` is ever concluded from a beginning; everything else is left to the verification of the whole file, which happens in any case. So
nothing here is retried, and whatever goes wrong costs nothing but the bytes that might have been saved.
"""

from __future__ import annotations

import logging
import tempfile
import uuid
from pathlib import Path

from apps.domain.audio import fingerprint
from apps.domain.audio.payload import PayloadFormat
from apps.domain.jobs.judgement import Evidence, Judgement, NamedRecording, judge
from apps.jobs.services_verify import sample_rejected
from apps.transfers.selectors import SampleFacts, transfer_sample
from workers.gateways.chromaprint import LENGTH_S, FingerprintFailed, fingerprint_file
from workers.gateways.errors import Permanent, Transient
from workers.verification import Verifier, compared_here, named_of

log = logging.getLogger(__name__)

SHORTEST = 0.9
"""Share of the 120 s that a print must cover: less is compared less surely, and AcoustID expects all of it."""


def sample(transfer_id: uuid.UUID, verifier: Verifier) -> bool:
    """Judge the beginning of a transfer's file; True if it was refused."""
    facts = transfer_sample(transfer_id)
    if facts is None or not verifier.fingerprinting:
        return False
    try:
        judgement = _judged(facts, verifier)
    except (FingerprintFailed, Permanent, Transient, OSError) as error:
        log.info("beginning not judged: transfer=%s error=%s", transfer_id, error)
        return False
    if judgement is None or judgement.accepted or judgement.code != "wrong_recording":
        return False
    refused = sample_rejected(transfer_id, code=judgement.code, params={**judgement.params, "sampled_s": LENGTH_S})
    log.info("beginning judged: transfer=%s code=%s refused=%s", transfer_id, judgement.code, refused)
    return refused


def _judged(facts: SampleFacts, verifier: Verifier) -> Judgement | None:
    """None: it says too little."""
    path = Path(facts.path)
    with tempfile.TemporaryDirectory(prefix="slskdn-sample-") as folder:
        copy = Path(folder) / path.name  # what comes after it is still being written
        _copy_beginning(path, copy, facts.sample_bytes)
        made = fingerprint_file(copy)
    if fingerprint.is_low_entropy(made.items) or len(made.items) * fingerprint.ITEM_SECONDS < SHORTEST * LENGTH_S:
        return None
    local = compared_here(facts.recording_mbid, made.items)
    named: list[NamedRecording] = []
    if local != "same" and verifier.acoustid is not None:
        # FLAC's header states the length of the whole; of other formats only the beginning could be measured.
        whole_ms = made.duration_ms if facts.payload_format == PayloadFormat.FLAC else facts.duration_ms
        if whole_ms:
            named = named_of(verifier.acoustid.lookup(made.compressed, duration_s=round(whole_ms / 1000)))
    return judge(
        Evidence(
            expected=facts.recording_mbid,
            local=local,
            named=named,
            silent_code="acoustid_no_result",
            actual_ms=0,
            expected_ms=None,
            require_fingerprint=False,
        )
    )


def _copy_beginning(path: Path, copy: Path, length: int) -> None:
    with path.open("rb") as source, copy.open("wb") as target:
        left = length
        while left > 0 and (block := source.read(min(left, 1 << 20))):
            target.write(block)
            left -= len(block)
