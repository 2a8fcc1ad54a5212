"""The decode test: does a file decode from its first to its last sample, and is what its header says true?

libsndfile (in this process) for FLAC, WAV, AIFF, Ogg and MP3; an ffmpeg child for everything else, where there is one.
Nothing a header says is believed: samples are counted, FLAC's MD5 is computed, MP3's bit rates are read frame by frame.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen
import mutagen.flac
import mutagen.oggvorbis
import numpy as np
import soundfile

from apps.domain.audio import flac, mpeg, tagblocks
from apps.domain.audio.analysis import Block
from apps.domain.audio.containers import container_fault
from apps.domain.audio.payload import PayloadFormat, PayloadSpan, ReadAt, find_span, parse_streaminfo
from apps.domain.audio.profile import LOSSLESS, Codec, CodecProfile, ProfileError, profile_of
from apps.domain.audio.span import SYNC_SEARCH_BYTES
from apps.domain.audio.variant import VariantFacts
from workers.gateways.decoders import (
    DecodeFailed,
    Form,
    Listener,
    PayloadView,
    Stream,
    decode_ffmpeg,
    decode_soundfile,
    hook_of,
    run_ffmpeg,
)
from workers.gateways.files import Identity, reading
from workers.gateways.tagfile import tag_file

__all__ = ["DecodeFailed", "DecodedFacts", "Listener", "decode_test", "open_sound", "variant_facts"]

# mutagen ships half of its types; inside this module its classes are Any.
_file: Any = mutagen.File
_flac: Any = mutagen.flac
_oggvorbis: Any = mutagen.oggvorbis

_MP3_SLACK_SAMPLES = 4 * 1152 + 2 * 4095
"""Encoder delay and padding (12 bits each) that a decoder may cut, and a few frames it may add or drop at the ends."""

_CONTAINERS = {
    "FLAC": "flac",
    "MP3": "mp3",
    "OGG": "ogg",
    "WAV": "wav",
    "WAVEX": "wav",
    "RF64": "wav",
    "AIFF": "aiff",
    "AU": "au",
    "CAF": "caf",
    "W64": "w64",
}
_PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 32}
_CODECS = {
    "VORBIS": Codec.VORBIS,
    "OPUS": Codec.OPUS,
    "MPEG_LAYER_III": Codec.MP3,
    "ALAC_16": Codec.ALAC,
    "ALAC_24": Codec.ALAC,
}


@dataclass(frozen=True, slots=True)
class DecodedFacts:
    """What a whole decode has shown."""

    container: str
    codec: Codec
    profile: CodecProfile
    rate: int
    channels: int
    bits: int
    """Of the source; 0 for lossy codecs."""
    total_samples: int
    """Per channel, counted."""
    duration_ms: int
    bitrate_bps: int
    min_block: int = 0
    max_block: int = 0
    vendor: str = ""
    vbr: bool = False
    """Of MP3, as its frames show; the rest of the encoder's settings are what its tag states."""
    lame_v: int | None = None
    lame_lowpass_hz: int = 0
    pcm_md5: bytes | None = None
    """Computed here; FLAC only."""
    md5_checked: bool = False
    """STREAMINFO stated this very MD5. False where it stated none (its sample count was checked all the same, if stated)."""


def decode_test(path: Path, *, span: PayloadSpan | None = None, listener: Listener | None = None) -> DecodedFacts:
    """Decode everything. `span` is the file's own (found if not given). Raises DecodeFailed, FilesError."""
    known = _span_of(path) if span is None else span
    match known.format:
        case PayloadFormat.FLAC:
            return _test_flac(path, known, listener)
        case PayloadFormat.MP3:
            return _test_mp3(path, known, listener)
        case PayloadFormat.FILE:
            return _test_other(path, known, listener)


def _span_of(path: Path) -> PayloadSpan:
    with reading(path) as (read_at, size):
        return find_span(read_at, size)


def variant_facts(identity: Identity, decoded: DecodedFacts) -> VariantFacts:
    """Identity and decode of one file as what its variant's row keeps."""
    return VariantFacts(
        profile=decoded.profile,
        container=decoded.container,
        total_samples=decoded.total_samples,
        duration_ms=decoded.duration_ms,
        bitrate_bps=decoded.bitrate_bps,
        payload_root=identity.root,
        payload_offset=identity.span.offset,
        payload_bytes=identity.span.length,
        payload_format=identity.span.format,
        preamble=identity.span.preamble,
        bits=decoded.bits,
        min_block=decoded.min_block,
        max_block=decoded.max_block,
        vendor=decoded.vendor,
        pcm_md5=decoded.pcm_md5,
    )


# --- FLAC ----------------------------------------------------------------------------------------------------------------------------


def _test_flac(path: Path, span: PayloadSpan, listener: Listener | None) -> DecodedFacts:
    info = parse_streaminfo(span.preamble)
    with reading(path) as (read_at, _):
        _check_frames(
            read_at(span.offset, min(span.length, 128 << 10)), flac.frame_sizes(read_at, span.offset, span.end), info
        )
    digest = hashlib.md5(usedforsecurity=False)
    hook = hook_of(listener)

    def take(block: Block, rate: int) -> None:
        if block.shape[1] != info.channels or rate != info.rate:
            raise DecodeFailed(
                "The FLAC header states another rate or number of channels than its sound has.",
                code="preamble_mismatch",
            )
        digest.update(_md5_bytes(block, info.bits))
        hook(block, rate)

    if info.bits in (8, 16, 24):
        with reading(path) as (read_at, _):
            total = decode_soundfile(PayloadView(read_at, _endless(span.preamble), span.offset, span.length), take)
    else:
        total = decode_ffmpeg(path, rate=info.rate, channels=info.channels, take=take)
    if info.total_samples not in (0, total):
        raise DecodeFailed(
            "The FLAC header states another number of samples than decode.",
            code="sample_count_mismatch",
            stated=info.total_samples,
            decoded=total,
        )
    stated_md5 = info.md5 if any(info.md5) else None
    if stated_md5 is not None and stated_md5 != digest.digest():
        raise DecodeFailed(
            "The decoded sound does not have the MD5 that the FLAC header states.", code="pcm_md5_mismatch"
        )
    return DecodedFacts(
        container="flac",
        codec=Codec.FLAC,
        profile=_profile(Codec.FLAC, rate=info.rate, channels=info.channels, bits=info.bits),
        rate=info.rate,
        channels=info.channels,
        bits=info.bits,
        total_samples=total,
        duration_ms=total * 1000 // info.rate,
        bitrate_bps=_bitrate(span.length, total, info.rate),
        min_block=info.min_block,
        max_block=info.max_block,
        vendor=_flac_vendor(path),
        pcm_md5=digest.digest(),
        md5_checked=stated_md5 is not None,
    )


def _md5_bytes(block: Block, bits: int) -> bytes:
    """STREAMINFO's MD5 is over sign-extended little-endian samples of whole bytes (RFC 9639 §8.2)."""
    if block.dtype == np.int16:
        low = block.view(np.int16) >> (16 - bits) if bits < 16 else block
        return low.astype("i1" if bits <= 8 else "<i2", copy=False).tobytes()
    width = -(-bits // 8)
    quads = (block.view(np.int32) >> (32 - bits)).astype("<i4", copy=False).view(np.uint8).reshape(-1, 4)
    packed = np.empty((len(quads), width), dtype=np.uint8)
    for place in range(width):  # column by column: numpy copies rows of three bytes five times slower
        packed[:, place] = quads[:, place]
    return packed.tobytes()


def _endless(preamble: bytes) -> bytes:
    """The preamble with the greatest possible sample count: libsndfile stops at the stated one, and then a lie would look true."""
    return preamble[:21] + bytes([preamble[21] | 0x0F]) + b"\xff" * 4 + preamble[26:]


def _check_frames(window: bytes, sizes: tuple[int, int] | None, info: flac.StreamInfo) -> None:
    """STREAMINFO against the first frame's own header and the frames' sizes. A preamble travels outside the root: decoders that forgive it
    must not decide. (Sizes are not held against a STREAMINFO that was never finished, as in a cut or streamed file.)
    """
    frame = flac.first_frame(window)
    if frame is None:
        raise DecodeFailed("No FLAC frame could be found.")
    single = 0 < info.total_samples <= frame.block
    block_fits = (
        frame.block <= info.max_block if frame.variable or single else frame.block == info.min_block == info.max_block
    )
    stated: tuple[tuple[int, int], ...] = (
        (frame.rate, info.rate),
        (frame.channels, info.channels),
        (frame.bits, info.bits),
    )
    if sizes is not None and info.total_samples:
        stated += ((sizes[0], info.min_frame or sizes[0]), (sizes[1], info.max_frame or sizes[1]))
    if not block_fits or any(own not in (0, claimed) for own, claimed in stated):
        raise DecodeFailed(
            "The FLAC header contradicts the frames.",
            code="preamble_mismatch",
            block=frame.block,
            min_block=info.min_block,
            max_block=info.max_block,
        )


def _flac_vendor(path: Path) -> str:
    try:
        with tag_file(path) as file:
            tags = _flac.FLAC(file).tags
    except Exception:  # a vendor string is worth no failure; mutagen raises anything on hostile bytes
        return ""
    return str(getattr(tags, "vendor", "") or "")[:256]


# --- MP3 -----------------------------------------------------------------------------------------------------------------------------


def _test_mp3(path: Path, span: PayloadSpan, listener: Listener | None) -> DecodedFacts:
    with reading(path) as (read_at, _):
        walk = _walk_mp3(read_at, span)
        information = mpeg.read_information(span.preamble)
        total = _decode_mp3(path, read_at, span, walk, listener)
    bitrate = _bitrate(span.length, walk.samples if walk.complete else total, span.rate)
    return DecodedFacts(
        container="mp3",
        codec=Codec.MP3,
        profile=_profile(
            Codec.MP3,
            rate=span.rate,
            channels=span.channels,
            bitrate_bps=bitrate if walk.vbr else walk.first_kbps * 1000,
            vbr=walk.vbr,
            lame_v=information.lame_v if information is not None and walk.vbr else None,
        ),
        rate=span.rate,
        channels=span.channels,
        bits=0,
        total_samples=total,
        duration_ms=total * 1000 // span.rate,
        bitrate_bps=bitrate,
        vendor=information.encoder if information is not None else "",
        vbr=walk.vbr,
        lame_v=information.lame_v if information is not None and walk.vbr else None,
        lame_lowpass_hz=information.lowpass_hz if information is not None else 0,
    )


def _decode_mp3(path: Path, read_at: ReadAt, span: PayloadSpan, walk: _Mp3Walk, listener: Listener | None) -> int:
    """Samples of the payload behind an information frame of our own: the file's may lie about frames, delay and padding, and libmpg123 would
    believe it. So counts include the encoder's delay and padding (about 50 ms), and twins with different information frames have one count.

    libmpg123 gives up where stereo and mono frames mix; what it refuses or cuts short is tried with ffmpeg, if there is one.
    """
    failure: DecodeFailed
    try:
        head = mpeg.neutral_information(read_at(span.offset, 4), frames=walk.frames, payload_bytes=span.length)
        total = decode_soundfile(PayloadView(read_at, head, span.offset, span.length), hook_of(listener))
        if not walk.complete or abs(total - walk.samples) <= _MP3_SLACK_SAMPLES:
            return total
        failure = DecodeFailed(
            "The MP3 decodes to another length than its frames add up to.",
            code="sample_count_mismatch",
            stated=walk.samples,
            decoded=total,
        )
    except DecodeFailed as error:
        failure = error
    if not walk.complete or failure.code in ("too_long", "decode_timeout"):
        raise failure
    try:
        total = decode_ffmpeg(path, rate=span.rate, channels=span.channels, take=hook_of(listener), form="float32")
    except DecodeFailed:
        raise failure from None
    if abs(total - walk.samples) > _MP3_SLACK_SAMPLES:
        raise failure
    return total


@dataclass(frozen=True, slots=True)
class _Mp3Walk:
    frames: int
    samples: int
    first_kbps: int
    vbr: bool
    complete: bool
    """The frames chain from the payload's first byte to its end, within one frame of rest: what decodes must have their length."""


def _walk_mp3(read_at: ReadAt, span: PayloadSpan) -> _Mp3Walk:
    """Every frame; behind junk the next two chained headers within 64 KiB are taken up again."""
    frames = samples = first = 0
    kbps: set[int] = set()
    reached, whole = span.offset, True
    while True:
        for at, header in mpeg.walk_frames(read_at, reached, span.end):
            frames += 1
            samples += header.samples
            kbps.add(header.bitrate_kbps)
            first = first or header.bitrate_kbps
            reached = at + header.length
        if reached + mpeg.MAX_FRAME_BYTES >= span.end:
            break
        whole = False
        window = read_at(reached, min(SYNC_SEARCH_BYTES + 2 * mpeg.MAX_FRAME_BYTES, span.end - reached))
        found = mpeg.find_chain(window, search=SYNC_SEARCH_BYTES)
        if found is None:
            break
        reached += found
    return _Mp3Walk(frames=frames, samples=samples, first_kbps=first, vbr=len(kbps) > 1, complete=whole)


# --- everything else -----------------------------------------------------------------------------------------------------------------


def _test_other(path: Path, span: PayloadSpan, listener: Listener | None) -> DecodedFacts:
    with reading(path) as (read_at, size):
        if (fault := container_fault(read_at, size)) is not None:
            raise DecodeFailed("This file is damaged, or not all of it is here.", reason=fault)
        start = _behind_tags(read_at, size)
        try:
            with Stream(PayloadView(read_at, b"", start, size - start)) as sound:
                rate, channels, kind, subtype = int(sound.samplerate), int(sound.channels), sound.format, sound.subtype
        except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError):
            return _test_by_ffmpeg(path, span, listener)
        bits, codec = _PCM_BITS.get(subtype, 0), _CODECS.get(subtype)
        if codec is None and bits:
            codec = Codec.FLAC if kind in ("OGG", "FLAC") else Codec.PCM
        if codec is None:
            raise DecodeFailed(
                "This kind of sound has no place in slskdn.", code="codec_unsupported", codec=str(subtype)
            )
        if codec in LOSSLESS:
            _profile(codec, rate=rate, channels=channels, bits=bits)  # what has no place need not be decoded first
        total = decode_soundfile(PayloadView(read_at, b"", start, size - start), hook_of(listener))
    bitrate = _bitrate(_sound_bytes(path, span) if not start else size - start, total, rate)
    return DecodedFacts(
        container=_CONTAINERS.get(kind, kind.lower()),
        codec=codec,
        profile=_profile(codec, rate=rate, channels=channels, bits=bits, bitrate_bps=_nominal_bitrate(path) or bitrate),
        rate=rate,
        channels=channels,
        bits=bits,
        total_samples=total,
        duration_ms=total * 1000 // rate,
        bitrate_bps=bitrate,
    )


def _nominal_bitrate(path: Path) -> int:
    """What an Ogg Vorbis header states as its setting; 0 elsewhere. Averages of VBR do not name a setting."""
    try:
        with tag_file(path) as file:
            info = _oggvorbis.OggVorbis(file).info
        return max(0, int(info.bitrate))
    except Exception:  # not Vorbis, or bytes that make mutagen raise anything at all
        return 0


def _behind_tags(read_at: ReadAt, size: int) -> int:
    """Where leading ID3v2 tags end, however large: libsndfile would take all of them into memory. 0: there are none."""
    return tagblocks.skip_leading(read_at, end=size, limit=size) or 0


def _sound_bytes(path: Path, span: PayloadSpan) -> int:
    """Bytes of a whole file without the values of its tags: a cover of a MB would make another bit rate of a song in AAC or Opus."""
    try:
        with tag_file(path) as file:
            tags = _file(file).tags
        return max(
            span.length // 16, span.length - sum(_length_of(value) for _, value in (tags.items() if tags else ()))
        )
    except Exception:  # no tags, too many, or bytes that make mutagen raise anything at all
        return span.length


def _length_of(value: object) -> int:
    """Bytes that a tag's value takes, about: pictures count, numbers hardly."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(_length_of(one) for one in value)
    return _length_of(getattr(value, "data", None) or getattr(value, "value", None) or "")


_INPUT_AUDIO = re.compile(r"Stream #0:\d+.*?: Audio: (\w+)")
_INPUT_BITS = re.compile(r"\((\d\d) bit\)")
_OUTPUT_AUDIO = re.compile(r"Audio: pcm_s32le.*?, (\d+) Hz,.*?, (\d+) kb/s")
_CHECKED = frozenset({Codec.WAVPACK, Codec.TTA, Codec.APE})
"""Have checksums of their own that ffmpeg passes over unless told. Of MP4 and FLAC it would refuse odd tags then."""
_FFMPEG_CODECS = {
    "aac": Codec.AAC, "alac": Codec.ALAC, "ape": Codec.APE, "wavpack": Codec.WAVPACK, "tta": Codec.TTA, "tak": Codec.TAK, "mp3": Codec.MP3,
    "mp3float": Codec.MP3, "opus": Codec.OPUS, "vorbis": Codec.VORBIS, "wmav1": Codec.WMA, "wmav2": Codec.WMA, "wmapro": Codec.WMA,
    "ac3": Codec.AC3, "eac3": Codec.AC3, "musepack7": Codec.MUSEPACK, "musepack8": Codec.MUSEPACK, "flac": Codec.FLAC,
}  # fmt: skip


def _test_by_ffmpeg(path: Path, span: PayloadSpan, listener: Listener | None) -> DecodedFacts:
    """Two runs: the first half second tells codec, rate and channels; the second decodes everything."""
    probe: list[bytes] = []
    stderr = run_ffmpeg(path, ["-t", "0.5"], probe.append)
    source, output = _INPUT_AUDIO.search(stderr), _OUTPUT_AUDIO.findall(stderr)
    codec = _FFMPEG_CODECS.get(source[1]) if source is not None else None
    if source is None or not output:
        raise DecodeFailed("This file has no sound that can be decoded.")
    if codec is None:
        raise DecodeFailed("This kind of sound has no place in slskdn.", code="codec_unsupported", codec=source[1])
    rate = int(output[-1][0])
    channels = round(int(output[-1][1]) * 1000 / (32 * rate))
    line = stderr[source.start() :].splitlines()[0]
    stated = _INPUT_BITS.search(line)
    bits = 0
    if codec in (Codec.ALAC, Codec.APE, Codec.WAVPACK, Codec.TTA, Codec.TAK, Codec.FLAC):
        bits = (
            int(stated[1])
            if stated is not None
            else 16
            if re.search(r", s16p?\b", line)
            else 8
            if re.search(r", u8p?\b", line)
            else 32
        )
    form: Form = "int32" if bits > 16 else "int16" if bits else "float32"
    total = decode_ffmpeg(
        path, rate=rate, channels=channels, take=hook_of(listener), form=form, strict=codec in _CHECKED
    )
    bitrate = _bitrate(_sound_bytes(path, span), total, rate)
    return DecodedFacts(
        container=path.suffix.lower().lstrip(".")[:8] or codec.value,
        codec=codec,
        profile=_profile(codec, rate=rate, channels=channels, bits=bits, bitrate_bps=bitrate),
        rate=rate,
        channels=channels,
        bits=bits,
        total_samples=total,
        duration_ms=total * 1000 // rate,
        bitrate_bps=bitrate,
    )


# --- for fingerprints ----------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_sound(path: Path) -> Iterator[tuple[soundfile.SoundFile, int]]:
    """(stream to read from the start, samples it should have; 0 = unknown) of what libsndfile reads. Raises soundfile's errors, FilesError.

    The same views as the decode test: libsndfile alone stops early in VBR without an information frame, and stumbles over some tags.
    """
    with reading(path) as (read_at, size):
        span = find_span(read_at, size)
        offset = span.offset
        match span.format:
            case PayloadFormat.FLAC:
                head, stated = _endless(span.preamble), parse_streaminfo(span.preamble).total_samples
            case PayloadFormat.MP3:
                walk = _walk_mp3(read_at, span)
                stated = walk.samples
                head = mpeg.neutral_information(read_at(span.offset, 4), frames=walk.frames, payload_bytes=span.length)
            case PayloadFormat.FILE:
                head, stated = b"", 0
                offset = _behind_tags(read_at, size)
        with Stream(PayloadView(read_at, head, offset, span.end - offset)) as sound:
            yield sound, stated if span.format is not PayloadFormat.FILE else int(sound.frames)


def _bitrate(payload_bytes: int, samples: int, rate: int) -> int:
    return payload_bytes * 8 * rate // samples if samples else 0


def _profile(
    codec: Codec,
    *,
    rate: int,
    channels: int,
    bits: int = 0,
    bitrate_bps: int = 0,
    vbr: bool = False,
    lame_v: int | None = None,
) -> CodecProfile:
    try:
        return profile_of(
            codec, rate=rate, channels=channels, bits=bits, bitrate_bps=bitrate_bps, vbr=vbr, lame_v=lame_v
        )
    except ProfileError as error:
        raise DecodeFailed(
            "This kind of sound has no place in slskdn.", code="codec_unsupported", codec=codec.value
        ) from error
