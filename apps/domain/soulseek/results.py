"""What a Soulseek search result says: a path as its owner shares it, a size, and attributes that anybody may make up. Read into the values that matching
compares; nothing of it is proof.

Paths are `share\\folder\\…\\file.ext` with backslashes; attribute codes are of the protocol (0 bit rate in kbps, 1 length in seconds, 2 VBR flag, 4 sample rate in
Hz, 5 bits per sample). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from apps.domain.audio.profile import Codec, CodecProfile, ProfileError, profile_of
from apps.domain.matching.discs import disc_name, without_disc
from apps.domain.matching.values import OfferedSet, OfferedTrack
from apps.domain.matching.words import file_words

MAX_PATH_CHARS: Final = 4000
MAX_FILE_BYTES: Final = 1 << 40
MAX_LENGTH_S: Final = 24 * 3600
CODECS: Final[Mapping[str, Codec]] = {
    "flac": Codec.FLAC, "wav": Codec.PCM, "aif": Codec.PCM, "aiff": Codec.PCM, "ape": Codec.APE, "wv": Codec.WAVPACK, "tta": Codec.TTA, "tak": Codec.TAK,
    "mp3": Codec.MP3, "m4a": Codec.AAC, "mp4": Codec.AAC, "aac": Codec.AAC, "opus": Codec.OPUS, "ogg": Codec.VORBIS, "oga": Codec.VORBIS, "wma": Codec.WMA,
    "ac3": Codec.AC3, "mpc": Codec.MUSEPACK,
}  # fmt: skip
"""By extension. An .m4a may be ALAC: only a bit rate above any AAC tells."""
_AAC_MAX_KBPS: Final = 512
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_LEADING: Final = re.compile(
    r"^\s*(?:(?:cd|disc|disk)?\s*(?P<disc>\d{1,2})[-.](?=\d))?(?P<track>\d{1,3})(?P<rest>[\s._)-].*|$)", re.IGNORECASE
)
_SIDE: Final = re.compile(r"^\s*(?P<side>[a-h])(?P<track>\d{1,2})[\s._)-]", re.IGNORECASE)
_REMARK: Final = re.compile(r"[(\[{][^()\[\]{}]*[)\]}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """One file of a result. `path` verbatim, as it must be asked for. None: not told, or impossible."""

    path: str
    size: int
    bitrate_kbps: int | None = None
    length_s: int | None = None
    vbr: bool = False
    rate: int | None = None
    bits: int | None = None

    @property
    def folder(self) -> str:
        """Its path without the name, verbatim; "" for none."""
        return self.path.rpartition("\\")[0]

    @property
    def name(self) -> str:
        """Behind the last backslash."""
        return self.path.rpartition("\\")[2]

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.name.rpartition(".")[0] or self.name

    @property
    def extension(self) -> str:
        """In lower case, without its dot; "" for none."""
        return self.name.rpartition(".")[2].lower() if "." in self.name else ""

    @property
    def codec(self) -> Codec | None:
        """By extension and bit rate; None: no sound that we know."""
        codec = CODECS.get(self.extension)
        if codec is Codec.AAC and (self.bitrate_kbps or 0) > _AAC_MAX_KBPS:
            return Codec.ALAC
        return codec


def shared_file(path: str, size: int, attributes: Mapping[int, int]) -> SharedFile | None:
    """Read a result's file; None for one that can't be meant (no name, a path beyond all bounds, an impossible size)."""
    if not path or len(path) > MAX_PATH_CHARS or path.endswith("\\") or "\0" in path or not 0 < size <= MAX_FILE_BYTES:
        return None

    def within(code: int, low: int, high: int) -> int | None:
        value = attributes.get(code)
        return value if value is not None and low <= value <= high else None

    return SharedFile(
        path=path,
        size=size,
        bitrate_kbps=within(0, 1, 100_000),
        length_s=within(1, 1, MAX_LENGTH_S),
        vbr=attributes.get(2) == 1,
        rate=within(4, 1000, 768_000),
        bits=within(5, 4, 64),
    )


def profile_told(file: SharedFile) -> CodecProfile | None:
    """The profile that the attributes would make, with CD's rate and depth where they are not told; None for no known sound.

    A lossy file without a told bit rate gets that of its size and length, if it tells its length.
    """
    codec = file.codec
    if codec is None:
        return None
    kbps = file.bitrate_kbps
    if kbps is None and file.length_s:
        kbps = max(1, file.size * 8 // 1000 // file.length_s)
    try:
        return profile_of(
            codec,
            rate=file.rate or 44_100,
            channels=2,
            bits=file.bits if file.bits and file.bits <= 32 else 16,
            bitrate_bps=(kbps or 0) * 1000,
            vbr=file.vbr,
        )
    except ProfileError:
        return None


def by_folder(files: Iterable[SharedFile]) -> dict[str, tuple[SharedFile, ...]]:
    """A user's files by album: `…\\Album\\CD1` and `…\\Album (Disc 2)` count as `…\\Album`, whether there is such a folder or not. In the order they
    came."""
    found: dict[str, list[SharedFile]] = {}
    for file in files:
        found.setdefault(album_folder(file.folder), []).append(file)
    return {folder: tuple(some) for folder, some in found.items()}


def album_folder(folder: str) -> str:
    """The folder of the whole album that a folder is, or is a disc of."""
    above, _, last = folder.rpartition("\\")
    disc = disc_name(last)
    if disc is None or not above:
        return folder
    return f"{above}\\{disc.stem}" if disc.stem else above


def offered_set(files: Iterable[SharedFile], *, folder: str) -> OfferedSet:
    """A folder's sound files as matching compares them; album, artist and year as far as folder names tell them.

    `key` of each track is its path. Pictures, logs and cue sheets are left out.
    """
    sound = [file for file in files if file.codec is not None]
    artist, album, year = _folder_facts(folder)
    tracks = tuple(_offered_track(file, disc=_disc_of(file, folder)) for file in sound)
    discs = max((one.disc for one in tracks), default=0)
    return OfferedSet(tracks=tracks, album=album, artist=artist, year=year, discs=discs)


def _offered_track(file: SharedFile, *, disc: int) -> OfferedTrack:
    stem = file.stem.replace("_", " ")
    number, rest, told_disc = 0, stem, disc
    if match := _LEADING.match(stem):
        number, rest = int(match["track"]), match["rest"].strip(" .-_)") or stem
        told_disc = disc or int(match["disc"] or 0)
        if number > 100 and match["disc"] is None and not disc:  # "203" is track 3 of disc 2
            told_disc, number = divmod(number, 100)
    elif match := _SIDE.match(stem):
        rest = stem[match.end() :].strip(" .-_)")
        number = 0  # a record's side says nothing of the number on the disc
    return OfferedTrack(
        key=file.path,
        duration_ms=file.length_s * 1000 if file.length_s else None,
        disc=told_disc,
        track=number,
        file_words=file_words(rest),
    )


def _disc_of(file: SharedFile, folder: str) -> int:
    if file.folder == folder:
        return 0
    found = disc_name(file.folder.rpartition("\\")[2])
    return found.number if found is not None else 0


def _folder_facts(folder: str) -> tuple[str, str, str]:
    """(artist, album, year) of a folder's path: `…\\Artist\\1999 - Album [FLAC]` or `…\\Artist - Album (1999)`. "" where a name tells none."""
    parts = [part for part in folder.split("\\") if part]
    if not parts:
        return "", "", ""
    last = without_disc(parts[-1]).replace("_", " ")
    years = _YEAR.findall(last)
    plain = _REMARK.sub(" ", last)
    if years:
        plain = re.sub(rf"(?<!\d){years[0]}(?!\d)\s*[-.]?\s*", " ", plain, count=1)
    pieces = [piece.strip(" -.") for piece in re.split(r"\s+[-–—]\s+", plain) if piece.strip(" -.")]
    if len(pieces) >= 2:
        return pieces[0], " - ".join(pieces[1:]), years[0] if years else ""
    above = parts[-2].replace("_", " ").strip() if len(parts) > 2 else ""
    return above, pieces[0] if pieces else last.strip(), years[0] if years else ""
