"""Names of discs: taken apart, and their siblings guessed, as people and rippers spell them."""

from __future__ import annotations

import pytest

from apps.domain.matching.discs import DiscName, disc_name, same_set, siblings, without_disc


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CD1", DiscName("", 1, "")),
        ("cd 02", DiscName("", 2, "")),
        ("Disc 2", DiscName("", 2, "")),
        ("Foo (Disc 2)", DiscName("Foo", 2, "")),
        ("Foo [CD2]", DiscName("Foo", 2, "")),
        ("Foo - CD 2", DiscName("Foo", 2, "")),
        ("Foo CD2", DiscName("Foo", 2, "")),
        ("Foo, Disk #3", DiscName("Foo", 3, "")),
        ("Foo (Disc Two)", DiscName("Foo", 2, "")),
        ("Foo Disc II", DiscName("Foo", 2, "")),
        ("CD1 – Foo", DiscName("", 1, "Foo")),
        ("Disc 2 - The Remixes", DiscName("", 2, "The Remixes")),
        ("Foo (Disc 1: Bar)", DiscName("Foo", 1, "Bar")),
        ("LP 1 (Disc 2)", DiscName("LP 1", 2, "")),
        ("Vinyl 1", DiscName("", 1, "")),
        ("Foo_disc_1", DiscName("Foo", 1, "")),
    ],
)
def test_a_discs_name_is_taken_apart(name: str, expected: DiscName) -> None:
    assert disc_name(name) == expected


@pytest.mark.parametrize(
    "name", ["", "Foo", "Abcd 1984", "CD", "Discovery", "Disc Golf", "CD 0", "Help 2", "CD 123", "Discs"]
)
def test_other_names_are_no_discs(name: str) -> None:
    assert disc_name(name) is None


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("CD1", "CD2"),
        ("cd 01", "cd 02"),
        ("CD10", "CD09"),
        ("CD10", "CD9"),
        ("Foo (Disc 1)", "Foo (Disc 2)"),
        ("Foo (Disc One)", "Foo (Disc Two)"),
        ("FOO DISC ONE", "FOO DISC TWO"),
        ("Foo Disc II", "Foo Disc I"),
        ("Foo (Disc 2)", "Foo"),
        ("Foo CD2", "Foo"),
        ("Foo (Live) CD2", "Foo (Live)"),
        ("Foo - CD 2", "Foo"),
        ("Foo", "Foo (Disc 2)"),
        ("Foo", "Foo CD2"),
        ("Foo", "Foo - CD3"),
    ],
)
def test_a_disc_knows_the_names_of_the_others(name: str, other: str) -> None:
    found = siblings(name)
    assert other in found
    assert name not in found
    assert len(found) == len(set(found)) <= 120


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("CD1 – Foo", "CD2 – Bar", True),
        ("Foo (Disc 1: A)", "foo (Disc 2: B)", True),
        ("CD1 – Foo", "CD1 – Bar", False),
        ("CD1 – Foo", "Bar (Disc 2)", False),
        ("CD1 – Foo", "Bar", False),
    ],
)
def test_discs_with_titles_of_their_own_are_one_set_by_their_stem(one: str, other: str, same: bool) -> None:
    assert same_set(one, other) is same
    assert same_set(other, one) is same


@pytest.mark.parametrize(
    ("album", "bare"),
    [
        ("Foo (Disc 2)", "Foo"),
        ("Foo [cd 1]", "Foo"),
        ("Foo - Disc Two", "Foo"),
        ("Foo (Live) (Disc 2)", "Foo (Live)"),
        ("Disc 2", "Disc 2"),
        ("Foo (Disc 1: Bar)", "Foo (Disc 1: Bar)"),
        ("Foo", "Foo"),
    ],
)
def test_an_albums_name_loses_its_disc_and_nothing_else(album: str, bare: str) -> None:
    assert without_disc(album) == bare
