"""What may be said, what is kept of what others say, pictures, and lists of files from strangers."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Mapping, Sequence

import pytest

from apps.domain.soulseek.people import (
    MAX_HEARD,
    MAX_PICTURE_BYTES,
    MAX_SAID,
    ChatInvalid,
    Pace,
    heard,
    picture_type,
    room_name,
    said,
    user_name,
)
from apps.domain.soulseek.share_pack import (
    BrowseFailed,
    ShareView,
    folder_read,
    inflated,
    shares_packed,
)

Files = Mapping[str, Sequence[tuple[str, int]]]


def test_what_we_say_is_one_line_without_controls_and_not_endless() -> None:
    assert said("  hi\tthere\r\nyou\x00\x1b[31m \n") == "hi there  you[31m"
    assert said("grüße 🎵") == "grüße 🎵"
    assert len(said("x" * MAX_SAID)) == MAX_SAID
    for text, code in (("", "chat_empty"), (" \n\x00", "chat_empty"), ("x" * (MAX_SAID + 1), "chat_too_long")):
        with pytest.raises(ChatInvalid) as refused:
            said(text)
        assert refused.value.code == code


def test_what_others_say_fits_a_row() -> None:
    assert heard("a\0b\ud800c\n") == "abc\n"
    assert len(heard("x" * 100_000)) == MAX_HEARD


def test_names_are_bounded() -> None:
    assert user_name("Björn 2") == "Björn 2"
    assert room_name(" tea ") == "tea"
    for name in ("", " ", "x" * 121, "a\nb", "a\0"):
        with pytest.raises(ChatInvalid) as refused:
            user_name(name)
        assert refused.value.code == "user_invalid"


def test_a_pace_lets_a_burst_through_and_then_drips() -> None:
    pace = Pace(burst=3, per_s=0.5)
    assert [pace.take(10.0) for _ in range(4)] == [0, 0, 0, 2]
    assert pace.take(11.0) == 1
    assert pace.take(12.0) == 0
    assert pace.take(1000.0) == 0
    assert [pace.take(1000.0) for _ in range(3)] == [0, 0, 2]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(9), "image/jpeg"),
        (b"GIF89a" + bytes(9), "image/gif"),
        (b"RIFF\0\0\0\0WEBP" + bytes(9), "image/webp"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", ""),
        (b"<html><script>alert(1)</script>", ""),
        (b"", ""),
        (b"\xff\xd8\xff", ""),
        (b"\xff\xd8\xff" + bytes(MAX_PICTURE_BYTES), ""),
    ],
)
def test_only_pictures_by_their_content_and_of_a_size_are_shown(data: bytes, kind: str) -> None:
    assert picture_type(data) == kind


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def _folders(folders: Files) -> bytes:
    body = struct.pack("<I", len(folders))
    for path, files in folders.items():
        body += _text(path) + struct.pack("<I", len(files))
        for name, size in files:
            body += b"\x01" + _text(name) + struct.pack("<Q", size) + _text("flac")
            body += struct.pack("<IIIII", 2, 1, 180, 4, 44_100)
    return body


def reply(visible: Files, locked: Files | None = None) -> bytes:
    body = _folders(visible) + struct.pack("<I", 0)
    return zlib.compress(body + (_folders(locked) if locked is not None else b""))


SHARE: Files = {
    "Music": [],
    "Music\\Björk\\Post": [("02 Hyperballad.flac", 30), ("01 Army of Me.flac", 20)],
    "Music\\Björk\\Post\\Scans": [("front.jpg", 3)],
    "Music\\Björk": [("note.txt", 1)],
    "Music\\Björk - live": [("01 Live.flac", 7)],
}


def test_a_list_is_packed_and_looked_at_folder_by_folder() -> None:
    pack = shares_packed(reply(SHARE, {"Secret\\Demo": [("x.flac", 5)]}))
    assert (pack.files, pack.folders) == (6, 6)
    view = ShareView(pack.blob)
    assert (view.files, view.size_bytes) == (6, 66)
    assert [(one.name, one.files, one.size_bytes, one.locked) for one in view.children("")] == [
        ("Music", 5, 61, False),
        ("Secret", 1, 5, True),
    ]
    assert [(one.path, one.files) for one in view.children("Music")] == [
        ("Music\\Björk", 4),
        ("Music\\Björk - live", 1),
    ]
    assert [one.name for one in view.children("Music\\Björk\\Post")] == ["Scans"]
    assert [(one.name, one.size_bytes) for one in view.files_of("Music\\Björk\\Post")] == [
        ("01 Army of Me.flac", 20),
        ("02 Hyperballad.flac", 30),
    ]
    assert view.files_of("Music\\Björk")[0].attributes == {"1": 180, "4": 44_100}
    assert view.exists("Music\\Björk\\Post\\Scans")
    assert not view.exists("Music\\B")
    assert [one.path for one in view.at_or_below("Music\\Björk")] == [
        "Music\\Björk",
        "Music\\Björk\\Post",
        "Music\\Björk\\Post\\Scans",
    ]


def test_a_filter_looks_for_all_words_in_the_whole_path_page_by_page() -> None:
    view = ShareView(shares_packed(reply(SHARE)).blob)
    assert [one.file.name for one in view.found(["björk", "FLAC"], limit=9)] == [
        "01 Army of Me.flac",
        "02 Hyperballad.flac",
        "01 Live.flac",
    ]
    assert view.found(["180"], limit=9) == [], "an attribute is no name"
    first = view.found(["björk"], limit=2)
    rest = view.found(["björk"], cursor=first[-1].cursor, limit=99)
    assert len(first) + len(rest) == 5
    assert {(one.folder, one.file.name) for one in first}.isdisjoint({(one.folder, one.file.name) for one in rest})
    assert len(view.found([], cursor="nonsense", limit=99)) == 5


def test_many_chunks_give_every_file_once() -> None:
    rng = random.Random(7)
    share = {
        f"Root\\{number:04}": [(f"{index:03} {rng.random()}.mp3", index) for index in range(rng.randrange(0, 60))]
        for number in range(300)
    }
    view = ShareView(shares_packed(reply(share)).blob)
    for path, files in share.items():
        assert [(one.name, one.size_bytes) for one in view.files_of(path)] == list(files)
    everything = view.found(["mp3"], limit=10**6)
    assert len(everything) == sum(map(len, share.values()))
    mixed = ShareView(shares_packed(reply(dict(random.Random(3).sample(sorted(share.items()), len(share))))).blob)
    paged: list[str] = []
    cursor = ""
    while found := mixed.found(["mp3"], cursor=cursor, limit=97):
        cursor = found[-1].cursor
        paged += [f"{one.folder}\\{one.file.name}" for one in found]
    assert len(paged) == len(set(paged))
    assert set(paged) == {f"{one.folder}\\{one.file.name}" for one in everything}


def test_names_that_try_something_come_back_as_they_were() -> None:
    name = 'a\tb\n"c"\\u0000<script>\u2028\0.mp3'
    view = ShareView(shares_packed(reply({"x": [(name, 1)], "": [("lost", 1)]})).blob)
    assert [one.name for one in view.files_of("x")] == [name]
    assert view.files == 1, "a file without a folder can't be asked for"


@pytest.mark.parametrize("cut", [1, 5, 9, 17, 40, 60])
def test_a_list_that_ends_too_early_is_refused(cut: int) -> None:
    body = zlib.decompress(reply(SHARE))
    with pytest.raises(BrowseFailed):
        shares_packed(zlib.compress(body[:cut]))


def test_bombs_lies_and_noise_are_refused() -> None:
    for payload, code in (
        (zlib.compress(bytes(65 << 20)), "browse_too_big"),
        (zlib.compress(struct.pack("<I", 2**32 - 1)), "browse_too_big"),
        (zlib.compress(struct.pack("<I", 1) + _text("a") + struct.pack("<I", 600_000)), "browse_too_big"),
        (b"noise", "browse_garbled"),
        (b"", "browse_garbled"),
        (zlib.compress(struct.pack("<I", 1) + struct.pack("<I", 2**31)), "browse_garbled"),
    ):
        with pytest.raises(BrowseFailed) as refused:
            shares_packed(payload)
        assert refused.value.code == code
    with pytest.raises(BrowseFailed):
        inflated(zlib.compress(bytes(1000)), most=999)
    with pytest.raises(BrowseFailed):
        ShareView(b"something else")


def test_a_folders_answer_gives_the_files_of_that_folder_alone() -> None:
    body = struct.pack("<I", 9) + _text("Music\\Björk") + _folders(SHARE)
    assert [one.name for one in folder_read(zlib.compress(body), folder="Music\\Björk")] == ["note.txt"]
    assert folder_read(zlib.compress(body), folder="elsewhere") == ()
