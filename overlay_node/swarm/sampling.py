"""When the beginning of a payload can be told from another recording, before the rest is here. Pure.

A fingerprint is made of the first 120 s (AcoustID's convention). How many bytes that is can only be estimated before decoding, from the recording's
length: an encoder spends more on some parts than on others.
"""

from __future__ import annotations

from typing import Final

SAMPLE_S: Final = 120.0
MARGIN: Final = 1.3  # a beginning may be louder, hence larger, than the average; where that is not enough, the print is too short and says nothing
WORTH: Final = 0.7  # a sample of more than this share of the payload saves too little
MAX_SAMPLE_BYTES: Final = (
    256 << 20
)  # 120 s of 192 kHz, 24 bits, stereo are 138 MB: what claims to be more is no beginning worth a copy


def sample_bytes(payload_bytes: int, *, duration_ms: int | None) -> int | None:
    """Bytes of the payload, from its start, that surely hold the first 120 s; None when that is (nearly) all of it, more than music is, or the length is
    unknown."""
    if not duration_ms or duration_ms <= 0:
        return None
    share = MARGIN * SAMPLE_S * 1000 / duration_ms
    needed = int(share * payload_bytes) + 1
    return None if share > WORTH or needed > MAX_SAMPLE_BYTES else needed
