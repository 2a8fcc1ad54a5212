"""A plan of new names: clashes told, order found, sidecars taken along. No disk."""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.catalog.release import (
    ArtistFacts,
    GroupFacts,
    LabelFacts,
    MediumFacts,
    RecordingFacts,
    ReleaseFacts,
    TrackFacts,
)
from apps.domain.library.name_facts import (
    OnRelease,
    companions_agreed,
    kept_extension,
    names_of_tags,
    names_of_track,
)
from apps.domain.library.naming import path_components
from apps.domain.library.renaming import (
    RENAMING_MOVES,
    RENAMING_OPEN,
    FolderMoves,
    Line,
    RenamingState,
    Wish,
    name_key,
    settle,
    sidecars,
)


def plan(moves: dict[str, str], *, also: tuple[str, ...] = ()) -> dict[str, str]:
    """Old name → code; the files of `moves` and `also` are on disk."""
    return {line.wish.old.decode(): line.code for line in lines(moves, also=also)}


def lines(moves: dict[str, str], *, also: tuple[str, ...] = (), caseless: bool = False) -> tuple[Line, ...]:
    disk = [*moves, *also]

    def names(_root: int, folder: bytes) -> list[bytes]:
        below = folder + b"/" if folder else b""
        alike = name_key if caseless else bytes
        found = [one.encode()[len(below) :] for one in disk if alike(one.encode()).startswith(alike(below))]
        return sorted({one.partition(b"/")[0] for one in found})

    wishes = [
        Wish(root_id=1, old=old.encode(), new=new.encode(), file_id=at) for at, (old, new) in enumerate(moves.items())
    ]
    return settle(wishes, names=names)


def test_a_file_with_its_right_name_stays_and_one_without_facts_is_told() -> None:
    assert plan({"a/1.flac": "a/1.flac", "x.flac": ""}) == {"a/1.flac": "rename_same", "x.flac": "rename_facts_missing"}


@pytest.mark.parametrize(
    ("moves", "also", "codes"),
    [
        ({"a": "z", "b": "z"}, (), {"a": "rename_two_to_one", "b": "rename_two_to_one"}),
        ({"a": "z", "b": "Z"}, (), {"a": "rename_case_clash", "b": "rename_case_clash"}),
        ({"a": "f/z", "b": "F/Z"}, (), {"a": "rename_case_clash", "b": "rename_case_clash"}),
        ({"a": "cafe\u0301", "b": "caf\u00e9"}, (), {"a": "rename_case_clash", "b": "rename_case_clash"}),
        ({"a": "z"}, ("z",), {"a": "rename_target_taken"}),
        ({"a": "z"}, ("Z",), {"a": "rename_case_clash"}),
        ({"a": "z"}, ("z/1.flac",), {"a": "rename_target_taken"}),
        ({"a": "A"}, (), {"a": ""}),
        ({"f/a": "F/a"}, (), {"f/a": ""}),
        ({"a": "z", "z": "z"}, (), {"a": "rename_target_taken", "z": "rename_same"}),
        ({"a": "b", "b": "c", "c": "d"}, (), {"a": "", "b": "", "c": ""}),
        ({"a": "b", "b": "c", "c": "d"}, ("d",), dict.fromkeys("abc", "rename_target_taken")),
        ({"a": "b", "b": "a", "c": "d"}, (), {"a": "rename_circle", "b": "rename_circle", "c": ""}),
        ({"a": "b", "b": "c", "c": "b"}, (), {"a": "rename_two_to_one", "c": "rename_two_to_one", "b": "rename_target_taken"}),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_told(moves: dict[str, str], also: tuple[str, ...], codes: dict[str, str]) -> None:
    assert plan(moves, also=also) == codes


def test_a_file_goes_after_the_one_whose_name_it_gets() -> None:
    moved = [line.wish.old for line in lines({"1": "2", "2": "3", "3": "4"}) if line.moves]
    assert moved == [b"3", b"2", b"1"]


NAMES = st.sampled_from([f"{folder}{name}" for folder in ("", "f/", "F/") for name in "abcABC"])


@given(st.dictionaries(NAMES, NAMES, max_size=9), st.integers(0, 2**32))
def test_a_plan_can_be_done_line_by_line_and_back_without_replacing_anything(moves: dict[str, str], seed: int) -> None:
    """On a disk that takes case for nothing: every name is free when its turn comes."""
    old_ones: dict[str, str] = {}
    for old, new in moves.items():
        if name_key(old.encode()) not in {name_key(one.encode()) for one in old_ones}:
            old_ones[old] = new
    shuffled = list(old_ones.items())
    random.Random(seed).shuffle(shuffled)
    made = [line for line in lines(dict(shuffled), caseless=True) if line.moves]
    disk = {name_key(old.encode()): old for old in old_ones}
    for line in made:
        old, new = line.wish.old.decode(), line.wish.new.decode()
        assert disk.pop(name_key(line.wish.old)) == old
        assert name_key(line.wish.new) not in disk
        disk[name_key(line.wish.new)] = new
    for line in reversed(made):
        assert disk.pop(name_key(line.wish.new)) == line.wish.new.decode()
        assert name_key(line.wish.old) not in disk
        disk[name_key(line.wish.old)] = line.wish.old.decode()
    assert sorted(disk.values()) == sorted(old_ones)


def test_sidecars_go_along_with_a_whole_folder_and_lyrics_with_their_track() -> None:
    beside = [b"cover.jpg", b"rip.log", b"a.lrc", b"a.flac", b"b.flac", b".hidden.jpg", b"setup.exe", b"noext"]
    whole = FolderMoves(
        root_id=1,
        folder=b"old",
        moves={b"a.flac": b"new/01.flac", b"b.flac": b"new/02.flac"},
        music=[b"a.flac", b"b.flac"],
    )
    assert {one.old: one.new for one in sidecars(whole, beside=beside)} == {
        b"old/cover.jpg": b"new/cover.jpg", b"old/rip.log": b"new/rip.log", b"old/a.lrc": b"new/01.lrc",
    }  # fmt: skip
    part = FolderMoves(root_id=1, folder=b"old", moves={b"a.flac": b"new/01.flac"}, music=[b"a.flac", b"b.flac"])
    assert [(one.old, one.new) for one in sidecars(part, beside=beside)] == [(b"old/a.lrc", b"new/01.lrc")]
    torn = FolderMoves(
        root_id=1, folder=b"", moves={b"a.flac": b"x/1.flac", b"b.flac": b"y/2.flac"}, music=[b"a.flac", b"b.flac"]
    )
    assert [(one.old, one.new) for one in sidecars(torn, beside=beside)] == [(b"a.lrc", b"x/1.lrc")]
    inside = FolderMoves(root_id=1, folder=b"old", moves={b"a.flac": b"old/01.flac"}, music=[b"a.flac"])
    assert [(one.old, one.new) for one in sidecars(inside, beside=beside)] == [(b"old/a.lrc", b"old/01.lrc")]
    up = FolderMoves(root_id=1, folder=b"old", moves={b"a.flac": b"01.flac"}, music=[b"a.flac"])
    assert (b"old/cover.jpg", b"cover.jpg") in [(one.old, one.new) for one in sidecars(up, beside=beside)]


def test_every_state_is_reached_and_only_open_ones_have_work() -> None:
    reached = {RenamingState.PLANNING} | {one for targets in RENAMING_MOVES.values() for one in targets}
    assert reached == set(RenamingState)
    assert all(RENAMING_MOVES[one] for one in RENAMING_OPEN)


def on_release(**changed: object) -> OnRelease:
    artist = ArtistFacts(mbid=uuid.UUID(int=1), name="Miles Davis", sort_name="Davis, Miles")
    recording = RecordingFacts(mbid=uuid.UUID(int=2), title="So What", artist_credit="Miles Davis")
    track = TrackFacts(
        mbid=uuid.UUID(int=3),
        position=1,
        number="A1",
        title="So What (live)",
        artist_credit="",
        length_ms=None,
        recording=recording,
    )
    medium = MediumFacts(position=2, title="Late", format="CD", tracks=(track,))
    release = ReleaseFacts(
        mbid=uuid.UUID(int=4), title="Kind of Blue", artist_credit="Miles Davis", artists=(artist,),
        group=GroupFacts(mbid=uuid.UUID(int=5), title="Kind of Blue", primary_type="Album", first_release_date="1959-08-17"),
        label=LabelFacts(mbid=uuid.UUID(int=6), name="Columbia"), date="1997", media=(medium, medium),
    )  # fmt: skip
    return OnRelease(release=release, medium=medium, track=track)


def test_names_of_a_track_are_its_releases_facts() -> None:
    template = "{initial}/{albumartist_sort}/{originalyear} {album} ({year}) [{label}] <{type}> <{media}>/<CD {multidisc} {disctitle}>/{track} {title} {codec}.{ext}"
    made = path_components(names_of_track(on_release(), ext="flac", codec="flac"), template=template)
    assert (
        "/".join(made)
        == "D/Davis, Miles/1959 Kind of Blue (1997) [Columbia] Album CD/CD 2 Late/01 So What (live) FLAC.flac"
    )


def test_tags_that_name_no_album_artist_keep_a_compilation_together() -> None:
    def one(**tags: object) -> object:
        return names_of_tags({"title": "T", "album": "Hits", "track": 1, **tags}, ext="mp3")

    def whose(*files: object) -> list[str]:
        return [each.albumartist for each in companions_agreed(files)]  # type: ignore[arg-type]

    assert whose(one(artist="A"), one(artist="B")) == ["Various Artists"] * 2
    assert whose(one(artist="A"), one(artist="a")) == ["A", "a"]
    assert whose(one(artist="A", albumartist="X"), one(artist="B")) == ["X", "X"]
    assert whose(one(artist="A", album=""), one(artist="B", album="")) == ["", ""]
    assert [each.discs for each in companions_agreed([one(disc=1), one(disc=2)])] == [2, 2]  # type: ignore[list-item]


def test_tags_of_any_shape_give_names() -> None:
    made = names_of_tags({"title": 7, "track": "x", "disc": True, "date": "19", "artist": None, "discs": -4}, ext="mp3")
    assert (made.title, made.track, made.disc, made.discs, made.year) == ("", 0, 1, 1, 19)
    many = names_of_tags(
        {"label": ["ECM", "X"], "catalog_number": [], "types": ["album"], "original_date": "1959-08"}, ext="mp3"
    )
    assert (many.label, many.catalog_number, many.type, many.originalyear) == ("ECM", "", "Album", 1959)


def test_a_file_keeps_its_extension_unless_it_is_none() -> None:
    assert kept_extension(b"a.FLAC", container="flac") == "flac"
    assert kept_extension(b"a.m4b", container="mp4") == "m4b"
    assert kept_extension(b"noext", container="mp4") == "m4a"
    assert kept_extension(b"a.\xff\xfe", container="mp3") == "mp3"
    assert kept_extension(b"a.toolongextension", container="???") == "audio"
