"""Which program made a file, as one short line: its own words from the stream, put in order. A claim, never a proof.

FLAC and Vorbis/Opus state a vendor string, LAME writes its version and settings into the information frame, MP4 has a "©too" item. All of it is text
from strangers: only printable characters are kept, 80 at most.
"""

from __future__ import annotations

import re
from typing import Final

from apps.domain.audio.profile import Codec

MAX_LENGTH: Final = 80
_XIPH: Final = re.compile(r"^Xiph\.Org libVorbis I (\d{8})\b.*$")
_AOTUV: Final = re.compile(r"^(?:BS; )?(?:Lancer|LancerMod)?.*?AO; aoTuV (\S+)")


def encoder_signature(
    codec: Codec,
    *,
    vendor: str = "",
    tool: str = "",
    lame_v: int | None = None,
    bitrate_kbps: int = 0,
    vbr: bool = False,
) -> str:
    """ "LAME 3.100 -V0", "reference libFLAC 1.4.2", "iTunes 12.9.5.5, QuickTime 7.7.9"; "" if nothing is stated.

    `vendor`: the stream's own vendor string or LAME's version field; `tool`: what a tag names as the encoding tool, used where there is no vendor.
    """
    words = _clean(vendor) or _clean(tool)
    if not words:
        return ""
    if codec is Codec.MP3:
        return _lame(words, lame_v=lame_v, bitrate_kbps=bitrate_kbps, vbr=vbr)[:MAX_LENGTH]
    if codec is Codec.FLAC:
        # "reference libFLAC 1.4.2 20221022": the date says what the version says.
        words = re.sub(r"^(reference libFLAC \d+\.\d+(?:\.\d+)?) \d{8}$", r"\1", words)
    if codec is Codec.VORBIS:
        if found := _AOTUV.match(words):
            words = f"aoTuV {found[1]}"
        elif found := _XIPH.match(words):
            words = f"libVorbis {found[1]}"
    return words[:MAX_LENGTH].rstrip()


def _lame(words: str, *, lame_v: int | None, bitrate_kbps: int, vbr: bool) -> str:
    # The field has nine characters: "LAME3.100", "LAME3.99r", "L3.99r1" of re-branded builds.
    words = re.sub(r"^LAME ?(?=\d)", "LAME ", words)
    if not words.startswith("LAME "):
        return words
    if vbr:
        return f"{words} -V{lame_v}" if lame_v is not None else f"{words} VBR"
    return f"{words} -b {bitrate_kbps}" if bitrate_kbps else words


def _clean(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text[:400]).split())
