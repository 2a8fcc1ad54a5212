"""Path keys: bytes as on disk, text only for the eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.library.paths import PathKey, PathKeyError, display_text


@pytest.mark.parametrize(
    "relative", [b"", b"/etc/passwd", b"a//b", b"a/", b"../a", b"a/../b", b"./a", b"a\0b", b"x" * 4097]
)
def test_a_path_that_is_not_plainly_inside_is_refused(relative: bytes) -> None:
    with pytest.raises(PathKeyError):
        PathKey(root_id=1, relative=relative)


def test_undecodable_bytes_are_kept_and_shown_escaped() -> None:
    key = PathKey(root_id=1, relative=b"caf\xe9/\xc3\xa9.mp3")
    assert key.relative == b"caf\xe9/\xc3\xa9.mp3"
    assert key.display == "caf\\xe9/é.mp3"
    assert display_text("a\u202eb\n\u200d".encode()) == "a\\u202eb\\n\u200d"


@given(st.binary(max_size=200))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    display_text(raw).encode()
