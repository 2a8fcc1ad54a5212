"""How good an encoding is: one number from 0 to 1, and the named terms it is the sum of. Pure.

    score = clamp(Σ value · weight)       positive weights sum to 1; penalties have negative ones

What was not measured is NEUTRAL: half of its term, so that measuring something good never lowers a score and measuring something bad never raises
it. The score compares encodings of one recording; it says nothing about the music. Landmarks (each pinned by a test):

    lossless, 44.1/16, measured clean, DR 12    1.00        MP3 320, measured clean        0.74
    the same, never analysed                    0.91        MP3 320, never analysed        0.65
    a loud master (DR 6, clipped a little)      0.90        MP3 128, measured clean        0.54
    lossless, evidence of a lossy origin     <= 0.40        MP3 320 made of a smaller one  <= 0.39

The weights are a judgement, not a measurement: they are chosen so that the order of these landmarks and `audio.canonical_scoring`'s thresholds
(0.85 is good enough, 0.1 is an improvement) mean what people mean by them. Sources of the single scales are with their constants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from apps.domain.audio.profile import EFFICIENCY, Codec, CodecProfile

QUALITY_VERSION: Final = 1
"""Goes up whenever a score may come out otherwise for the same facts; stored scores of an older one are counted anew."""

NEUTRAL: Final = 0.5

ENCODING_WEIGHT: Final = 0.65
RATE_WEIGHT: Final = 0.10
CLIPPING_WEIGHT: Final = 0.10
DEPTH_WEIGHT: Final = 0.07
DYNAMICS_WEIGHT: Final = 0.05
LOUDNESS_RANGE_WEIGHT: Final = 0.03
TRANSCODE_WEIGHT: Final = -0.60
"""A lossless file of lossy origin ends below every honest MP3 of 128 kbps and more: it is at best as good as one, and nobody knows which."""
UPSCALE_WEIGHT: Final = -0.35
"""A lossy file that was a smaller lossy file before."""
UPSAMPLED_WEIGHT: Final = -0.12
"""Nothing is lost, but it pretends; more than `min_quality_improvement`, so that the honest rate counts as an improvement."""
PADDED_WEIGHT: Final = -0.11
SUSPECT_WEIGHT: Final = -0.35
"""Suspected without a code that says of what."""

LOSSY_SHARE: Final = 0.6
"""What a transparent lossy encoding keeps of the encoding term."""
TRANSPARENT_KBPS: Final = 256.0
"""MP3-equivalent stereo bit rate at which public listening tests find no difference any more (LAME -V0 averages 245, Hydrogenaudio)."""
TOP_KBPS: Final = 320.0
"""The end of MP3's table: head room above transparency, worth little."""

SANE_RATES: Final = frozenset({44_100, 48_000, 88_200, 96_000, 176_400, 192_000})
"""Rates of CD, DVD and hi-res releases (Red Book; DVD-Audio)."""
CLEAN_PPM: Final = 1.0
"""Clipped samples per million up to which a master counts as clean: single peaks."""
RUINED_PPM: Final = 10_000.0
"""One sample of a hundred in a run at full scale: audible on any material."""
GOOD_DR: Final = 12.0
"""DR14 TT: "no over-compression" starts here on the scale of its authors (Pleasurize Music Foundation)."""
POOR_DR: Final = 4.0
GOOD_LRA_LU: Final = 8.0
"""EBU Tech 3342: typical of unprocessed music; pop masters have 3 to 6."""
POOR_LRA_LU: Final = 2.0

TRANSCODE_CODES: Final = frozenset({"mp3_origin", "aac_origin", "vorbis_origin", "opus_origin", "lossy_origin"})
"""Verdicts of apps.domain.audio.transcode that say: once through a lossy codec."""
UPSCALE_CODES: Final = frozenset({"mp3_upscaled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFacts:
    """What is known of an encoding. None: not measured. Raises ValueError on impossible numbers."""

    codec: Codec
    lossless: bool
    bitrate_kbps: int
    """Nominal where the file states one, else the average; 0 = unknown."""
    rate_hz: int
    channels: int
    bits: int = 0
    """Per sample as the file states; 0 for lossy codecs."""
    effective_bits: int | None = None
    """Depth that carries sound."""
    clipped_ppm: int | None = None
    dynamic_range: float | None = None
    """DR14 TT, dB"""
    loudness_range_lu: float | None = None
    suspect: bool | None = None
    verdict: str = ""
    """Code of the transcode verdict."""

    def __post_init__(self) -> None:
        if min(self.bitrate_kbps, self.rate_hz, self.channels, self.bits, self.clipped_ppm or 0) < 0:
            raise ValueError("facts of a quality score are not negative")
        if any(one is not None and not math.isfinite(one) for one in (self.dynamic_range, self.loudness_range_lu)):
            raise ValueError("facts of a quality score are finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityTerm:
    """One summand: `value` (0..1) times `weight`. `code` says in one word why the value is what it is."""

    name: str
    value: float
    weight: float
    code: str

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return self.value * self.weight


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityScore:
    """The score (0..1, four decimals) and what it consists of; penalties only where they apply."""

    score: float
    terms: tuple[QualityTerm, ...]
    version: int = QUALITY_VERSION

    def to_json(self) -> dict[str, object]:
        """The row's form, with its version."""
        return {
            "version": self.version,
            "score": self.score,
            "terms": [
                {"name": one.name, "value": round(one.value, 4), "weight": one.weight, "code": one.code}
                for one in self.terms
            ],
        }


def quality_score(facts: QualityFacts) -> QualityScore:
    """Score an encoding; see the module for the scale."""
    terms = (
        _encoding(facts),
        _rate(facts),
        _clipping(facts),
        _depth(facts),
        _dynamics(facts),
        _loudness_range(facts),
        *_penalties(facts),
    )
    total = math.fsum(one.points for one in terms)
    return QualityScore(score=round(min(max(total, 0.0), 1.0), 4), terms=terms)


def profile_quality(profile: CodecProfile) -> float:
    """What an encoding of this profile is worth as long as nothing of its sound was measured."""
    return quality_score(_facts_of_profile(profile)).score


def profile_ceiling(profile: CodecProfile) -> float:
    """The most that an encoding of this profile can be worth: a peer that states more of one is not believed."""
    facts = _facts_of_profile(profile)
    best = QualityFacts(
        codec=facts.codec,
        lossless=facts.lossless,
        bitrate_kbps=facts.bitrate_kbps,
        rate_hz=facts.rate_hz,
        channels=facts.channels,
        bits=facts.bits,
        clipped_ppm=0,
        dynamic_range=GOOD_DR,
        loudness_range_lu=GOOD_LRA_LU,
        suspect=False,
    )
    return quality_score(best).score


def transparency(*, codec: Codec, bitrate_kbps: int, channels: int) -> float:
    """How close a lossy encoding comes to transparent, 0..1; rises with the bit rate. NEUTRAL where the bit rate is unknown."""
    if bitrate_kbps <= 0:
        return NEUTRAL
    weighed = bitrate_kbps * EFFICIENCY.get(codec, 1.0) * 2 / max(channels, 1)
    return 0.9 * min(1.0, weighed / TRANSPARENT_KBPS) + 0.1 * min(1.0, weighed / TOP_KBPS)


def _facts_of_profile(profile: CodecProfile) -> QualityFacts:
    return QualityFacts(
        codec=profile.codec,
        lossless=profile.lossless,
        bitrate_kbps=_stated_kbps(profile),
        rate_hz=profile.rate,
        channels=profile.channels,
        bits=profile.quality if profile.lossless else 0,
    )


def _stated_kbps(profile: CodecProfile) -> int:
    """Bit rate that a profile stands for; its VBR scales are those of stereo."""
    scaled = profile.kind.value in ("v", "q") and profile.channels == 1
    return profile.nominal_kbps // 2 if scaled else profile.nominal_kbps


def _encoding(facts: QualityFacts) -> QualityTerm:
    if facts.lossless:
        return QualityTerm(name="encoding", value=1.0, weight=ENCODING_WEIGHT, code="lossless")
    clear = transparency(codec=facts.codec, bitrate_kbps=facts.bitrate_kbps, channels=facts.channels)
    if facts.bitrate_kbps <= 0:
        code = "lossy_bitrate_unknown"
    elif clear >= 0.9:
        code = "lossy_transparent"
    else:
        code = "lossy_near" if clear >= 0.6 else "lossy_low"
    return QualityTerm(name="encoding", value=LOSSY_SHARE * clear, weight=ENCODING_WEIGHT, code=code)


def _rate(facts: QualityFacts) -> QualityTerm:
    rate = facts.rate_hz
    if rate == 0:
        value, code = NEUTRAL, "not_measured"
    elif rate in SANE_RATES:
        value, code = 1.0, "rate_usual"
    elif rate < 32_000:
        value, code = 0.2, "rate_low"
    elif rate < 44_100:
        value, code = 0.6, "rate_low"
    else:
        value, code = 0.7, "rate_odd"
    return QualityTerm(name="rate", value=value, weight=RATE_WEIGHT, code=code)


def _depth(facts: QualityFacts) -> QualityTerm:
    if not facts.lossless:
        return QualityTerm(name="depth", value=1.0, weight=DEPTH_WEIGHT, code="depth_of_lossy")
    if facts.bits == 0:
        return QualityTerm(name="depth", value=NEUTRAL, weight=DEPTH_WEIGHT, code="not_measured")
    # A quiet or simple piece may not use all bits of a CD; only what a CD could have and this has not is a fault.
    bits = facts.bits if facts.effective_bits is None else min(facts.bits, max(facts.effective_bits, 1))
    if bits >= 16:
        value, code = 1.0, "depth_usual"
    elif bits >= 12:
        value, code = 0.6, "depth_low"
    else:
        value, code = 0.2, "depth_low"
    return QualityTerm(name="depth", value=value, weight=DEPTH_WEIGHT, code=code)


def _clipping(facts: QualityFacts) -> QualityTerm:
    ppm = facts.clipped_ppm
    if ppm is None:
        return QualityTerm(name="clipping", value=NEUTRAL, weight=CLIPPING_WEIGHT, code="not_measured")
    if ppm <= CLEAN_PPM:
        return QualityTerm(name="clipping", value=1.0, weight=CLIPPING_WEIGHT, code="clipping_none")
    # By the logarithm: from 1 to 10 ppm is as much as from 1000 to 10000.
    value = 1.0 - min(1.0, math.log(ppm / CLEAN_PPM) / math.log(RUINED_PPM / CLEAN_PPM))
    return QualityTerm(
        name="clipping",
        value=value,
        weight=CLIPPING_WEIGHT,
        code="clipping_some" if value >= NEUTRAL else "clipping_heavy",
    )


def _dynamics(facts: QualityFacts) -> QualityTerm:
    value = _scaled(facts.dynamic_range, POOR_DR, GOOD_DR)
    if facts.dynamic_range is None:
        code = "not_measured"
    else:
        code = "dynamics_good" if value >= NEUTRAL else "dynamics_poor"
    return QualityTerm(name="dynamics", value=value, weight=DYNAMICS_WEIGHT, code=code)


def _loudness_range(facts: QualityFacts) -> QualityTerm:
    value = _scaled(facts.loudness_range_lu, POOR_LRA_LU, GOOD_LRA_LU)
    if facts.loudness_range_lu is None:
        code = "not_measured"
    else:
        code = "loudness_range_good" if value >= NEUTRAL else "loudness_range_narrow"
    return QualityTerm(name="loudness_range", value=value, weight=LOUDNESS_RANGE_WEIGHT, code=code)


def _penalties(facts: QualityFacts) -> tuple[QualityTerm, ...]:
    found: list[QualityTerm] = []
    explained = False
    if facts.verdict in TRANSCODE_CODES and facts.suspect is not False:
        weight = TRANSCODE_WEIGHT if facts.lossless else UPSCALE_WEIGHT
        found.append(QualityTerm(name="transcode", value=1.0, weight=weight, code=facts.verdict))
        explained = True
    if facts.verdict in UPSCALE_CODES and facts.suspect is not False:
        found.append(QualityTerm(name="upscaled", value=1.0, weight=UPSCALE_WEIGHT, code=facts.verdict))
        explained = True
    if facts.verdict == "upsampled" and facts.suspect is not False:
        found.append(QualityTerm(name="upsampled", value=1.0, weight=UPSAMPLED_WEIGHT, code="upsampled"))
        explained = True
    padded = facts.bits > 16 and facts.effective_bits is not None and facts.effective_bits <= 16
    if padded or (facts.verdict == "padded_depth" and facts.suspect is not False):
        found.append(QualityTerm(name="padded", value=1.0, weight=PADDED_WEIGHT, code="padded_depth"))
        explained = explained or facts.verdict == "padded_depth"
    if facts.suspect and not explained:
        weight = TRANSCODE_WEIGHT if facts.lossless else SUSPECT_WEIGHT
        found.append(QualityTerm(name="transcode", value=1.0, weight=weight, code="suspect"))
    return tuple(found)


def _scaled(value: float | None, poor: float, good: float) -> float:
    return NEUTRAL if value is None else min(1.0, max(0.0, (value - poor) / (good - poor)))
