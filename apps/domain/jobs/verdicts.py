"""What the verdict on an assembled file means for the payload and for those who claimed it.

A **denial** says: this payload is not that recording (or no sound at all), for every job and for good. Verdicts about *this job's wishes*
(a lossy limit) or about *this machine* (the file is gone) deny nothing. A fingerprint that is required and missing denies for now: without a denial the
same file would be fetched again at once; a retry by a person takes it back, since AcoustID may have learned meanwhile.
A **charge** says: whoever claimed (recording, root) claimed something false. Senders of good leaves are never charged (DESIGN §5).
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.domain.jobs.constraints import Constraints

PREAMBLE_CODES = frozenset({"preamble_mismatch", "sample_count_mismatch", "pcm_md5_mismatch"})
"""FLAC's STREAMINFO contradicts the sound. It travels outside the root, so one liar must not bring a good payload into disrepute: nothing is
denied, and the node asks another peer for the preamble."""

DENYING = frozenset(
    {
        "wrong_recording",
        "wrong_duration",
        "decode_failed",
        "payload_mismatch",
        "fingerprint_required",
        "verification_crashed",
        "transcode_suspected",
        "below_canonical",
        "not_better",
    }
)
"""Codes that forbid the payload for this recording from now on; those of WISHES only to jobs that wish the same (`binds`)."""

WISHES = frozenset({"transcode_suspected", "below_canonical", "not_better"})
"""What was measured of a payload is remembered, so that nothing is fetched twice to be refused twice; a job that minds less may still have it."""

CHARGING = frozenset({"wrong_recording", "decode_failed"})
"""Codes for which the claimers are charged. A wrong duration alone may be MusicBrainz' mistake; a mismatch of the file on disk is ours."""

REVOCABLE = frozenset({"fingerprint_required", "verification_crashed"})
"""Denials that a retry by a person takes back."""


def binds(code: str, params: Mapping[str, object], wishes: Constraints) -> bool:
    """Does a denial with this code forbid its payload to a job with these wishes?"""
    match code:
        case "transcode_suspected":
            return wishes.download_mode != "any"
        case "below_canonical":
            return wishes.download_mode == "canonical"
        case "not_better":
            score = params.get("score")
            floor = wishes.quality_floor
            return floor is not None and isinstance(score, int | float) and score < floor
    return True
