"""Which ffmpeg there is, and the arguments under which it reads a file somebody sent us.

The system's program first, then the one in the optional `imageio-ffmpeg` wheel: a fresh machine needs nothing but pip.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

from workers.gateways.child import ChildError, run_child

_FORMATS = "aac,ac3,aiff,ape,asf,au,caf,dsf,eac3,flac,iff,matroska,webm,mov,mp4,m4a,3gp,mp3,mpc,mpc8,ogg,spx,tak,truehd,tta,w64,wav,wv,dts,amr"
"""Sound containers only. Playlists (hls, concat, dash) would make ffmpeg open *other* files and addresses."""


def candidates() -> list[str]:
    """Paths of every ffmpeg found, the system's first."""
    found = [shutil.which("ffmpeg")]
    try:
        import imageio_ffmpeg

        bundled = Path(imageio_ffmpeg.__file__).parent / "binaries"
        found += [str(path) for path in sorted(bundled.glob("ffmpeg-*")) if path.is_file()]
    except ImportError:
        pass
    return [path for path in found if path]


@functools.cache
def has_chromaprint(executable: str) -> bool:
    """True if this ffmpeg was built with the chromaprint muxer."""
    try:
        result = run_child([executable, "-hide_banner", "-muxers"], timeout_s=30)
    except ChildError:
        return False
    return result.returncode == 0 and any(line.split()[1:2] == [b"chromaprint"] for line in result.stdout.splitlines())


def input_arguments(executable: str, path: Path, *, strict: bool = False) -> Sequence[str]:
    """Arguments up to and including the input: one local file, first sound stream, one thread.

    `strict`: a wrong checksum ends it. WavPack, TTA and APE keep one of every block, which ffmpeg passes over otherwise.
    """
    detect = ["-err_detect", "crccheck+explode"] if strict else []
    return [
        executable, "-nostdin", "-hide_banner", "-threads", "1", "-xerror", *detect, "-protocol_whitelist", "file", "-format_whitelist", _FORMATS,
        "-i", f"file:{path}", "-map", "0:a:0", "-vn", "-sn", "-dn",
    ]  # fmt: skip
