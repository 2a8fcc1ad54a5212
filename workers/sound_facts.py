"""From what one decode has shown to what a quality score rests on."""

from __future__ import annotations

from apps.domain.audio.analysis import SoundAnalysis
from apps.domain.audio.quality import QualityFacts
from workers.gateways.audio import DecodedFacts


def quality_facts(decoded: DecodedFacts, sound: SoundAnalysis) -> QualityFacts:
    """The same facts that the variant's row will hold."""
    lossless = decoded.profile.lossless
    return QualityFacts(
        codec=decoded.codec,
        lossless=lossless,
        bitrate_kbps=decoded.bitrate_bps // 1000,
        rate_hz=decoded.profile.rate,
        channels=decoded.profile.channels,
        bits=decoded.bits if lossless else 0,
        effective_bits=sound.effective_bits,
        clipped_ppm=sound.clipped_ppm,
        dynamic_range=sound.dynamic_range,
        loudness_range_lu=sound.loudness_range_lu,
        suspect=sound.transcode.suspect,
        verdict=sound.transcode.code,
    )
