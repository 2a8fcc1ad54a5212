"""Decoding to samples: libsndfile in this process over a payload's bytes, or an ffmpeg child over a file.

What the samples mean, and whether a header told the truth about them, is `audio`'s question.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from typing_extensions import override

from apps.domain.audio.analysis import Block
from apps.domain.audio.payload import ReadAt
from apps.domain.errors import DomainError
from workers.gateways import ffmpeg
from workers.gateways.child import ChildError, stream_child

MAX_SECONDS = 6 * 3600
"""Longest sound decoded. 14 bytes of FLAC can hold 65,535 equal samples, so a small file may claim years."""
_BLOCK_FRAMES = 65_536
_DECODE_TIMEOUT_S = 240.0
"""Tasks have five minutes. Held in both ways of decoding: 1 MB of FLAC can hold a day of sound, and an exception that a task's time limit raises
inside libsndfile's call back to us would be lost."""
_MAX_CHANNELS = 32
"""What profiles know (`CodecProfile`); WAV can state 65,535, of which a block would be GB."""
_READ_AHEAD_BYTES = 128 << 10
"""MP3 is asked for frame by frame: one read of the file serves a hundred of them."""
Form = Literal["int16", "int32", "float32"]
"""What samples are decoded to: int16 up to 16 bits, int32 above (the sound in its upper bits), float32 for lossy and float sound, which may
exceed full scale. Never wider than it has to be: every later pass over the samples is paid by the byte."""
_FORMS: dict[str, Form] = {
    "PCM_S8": "int16", "PCM_U8": "int16", "PCM_16": "int16", "ALAC_16": "int16",
    "PCM_24": "int32", "PCM_32": "int32", "ALAC_20": "int32", "ALAC_24": "int32", "ALAC_32": "int32",
}  # fmt: skip
_FFMPEG_FORMS: dict[Form, str] = {"int16": "s16le", "int32": "s32le", "float32": "f32le"}
BlockHook = Callable[[Block, int], None]
"""Given every decoded block in order, shape (frames, channels), one dtype per decode, and the rate in Hz. It may not keep the block."""
Listener = Callable[[], BlockHook]
"""Makes a fresh hook for each attempt at decoding (a second decoder starts over; the last hook has heard everything): the door through which
analyses share the one decode."""


class DecodeFailed(DomainError):
    """The file is not what it should be. Codes:

    `decode_failed` (corrupt or unknown), `no_audio`, `sample_count_mismatch`, `pcm_md5_mismatch`, `preamble_mismatch` (STREAMINFO contradicts the
    frames), `too_long`, `decode_tool_missing` (this machine lacks an ffmpeg for this format; retryable once there is one), `decode_timeout`.
    """

    default_code = "decode_failed"


class Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile read once from front to back: soundfile seeks after every read, which libsndfile refuses behind the last sample it expects."""

    def seekable(self) -> bool:
        return False


class PayloadView(io.RawIOBase):
    """Preamble + payload as one file for libsndfile: what others will get from us is what is tested, tags never come into it."""

    def __init__(self, read_at: ReadAt, preamble: bytes, offset: int, length: int) -> None:
        super().__init__()
        self._read_at = read_at
        self._preamble = preamble
        self._offset = offset
        self._size = len(preamble) + length
        self._position = 0
        self._ahead = b""
        self._ahead_at = 0
        self.failure: OSError | None = None
        """A read error of the disk: libsndfile calls us back from C, where an exception would be lost and blamed on the file."""

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    @override
    def tell(self) -> int:
        return self._position

    @override
    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), self._size - self._position))
        head = self._preamble[self._position : self._position + length]
        rest = length - len(head)
        if rest:
            try:
                head += self._payload(max(0, self._position - len(self._preamble)), rest)
            except OSError as error:
                self.failure = error
                return 0
        view[: len(head)] = head
        self._position += len(head)
        return len(head)

    def _payload(self, at: int, length: int) -> bytes:
        """`length` bytes of the payload from `at` on, fewer only where the file ends early."""
        begin = at - self._ahead_at
        if begin < 0 or begin + length > len(self._ahead):
            payload_bytes = self._size - len(self._preamble)
            wanted = min(max(length, _READ_AHEAD_BYTES), payload_bytes - at)
            self._ahead, self._ahead_at, begin = self._read_at(self._offset + at, wanted), at, 0
        return self._ahead[begin : begin + length]


def form_of(sound: soundfile.SoundFile) -> Form:
    """What libsndfile decodes this to without loss and for the least work."""
    return _FORMS.get(sound.subtype, "float32")


def decode_soundfile(view: PayloadView, take: BlockHook) -> int:
    """Samples per channel that libsndfile decodes, each block given to `take`."""
    total, deadline = 0, time.monotonic() + _DECODE_TIMEOUT_S
    try:
        with Stream(view) as sound:
            rate, form = int(sound.samplerate), form_of(sound)
            _check_layout(rate=rate, channels=int(sound.channels))
            while True:
                block: Block = sound.read(_BLOCK_FRAMES, dtype=form, always_2d=True)
                if not len(block):
                    break
                total += len(block)
                _check_length(total, rate)
                take(block, rate)
                if time.monotonic() > deadline:
                    raise DecodeFailed("The decoder did not finish.", code="decode_timeout", retryable=True)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        if view.failure is None:
            raise DecodeFailed("This file does not decode.", reason=str(error)[:200]) from error
    if view.failure is not None:
        raise view.failure
    if total == 0:
        raise DecodeFailed("This file has no sound in it.", code="no_audio")
    return total


def decode_ffmpeg(
    path: Path, *, rate: int, channels: int, take: BlockHook, form: Form = "int32", strict: bool = False
) -> int:
    """Samples per channel that ffmpeg decodes at the source's own rate and channels; `strict`: checksums must be right."""
    _check_layout(rate=rate, channels=channels)
    little = np.dtype(form).newbyteorder("<")
    total, rest, width = 0, b"", little.itemsize * channels

    def receive(data: bytes) -> None:
        nonlocal total, rest
        data = rest + data
        whole = len(data) // width * width
        rest = data[whole:]
        total += whole // width
        _check_length(total, rate)
        if whole:
            block = np.frombuffer(data, dtype=little, count=whole // little.itemsize).reshape(-1, channels)
            take(block.astype(form, copy=False), rate)

    run_ffmpeg(path, ["-ar", str(rate), "-ac", str(channels)], receive, form=form, strict=strict)
    if total == 0:
        raise DecodeFailed("This file has no sound in it.", code="no_audio")
    return total


def run_ffmpeg(
    path: Path, options: list[str], take: Callable[[bytes], None], *, form: Form = "int32", strict: bool = False
) -> str:
    """Decode with `options`, giving raw samples to `take`; what ffmpeg wrote to its log."""
    executable = next(iter(ffmpeg.candidates()), None)
    if executable is None:
        raise DecodeFailed(
            "This machine has no ffmpeg, which this kind of sound needs.", code="decode_tool_missing", retryable=True
        )
    arguments = [
        *ffmpeg.input_arguments(executable, path.absolute(), strict=strict),
        "-map_metadata",
        "-1",
        *options,
        "-f",
        _FFMPEG_FORMS[form],
        "pipe:1",
    ]
    try:
        returncode, stderr = stream_child(arguments, take, timeout_s=_DECODE_TIMEOUT_S)
    except ChildError as error:
        code = "decode_timeout" if error.code == "child_timeout" else "decode_failed"
        raise DecodeFailed(
            "The decoder did not finish.", code=code, retryable=error.retryable, reason=error.code
        ) from error
    if returncode != 0:
        raise DecodeFailed(
            "This file does not decode.", reason=_last_line(stderr).replace(f"file:{path.absolute()}", "file")[:200]
        )
    return stderr


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def _check_layout(*, rate: int, channels: int) -> None:
    if not 1 <= channels <= _MAX_CHANNELS or rate <= 0:
        raise DecodeFailed("This file states an impossible rate or number of channels.", rate=rate, channels=channels)


def _check_length(samples: int, rate: int) -> None:
    if samples > MAX_SECONDS * rate:
        raise DecodeFailed("This file is longer than six hours.", code="too_long")


def hook_of(listener: Listener | None) -> BlockHook:
    return listener() if listener is not None else lambda _block, _rate: None
