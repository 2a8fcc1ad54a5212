"""Profiles, filters and the choice of one edition per group, on a small discography written here."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.domain.catalog.discography import (
    Discography,
    DiscographyInvalid,
    Filters,
    Profile,
    discography,
    edition_of,
    kind_of,
    profile_of,
)
from apps.domain.catalog.graph import GroupDetail, ReleaseBrief
from apps.domain.catalog.release import GroupFacts


def group(title: str, primary: str, *secondary: str, year: str = "1990") -> GroupDetail:
    facts = GroupFacts(
        mbid=uuid.uuid5(uuid.NAMESPACE_URL, title),
        title=title,
        primary_type=primary,
        secondary_types=secondary,
        first_release_date=year,
    )
    return GroupDetail(facts=facts, artist_credit="Somebody")


def edition(
    of: GroupDetail, number: int, *, country: str = "GB", medium: str = "CD", tracks: int = 10, **more: str
) -> ReleaseBrief:
    facts = {"date": f"{1990 + number}", "status": "Official", **more}
    return ReleaseBrief(
        mbid=uuid.uuid5(of.facts.mbid, str(number)),
        title=of.facts.title,
        group=of.facts,
        country=country,
        formats=(medium,),
        track_count=tracks,
        **facts,
    )


STUDIO = group("Studio", "Album", year="1990")
SECOND = group("Second", "Album", year="1992")
SHORT = group("Short", "EP")
LIVE = group("Known live", "Album", "Live")
PROMO = group("Radio live", "Album", "Live")
BEST = group("Best of", "Album", "Compilation")
REMIXES = group("Remixes", "Album", "Remix")
SONG = group("Song", "Single")
GROUPS = (SONG, REMIXES, BEST, PROMO, LIVE, SHORT, SECOND, STUDIO)
RELEASES = (
    *(edition(one, 0) for one in (STUDIO, SECOND, SHORT, PROMO, REMIXES, SONG)),
    *(edition(LIVE, number) for number in range(3)),
    *(edition(BEST, number) for number in range(5)),
)


def titles(found: Discography) -> list[str]:
    return [pick.group.facts.title for pick in found.picks]


@pytest.mark.parametrize(
    ("profile", "filters", "expected"),
    [
        (Profile.CORE, Filters(), {"Studio", "Second"}),
        (Profile.CORE, Filters(exclude_live=False), {"Studio", "Second", "Known live", "Radio live"}),
        (Profile.CORE, Filters(exclude_compilations=False), {"Studio", "Second", "Best of"}),
        (Profile.CORE, Filters(secondary_types=frozenset({"remix"})), {"Studio", "Second", "Remixes"}),
        (Profile.EXTENDED, Filters(), {"Studio", "Second", "Short", "Known live", "Best of"}),
        (Profile.ALL, Filters(), {one.facts.title for one in GROUPS}),
    ],
)
def test_a_profile_holds_what_its_rule_names(profile: Profile, filters: Filters, expected: set[str]) -> None:
    assert set(titles(discography(GROUPS, RELEASES, profile=profile, filters=filters))) == expected


def test_what_is_left_out_is_told_with_its_reason() -> None:
    found = discography(GROUPS, RELEASES, profile=Profile.EXTENDED)
    assert {one.group.facts.title: one.code for one in found.omitted} == {
        "Radio live": "not_well_known",
        "Remixes": "type_excluded",
        "Song": "type_excluded",
    }


def test_picks_stand_in_the_order_of_years_and_under_their_headings() -> None:
    found = discography(GROUPS, RELEASES, profile=Profile.ALL)
    assert titles(found)[-1] == "Second"
    assert list(found.by_kind()) == ["Album", "EP", "Live", "Compilation", "Remix", "Single"]
    assert kind_of(group("x", "")) == "Other"


def test_a_studio_album_weighs_more_than_its_live_album_and_its_single() -> None:
    weight = {one.group.facts.title: one.weight for one in discography(GROUPS, RELEASES, profile=Profile.ALL).picks}
    assert weight["Studio"] > weight["Short"] > weight["Known live"] > weight["Song"]
    recommended = {
        one.group.facts.title for one in discography(GROUPS, RELEASES, profile=Profile.ALL).picks if one.recommended
    }
    assert {"Studio", "Second", "Short", "Known live"} <= recommended
    assert "Song" not in recommended


STANDARD = edition(STUDIO, 1, tracks=10)
AGAIN = edition(STUDIO, 2, tracks=10)
DELUXE = edition(STUDIO, 0, tracks=14)
VINYL = edition(STUDIO, 0, medium='12" Vinyl', tracks=10)
JAPAN = edition(STUDIO, 5, country="JP", tracks=12)
BOOTLEG = edition(STUDIO, 7, status="Bootleg")
FILM = edition(STUDIO, 8, medium="DVD-Video")


@pytest.mark.parametrize(
    ("editions", "filters", "held", "chosen", "reason"),
    [
        ((DELUXE, STANDARD, AGAIN), Filters(), (), STANDARD, "edition_standard"),
        ((VINYL, STANDARD), Filters(), (), STANDARD, "edition_standard"),
        ((STANDARD, JAPAN), Filters(countries=("JP",)), (), JAPAN, "edition_country"),
        ((STANDARD, DELUXE), Filters(first_editions=True), (), DELUXE, "edition_first"),
        ((STANDARD, DELUXE), Filters(first_editions=True), (STANDARD.mbid,), STANDARD, "edition_held"),
        ((VINYL,), Filters(), (), VINYL, "edition_only"),
        ((BOOTLEG,), Filters(official_only=False), (), BOOTLEG, "edition_only"),
    ],
)
def test_the_edition_that_stands_for_a_group(
    editions: tuple[ReleaseBrief, ...],
    filters: Filters,
    held: tuple[uuid.UUID, ...],
    chosen: ReleaseBrief,
    reason: str,
) -> None:
    assert edition_of(editions, filters=filters, held=held) == (chosen, reason)
    assert edition_of(tuple(reversed(editions)), filters=filters, held=held) == (chosen, reason)


@pytest.mark.parametrize(
    ("editions", "filters", "code"),
    [
        ((), Filters(), "no_edition_known"),
        ((BOOTLEG,), Filters(), "no_official_edition"),
        ((FILM,), Filters(), "no_audio_edition"),
        ((STANDARD,), Filters(countries=("US",), only_countries=True), "no_edition_in_countries"),
    ],
)
def test_a_group_without_an_edition_says_why(editions: tuple[ReleaseBrief, ...], filters: Filters, code: str) -> None:
    assert edition_of(editions, filters=filters) == code


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(DiscographyInvalid) as caught:
        profile_of("everything")
    assert caught.value.code == "discography_profile_unknown"
    assert profile_of(" Core ") is Profile.CORE


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.permutations(GROUPS), st.permutations(RELEASES), st.sampled_from(list(Profile)))
def test_the_order_of_the_graph_changes_nothing(
    groups: list[GroupDetail], releases: list[ReleaseBrief], profile: Profile
) -> None:
    found = discography(groups, releases, profile=profile)
    assert found.picks == discography(GROUPS, RELEASES, profile=profile).picks
    assert len(found.picks) + len(found.omitted) == len(GROUPS)


def test_an_edition_of_an_unknown_group_is_nobodys() -> None:
    stray = replace(STANDARD, group=None)
    assert titles(discography([STUDIO], [stray], profile=Profile.ALL)) == []
