"""Fingerprints of files: libchromaprint in this process, else fpcalc, else an ffmpeg with the chromaprint muxer.

All ways agree to a bit-error rate of 3e-5 (measured), not to the letter: compare with `apps.domain.audio.fingerprint`, never as text.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import soundfile

from apps.domain.audio import fingerprint
from apps.domain.audio.analysis import Block
from apps.domain.audio.fingerprint import FingerprintError, Items
from apps.domain.errors import DomainError
from workers.gateways import ffmpeg
from workers.gateways.audio import open_sound
from workers.gateways.child import ChildError, run_child
from workers.gateways.decoders import form_of

LENGTH_S = 120
"""Seconds from the start that are fingerprinted: AcoustID's convention; everybody's fingerprints compare only because all keep it."""
_TIMEOUT_S = 120.0
_BLOCK_FRAMES = 65_536
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d)\.(\d\d)")
T = TypeVar("T")
_HEARD = re.compile(r"time=(\d+):(\d+):(\d+)\.(\d+)")  # how much was decoded: the last of these in the log


class FingerprintFailed(DomainError):
    """No fingerprint could be made: fingerprint_failed (the file), or fingerprint_tool_missing (this machine has none of the three ways)."""

    default_code = "fingerprint_failed"


@dataclass(frozen=True, slots=True)
class FilePrint:
    """The fingerprint of one file."""

    items: Items
    compressed: str
    """What AcoustID and peers are given."""
    duration_ms: int
    """Of the whole file, as far as its header or decoder tells."""
    tool: str
    """libchromaprint, fpcalc or ffmpeg."""


def fingerprint_file(path: Path) -> FilePrint:
    """Fingerprint the first 120 s. Raises FingerprintFailed; a file too short for one item counts as failed."""
    reasons: list[str] = []
    for way in (_by_library, _by_fpcalc, _by_ffmpeg):
        try:
            made = way(path)
        except (ChildError, FingerprintError, _WayFailed) as error:
            reasons.append(str(error))
            continue
        if made is not None:
            return made
    if not reasons:
        raise FingerprintFailed(
            "This machine has neither libchromaprint nor fpcalc nor an ffmpeg that makes fingerprints.",
            code="fingerprint_tool_missing",
        )
    raise FingerprintFailed("No fingerprint could be made of this file.", reason="; ".join(reasons)[:500])


class _WayFailed(Exception):
    """One way did not work for this file; the next may."""


def _by_library(path: Path) -> FilePrint | None:
    """pyacoustid's ctypes binding fed by soundfile; None without the library, or for what soundfile cannot read."""
    fingerprinter = _library()
    if fingerprinter is None:
        return None
    try:
        with open_sound(path) as (sound, stated):
            rate, total, form = int(sound.samplerate), 0, form_of(sound)
            printer = StreamPrinter(rate, int(sound.channels), factory=fingerprinter)
            while printer.hungry:
                block = sound.read(min(_BLOCK_FRAMES, LENGTH_S * rate - total), dtype=form, always_2d=True)
                if not len(block):
                    break
                total += len(block)
                printer.feed(block)
            return printer.finish(duration_ms=max(stated, total) * 1000 // rate)
    except (soundfile.SoundFileError, RuntimeError, OSError, FingerprintFailed) as error:
        raise _WayFailed(f"libchromaprint: {error}") from error


class _Library(Protocol):
    """pyacoustid's ctypes binding of one fingerprint in the making. It raises an exception class of its own when the library refuses."""

    def start(self, sample_rate: int, num_channels: int, /) -> None: ...

    def feed(self, data: bytes, /) -> None: ...

    def finish(self) -> bytes | None: ...


def _library() -> Callable[[], _Library] | None:
    try:
        binding = importlib.import_module("chromaprint")
    except ImportError:
        return None
    factory: Callable[[], _Library] = binding.Fingerprinter
    return factory


def stream_printer(rate: int, channels: int) -> StreamPrinter | None:
    """A fingerprint to be made from somebody else's decode; None without libchromaprint."""
    factory = _library()
    return StreamPrinter(rate, channels, factory=factory) if factory is not None else None


class StreamPrinter:
    """libchromaprint fed block by block, up to 120 s."""

    def __init__(self, rate: int, channels: int, *, factory: Callable[[], _Library]) -> None:
        self._left = LENGTH_S * rate
        self._failed = ""
        self._printer = factory()
        self._thinned = thinned_by(rate)
        self._rest = np.empty((0, channels), dtype=np.int16)
        self._ask(lambda: self._printer.start(rate // self._thinned, channels))

    @property
    def hungry(self) -> bool:
        """False once 120 s were heard, or the library gave up."""
        return self._left > 0 and not self._failed

    def feed(self, block: Block) -> None:
        """The next block, shape (frames, channels); what lies behind 120 s is not heard."""
        if not self.hungry:
            return
        block = block[: self._left]
        self._left -= len(block)
        data = self._fewer(_sixteen_bits(block)).tobytes()
        self._ask(lambda: self._printer.feed(data))

    def _fewer(self, sound: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Means of so many samples each; what is left over waits for the next block."""
        if self._thinned == 1:
            return sound
        if len(self._rest):
            sound = np.concatenate([self._rest, sound])
        whole = len(sound) // self._thinned * self._thinned
        self._rest = sound[whole:].copy()
        total = sound[: whole : self._thinned].astype(np.int32)
        for place in range(1, self._thinned):
            total += sound[place : whole : self._thinned]
        total //= self._thinned
        return total.astype(np.int16)

    def finish(self, *, duration_ms: int) -> FilePrint:
        """Raises FingerprintFailed if too little was heard, or the library refused."""
        compressed = self._ask(self._printer.finish)
        if self._failed:
            raise FingerprintFailed("No fingerprint could be made of this file.", reason=self._failed)
        try:
            text = (compressed or b"").decode("ascii")
            items, _ = fingerprint.decode(text)
            return _print(items, duration_ms=duration_ms, tool="libchromaprint", compressed=text)
        except (FingerprintError, UnicodeDecodeError) as error:
            raise FingerprintFailed("No fingerprint could be made of this file.", reason=str(error)) from error

    def _ask(self, call: Callable[[], T]) -> T | None:
        if self._failed:
            return None
        try:
            return call()
        except Exception as error:  # the binding's own class, which can't be named without the library
            self._failed = f"libchromaprint: {type(error).__name__}"
            return None


def thinned_by(rate: int) -> int:
    """How many samples become one before libchromaprint hears them: it looks at 28 to 3520 Hz (resampled to 11,025), so that 44.1 kHz is plenty, and its
    own resampler costs as much as the fingerprint at high rates. The mean of 4 samples at 192 kHz takes 0.02 dB off at 3.5 kHz, and 23 dB or more off
    whatever comes down there.
    """
    factor = 1
    while rate % (2 * factor) == 0 and rate // (2 * factor) >= 44_100:
        factor *= 2
    return factor


def _sixteen_bits(block: Block) -> npt.NDArray[np.int16]:
    """The upper half of int32; floats cut off at full scale."""
    if block.dtype == np.int16:
        return block.view(np.int16)
    if block.dtype == np.int32:
        return (block.view(np.int32) >> 16).astype(np.int16)
    scaled = block.view(np.float32) * np.float32(32_767)
    np.clip(scaled, -32_768, 32_767, out=scaled)
    with np.errstate(invalid="ignore"):  # a NaN becomes some number: a fingerprint does not mind
        return scaled.astype(np.int16)


def _by_fpcalc(path: Path) -> FilePrint | None:
    executable = shutil.which("fpcalc")
    if executable is None:
        return None
    result = run_child(
        [executable, "-raw", "-json", "-length", str(LENGTH_S), "--", str(path.absolute())], timeout_s=_TIMEOUT_S
    )
    # 1.5.1 exits with 3 ("Error decoding audio frame (End of file)") on every file shorter than 120 s although the print is whole.
    if result.returncode not in (0, 3) or not result.stdout.strip():
        raise _WayFailed(f"fpcalc: exit status {result.returncode}")
    return parse_fpcalc(result.stdout)


def parse_fpcalc(output: bytes) -> FilePrint:
    """Read `fpcalc -raw -json`. Raises FingerprintError if it is something else."""
    try:
        body = json.loads(output)
        values, duration = body["fingerprint"], body["duration"]
    except (ValueError, KeyError, TypeError) as error:
        raise FingerprintError("fpcalc wrote something unexpected.") from error
    if (
        not isinstance(values, list)
        or not all(isinstance(value, int) for value in values)
        or not isinstance(duration, int | float)
    ):
        raise FingerprintError("fpcalc wrote something unexpected.")
    return _print(fingerprint.items_of(values), duration_ms=round(duration * 1000), tool="fpcalc")


def _by_ffmpeg(path: Path) -> FilePrint | None:
    executable = next((each for each in ffmpeg.candidates() if ffmpeg.has_chromaprint(each)), None)
    if executable is None:
        return None
    arguments = [
        *ffmpeg.input_arguments(executable, path.absolute()),
        "-t",
        str(LENGTH_S),
        "-f",
        "chromaprint",
        "-fp_format",
        "raw",
        "pipe:1",
    ]
    result = run_child(arguments, timeout_s=_TIMEOUT_S)
    if result.returncode != 0 or len(result.stdout) % 4:
        raise _WayFailed(f"ffmpeg: exit status {result.returncode}")
    items = np.frombuffer(result.stdout, dtype=np.uint32).copy()
    # What a header states is an estimate for MP3 without an information frame. What was heard is exact, unless it was cut at 120 s.
    heard = _milliseconds(_HEARD.findall(result.stderr)[-1:])
    stated = _milliseconds(_DURATION.findall(result.stderr)[:1])
    if heard is not None and heard < LENGTH_S * 1000:
        duration_ms = heard
    else:
        duration_ms = stated or round(len(items) * fingerprint.ITEM_SECONDS * 1000)
    return _print(items, duration_ms=duration_ms, tool="ffmpeg")


def _milliseconds(found: list[tuple[str, str, str, str]]) -> int | None:
    """Of a time in ffmpeg's log; None when there is none."""
    for hours, minutes, seconds, hundredths in found:
        return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(hundredths) * 10
    return None


def _print(items: Items, *, duration_ms: int, tool: str, compressed: str = "") -> FilePrint:
    if not len(items):
        raise FingerprintError("The file is too short for a fingerprint.")
    text = compressed or fingerprint.encode(items)
    return FilePrint(items=items, compressed=text, duration_ms=duration_ms, tool=tool)
