"""One decode for everything that is asked of a file's sound: decode test, FLAC MD5, fingerprint, loudness, range, spectrum, origin.

Where libchromaprint is missing the fingerprint costs a second decode, by the child that makes it; everything else shares this one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mutagen

from apps.domain.audio.analysis import Block, SoundAnalysis, SoundMeter, effective_bits, sound_analysis
from apps.domain.audio.encoder import encoder_signature
from apps.domain.audio.payload import PayloadSpan
from apps.domain.audio.profile import Codec
from apps.domain.audio.transcode import TranscodeFacts, examine
from workers.gateways.audio import DecodedFacts, decode_test
from workers.gateways.chromaprint import FilePrint, FingerprintFailed, StreamPrinter, fingerprint_file, stream_printer
from workers.gateways.decoders import BlockHook
from workers.gateways.tagfile import tag_file

# mutagen ships half of its types; inside this module its files are Any.
_open_tags: Any = mutagen.File


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisWish:
    """What is wanted besides the decode test."""

    fingerprint: bool = True
    sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnalysis:
    """What one decode has shown."""

    decoded: DecodedFacts
    print: FilePrint | None
    print_code: str
    """Why there is no fingerprint: fingerprint_failed (too short, mostly), fingerprint_tool_missing; "" if there is one or none was wanted."""
    sound: SoundAnalysis | None
    """None only where it was not wanted."""


EVERYTHING = AnalysisWish()


def analyse_file(path: Path, *, span: PayloadSpan | None = None, wish: AnalysisWish = EVERYTHING) -> FileAnalysis:
    """Decode once and measure what is wished. `span` is the file's own (found if not given). Raises DecodeFailed, FilesError."""
    ears = _Ears(wish=wish)
    decoded = decode_test(path, span=span, listener=ears.fresh)
    made, code = _print_of(path, ears, decoded) if wish.fingerprint else (None, "")
    return FileAnalysis(decoded=decoded, print=made, print_code=code, sound=_sound_of(path, ears, decoded))


@dataclass(slots=True)
class _Ears:
    """What listens to the decode. Made anew for every attempt; mutable, for one file."""

    wish: AnalysisWish
    printer: StreamPrinter | None = None
    meter: SoundMeter | None = None
    rate: int = 0
    started: bool = field(default=False)

    def fresh(self) -> BlockHook:
        self.printer, self.meter, self.started = None, None, False
        return self.hear

    def hear(self, block: Block, rate: int) -> None:
        if not self.started:
            self.started = True
            channels = block.shape[1]
            self.printer = stream_printer(rate, channels) if self.wish.fingerprint else None
            self.meter = SoundMeter(rate, channels) if self.wish.sound else None
        if self.printer is not None:
            self.printer.feed(block)
        if self.meter is not None:
            self.meter.feed(block)


def _print_of(path: Path, ears: _Ears, decoded: DecodedFacts) -> tuple[FilePrint | None, str]:
    try:
        if ears.printer is not None:
            return ears.printer.finish(duration_ms=decoded.duration_ms), ""
        return fingerprint_file(path), ""
    except FingerprintFailed as error:
        return None, error.code


def _sound_of(path: Path, ears: _Ears, decoded: DecodedFacts) -> SoundAnalysis | None:
    meter = ears.meter
    if meter is None:
        return None
    # libsndfile gives Ogg's channels in their own order, ffmpeg puts every codec's into its own; it is only asked where libsndfile can't.
    measures = meter.measures(vorbis_order=decoded.codec in (Codec.VORBIS, Codec.OPUS) and decoded.container == "ogg")
    facts = TranscodeFacts(
        codec=decoded.codec,
        bits=decoded.bits,
        bitrate_kbps=decoded.bitrate_bps // 1000,
        vbr=decoded.vbr,
        lame_v=decoded.lame_v,
        lame_lowpass_hz=decoded.lame_lowpass_hz,
        effective_bits=effective_bits(measures, bits=decoded.bits),
    )
    signature = encoder_signature(
        decoded.codec,
        vendor=decoded.vendor,
        tool=_tool_of(path) if not decoded.vendor else "",
        lame_v=decoded.lame_v,
        bitrate_kbps=decoded.bitrate_bps // 1000,
        vbr=decoded.vbr,
    )
    return sound_analysis(measures, bits=decoded.bits, encoder=signature, transcode=examine(meter.segments(), facts))


def _tool_of(path: Path) -> str:
    """What the stream or its tags name as the program that made it; "" if nothing does."""
    try:
        with tag_file(path) as file:
            tags = _open_tags(file).tags
        vendor = getattr(tags, "vendor", "")
        if vendor:
            return str(vendor)
        for key in ("\xa9too", "encoder", "TSSE", "Encoder", "WM/EncodingSettings"):
            if key in tags:
                value = tags[key]
                return str(value[0] if isinstance(value, list) and value else value)
    except Exception:  # a signature is worth no failure; mutagen raises anything on hostile bytes
        return ""
    return ""
