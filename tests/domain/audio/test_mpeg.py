"""Information frames: what they claim, and how their numbers are made true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio import mpeg
from tests.domain.audio import bits


def lame_frame(*, flags: int = 15, method: int = 4, quality: int = 98) -> bytes:
    frame = bytearray(bits.information_frame("xing"))
    body = flags.to_bytes(4, "big")
    for bit, value in (
        (1, (999).to_bytes(4, "big")),
        (2, (123).to_bytes(4, "big")),
        (4, bytes(100)),
        (8, quality.to_bytes(4, "big")),
    ):
        body += value if flags & bit else b""
    body += b"LAME3.100" + bytes([method]) + bytes(26)
    frame[40 : 40 + len(body)] = body
    return bytes(frame)


def test_a_lame_tag_tells_preset_encoder_and_counts() -> None:
    found = mpeg.read_information(lame_frame())
    assert found == mpeg.Information(cbr=False, frames=999, stream_bytes=123, encoder="LAME3.100", lame_v=0)


@pytest.mark.parametrize(("quality", "v"), [(100, 0), (98, 0), (80, 2), (78, 2), (57, 4), (0, None), (101, None)])
def test_lames_quality_number_holds_the_preset(quality: int, v: int | None) -> None:
    found = mpeg.read_information(lame_frame(quality=quality))
    assert found is not None
    assert found.lame_v == v


def test_cbr_has_no_preset_and_absent_fields_are_none() -> None:
    found = mpeg.read_information(lame_frame(method=1))
    assert found is not None
    assert found.lame_v is None
    bare = mpeg.read_information(lame_frame(flags=0))
    assert bare is not None
    assert (bare.frames, bare.stream_bytes, bare.encoder) == (None, None, "LAME3.100")


def test_rebuilding_makes_counts_table_and_crc_true_and_keeps_the_rest() -> None:
    frame = lame_frame()
    offsets = [at * 417 for at in range(200)]
    rebuilt = mpeg.rebuild_information(frame, offsets, 200 * 417)
    found = mpeg.read_information(rebuilt)
    assert found is not None
    assert (found.frames, found.stream_bytes) == (200, 201 * 417)
    table = rebuilt[52:152]
    assert list(table) == sorted(table)
    assert table[0] == 256 // 201
    assert table[50] == 256 * 101 // 201
    assert rebuilt[:44] == frame[:44]
    assert mpeg.rebuild_information(rebuilt, offsets, 200 * 417) == rebuilt
    # CRC-16/ARC over everything before it, computed bit by bit from its definition
    crc = 0
    for byte in rebuilt[:190]:
        for bit in range(8):
            crc = crc >> 1 ^ (0xA001 if (crc ^ byte >> bit) & 1 else 0)
    assert int.from_bytes(rebuilt[190:192], "big") == crc


def test_vbri_and_sound_are_left_as_they_are() -> None:
    for frame in (bits.information_frame("vbri"), bits.mp3_frame(1)):
        assert mpeg.rebuild_information(frame, [0], 417) == frame
        assert mpeg.read_information(frame) is None


@given(st.binary(max_size=500), st.booleans())
def test_any_frame_is_read_and_rebuilt_without_an_error(body: bytes, real: bool) -> None:
    frame = bits.information_frame("info")[:40] + body if real else body
    mpeg.read_information(frame)
    assert len(mpeg.rebuild_information(frame, [0, 417], 834)) == len(frame)


def test_frames_are_walked_until_they_stop_chaining() -> None:
    data = bits.MP3_FRAMES + b"junk"
    walked = list(mpeg.walk_frames(lambda offset, length: data[offset : offset + length], 0, len(data)))
    assert [at for at, _ in walked] == [0, 417, 834]
    assert {header.samples for _, header in walked} == {1152}


@pytest.mark.parametrize("first", [bits.MP3_FRAMES[:4], bits.MP3_V2_MONO[:4], b"\xff\xfa\x12\x40"])
def test_our_own_information_frame_is_a_whole_frame_that_chains(first: bytes) -> None:
    frame = mpeg.neutral_information(first, frames=7, payload_bytes=1000)
    header, following = mpeg.parse_header(frame[:4]), mpeg.parse_header(first)
    assert header is not None
    assert following is not None
    assert header.length == len(frame) <= mpeg.MAX_FRAME_BYTES
    assert header.chains_with(following)
    assert header.channels == following.channels
    assert mpeg.is_information_frame(frame)
    told = mpeg.read_information(frame)
    assert told is not None
    assert (told.frames, told.stream_bytes, told.lame_v) == (7, len(frame) + 1000, None)


def test_what_is_no_header_gives_no_information_frame() -> None:
    with pytest.raises(ValueError, match="Layer III"):
        mpeg.neutral_information(b"\0\0\0\0", frames=1, payload_bytes=1)
