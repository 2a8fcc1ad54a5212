"""External downloads stay below their folder, whatever the sharer calls them, and take nobody's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay_node.soulseek.placing import place_of, place_raw
from overlay_node.soulseek.stream_files import StreamFileError


@pytest.mark.parametrize(
    ("user", "path", "parts"),
    [
        ("bob", "Music\\Artist\\Album\\01.flac", ("bob", "Album", "01.flac")),
        ("..", "..\\..\\..\\etc\\passwd", ("__", "etc", "passwd")),
        ("a/b", "x/../../y", ("a-b", "__", "y")),
        (".ssh", "C:\\CON.txt", ("_ssh", "C-", "CON_.txt")),
        ("bob", "", ("bob", "unnamed")),
        ("bob", "\\\\", ("bob", "unnamed")),
        ("b\u202eob", "Album\\a\u202egnp.exe", ("bob", "Album", "agnp.exe")),
    ],
)
def test_names_are_made_safe(user: str, path: str, parts: tuple[str, ...]) -> None:
    assert place_of(user, path) == parts


@given(st.text(max_size=300), st.text(max_size=600))
def test_no_text_climbs_or_is_too_long(user: str, path: str) -> None:
    parts = place_of(user, path)
    assert 2 <= len(parts) <= 3
    for part in parts:
        assert part not in {"", ".", ".."}
        assert not set("/\\\0") & set(part)
        assert not part.startswith(".")
        assert len(part.encode()) <= 255


def stream(folder: Path, content: bytes = b"new") -> Path:
    source = folder / "stream.0"
    source.write_bytes(content)
    return source


def test_a_name_that_is_taken_gets_a_number_and_the_same_file_its_own_again(tmp_path: Path) -> None:
    source, downloads = stream(tmp_path), tmp_path / "downloads"
    first = place_raw(source, downloads=downloads, parts=("bob", "Album", "1.flac"))
    assert place_raw(source, downloads=downloads, parts=("bob", "Album", "1.flac")) == first  # after a kill
    other = tmp_path / "other"
    other.write_bytes(b"other")
    second = place_raw(other, downloads=downloads, parts=("bob", "Album", "1.flac"))
    assert second.name == "1 (2).flac"
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"other")


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "bob").symlink_to(outside)
    with pytest.raises(StreamFileError):
        place_raw(stream(tmp_path), downloads=downloads, parts=("bob", "1.flac"))
    (downloads / "eve").mkdir()
    (downloads / "eve" / "1.flac").symlink_to(outside / "x")
    placed = place_raw(stream(tmp_path), downloads=downloads, parts=("eve", "1.flac"))
    assert placed.name == "1 (2).flac"
    assert list(outside.iterdir()) == []


def test_where_files_have_only_one_name_a_copy_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_args: object, **_more: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", no_links)
    placed = place_raw(stream(tmp_path), downloads=tmp_path / "d", parts=("bob", "1.flac"))
    assert placed.read_bytes() == b"new"
    assert [path.name for path in placed.parent.iterdir()] == ["1.flac"]
