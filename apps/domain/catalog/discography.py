"""Which of an artist's releases make the core, the extended, the whole discography: pure rules over the cached graph.

*core*: studio albums, that is groups of type Album; live albums and compilations only where their exclusion is switched off, other secondary types
(remix, soundtrack, demo, DJ-mix …) only where they are named. *extended*: core, EPs, and those live albums and compilations that were issued often
enough to be well known (official editions counted). *all*: everything, grouped by type. Of each group one release is chosen, and the reason said.

Every pick carries a weight 0..1 (how central it is) and whether it is recommended: what "download top N" takes first.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.catalog.graph import GroupDetail, ReleaseBrief
from apps.domain.errors import DomainError

WELL_KNOWN_EDITIONS: Final = 3
"""A live album or compilation with so many official editions was no one-off. Of Nirvana's recorded groups that keeps the two live albums everybody
knows and drops the promotional ones."""
TYPE_WEIGHT: Final[Mapping[str, float]] = {"album": 1.0, "ep": 0.7, "single": 0.4, "broadcast": 0.2, "other": 0.2}
SECONDARY_WEIGHT: Final[Mapping[str, float]] = {
    "soundtrack": 0.7,
    "live": 0.6,
    "compilation": 0.5,
    "remix": 0.5,
    "mixtape/street": 0.5,
    "dj-mix": 0.4,
    "demo": 0.4,
    "spokenword": 0.3,
    "audiobook": 0.2,
    "audio drama": 0.2,
    "field recording": 0.2,
    "interview": 0.1,
}
UNKNOWN_WEIGHT: Final = 0.2
RECOMMENDED_FROM: Final = 0.5
_EDITIONS_FULL: Final = 20
"""So many official editions give the whole of what popularity adds."""
_NOT_SOUND: Final = ("dvd", "vhs", "blu-ray", "laserdisc", "video", "betamax", "umd", "svcd", "vcd")
_FORMAT_RANK: Final = (("cd", 0), ("digital", 1), ("sacd", 2), ("vinyl", 3), ("cassette", 4))


class Profile(StrEnum):
    """Which discography."""

    CORE = "core"
    EXTENDED = "extended"
    ALL = "all"


class DiscographyInvalid(DomainError):
    """A profile or filter that means nothing: `discography_profile_unknown`, `discography_filter_invalid`."""

    default_code = "discography_filter_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a person or the configuration narrows. Secondary types in lower case, countries as ISO 3166-1 codes (and XW, XE) in upper case.

    `secondary_types`: more of them that count as core. `countries`: preferred for editions, in order; with `only_countries` nothing else is taken.
    `first_editions`: of each group the earliest edition, whatever else speaks for another. `official_only`: no promotions and bootlegs.
    """

    exclude_compilations: bool = True
    exclude_live: bool = True
    secondary_types: frozenset[str] = frozenset()
    countries: tuple[str, ...] = ()
    only_countries: bool = False
    first_editions: bool = False
    official_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A group of the discography and the release that stands for it. `reason`: why this edition, as a code with its params."""

    group: GroupDetail
    release: ReleaseBrief
    kind: str
    """How it is grouped: "Album", "EP", "Live", "Compilation" …"""
    weight: float
    recommended: bool
    editions: int
    reason: str
    held: bool = False

    @property
    def year(self) -> str:
        """Of the group's first release, else of the edition."""
        return (self.group.facts.first_release_date or self.release.date)[:4]


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """A group that was left out, and why: `type_excluded`, `not_well_known`, `no_official_edition`, `no_edition_in_countries`, `no_audio_edition`,
    `no_edition_known`."""

    group: GroupDetail
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discography:
    """The picks in the order of their years, and what was left out."""

    profile: Profile
    picks: tuple[Pick, ...]
    omitted: tuple[Omitted, ...] = field(default=())

    def by_kind(self) -> dict[str, tuple[Pick, ...]]:
        """The picks under the headings of a discography, in the usual order."""
        kinds = Counter(pick.kind for pick in self.picks)
        return {
            kind: tuple(pick for pick in self.picks if pick.kind == kind)
            for kind in sorted(kinds, key=lambda one: (_HEADINGS.index(one) if one in _HEADINGS else 99, one))
        }


_HEADINGS: Final = ("Album", "EP", "Live", "Compilation", "Soundtrack", "Remix", "Single")


def profile_of(text: str) -> Profile:
    """Read a profile's name. Raises DiscographyInvalid `discography_profile_unknown`."""
    try:
        return Profile(text.strip().lower())
    except ValueError as error:
        raise DiscographyInvalid(
            f"A discography is one of {', '.join(Profile)}.", code="discography_profile_unknown", profile=text[:40]
        ) from error


def discography(
    groups: Iterable[GroupDetail],
    releases: Iterable[ReleaseBrief],
    *,
    profile: Profile,
    filters: Filters = Filters(),
    held: Collection[uuid.UUID] = (),
) -> Discography:
    """The discography of an artist by `profile`. `held`: releases of which the library has tracks; such an edition stands for its group unless it is
    ruled out, so that what is there is completed instead of bought twice."""
    editions: dict[uuid.UUID, dict[uuid.UUID, ReleaseBrief]] = {}
    for release in releases:
        if release.group is not None:
            editions.setdefault(release.group.mbid, {})[release.mbid] = release
    picks: list[Pick] = []
    omitted: list[Omitted] = []
    for group in {one.facts.mbid: one for one in groups}.values():
        of_group = tuple(editions.get(group.facts.mbid, {}).values())
        code = left_out(group, official=_official(of_group), profile=profile, filters=filters)
        chosen = None if code else edition_of(of_group, filters=filters, held=held)
        if isinstance(chosen, tuple):
            picks.append(_pick(group, of_group, *chosen, held=held))
        else:
            omitted.append(Omitted(group=group, code=code or chosen or "no_edition_known"))
    picks.sort(key=lambda one: (one.year or "9999", one.group.facts.title, str(one.group.facts.mbid)))
    return Discography(profile=profile, picks=tuple(picks), omitted=tuple(omitted))


def edition_of(
    editions: Sequence[ReleaseBrief], *, filters: Filters, held: Collection[uuid.UUID] = ()
) -> tuple[ReleaseBrief, str] | str:
    """The release that stands for a group with the code of the reason, or the code of why none does.

    Reasons, in the order they decide: `edition_held`, `edition_first` (asked for), `edition_only`, `edition_country`, `edition_standard` (its number of tracks is
    the usual one, on a medium that people share).
    """
    if not editions:
        return "no_edition_known"
    fit = [one for one in editions if not one.formats or not all(map(_is_video, one.formats))]
    if not fit:
        return "no_audio_edition"
    if filters.official_only:
        fit = [one for one in fit if one.status.lower() in ("official", "")]
        if not fit:
            return "no_official_edition"
    if filters.only_countries and filters.countries:
        fit = [one for one in fit if one.country in filters.countries]
        if not fit:
            return "no_edition_in_countries"
    usual = _usual_tracks(fit)
    preferred = {country: rank for rank, country in enumerate(filters.countries)}
    ours = set(held)

    def rank(one: ReleaseBrief) -> tuple[object, ...]:
        return (
            preferred.get(one.country, len(preferred)),
            one.track_count != usual,
            _format_rank(one),
            one.status.lower() != "official",
            _date_rank(one.date),
            str(one.mbid),
        )

    if kept := [one for one in fit if one.mbid in ours]:
        return min(kept, key=rank), "edition_held"
    if filters.first_editions:
        return min(fit, key=lambda one: (_date_rank(one.date), *rank(one))), "edition_first"
    best = min(fit, key=rank)
    if len(fit) == 1:
        return best, "edition_only"
    return best, "edition_country" if best.country in preferred else "edition_standard"


def kind_of(group: GroupDetail) -> str:
    """The heading it stands under: its first secondary type by weight, else its primary type, else "Other"."""
    secondary = sorted(group.facts.secondary_types, key=lambda one: SECONDARY_WEIGHT.get(one.lower(), 1.0))
    return secondary[0] if secondary else group.facts.primary_type or "Other"


def left_out(group: GroupDetail, *, official: int, profile: Profile, filters: Filters) -> str | None:
    """Why a group of so many official editions is not of the profile (`type_excluded`, `not_well_known`); None: it is."""
    if profile is Profile.ALL or _is_core(group, filters):
        return None
    if profile is Profile.CORE:
        return "type_excluded"
    primary = group.facts.primary_type.lower()
    secondary = {one.lower() for one in group.facts.secondary_types}
    if primary == "ep" and secondary <= filters.secondary_types:
        return None
    if primary not in ("album", "ep") or not secondary <= {"live", "compilation", *filters.secondary_types}:
        return "type_excluded"
    return None if official >= WELL_KNOWN_EDITIONS else "not_well_known"


def _is_core(group: GroupDetail, filters: Filters) -> bool:
    allowed = set(filters.secondary_types)
    if not filters.exclude_compilations:
        allowed.add("compilation")
    if not filters.exclude_live:
        allowed.add("live")
    return (
        group.facts.primary_type.lower() == "album" and {one.lower() for one in group.facts.secondary_types} <= allowed
    )


def _pick(
    group: GroupDetail,
    editions: Sequence[ReleaseBrief],
    release: ReleaseBrief,
    reason: str,
    *,
    held: Collection[uuid.UUID],
) -> Pick:
    weight = weight_of(group, editions)
    return Pick(
        group=group,
        release=release,
        kind=kind_of(group),
        weight=weight,
        recommended=weight >= RECOMMENDED_FROM,
        editions=len(editions),
        reason=reason,
        held=release.mbid in held,
    )


def weight_of(group: GroupDetail, editions: Sequence[ReleaseBrief]) -> float:
    """Three quarters by type, a quarter by how often it was officially issued, on a logarithmic scale."""
    weight = TYPE_WEIGHT.get(group.facts.primary_type.lower(), UNKNOWN_WEIGHT)
    for secondary in group.facts.secondary_types:
        weight *= SECONDARY_WEIGHT.get(secondary.lower(), UNKNOWN_WEIGHT)
    issued = min(1.0, math.log1p(_official(editions)) / math.log1p(_EDITIONS_FULL))
    return round(weight * (0.75 + 0.25 * issued), 4)


def _official(editions: Iterable[ReleaseBrief]) -> int:
    return sum(one.status.lower() == "official" for one in editions)


def _usual_tracks(editions: Sequence[ReleaseBrief]) -> int:
    """The number of tracks that most editions have; of equally usual ones the smaller: bonus tracks come later."""
    counts = Counter(one.track_count for one in editions if one.track_count)
    return min(counts, key=lambda tracks: (-counts[tracks], tracks), default=0)


def _format_rank(release: ReleaseBrief) -> int:
    """Worst medium of the release: CDs and files are what people share; vinyl rips are rarer, and videos no audio."""
    ranks = [_medium_rank(one) for one in release.formats]
    return max(ranks, default=len(_FORMAT_RANK))


def _medium_rank(medium: str) -> int:
    words = medium.lower()
    if _is_video(medium):
        return len(_FORMAT_RANK) + 1
    return next((rank for word, rank in _FORMAT_RANK if word in words), len(_FORMAT_RANK))


def _is_video(medium: str) -> bool:
    words = medium.lower()
    return any(word in words for word in _NOT_SOUND) and "audio" not in words


def _date_rank(date: str) -> str:
    """Sorts dates with their unknown parts after the known ones of the same year."""
    return (date + "-99-99")[:10] if date else "9999-99-99"
