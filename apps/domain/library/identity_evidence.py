"""The pieces of evidence on whether a file is a recording, each with its points (natural log-odds; see `apps.domain.library.identity`)."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.domain.errors import Param
from apps.domain.jobs.judgement import MIN_SCORE
from apps.domain.library.offers import Offer, OfferedGroup, OfferedRelease
from apps.domain.matching.words import text_distance, words_of

__all__ = [
    "MIN_SCORE",
    "NAMED_STRONGLY",
    "Candidate",
    "Companions",
    "FileFacts",
    "LocalHit",
    "Piece",
    "evidence_of",
]


NAMED_STRONGLY: Final = 0.8
"""From this score on AcoustID's silence about a recording speaks against that recording."""
MIN_COMPANIONS: Final = 2
"""Files of one folder besides this one, from which on they say something."""
_WEAK_SCORE = -1.0
"""A match below MIN_SCORE may be chance: its other evidence would have to be overwhelming."""

_WORD = re.compile(r"[^\W_]+")
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_GUESTS = re.compile(r"\s*\b(?:feat|ft|featuring)\b\.?.*", re.IGNORECASE)
_NO_TITLE = re.compile(r"(?:(?:audio\s*)?track|titel|piste|unknown|untitled)?[\W_]*\d*[\W_]*", re.IGNORECASE)
"""What rippers write when they know no title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What the file and its tags say. "" and 0: nothing. The MBIDs are the tags': somebody's word, no proof."""

    duration_ms: int
    title: str = ""
    artist: str = ""
    album: str = ""
    medium: int = 0
    track: int = 0
    recording_mbid: uuid.UUID | None = None
    release_mbid: uuid.UUID | None = None
    group_mbid: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHit:
    """A variant here that sounds the same and whose recording is known. `source`: fingerprint, person, job, tag."""

    variant_id: int
    ber: float
    verified: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recording the file may be, with all that is known of it. `score` None: AcoustID does not name it."""

    recording_mbid: uuid.UUID
    title: str = ""
    artist: str = ""
    length_ms: int | None = None
    score: float | None = None
    sources: int = 0
    groups: tuple[OfferedGroup, ...] = ()
    releases: tuple[OfferedRelease, ...] = ()
    local: LocalHit | None = None

    @classmethod
    def of_offer(cls, offer: Offer, *, local: LocalHit | None = None) -> Candidate:
        """What AcoustID names, and the best variant here that is it."""
        return cls(
            recording_mbid=offer.recording_mbid,
            title=offer.title,
            artist=offer.artist,
            length_ms=offer.length_s * 1000 if offer.length_s is not None else None,
            score=offer.score,
            sources=offer.sources,
            groups=offer.groups,
            releases=offer.releases,
            local=local,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """The other files of the folder: how many, and how many of them may lie on a release group or release."""

    count: int = 0
    on: Mapping[uuid.UUID, int] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Sequence[Collection[uuid.UUID]]) -> Companions:
        """Of each other file's possible release groups and releases; a file that nobody knows counts as a companion without a word."""
        return cls(count=len(files), on=Counter(mbid for each in files for mbid in set(each)))

    def share(self, mbid: uuid.UUID) -> float:
        """Of the companions, 0..1; 0 with too few to say."""
        return self.on.get(mbid, 0) / self.count if self.count >= MIN_COMPANIONS else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of evidence. `name` is a code with a sentence (apps.library.identity_words), `params` its figures."""

    name: str
    points: float
    params: Mapping[str, Param] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """As the row keeps it."""
        return {"name": self.name, "points": round(self.points, 2), "params": dict(self.params)}


def evidence_of(
    file: FileFacts,
    one: Candidate,
    *,
    companions: Companions,
    strongest: float,
    most_sources: int,
) -> tuple[Piece, ...]:
    """All that speaks for and against. `strongest`, `most_sources`: the highest among all candidates of the file."""
    found = [
        _fingerprint(one, strongest),
        _library(one),
        _submissions(one, most_sources),
        _length(file, one),
        _title(file, one),
        _version(file, one),
        _artist(file, one),
        _album(file, one),
        _tag_recording(file, one),
        _tag_release(file, one),
        _position(file, one),
        _companions(one, companions),
        _nameless(one),
    ]
    return tuple(piece for piece in found if piece is not None)


def likeness(one: str, other: str) -> float:
    """0..1 of two names, 1 the same."""
    return 1.0 - text_distance(one, other)


def _fingerprint(one: Candidate, strongest: float) -> Piece | None:
    if one.score is None:
        against = strongest >= NAMED_STRONGLY and one.local is None
        return Piece(name="not_named", points=-2.0, params={"score": round(strongest, 3)}) if against else None
    points = 4.0 * (one.score - 0.3) if one.score >= MIN_SCORE else _WEAK_SCORE
    return Piece(name="fingerprint", points=points, params={"score": round(one.score, 3)})


def _library(one: Candidate) -> Piece | None:
    hit = one.local
    if hit is None:
        return None
    weight = 3.0 if hit.verified else 2.5 if hit.source == "person" else 0.8
    name = "library_verified" if hit.verified else "library_person" if hit.source == "person" else "library_claimed"
    return Piece(
        name=name, points=weight * (1.0 - 2.0 * hit.ber), params={"ber": round(hit.ber, 3), "variant": hit.variant_id}
    )


def _submissions(one: Candidate, most: int) -> Piece | None:
    """A recording that few submissions tie to a fingerprint that many tie to another is mostly somebody's wrong tag."""
    if one.sources <= 0 or most < 10:
        return None
    share = one.sources / most
    points = 0.3 if share > 0.5 else 0.0 if share > 0.1 else -0.7 if share > 0.03 else -1.5
    return Piece(name="submissions", points=points, params={"sources": one.sources, "most": most}) if points else None


def _length(file: FileFacts, one: Candidate) -> Piece | None:
    """Fingerprints cover the first 120 s: of a single and its extended version only the length is different."""
    if one.length_ms is None or not file.duration_ms:
        return None
    off = abs(file.duration_ms - one.length_ms) / 1000
    points = 1.0 if off <= 1.5 else 1.0 - (off - 1.5) / 3.0 if off <= 7 else -2.0 if off <= 20 else -3.5
    return Piece(
        name="length",
        points=points,
        params={"actual_s": round(file.duration_ms / 1000), "expected_s": round(one.length_ms / 1000)},
    )


def has_title(text: str) -> bool:
    """False for "Track 07" and its like, which say nothing."""
    return _NO_TITLE.fullmatch(text.strip()) is None


def plain_title(text: str) -> str:
    """Without brackets and guests, unless nothing would be left."""
    return _GUESTS.sub("", _BRACKETS.sub("", text)).strip() or text


def _title(file: FileFacts, one: Candidate) -> Piece | None:
    if not has_title(file.title) or not one.title:
        return None
    like = likeness(file.title, one.title)
    if not _versions_differ(file, one):  # then it matters what stands in brackets
        like = max(like, likeness(plain_title(file.title), plain_title(one.title)))
    points = max(-1.5, min(1.5, 4.0 * (like - 0.55)))
    return Piece(
        name="title", points=points, params={"like": round(like, 2), "theirs": one.title, "ours": file.title[:200]}
    )


def _version(file: FileFacts, one: Candidate) -> Piece | None:
    """Live, remix, instrumental …: another recording of the same song, however alike the rest is."""
    differ = _versions_differ(file, one)
    return Piece(name="version", points=-2.0, params={"words": " ".join(sorted(differ))}) if differ else None


def _versions_differ(file: FileFacts, one: Candidate) -> frozenset[str]:
    """Version words that only one of the two titles has, and that the album does not explain."""
    if not has_title(file.title) or not one.title:
        return frozenset()
    # In brackets, all words count: ripped names have lost theirs ("The First Live").
    differ = words_of(f"- ({file.title})").major ^ words_of(f"- ({one.title})").major
    # An album called "Live at …" makes its tracks live though their titles may not say so.
    around = " ".join([file.album, *(each.title for each in one.groups[:5])])
    return differ - {word.casefold() for word in _WORD.findall(around)}


def _artist(file: FileFacts, one: Candidate) -> Piece | None:
    if not file.artist or not one.artist:
        return None
    ours = {word.casefold() for word in _WORD.findall(file.artist)}
    theirs = {word.casefold() for word in _WORD.findall(one.artist)}
    inside = bool(ours and theirs) and (ours <= theirs or theirs <= ours)
    like = max(likeness(file.artist, one.artist), 0.9 if inside else 0.0)
    points = max(-1.0, min(1.0, 3.0 * (like - 0.6)))
    return Piece(name="artist", points=points, params={"like": round(like, 2), "theirs": one.artist})


def _album(file: FileFacts, one: Candidate) -> Piece | None:
    if not file.album or not one.groups:
        return None
    like, title = max(
        (max(likeness(file.album, each.title), likeness(plain_title(file.album), plain_title(each.title))), each.title)
        for each in one.groups
    )
    points = max(-0.4, min(1.2, 3.0 * (like - 0.5)))
    return Piece(name="album", points=points, params={"like": round(like, 2), "theirs": title})


def _tag_recording(file: FileFacts, one: Candidate) -> Piece | None:
    if file.recording_mbid is None or file.recording_mbid != one.recording_mbid:
        return None
    return Piece(name="tag_recording", points=2.0)


def _tag_release(file: FileFacts, one: Candidate) -> Piece | None:
    on_release = file.release_mbid is not None and any(each.release_mbid == file.release_mbid for each in one.releases)
    on_group = file.group_mbid is not None and any(each.group_mbid == file.group_mbid for each in one.groups)
    return Piece(name="tag_release", points=1.0) if on_release or on_group else None


def _position(file: FileFacts, one: Candidate) -> Piece | None:
    told = [each for each in one.releases if each.track]
    if not file.track or not told:
        return None
    same = any(
        each.track == file.track and (not file.medium or not each.medium or each.medium == file.medium) for each in told
    )
    return Piece(name="position", points=0.5 if same else -0.3, params={"track": file.track, "same": same})


def _companions(one: Candidate, companions: Companions) -> Piece | None:
    if companions.count < MIN_COMPANIONS:
        return None
    places = [(companions.share(each.group_mbid), each.title) for each in one.groups]
    places += [(companions.share(each.release_mbid), "") for each in one.releases]
    if not places:
        return None
    share, title = max(places)
    if share <= 0:
        return None
    return Piece(
        name="companions",
        points=2.0 * share,
        params={"with": round(share * companions.count), "of": companions.count, "album": title},
    )


def _nameless(one: Candidate) -> Piece | None:
    """AcoustID keeps ids of recordings that MusicBrainz has merged or removed; they come without a title."""
    bare = one.score is not None and not one.title and not one.groups
    return Piece(name="nameless", points=-2.5) if bare else None
