"""The Collection Doctor's rules about one file: what is known of it in, findings out. Pure.

A rule speaks only when it knows: what a file *is* comes from an identification that somebody or some evidence settled (`Known.settled`), never
from one that waits in the review queue. A file whose folder is away is not judged at all (the caller leaves it out), and one that can't be read is
not judged further than that. At most one issue of a type and file.

Releases as a whole are `detect_releases`, copies of one recording `detect_duplicates`.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from apps.domain.library.issues import Finding, IssueSeverity, IssueType, ParamValue

FILE_RULES: Final = frozenset(
    {
        IssueType.CORRUPTED_FILE,
        IssueType.SUSPECTED_TRANSCODE,
        IssueType.NON_CANONICAL_VARIANT,
        IssueType.TRACK_NOT_IN_RELEASE,
        IssueType.TAGS_WRONG,
        IssueType.WRONG_DURATION,
    }
)
"""What `file_findings` looks for."""

PASSING_CODES: Final = frozenset(
    {
        "file_changed",
        "leaves_invalid",
        "file_missing",
        "decode_timeout",
        "decode_tool_missing",
        "root_missing",
        "library_missing",
        "folder_missing",
        "read_stalled",
        "file_stalled",
    }
)
"""Why a file could not be read that says nothing about the file: it is read again, or the machine lacks a tool."""
SETTING_CODES: Final = frozenset(
    {
        "library_permission",
        "file_failed",
        "file_not_regular",
        "codec_unsupported",
        "too_long",
        "read_timeout",
        "unexpected",
    }
)
"""The file may be sound, but this daemon can't read it: a person can do something about it, and it is not lost."""
DAMAGE_CODES: Final[Mapping[str, str]] = {
    "preamble_mismatch": "damaged_preamble_mismatch",
    "sample_count_mismatch": "damaged_sample_count_mismatch",
    "pcm_md5_mismatch": "damaged_pcm_md5_mismatch",
}
"""Codes whose words speak of a download that goes on elsewhere; of a file that lies here they mean damage."""
SHORT_SHARE: Final = 0.03
"""A file that lacks more than this share of its recording has lost music, not a pause: cut-off downloads lack much, other pressings 1 % at most."""
SIMILAR: Final = 0.6
"""difflib's ratio of two titles from which they are taken to mean the same one ("Fur Elise", "Für Elise (remastered)")."""
SAME: Final = 0.9
"""From here on they are the same but for a letter: two ids of one recording, not "Part 1" and "Part 2"."""

ORIGIN_SEVERITY: Final[Mapping[str, IssueSeverity]] = {
    "mp3_origin": IssueSeverity.HIGH,
    "aac_origin": IssueSeverity.HIGH,
    "vorbis_origin": IssueSeverity.HIGH,
    "opus_origin": IssueSeverity.HIGH,
    "mp3_upscaled": IssueSeverity.MEDIUM,
    "upsampled": IssueSeverity.LOW,
    "padded_depth": IssueSeverity.LOW,
}
"""Lost sound is worse than wasted space. Codes: apps.domain.audio.transcode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """`library_health.thresholds`, and what of `audio.canonical_scoring` the rules keep to."""

    quality_gap_for_upgrade: float = 0.2
    duration_tolerance_ms: int = 3000
    missing_tracks_min_share: float = 0.5
    good_enough: float = 0.85
    """A variant of this quality is not called non-canonical, unless it is suspected (audio.canonical_scoring.local_quality_threshold)."""
    canonical: bool = True
    """False: no statistics are kept, so nothing is compared (audio.canonical_scoring.enabled)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFacts:
    """What a file's tags say, as far as the rules ask. Empty: the tag is not there."""

    title: str = ""
    artist: str = ""
    album: str = ""
    recording_mbid: uuid.UUID | None = None
    release_mbid: uuid.UUID | None = None
    medium: int = 0
    track: int = 0
    read: bool = True
    """False: the row is older than the column that holds them, so what they lack is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFacts:
    """The variant a file holds. None: not measured."""

    variant_id: int
    profile: str
    lossless: bool
    duration_ms: int
    suspect: bool | None = None
    verdict: str = ""
    """Code: apps.domain.audio.transcode."""
    evidence: Mapping[str, ParamValue] = field(default_factory=dict)
    """The few numbers the verdict rests on."""
    quality: float | None = None
    decode_code: str = ""
    """Why it does not decode, though it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the file is, and how sure that is."""

    recording_mbid: uuid.UUID | None = None
    title: str = ""
    artist: str = ""
    length_ms: int | None = None
    settled: bool = False
    """A fingerprint or a person says so, not the tags alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTrack:
    """One line of a release's tracklist."""

    medium: int
    position: int
    recording_mbid: uuid.UUID
    title: str
    length_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTracks:
    """A release whose tracklist is known."""

    mbid: uuid.UUID
    title: str
    artist: str
    tracks: Sequence[ReleaseTrack]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """The release a file is really from, as its folder or its identification says."""

    release_mbid: uuid.UUID
    title: str = ""
    by: Literal["folder", "fingerprint", "person"] = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Better:
    """The best variant of the recording that is known besides this one."""

    score: float
    profile: str
    where: Literal["library", "peers"]
    variant_id: int | None = None
    same_place: bool = False
    """It is here for the same track of the same release: that is a duplicate, which has an issue of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file of the library, with all that the rules look at."""

    file_id: int
    path: str
    unreadable_code: str = ""
    """Why it can't be read; "" = it was read."""
    unreadable_params: Mapping[str, ParamValue] = field(default_factory=dict)
    tags: TagFacts = TagFacts()
    sound: SoundFacts | None = None
    known: Known = Known()
    tagged_release: ReleaseTracks | None = None
    """None: it names none, or its tracklist is not known."""
    guess: Guess | None = None
    better: Better | None = None


def file_findings(file: FileFacts, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Everything wrong with one file."""
    if file.unreadable_code or file.sound is None:
        return tuple(one for one in (_corrupted(file),) if one is not None)
    broken = _corrupted(file)
    if broken is not None:
        return (broken,)
    lost = _not_in_release(file)
    found = (
        _transcode(file),
        _non_canonical(file, thresholds),
        lost,
        _tags(file, tagged_elsewhere=lost is not None),
        _duration(file, thresholds),
    )
    return tuple(one for one in found if one is not None)


def _corrupted(file: FileFacts) -> Finding | None:
    code = file.unreadable_code or (file.sound.decode_code if file.sound else "")
    if not code or code in PASSING_CODES:
        return None
    severity = IssueSeverity.MEDIUM if code in SETTING_CODES else IssueSeverity.CRITICAL
    params = dict(file.unreadable_params)
    return _finding(file, IssueType.CORRUPTED_FILE, severity, DAMAGE_CODES.get(code, code), params, by_sound=False)


def _transcode(file: FileFacts) -> Finding | None:
    sound = file.sound
    if sound is None or not sound.suspect:
        return None
    severity = ORIGIN_SEVERITY.get(sound.verdict, IssueSeverity.HIGH)
    if not sound.lossless and severity is IssueSeverity.HIGH:
        severity = IssueSeverity.MEDIUM
    params = {"profile": sound.profile, **sound.evidence}
    return _finding(file, IssueType.SUSPECTED_TRANSCODE, severity, f"transcode_{sound.verdict or 'suspect'}", params)


def _non_canonical(file: FileFacts, thresholds: Thresholds) -> Finding | None:
    sound, better = file.sound, file.better
    if not thresholds.canonical or sound is None or sound.quality is None or better is None or better.same_place:
        return None
    good = sound.quality >= thresholds.good_enough and not sound.suspect
    if good or file.known.recording_mbid is None:
        return None
    if sound.suspect and better.where == "peers":
        return None  # its issue as a suspected transcode has the very same fix
    gap = better.score - sound.quality
    if gap <= 0 or round(gap, 4) < thresholds.quality_gap_for_upgrade:
        return None
    severity = IssueSeverity.MEDIUM if gap >= 2 * thresholds.quality_gap_for_upgrade else IssueSeverity.LOW
    params: dict[str, ParamValue] = {
        "score": round(sound.quality, 2),
        "profile": sound.profile,
        "better_score": round(better.score, 2),
        "better_profile": better.profile,
        "better_variant": better.variant_id,
    }
    return _finding(file, IssueType.NON_CANONICAL_VARIANT, severity, f"better_in_{better.where}", params)


def _not_in_release(file: FileFacts) -> Finding | None:
    release, recording = file.tagged_release, file.known.recording_mbid
    if release is None or not release.tracks or recording is None:
        return None
    if any(track.recording_mbid == recording for track in release.tracks):
        return None
    if _same_song(file, release):
        return None
    guess = file.guess if file.guess and file.guess.release_mbid != release.mbid else None
    params: dict[str, ParamValue] = {
        "release": release.title,
        "release_mbid": str(release.mbid),
        "recording": str(recording),
        "settled": file.known.settled,
        "guess": guess.title or str(guess.release_mbid) if guess else "",
        "guess_mbid": str(guess.release_mbid) if guess else "",
    }
    code = "not_in_tagged_release_guess" if guess else "not_in_tagged_release"
    return _finding(file, IssueType.TRACK_NOT_IN_RELEASE, IssueSeverity.MEDIUM, code, params)


def _same_song(file: FileFacts, release: ReleaseTracks) -> bool:
    """MusicBrainz merges recordings: the release's track where the file says it is, of its title and length, is the same one under another id."""
    assert file.sound is not None
    names = [name for name in (file.known.title, file.tags.title) if name]
    for track in release.tracks:
        here = (track.medium, track.position) == (file.tags.medium or 1, file.tags.track)
        near = track.length_ms is None or abs(track.length_ms - file.sound.duration_ms) <= 7000
        if here and near and names and all(similarity(name, track.title) >= SAME for name in names):
            return True
    return False


def _tags(file: FileFacts, *, tagged_elsewhere: bool) -> Finding | None:
    known, tags = file.known, file.tags
    if not known.settled or known.recording_mbid is None or not tags.read:
        return None
    other = tags.recording_mbid is not None and tags.recording_mbid != known.recording_mbid
    wrong = _contradictions(file)
    params: dict[str, ParamValue] = {
        "title": known.title,
        "artist": known.artist,
        "recording": str(known.recording_mbid),
        "tag_title": tags.title,
        "tag_artist": tags.artist,
    }
    if wrong:
        params["fields"] = wrong
        return _finding(file, IssueType.TAGS_WRONG, IssueSeverity.MEDIUM, "tags_contradict", params, by_sound=False)
    if other:
        params["tag_recording"] = str(tags.recording_mbid)
        return _finding(
            file, IssueType.TAGS_WRONG, IssueSeverity.LOW, "tags_contradict_recording", params, by_sound=False
        )
    lacking = [name for name in ("title", "artist", "album") if not getattr(tags, name)]
    if lacking:
        params["fields"] = lacking
        return _finding(file, IssueType.TAGS_WRONG, IssueSeverity.MEDIUM, "tags_missing", params, by_sound=False)
    guess = file.guess
    if guess and tags.release_mbid and guess.release_mbid != tags.release_mbid and not tagged_elsewhere:
        params |= {"release": guess.title or str(guess.release_mbid), "release_mbid": str(guess.release_mbid)}
        return _finding(
            file, IssueType.TAGS_WRONG, IssueSeverity.LOW, "tags_contradict_release", params, by_sound=False
        )
    if tags.recording_mbid is None:
        return _finding(file, IssueType.TAGS_WRONG, IssueSeverity.LOW, "tags_missing_mbids", params, by_sound=False)
    return None


def _contradictions(file: FileFacts) -> list[str]:
    """Names of the texts that can't mean what the file is: the title is neither the recording's nor a track's of its release that is this
    recording; no word of the artist is in the credit."""
    known, tags = file.known, file.tags
    titles = [known.title]
    if file.tagged_release is not None:
        titles += [one.title for one in file.tagged_release.tracks if one.recording_mbid == known.recording_mbid]
    titles = [one for one in titles if one and _comparable(one, tags.title)]
    wrong = []
    if tags.title and titles and max(similarity(tags.title, one) for one in titles) < SIMILAR:
        wrong.append("title")
    if tags.artist and known.artist and not _share_a_word(tags.artist, known.artist):
        wrong.append("artist")
    return wrong


def _duration(file: FileFacts, thresholds: Thresholds) -> Finding | None:
    sound, known = file.sound, file.known
    if sound is None or sound.duration_ms <= 0 or known.recording_mbid is None:
        return None
    lengths = [known.length_ms] if known.length_ms else []
    if file.tagged_release is not None:
        same = [one for one in file.tagged_release.tracks if one.recording_mbid == known.recording_mbid]
        lengths += [one.length_ms for one in same if one.length_ms]
    if not lengths:
        return None
    # A recording's length on MusicBrainz is a mean over its pressings: what fits any of the lengths known for it is not wrong.
    expected = min(lengths, key=lambda length: abs(length - sound.duration_ms))
    off = sound.duration_ms - expected
    if abs(off) <= thresholds.duration_tolerance_ms:
        return None
    short = off < 0
    severity = IssueSeverity.HIGH if short and -off > SHORT_SHARE * expected else IssueSeverity.LOW
    params: dict[str, ParamValue] = {
        "actual_ms": sound.duration_ms,
        "expected_ms": expected,
        "off_ms": off,
        "actual_s": round(sound.duration_ms / 1000, 1),
        "expected_s": round(expected / 1000, 1),
        "off_s": round(abs(off) / 1000, 1),
    }
    return _finding(file, IssueType.WRONG_DURATION, severity, "duration_short" if short else "duration_long", params)


def _finding(
    file: FileFacts,
    kind: IssueType,
    severity: IssueSeverity,
    code: str,
    params: Mapping[str, ParamValue],
    *,
    by_sound: bool = True,
) -> Finding:
    """`by_sound`: about the payload, so another payload under the same name is another thing; else about the file."""
    variant = file.sound.variant_id if file.sound else None
    return Finding(
        type=kind,
        severity=severity,
        subject=("file", file.file_id, "variant", variant or 0) if by_sound else ("file", file.file_id),
        code=code,
        params=params,
        file_id=file.file_id,
        variant_id=variant,
        release_mbid=file.tags.release_mbid or (file.guess.release_mbid if file.guess else None),
        recording_mbid=file.known.recording_mbid,
        medium_position=file.tags.medium or None,
        track_position=file.tags.track or None,
        artist=file.tags.artist or file.known.artist,
        album=file.tags.album or (file.tagged_release.title if file.tagged_release else ""),
        title=file.tags.title or file.known.title,
        path=file.path,
    )


_BRACKETS: Final = re.compile(r"[(\[{][^)\]}]*[)\]}]")
_WORD: Final = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """Words of a title for comparing: without brackets, accents, case and marks. All of them if everything is in brackets."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    return _WORD.findall(_BRACKETS.sub(" ", plain)) or _WORD.findall(plain)


def similarity(first: str, second: str) -> float:
    """0..1; 1 = the same but for brackets, accents, case and marks. Two texts without any word (signs only) are compared as they are."""
    left, right = " ".join(words_of(first)), " ".join(words_of(second))
    if not left or not right:
        return float(first.strip() == second.strip())
    return difflib.SequenceMatcher(None, left, right, autojunk=False).ratio()


def _share_a_word(first: str, second: str) -> bool:
    left, right = set(words_of(first)), set(words_of(second))
    if not left or not right or left & right or not _comparable(first, second):
        return True
    return similarity(first, second) >= SIMILAR


def _comparable(first: str, second: str) -> bool:
    """False for texts in different scripts: "Tchaikovsky" and "Чайковский" may well be the same."""
    return not (left := _scripts(first)) or not (right := _scripts(second)) or bool(left & right)


def _scripts(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text)
    return {unicodedata.name(one, "?").split(" ")[0] for one in plain if one.isalpha()}
