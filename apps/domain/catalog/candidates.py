"""What a find may mean: candidates with enough to tell editions apart, ranked, and every place in the ranking explained. Pure.

A rank is the sum of named points (`Reason`): what the search itself said, how near title and artist are to the words, and what people usually want (an
official album before a bootleg or a single). Without words only the latter count. Equal ranks stand by date, title and id.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.catalog.graph import ArtistDetail, GroupDetail, LabelDetail, ReleaseBrief
from apps.domain.catalog.links import Asked, MbidAsked, WordsAsked
from apps.domain.catalog.release import RecordingFacts, ReleaseFacts, ReleaseRef
from apps.domain.matching.words import text_distance

CANDIDATES_VERSION: Final = 1
MAX_CANDIDATES: Final = 250
"""Kept of one find: the editions of the most reissued albums. Some 150 KB of JSON."""
MAX_TEXT: Final = 300
MAX_NAMES: Final = 6
MAX_MEDIA: Final = 40


class CandidateKind(StrEnum):
    """What a candidate is; the names of MusicBrainz."""

    RELEASE = "release"
    RELEASE_GROUP = "release-group"
    RECORDING = "recording"
    ARTIST = "artist"
    LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a candidate stands where it does. `points` are added up; `amount` is what the words name."""

    code: str
    points: float
    amount: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumBrief:
    """A disc: what it is, and how much is on it. 0: not told."""

    format: str = ""
    tracks: int = 0
    length_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of the things a find may mean. Empty text and 0: unknown, or not of this kind.

    `title` is the name of artists and labels; `type` an artist's or label's type, or a group's ("Album + Live"). `score` 0..100 is MusicBrainz' own of a
    search. `on`: titles of releases that a recording stands on.
    """

    kind: CandidateKind
    mbid: uuid.UUID
    title: str
    artist: str = ""
    artist_mbid: uuid.UUID | None = None
    type: str = ""
    date: str = ""
    end: str = ""
    country: str = ""
    labels: tuple[str, ...] = ()
    catalog_numbers: tuple[str, ...] = ()
    barcode: str = ""
    media: tuple[MediumBrief, ...] = ()
    track_count: int = 0
    length_ms: int = 0
    script: str = ""
    language: str = ""
    status: str = ""
    packaging: str = ""
    disambiguation: str = ""
    group_mbid: uuid.UUID | None = None
    isrcs: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    score: int = 0
    reasons: tuple[Reason, ...] = field(default=())

    @property
    def points(self) -> float:
        """The rank: the higher the nearer to the top."""
        return sum(one.points for one in self.reasons)

    @property
    def formats(self) -> str:
        """ "2 × CD + DVD"; "" where no medium is told."""
        runs: list[tuple[str, int]] = []
        for one in self.media:
            if one.format and runs and runs[-1][0] == one.format:
                runs[-1] = (one.format, runs[-1][1] + 1)
            elif one.format:
                runs.append((one.format, 1))
        return " + ".join(name if count == 1 else f"{count} × {name}" for name, count in runs)

    def to_json(self) -> dict[str, object]:
        """As rows keep it: without what is unknown."""
        told: dict[str, object] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if value in ("", 0, None, ()):
                continue
            if each.name in {"mbid", "artist_mbid", "group_mbid"}:
                told[each.name] = str(value)
            elif each.name in {"media", "reasons"}:
                told[each.name] = [dataclasses.asdict(one) for one in value]
            else:
                told[each.name] = list(value) if isinstance(value, tuple) else value
        return told

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Candidate:
        """Read a row's form; what has another shape is left out. Raises ValueError without kind or MBID."""
        return cls(
            kind=CandidateKind(str(value.get("kind"))),
            mbid=uuid.UUID(str(value.get("mbid"))),
            title=_text(value, "title"),
            artist=_text(value, "artist"),
            artist_mbid=_mbid(value, "artist_mbid"),
            type=_text(value, "type"),
            date=_text(value, "date"),
            end=_text(value, "end"),
            country=_text(value, "country"),
            labels=_texts(value, "labels"),
            catalog_numbers=_texts(value, "catalog_numbers"),
            barcode=_text(value, "barcode"),
            media=tuple(
                MediumBrief(
                    format=_text(one, "format"), tracks=_number(one, "tracks"), length_ms=_number(one, "length_ms")
                )
                for one in _objects(value, "media")
            ),
            track_count=_number(value, "track_count"),
            length_ms=_number(value, "length_ms"),
            script=_text(value, "script"),
            language=_text(value, "language"),
            status=_text(value, "status"),
            packaging=_text(value, "packaging"),
            disambiguation=_text(value, "disambiguation"),
            group_mbid=_mbid(value, "group_mbid"),
            isrcs=_texts(value, "isrcs"),
            on=_texts(value, "on"),
            score=_number(value, "score"),
            reasons=tuple(
                Reason(code=_text(one, "code"), points=_float(one, "points"), amount=_text(one, "amount"))
                for one in _objects(value, "reasons")
            ),
        )


def candidate_of_release(facts: ReleaseFacts, *, score: int = 0) -> Candidate:
    """An edition whose tracks are known: with its durations."""
    media = tuple(
        MediumBrief(
            format=medium.format,
            tracks=len(medium.tracks),
            length_ms=sum(track.length_ms or 0 for track in medium.tracks)
            if all(track.length_ms for track in medium.tracks)
            else 0,
        )
        for medium in facts.media[:MAX_MEDIA]
    )
    return Candidate(
        kind=CandidateKind.RELEASE,
        mbid=facts.mbid,
        title=facts.title[:MAX_TEXT],
        artist=facts.artist_credit[:MAX_TEXT],
        artist_mbid=facts.artists[0].mbid if facts.artists else None,
        type=_types(facts.group.primary_type, facts.group.secondary_types) if facts.group else "",
        date=facts.date,
        country=facts.country,
        labels=_cut(facts.labels),
        catalog_numbers=_cut(facts.catalog_numbers),
        barcode=facts.barcode,
        media=media,
        track_count=sum(len(medium.tracks) for medium in facts.media),
        length_ms=sum(one.length_ms for one in media) if all(one.length_ms for one in media) else 0,
        script=facts.script,
        status=facts.status,
        group_mbid=facts.group.mbid if facts.group else None,
        score=score,
    )


def candidate_of_brief(brief: ReleaseBrief, *, score: int = 0) -> Candidate:
    """An edition known from a list or a search: without durations."""
    group = brief.group
    return Candidate(
        kind=CandidateKind.RELEASE,
        mbid=brief.mbid,
        title=brief.title[:MAX_TEXT],
        artist=brief.artist_credit[:MAX_TEXT],
        artist_mbid=brief.artists[0].mbid if brief.artists else None,
        type=_types(group.primary_type, group.secondary_types) if group else "",
        date=brief.date,
        country=brief.country,
        labels=_cut(one.label.name for one in brief.labels if one.label is not None),
        catalog_numbers=_cut(one.catalog_number for one in brief.labels),
        barcode=brief.barcode,
        media=tuple(MediumBrief(format=one) for one in brief.formats[:MAX_MEDIA]),
        track_count=brief.track_count,
        script=brief.script,
        language=brief.language,
        status=brief.status,
        packaging=brief.packaging,
        disambiguation=brief.disambiguation[:MAX_TEXT],
        group_mbid=group.mbid if group else None,
        score=score,
    )


def candidate_of_group(group: GroupDetail, *, score: int = 0) -> Candidate:
    """An album with all its editions."""
    return Candidate(
        kind=CandidateKind.RELEASE_GROUP,
        mbid=group.facts.mbid,
        title=group.facts.title[:MAX_TEXT],
        artist=group.artist_credit[:MAX_TEXT],
        artist_mbid=group.artists[0].mbid if group.artists else None,
        type=_types(group.facts.primary_type, group.facts.secondary_types),
        date=group.facts.first_release_date,
        disambiguation=group.disambiguation[:MAX_TEXT],
        group_mbid=group.facts.mbid,
        score=score,
    )


def candidate_of_recording(
    facts: RecordingFacts, releases: Sequence[ReleaseRef] = (), *, on: Iterable[str] = (), score: int = 0
) -> Candidate:
    """One track. Its date is that of the first of its releases."""
    dates = sorted(one.date for one in releases if one.date)
    return Candidate(
        kind=CandidateKind.RECORDING,
        mbid=facts.mbid,
        title=facts.title[:MAX_TEXT],
        artist=facts.artist_credit[:MAX_TEXT],
        artist_mbid=facts.artists[0].mbid if facts.artists else None,
        date=dates[0] if dates else "",
        length_ms=facts.length_ms or 0,
        isrcs=_cut(facts.isrcs),
        on=_cut(on),
        score=score,
    )


def candidate_of_artist(artist: ArtistDetail, *, score: int = 0) -> Candidate:
    """A person or group: leads to their discography."""
    return Candidate(
        kind=CandidateKind.ARTIST,
        mbid=artist.mbid,
        title=artist.name[:MAX_TEXT],
        artist_mbid=artist.mbid,
        type=artist.kind,
        date=artist.begin,
        end=artist.end,
        country=artist.country,
        disambiguation=artist.disambiguation[:MAX_TEXT],
        score=score,
    )


def candidate_of_label(label: LabelDetail, *, score: int = 0) -> Candidate:
    """A record label: leads to its crate."""
    return Candidate(
        kind=CandidateKind.LABEL,
        mbid=label.mbid,
        title=label.name[:MAX_TEXT],
        type=label.kind,
        country=label.country,
        catalog_numbers=(f"LC {label.label_code:05}",) if label.label_code else (),
        disambiguation=label.disambiguation[:MAX_TEXT],
        score=score,
    )


TITLE_POINTS: Final = 4.0
ARTIST_POINTS: Final = 3.0
SEARCH_POINTS: Final = 2.0
"""Of a search's score 100. Lucene's figure is of the words alone and near 100 for many."""
NAMED_ENTIRELY: Final = 1.5
"""An artist or label whose name is all that was typed: "nirvana" means the band before albums of that name."""
_STATUS: Final[Mapping[str, float]] = {"official": 1.0, "promotion": -0.5, "bootleg": -1.5, "pseudo-release": -2.0, "withdrawn": -0.5, "cancelled": -2.0}  # fmt: skip
_TYPES: Final[Mapping[str, float]] = {"album": 0.6, "ep": 0.3, "single": 0.1}
_SECONDARY: Final = -0.4
"""A compilation, live album or remix: rarely meant by words that do not say so."""
_EQUAL: Final = 0.02
_FAR: Final = 0.5
ASKED_FOR: Final = 5.0
"""What has the very id that was asked for: an album before its editions."""
BY_IT: Final = 1.0
"""An artist of whom half of what was found is: of several with one name the one that is meant."""
ARTIST_NAMED: Final = 1.2
"""Words that are the artist's name say of an album no more than whose it is."""


def ranked(candidates: Iterable[Candidate], asked: Asked) -> tuple[Candidate, ...]:
    """Each once, the likeliest first, with reasons; at most MAX_CANDIDATES."""
    once = {(one.kind, one.mbid): one for one in reversed(list(candidates))}
    theirs = Counter(one.artist_mbid for one in once.values() if one.kind is not CandidateKind.ARTIST)
    explained = [
        dataclasses.replace(one, reasons=tuple(_reasons(one, asked, of_theirs=theirs[one.mbid] / max(1, len(once)))))
        for one in once.values()
    ]
    return tuple(sorted(explained, key=_order)[:MAX_CANDIDATES])


def _order(one: Candidate) -> tuple[float, str, str, str]:
    return (-round(one.points, 6), one.date or "9999", one.title.casefold(), str(one.mbid))


def _reasons(one: Candidate, asked: Asked, *, of_theirs: float) -> list[Reason]:
    found: list[Reason] = []
    if isinstance(asked, MbidAsked) and asked.mbid == one.mbid:
        found.append(Reason(code="find_asked", points=ASKED_FOR))
    if isinstance(asked, WordsAsked) and one.kind is CandidateKind.ARTIST and of_theirs:
        found.append(Reason(code="find_theirs", points=BY_IT * min(1.0, 2 * of_theirs)))
    if isinstance(asked, WordsAsked):
        found += _word_reasons(one, asked)
    if one.kind is CandidateKind.RELEASE and one.status:
        points = _STATUS.get(one.status.lower(), 0.0)
        found.append(Reason(code="find_status", points=points, amount=one.status))
    if one.kind in {CandidateKind.RELEASE, CandidateKind.RELEASE_GROUP} and one.type:
        primary, *secondary = one.type.lower().split(" + ")
        points = _TYPES.get(primary, 0.0) + _SECONDARY * len(secondary)
        found.append(Reason(code="find_type", points=points, amount=one.type))
    if one.kind is CandidateKind.RELEASE and not one.track_count and not one.media:
        found.append(Reason(code="find_no_tracklist", points=-0.5))
    return found


def _word_reasons(one: Candidate, asked: WordsAsked) -> list[Reason]:
    found: list[Reason] = []
    if one.score:
        found.append(Reason(code="find_score", points=SEARCH_POINTS * one.score / 100, amount=str(one.score)))
    if one.kind in {CandidateKind.ARTIST, CandidateKind.LABEL}:
        near = text_distance(asked.artist or asked.title, one.title)
        named = NAMED_ENTIRELY if near <= _EQUAL and one.kind is CandidateKind.ARTIST else 0.0
        # An artist's name stands for title and artist both.
        points = (TITLE_POINTS + named) * (1 - near)
        return [*found, Reason(code="find_name" if near <= _EQUAL else "find_name_near", points=points)]
    title, artist = text_distance(asked.title, one.title), 1.0
    if asked.artist:
        artist = text_distance(asked.artist, one.artist)
        found.append(Reason(code=_near("find_artist", artist), points=ARTIST_POINTS * (1 - artist)))
    else:
        # "nirvana nevermind": all words, title and artist in any order.
        both = min(text_distance(asked.title, f"{one.artist} {one.title}"), text_distance(asked.title, f"{one.title} {one.artist}"))  # fmt: skip
        title = min(title, both)
    if not asked.artist and title >= _FAR and text_distance(asked.title, one.artist) <= _EQUAL:
        return [*found, Reason(code="find_artist", points=ARTIST_NAMED)]
    found.append(Reason(code=_near("find_title", title), points=TITLE_POINTS * (1 - title)))
    return found


def _near(code: str, distance: float) -> str:
    if distance <= _EQUAL:
        return code
    return f"{code}_near" if distance < _FAR else f"{code}_far"


def _types(primary: str, secondary: Sequence[str]) -> str:
    return " + ".join(filter(None, (primary, *secondary[:MAX_NAMES])))


def _cut(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(one[:MAX_TEXT] for one in dict.fromkeys(names) if one)[:MAX_NAMES]


def _text(value: Mapping[str, object], key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""


def _texts(value: Mapping[str, object], key: str) -> tuple[str, ...]:
    texts = value.get(key)
    return tuple(one for one in texts if isinstance(one, str)) if isinstance(texts, list | tuple) else ()


def _number(value: Mapping[str, object], key: str) -> int:
    number = value.get(key)
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def _float(value: Mapping[str, object], key: str) -> float:
    number = value.get(key)
    return float(number) if isinstance(number, int | float) and not isinstance(number, bool) else 0.0


def _mbid(value: Mapping[str, object], key: str) -> uuid.UUID | None:
    text = _text(value, key)
    return uuid.UUID(text) if text else None


def _objects(value: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    items = value.get(key)
    return [one for one in items if isinstance(one, Mapping)] if isinstance(items, list | tuple) else []
