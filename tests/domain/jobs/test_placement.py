"""Where a file of a fix goes: beside others, under their name, never out of its root."""

from __future__ import annotations

import pytest

from apps.domain.jobs.placement import ANY_TRACK, Beside, placement_of, track_key
from apps.domain.library.paths import PathKeyError

TEMPLATE = b"Artist/Album (2019)/01 Song.flac"


def test_a_stem_keeps_the_old_name_and_the_new_ending() -> None:
    assert (
        Beside(root_id=1, folder=b"My M\xfcsic/x", stem=b"1. song").relative(TEMPLATE) == b"My M\xfcsic/x/1. song.flac"
    )
    assert Beside(root_id=1, folder=b"", stem=b"song").relative(TEMPLATE) == b"song.flac"


def test_without_a_stem_the_template_names_the_file() -> None:
    assert Beside(root_id=1, folder=b"Album").relative(TEMPLATE) == b"Album/01 Song.flac"


def test_a_long_stem_leaves_room_for_the_ending() -> None:
    made = Beside(root_id=1, folder=b"", stem=b"x" * 255).relative(TEMPLATE)
    assert len(made) == 255
    assert made.endswith(b"x.flac")


@pytest.mark.parametrize(
    ("folder", "stem"), [(b"../out", b"x"), (b"/abs", b"x"), (b"a", b"../x"), (b"a", b"b/c"), (b"a\0", b"x")]
)
def test_nothing_leaves_the_root(folder: bytes, stem: bytes) -> None:
    with pytest.raises(PathKeyError):
        Beside(root_id=1, folder=folder, stem=stem)


def test_it_survives_its_row_and_rubbish_is_none() -> None:
    made = Beside(root_id=7, folder=b"a/\xff", stem=b"s")
    assert Beside.from_json(made.to_json()) == made
    for rubbish in (
        None,
        1,
        {},
        {"root": "1", "folder": "", "stem": ""},
        {"root": 1, "folder": "zz", "stem": ""},
        {"root": 1, "folder": b"../x".hex(), "stem": ""},
    ):
        assert Beside.from_json(rubbish) is None


def test_a_track_has_its_own_placement_or_that_of_any() -> None:
    one, other = Beside(root_id=1, folder=b"one"), Beside(root_id=1, folder=b"any")
    stored = {track_key(1, 3): one.to_json(), ANY_TRACK: other.to_json()}
    assert placement_of(stored, medium=1, position=3) == one
    assert placement_of(stored, medium=2, position=3) == other
    assert placement_of({}, medium=1, position=3) is None
