"""When a peer's manifest is believed: it hashes to the root that was asked for, and its preamble can be that of such a payload. Pure."""

from __future__ import annotations

from apps.domain.audio.flac import PREAMBLE_BYTES, PreambleError, parse_streaminfo
from apps.domain.audio.mpeg import MAX_FRAME_BYTES
from apps.domain.audio.payload import Leaves, LeavesError, PayloadFacts, PayloadFormat, verify_manifest
from overlay_node.protocol.limits import MAX_LEAVES
from overlay_node.swarm.actions import Manifest
from overlay_node.swarm.choice import PayloadKey


def believed_leaves(
    key: PayloadKey, facts: PayloadFacts, hashes: tuple[bytes, ...], *, leaf_bytes: int, preamble: bytes
) -> Leaves | None:
    """The leaves of the payload `key`, or None when the manifest is not its own: a wrong size, fact, hash or preamble."""
    try:
        leaves = Leaves(hashes=hashes, payload_bytes=facts.payload_bytes, leaf_bytes=leaf_bytes)
    except LeavesError:
        return None
    if len(hashes) > MAX_LEAVES or facts.payload_bytes < 1 or facts.format.value != key.payload_format:
        return None
    if not verify_manifest(key.payload_root, facts, leaves) or not preamble_fits(facts, preamble):
        return None
    return leaves


def same_manifest(
    proven: Manifest, facts: PayloadFacts, hashes: tuple[bytes, ...], *, leaf_bytes: int, preamble: bytes
) -> bool:
    """True when a further peer's manifest says what the proven one says: comparing costs a hundredth of hashing it anew."""
    leaves = proven.leaves
    return (
        leaf_bytes == leaves.leaf_bytes
        and facts == proven.facts
        and hashes == leaves.hashes
        and (preamble == proven.preamble or preamble_fits(facts, preamble))
    )


def preamble_fits(facts: PayloadFacts, preamble: bytes) -> bool:
    """True when the preamble can be that of such a payload. What the root binds is compared; the rest is proven by decoding."""
    match facts.format:
        case PayloadFormat.FLAC:
            if len(preamble) != PREAMBLE_BYTES:
                return False
            try:
                info = parse_streaminfo(preamble)
            except PreambleError:
                return False
            return (info.rate, info.channels, info.bits) == (facts.rate, facts.channels, facts.bits)
        case PayloadFormat.MP3:
            return len(preamble) <= MAX_FRAME_BYTES
        case PayloadFormat.FILE:
            return not preamble
