"""A hunt's theory: what is compared with (target), which question is asked next, when enough was found, which candidates together make the whole.

A hunt asks the ladder of queries step by step and weighs all answers of the round after each. It stops early where a whole folder that fits well can be had
soon, or where several can; and, one question later, where two users have it together. What a chosen folder lacks is taken from others (at most SHARERS_AT_ONCE at a time). When nothing (more) may be asked for, it
becomes a wish: one question of its ladder at a visit, not before the pace that the server gives, and ever slower while nothing comes.

Pure: values in, values out.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal, cast

from apps.domain.jobs.constraints import Constraints
from apps.domain.matching.values import VARIOUS_ARTISTS, TargetRelease, TargetTrack
from apps.domain.soulseek.budget import MIN_QUERY_CHARS
from apps.domain.soulseek.candidates import (
    Candidate,
    SharerResult,
    album_candidates,
    track_candidates,
    words_candidates,
)
from apps.domain.soulseek.queries import (
    Query,
    WantedRecording,
    WantedRelease,
    excluded_phrase,
    plain_words,
    recording_ladder,
    release_ladder,
)
from apps.domain.soulseek.results import SharedFile, by_folder
from apps.domain.soulseek.states import FOR_GOOD, Outcome

TARGET_VERSION: Final = 1
MAX_TRACKS: Final = 1000
GOOD_SCORE: Final = 0.75
"""A whole candidate of this score, soon to be had, ends the ladder. Of the tests' folders: right album, right length, lossless, free slot is 0.85 and more."""
SOON_S: Final = 1800.0
SEVERAL: Final = 3
"""So many whole candidates that may be asked end the ladder, whatever their queues."""
LEAST_SCORE: Final = 0.4
"""Below it nothing is fetched by itself; a person may still pick it."""
SHARERS_AT_ONCE: Final = 4
"""A whole is put together from so many people at most: each is a queue of its own."""
MIN_GAIN: Final = 1
TOGETHER: Final = 2
"""So many users who have it together, soon and as it should be, end the ladder …"""
TOGETHER_ASKED: Final = 2
"""… once so many questions were asked: a whole folder gets one more chance to be found."""
WISH_LEAST_S: Final = 720.0
"""The wishlist interval that the server usually names."""
WISH_MOST_S: Final = 6 * 3600.0
WISH_SLOWER: Final = 5
"""A wish is asked at double the interval after each visit, at most so often doubled."""

TargetKind = Literal["release", "recording", "words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntTrack:
    """A track that is wanted. `want` None: nobody waits for it (a dry run)."""

    recording: uuid.UUID
    title: str
    disc: int = 1
    position: int = 1
    artist: str = ""
    length_ms: int | None = None
    want: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntTarget:
    """What a hunt compares with. `words` alone for a wish of words; `albums`: releases a recording stands on, for its queries."""

    kind: TargetKind
    artist: str = ""
    title: str = ""
    year: str = ""
    release: uuid.UUID | None = None
    aliases: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    tracks: tuple[HuntTrack, ...] = ()
    words: str = ""
    enriched: bool = False
    """aliases and albums were looked up"""

    def to_json(self) -> dict[str, object]:
        """The row's form."""
        return {
            "version": TARGET_VERSION,
            "kind": self.kind,
            "artist": self.artist,
            "title": self.title,
            "year": self.year,
            "release": str(self.release) if self.release else None,
            "aliases": list(self.aliases),
            "albums": list(self.albums),
            "words": self.words,
            "enriched": self.enriched,
            "tracks": [
                {
                    "recording": str(one.recording),
                    "title": one.title,
                    "disc": one.disc,
                    "position": one.position,
                    "artist": one.artist,
                    "length_ms": one.length_ms,
                    "want": str(one.want) if one.want else None,
                }
                for one in self.tracks
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> HuntTarget:
        """Read a row's form. Raises ValueError for one of a newer version."""
        version = stored.get("version", TARGET_VERSION)
        if not isinstance(version, int) or version > TARGET_VERSION:
            raise ValueError("This target was written by a newer version.")
        rows = cast("Sequence[Mapping[str, object]]", stored.get("tracks", ()))
        return cls(
            kind=cast("TargetKind", stored.get("kind", "words")),
            artist=str(stored.get("artist", "")),
            title=str(stored.get("title", "")),
            year=str(stored.get("year", "")),
            release=_uuid(stored.get("release")),
            aliases=tuple(str(one) for one in cast("Sequence[object]", stored.get("aliases", ()))),
            albums=tuple(str(one) for one in cast("Sequence[object]", stored.get("albums", ()))),
            words=str(stored.get("words", "")),
            enriched=bool(stored.get("enriched", False)),
            tracks=tuple(
                HuntTrack(
                    recording=uuid.UUID(str(row["recording"])),
                    title=str(row["title"]),
                    disc=cast("int", row["disc"]),
                    position=cast("int", row["position"]),
                    artist=str(row.get("artist", "")),
                    length_ms=cast("int | None", row.get("length_ms")),
                    want=_uuid(row.get("want")),
                )
                for row in rows
            ),
        )

    def only(self, recordings: Collection[uuid.UUID]) -> HuntTarget:
        """The same with these recordings' tracks alone."""
        return replace(self, tracks=tuple(one for one in self.tracks if one.recording in recordings))

    def release_of(self) -> TargetRelease:
        """As matching compares it."""
        tracks = tuple(
            TargetTrack(
                disc=one.disc,
                position=one.position,
                title=one.title,
                artist=one.artist,
                length_ms=one.length_ms,
                recording_mbid=one.recording,
            )
            for one in self.tracks
        )
        return TargetRelease(
            mbid=self.release or VARIOUS_ARTISTS,
            title=self.title if self.kind == "release" else (self.albums[0] if self.albums else ""),
            artist=self.artist,
            tracks=tracks,
            various=self.artist.strip().lower() == "various artists",
            date=self.year,
        )


def ladder_of(target: HuntTarget, *, excluded: Collection[str] = ()) -> tuple[Query, ...]:
    """The questions of a hunt, best first; empty: nothing that anybody could answer."""
    if target.kind == "words":
        words = " ".join(target.words.split())
        answerable = len(plain_words(words).replace(" ", "")) >= MIN_QUERY_CHARS
        return (Query(words, "words"),) if answerable and not excluded_phrase(words, excluded) else ()
    if target.kind == "recording":
        wanted = WantedRecording(artist=target.artist, title=target.title, aliases=target.aliases, albums=target.albums)
        return recording_ladder(wanted, excluded=excluded)
    rare = sorted((one.title for one in target.tracks), key=lambda title: (-len(plain_words(title)), title))
    release = WantedRelease(
        artist=target.artist, title=target.title, aliases=target.aliases, year=target.year, tracks=tuple(rare[:2])
    )
    return release_ladder(release, excluded=excluded)


def found_enough(candidates: Sequence[Candidate], *, asked: int) -> bool:
    """The ladder may stop here. `asked`: questions of the round."""
    whole = [one for one in candidates if one.whole and not one.refused and one.score >= LEAST_SCORE]
    good = any(one.score >= GOOD_SCORE and one.expected_s <= SOON_S for one in whole)
    return good or len(whole) >= SEVERAL or (asked >= TOGETHER_ASKED and _together(candidates))


def _together(candidates: Sequence[Candidate]) -> bool:
    """Those who would be chosen are few, and each would be good enough if its folder were whole."""
    parts = choice(candidates)
    chosen = [candidates[part.candidate] for part in parts]
    if not chosen or len(chosen) > TOGETHER:
        return False
    held = {(file.track.disc, file.track.position) for one in chosen for file in one.files}
    lacks = any((track.disc, track.position) not in held for track in chosen[0].missing)
    return not lacks and all(_score_if_whole(one) >= GOOD_SCORE and one.expected_s <= SOON_S for one in chosen)


def _score_if_whole(candidate: Candidate) -> float:
    weight = sum(term.weight for term in candidate.terms)
    lost = sum(term.weight * (1 - term.value) for term in candidate.terms if term.name == "completeness")
    return candidate.score + (lost / weight if weight else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A candidate (by its place in the list) and the places of its files that are to be asked for."""

    candidate: int
    files: tuple[int, ...]


def choice(candidates: Sequence[Candidate]) -> tuple[Part, ...]:
    """Which candidates are asked for what, first the best, then those that have what it lacks; each track once.

    The list is best first, as weighing gives it. Nothing that is refused or below LEAST_SCORE; each sharer once.
    """
    return _choice(
        [
            (one.user, one.score, tuple((file.track.disc, file.track.position) for file in one.files))
            if not one.refused
            else None
            for one in candidates
        ]
    )


def choice_of_rows(
    rows: Sequence[tuple[str, float, str, Sequence[Mapping[str, object]]] | None],
) -> dict[int, tuple[int, ...]]:
    """Likewise of candidates as rows keep them: (user, score, refused, files), None for one that was tried. Place → places of its files."""
    parts = _choice(
        [
            (one[0], one[1], tuple((cast("int", file["disc"]), cast("int", file["position"])) for file in one[3]))
            if one is not None and not one[2]
            else None
            for one in rows
        ]
    )
    return {part.candidate: part.files for part in parts}


def _choice(offered: Sequence[tuple[str, float, tuple[tuple[int, int], ...]] | None]) -> tuple[Part, ...]:
    """Of (user, score, tracks); None may not be asked."""
    held: set[tuple[int, int]] = set()
    parts: list[Part] = []
    fit = {at: one for at, one in enumerate(offered) if one is not None and one[1] >= LEAST_SCORE and one[2]}
    while fit and len(parts) < SHARERS_AT_ONCE:
        gains = {
            at: tuple(place for place, track in enumerate(tracks) if track not in held)
            for at, (_user, _score, tracks) in fit.items()
        }
        # The first takes the best score; whoever completes it, who has most of what is missing.
        best = min(fit) if not parts else max(fit, key=lambda at: (len(gains[at]), fit[at][1], -at))
        if len(gains[best]) < MIN_GAIN:
            break
        user, _score, tracks = fit[best]
        parts.append(Part(candidate=best, files=gains[best]))
        held.update(tracks[place] for place in gains[best])
        fit = {at: one for at, one in fit.items() if one[0] != user}
    return tuple(parts)


def elsewhere(candidates: Sequence[Candidate], part: Part) -> frozenset[int]:
    """Places of a part's files that somebody else has as well and would send at once: their sharer need not be waited for if it is away."""
    asked = candidates[part.candidate]
    others = {
        (file.track.disc, file.track.position)
        for one in candidates
        if one.user != asked.user and one.free_slot and not one.refused and one.score >= LEAST_SCORE
        for file in one.files
    }
    tracks = [asked.files[place].track for place in part.files]
    return frozenset(
        place for place, track in zip(part.files, tracks, strict=True) if (track.disc, track.position) in others
    )


def wish_pause(visits: int, *, interval_s: float) -> timedelta:
    """How long a wish rests after its `visits`-th visit (from 1); never below the server's interval."""
    pace = max(interval_s, WISH_LEAST_S)
    return timedelta(seconds=min(max(WISH_MOST_S, pace), pace * 2 ** min(max(0, visits - 1), WISH_SLOWER)))


AGAIN_AFTER: Final[Mapping[Outcome, timedelta]] = {
    Outcome.REFUSED: timedelta(hours=6),
    Outcome.TIMED_OUT: timedelta(hours=12),
    Outcome.WENT_AWAY: timedelta(hours=1),
    Outcome.TOO_SLOW: timedelta(hours=12),
}
"""A source that failed, but not for good, rests for so long at the first time; twice as long at each further time."""
MOST_DOUBLED: Final = 6


def again_after(outcome: Outcome, *, times: int) -> timedelta | None:
    """How long a source rests after its `times`-th such end (from 1); None: for ever, or no rest is needed."""
    if outcome in FOR_GOOD or outcome is Outcome.SUCCEEDED:
        return None
    doubled: int = 2 ** min(max(0, times - 1), MOST_DOUBLED)
    return AGAIN_AFTER[outcome] * doubled


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntPolicy:
    """What is configured for hunts. `hunting` False: no Soulseek in this mode, or no account."""

    hunting: bool = True
    auto_download: bool = True
    candidates_tried: int = 5
    wishlist: bool = True
    wishlist_auto: bool = True


def _uuid(value: object) -> uuid.UUID | None:
    return uuid.UUID(str(value)) if value else None


# ---- what is weighed

MAX_FOLDERS: Final = 400
"""Folders of one weighing: some seconds of comparing. Those that share most words with the target; more than these would not be tried anyway."""
MAX_FOLDER_FILES: Final = 300
"""Sound files of one folder that are compared; those that share most words."""
MAX_FILES: Final = 500
"""Single files of one weighing, for a recording."""


def plausible(results: Iterable[SharerResult], target: HuntTarget) -> tuple[SharerResult, ...]:
    """What is worth comparing: the answers without pictures and with at most MAX_FOLDERS folders (MAX_FILES files for a recording), best words first."""
    album = _words(target.title, target.artist)
    titles = [_words(one.title) for one in target.tracks]
    wanted = album.union(*titles) if titles else album
    ranked: list[tuple[float, int, str, tuple[SharedFile, ...]]] = []
    kept = list(results)
    for at, result in enumerate(kept):
        for folder, files in by_folder(result.files).items():
            sound = [one for one in files if one.codec is not None]
            if not sound:
                continue
            shared = [(len(wanted & _words(one.stem)), place, one) for place, one in enumerate(sound)]
            shared.sort(key=lambda each: (-each[0], each[1]))
            if target.kind == "recording":
                at_folder = len(wanted & _words(folder))
                ranked.extend((count + at_folder / 4, at, one.path, (one,)) for count, _place, one in shared)
                continue
            best = [one for _count, _place, one in shared[:MAX_FOLDER_FILES]]
            fit = sum(1 for count, _place, _one in shared if count) / max(1, len(target.tracks))
            score = len(album & _words(folder)) + min(1.0, fit) * max(1, len(album))
            ranked.append((score, at, folder, tuple(best)))
    ranked.sort(key=lambda each: (-each[0], each[1], each[2]))
    most = MAX_FILES if target.kind == "recording" else MAX_FOLDERS
    chosen: dict[int, list[SharedFile]] = {}
    for _score, at, _folder, some in ranked[:most]:
        chosen.setdefault(at, []).extend(some)
    return tuple(replace(kept[at], files=tuple(files)) for at, files in sorted(chosen.items()))


def weigh(
    target: HuntTarget,
    results: Iterable[SharerResult],
    *,
    wishes: Constraints,
    spent: Mapping[tuple[str, str], str],
) -> tuple[Candidate, ...]:
    """Candidates for what is left of a target, best first."""
    if target.kind == "words":
        return words_candidates(target.words, results, wishes=wishes, spent=spent)
    likely = plausible(results, target)
    release = target.release_of()
    if target.kind == "recording" and release.tracks:
        return track_candidates(release.tracks[0], likely, release=release, wishes=wishes, spent=spent)
    return album_candidates(release, likely, wishes=wishes, spent=spent)


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in plain_words(text).casefold().split() if len(word) > 1)
