"""The codec profile: what kind of encoding a file is, as one comparable word. Together with the recording it is the semantic identity.

Grammar (settled; every part lower case, numbers without leading zeros):

    profile  = codec "-" quality "-" rate "-" channels
    lossless : codec in flac alac pcm ape wavpack tta tak;          quality = bits per sample, 4..32      flac-16-44100-2
    mp3      : CBR quality = kbps of the MPEG table (8..320);       VBR quality = "v0".."v9"              mp3-320-44100-2, mp3-v0-44100-2
    vorbis   : quality = "q0".."q10" (oggenc's scale)                                                     vorbis-q6-44100-2
    aac opus wma ac3 musepack : quality = nominal kbps, snapped to a class                                aac-256-44100-2, opus-128-48000-2
    rate     = Hz, 1000..768000      channels = 1..32

Bit rates are snapped, so that two rips with one encoder setting have one profile: measured averages of VBR never repeat.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

from apps.domain.errors import DomainError


class ProfileError(DomainError):
    """A codec profile that the grammar does not have."""

    default_code = "codec_profile_invalid"


class Codec(StrEnum):
    """Codecs with a place in the grammar."""

    FLAC = "flac"
    ALAC = "alac"
    PCM = "pcm"
    APE = "ape"
    WAVPACK = "wavpack"
    TTA = "tta"
    TAK = "tak"
    MP3 = "mp3"
    AAC = "aac"
    OPUS = "opus"
    VORBIS = "vorbis"
    WMA = "wma"
    AC3 = "ac3"
    MUSEPACK = "musepack"


class QualityKind(StrEnum):
    """What a profile's quality number counts."""

    BITS = "bits"
    KBPS = "kbps"
    LAME_V = "v"
    """LAME's -V scale: 0 is best."""
    VORBIS_Q = "q"
    """oggenc's -q scale: 10 is best."""


LOSSLESS = frozenset({Codec.FLAC, Codec.ALAC, Codec.PCM, Codec.APE, Codec.WAVPACK, Codec.TTA, Codec.TAK})
MP3_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
"""Every bit rate of MPEG-1, -2 and -2.5 Layer III."""
LAME_V_KBPS = (245, 225, 190, 175, 165, 130, 115, 100, 85, 65)
"""Average kbps of -V0 … -V9 for 44.1 kHz stereo (LAME's own documentation)."""
VORBIS_Q_KBPS = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)
"""Nominal kbps of -q0 … -q10 for 44.1 kHz stereo (oggenc, libvorbis 1.3)."""
CLASS_KBPS = (16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 510, 640)
"""Nominal settings people choose for AAC, Opus, WMA, AC-3 and Musepack."""

EFFICIENCY = {
    Codec.OPUS: 1.5,
    Codec.AAC: 1.25,
    Codec.VORBIS: 1.2,
    Codec.MUSEPACK: 1.2,
    Codec.MP3: 1.0,
    Codec.WMA: 0.9,
    Codec.AC3: 0.7,
}
"""Rule of thumb for ordering lossy files of different codecs: bits of MP3 that one bit is worth. Not tuned on data; it only breaks ties
between files that nothing measured tells apart."""
_TEXT = re.compile(r"([a-z0-9]+)-(v|q)?(0|[1-9][0-9]{0,3})-([1-9][0-9]{3,5})-([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class CodecProfile:
    """One profile. Raises ProfileError if the parts do not fit each other."""

    codec: Codec
    kind: QualityKind
    quality: int
    rate: int
    """Hz."""
    channels: int

    def __post_init__(self) -> None:
        if not 1000 <= self.rate <= 768_000 or not 1 <= self.channels <= 32 or not self._quality_fits():
            raise ProfileError(
                "No such codec profile.",
                codec=self.codec.value,
                quality=f"{self.kind.value} {self.quality}",
                rate=self.rate,
            )

    def _quality_fits(self) -> bool:
        match self.kind:
            case QualityKind.BITS:
                return self.codec in LOSSLESS and 4 <= self.quality <= 32
            case QualityKind.LAME_V:
                return self.codec is Codec.MP3 and 0 <= self.quality <= 9
            case QualityKind.VORBIS_Q:
                return self.codec is Codec.VORBIS and 0 <= self.quality <= 10
            case QualityKind.KBPS:
                if self.codec in LOSSLESS or self.codec is Codec.VORBIS:
                    return False
                return self.quality in (MP3_KBPS if self.codec is Codec.MP3 else CLASS_KBPS)

    @override
    def __str__(self) -> str:
        prefix = {QualityKind.LAME_V: "v", QualityKind.VORBIS_Q: "q"}.get(self.kind, "")
        return f"{self.codec.value}-{prefix}{self.quality}-{self.rate}-{self.channels}"

    @property
    def lossless(self) -> bool:
        """True if the codec keeps every sample."""
        return self.codec in LOSSLESS

    @property
    def nominal_kbps(self) -> int:
        """Bit rate the quality stands for; that of plain PCM for lossless codecs."""
        match self.kind:
            case QualityKind.BITS:
                return self.quality * self.rate * self.channels // 1000
            case QualityKind.KBPS:
                return self.quality
            case QualityKind.LAME_V:
                return LAME_V_KBPS[self.quality]
            case QualityKind.VORBIS_Q:
                return VORBIS_Q_KBPS[self.quality]


def parse_profile(text: str) -> CodecProfile:
    """Read a profile. Raises ProfileError; `str(parse_profile(x)) == x` for every accepted x."""
    match = _TEXT.fullmatch(text)
    if match is None or match[1] not in Codec._value2member_map_:
        raise ProfileError("This is not a codec profile.", profile=text[:64])
    codec = Codec(match[1])
    if match[2] is None:
        kind = QualityKind.BITS if codec in LOSSLESS else QualityKind.KBPS
    else:
        kind = QualityKind(match[2])
    return CodecProfile(codec=codec, kind=kind, quality=int(match[3]), rate=int(match[4]), channels=int(match[5]))


def profile_of(
    codec: Codec,
    *,
    rate: int,
    channels: int,
    bits: int = 0,
    bitrate_bps: int = 0,
    vbr: bool = False,
    lame_v: int | None = None,
) -> CodecProfile:
    """The profile of measured properties.

    `bits` counts for lossless codecs only; `bitrate_bps` (average, or nominal where the file states one) for the others; `vbr` and
    `lame_v` (the -V number a LAME tag states) for MP3 only. A stated preset wins over the average; a tie between classes goes to the lower.
    Raises ProfileError for values outside the grammar (bits or bit rate unknown, rate 0 …).
    """
    if codec in LOSSLESS:
        return CodecProfile(codec=codec, kind=QualityKind.BITS, quality=bits, rate=rate, channels=channels)
    if bitrate_bps <= 0 and lame_v is None:
        raise ProfileError("A lossy file without a bit rate has no profile.", codec=codec.value)
    kbps = bitrate_bps / 1000
    if codec is Codec.MP3 and (vbr or lame_v is not None):
        # The documented averages are for stereo; one channel needs about half.
        quality = lame_v if lame_v is not None else _nearest(kbps * (2 if channels == 1 else 1), LAME_V_KBPS)
        return CodecProfile(codec=codec, kind=QualityKind.LAME_V, quality=quality, rate=rate, channels=channels)
    if codec is Codec.VORBIS:
        quality = _nearest(kbps * (2 if channels == 1 else 1), VORBIS_Q_KBPS)
        return CodecProfile(codec=codec, kind=QualityKind.VORBIS_Q, quality=quality, rate=rate, channels=channels)
    table = MP3_KBPS if codec is Codec.MP3 else CLASS_KBPS
    return CodecProfile(
        codec=codec, kind=QualityKind.KBPS, quality=table[_nearest(kbps, table)], rate=rate, channels=channels
    )


def preference_key(profile: CodecProfile) -> tuple[int, float, int, int, str]:
    """Sort key, better = greater: lossless first; then bits and rate, or the bit rate weighed by codec; then channels; the text breaks ties.

    Says nothing about where the sound came from: 24 bits may be padding. Analysis overrides it wherever there is one.
    """
    if profile.lossless:
        return (1, float(min(profile.quality, 24)), profile.rate, profile.channels, str(profile))
    weighed = profile.nominal_kbps * EFFICIENCY.get(profile.codec, 1.0)
    return (0, weighed, profile.rate, profile.channels, str(profile))


def _nearest(value: float, table: Sequence[int]) -> int:
    """Index of the entry nearest to `value`; the smaller entry on a tie."""
    return min(range(len(table)), key=lambda at: (abs(table[at] - value), table[at]))
