"""What files are called on the network, and who may see which folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.virtual_paths import (
    Audience,
    FolderRule,
    ShareRules,
    numbered,
    root_names,
    virtual_path,
)


@pytest.mark.parametrize(
    ("relative", "named"),
    [
        (b"Band/Album/01.flac", "Music\\Band\\Album\\01.flac"),
        ("Mot\u00f6rhead/a.flac".encode(), "Music\\Mot\u00f6rhead\\a.flac"),
        (b"a\\b\nc.flac", "Music\\a_b_c.flac"),
        (b"\xff\xfe.flac", "Music\\\ufffd\ufffd.flac"),
        (b"a/../b", None),
        (b"a//b", None),
        (b"/a", None),
        (b".", None),
        (b"x" * 2000, None),
    ],
)
def test_names_are_made_of_rows_and_lead_nowhere_else(relative: bytes, named: str | None) -> None:
    assert virtual_path("Music", relative) == named


@given(st.binary(min_size=1, max_size=80).filter(lambda one: b"\0" not in one))
def test_whatever_a_disk_holds_the_name_can_be_said_and_has_its_folders(relative: bytes) -> None:
    named = virtual_path("Music", relative)
    if named is not None:
        assert named.encode("utf-8").decode("utf-8") == named
        assert named.split("\\")[0] == "Music"
        assert len(named.split("\\")) == relative.count(b"/") + 2
        assert ".." not in named.split("\\")


def test_roots_are_called_by_their_folder_and_equal_ones_are_numbered() -> None:
    assert root_names([(3, "/mnt/b/music"), (1, "/srv/Music/"), (2, "/"), (7, "/x/a\\b")]) == {
        1: "Music",
        2: "Music 2",
        3: "music 3",
        7: "a_b",
    }
    assert numbered("Music\\a.b.flac", 7) == "Music\\a.b [7].flac"
    assert numbered("Music\\readme", 7) == "Music\\readme [7]"


def test_the_longest_rule_of_whole_components_decides() -> None:
    rules = ShareRules.of(
        [
            FolderRule(root_id=1, relative_path=b"", audience=Audience.BUDDIES),
            FolderRule(root_id=1, relative_path=b"Band", audience=Audience.NOBODY),
            FolderRule(root_id=1, relative_path=b"Band/Album", audience=Audience.EVERYONE),
        ]
    )
    told = {path: rules.audience(1, path) for path in (b"a", b"Band/x", b"Band/Album/y", b"Band/Albums/y", b"Bandits")}
    assert told == {
        b"a": Audience.BUDDIES,
        b"Band/x": Audience.NOBODY,
        b"Band/Album/y": Audience.EVERYONE,
        b"Band/Albums/y": Audience.NOBODY,
        b"Bandits": Audience.BUDDIES,
    }
    assert rules.audience(2, b"Band") is Audience.EVERYONE
