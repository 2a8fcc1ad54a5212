"""The digest of a sound: of any bytes an answer or our own error, and blind to nothing but tags."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio import ogg
from apps.domain.audio.chunks import read_chunks
from apps.domain.audio.flac import ReadAt
from apps.domain.audio.sound import Container, SoundUnknown, sound_digest


def over(data: bytes) -> tuple[ReadAt, int]:
    return (lambda offset, length: data[offset : offset + length]), len(data)


def digest(data: bytes) -> bytes:
    return sound_digest(*over(data)).digest


def reason(data: bytes) -> str:
    with pytest.raises(SoundUnknown) as caught:
        sound_digest(*over(data))
    return str(caught.value.params["reason"])


def box(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def mp4(
    *, tag: bytes = b"", sound: bytes = b"s" * 64, shift: int = 0, before: bytes = b"", inner: bytes = b""
) -> bytes:
    """moov before mdat; `shift`: an offset that a bad writer forgot to move."""

    def moov(at: int) -> bytes:
        table = box(b"stco", bytes(4) + struct.pack(">III", 2, at + shift, at + 32 + shift))
        return box(
            b"moov",
            box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", table + inner)))) + (box(b"udta", tag) if tag else b""),
        )

    head = box(b"ftyp", b"M4A ") + before
    return head + moov(len(head) + len(moov(0)) + 8) + box(b"mdat", sound)


def wave(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + len(each).to_bytes(4, "little") + each + bytes(len(each) & 1) for name, each in chunks)
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WAVE" + body


def stream(comment: bytes, *, sound: bytes = b"abc" * 100, granule: int = 960, gap: int = 0) -> bytes:
    head = b"OpusHead" + bytes(11)
    headers = ogg.Headers(codec="opus", serial=7, packets=(head, comment), comment=1, audio_at=0, next_sequence=0)
    made = ogg.header_pages(headers, headers.packets)
    segments = b"\xff" * (len(sound) // 255) + bytes((len(sound) % 255,))
    page = ogg.Page(0, 0, 0x04, granule, 7, 0, segments, sound)
    return b"".join(made) + ogg.page_bytes(page, sequence=len(made) + gap)


def test_mp4_tags_may_grow_as_long_as_every_sample_is_found_where_it_was() -> None:
    plain = digest(mp4())
    assert digest(mp4(tag=box(b"meta", b"x" * 5000))) == plain
    assert digest(mp4(before=box(b"free", bytes(100)))) == plain
    assert digest(mp4(sound=b"s" * 63 + b"t")) != plain
    assert digest(mp4(shift=8)) != plain
    assert digest(mp4(inner=box(b"stsz", b"other"))) != plain


def reason_or_none(data: bytes) -> str | None:
    try:
        sound_digest(*over(data))
    except SoundUnknown as error:
        return str(error.params["reason"])
    return None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (mp4(shift=100_000), "offsets"),
        (mp4()[:-1], "cut_off"),
        (mp4(inner=box(b"moof")), "fragmented"),
        (mp4(before=box(b"moof")), "fragmented"),
        (mp4(inner=box(b"saio")), "encrypted"),
        (box(b"ftyp", b"M4A "), "mdat"),
        (box(b"ftyp", b"M4A ") + struct.pack(">I4sQ", 1, b"mdat", 1 << 60), "cut_off"),
        (box(b"ftyp", b"M4A ") + box(b"mdat") + box(b"free") * 20_001, "too_many"),
        (wave((b"fmt ", b"f" * 16), (b"data", b"d" * 9))[:-4], "cut_off"),
        (wave(*[(b"data", b"")] * 5000), "too_many"),
        (stream(b"OpusTags")[:-1], "page"),
        (stream(b"nonsense"), "headers"),
        (stream(b"OpusTags") + stream(b"OpusTags"), "serial"),
        (stream(b"OpusTags").replace(b"abcabc", b"abcabd", 1), "crc"),
        (b"wvpk" + b"s" * 50 + b"LYRICSBEGIN" + b"000011LYRICS200", "other_tags"),
        (b"fLaC" + bytes(60), "format"),
        (b"", "format"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_has_a_reason(data: bytes, why: str) -> None:
    assert reason(data) == why


def test_boxes_in_boxes_end_somewhere() -> None:
    data = box(b"mdat", b"s")
    nested = b""
    for _ in range(2000):
        nested = box(b"trak", nested)
    assert reason(box(b"ftyp", b"M4A ") + data + nested) == "too_many"


def test_chunks_but_the_tags_are_the_sound() -> None:
    chunks = ((b"fmt ", b"f" * 16), (b"bext", b"b" * 7), (b"data", b"d" * 9))
    plain = digest(wave(*chunks))
    assert digest(wave(*chunks, (b"id3 ", b"ID3...."))) == plain
    assert digest(wave((b"ID3 ", b"ID3...."), *chunks)) == plain
    assert digest(wave(*chunks[:2], (b"data", b"d" * 8 + b"e"))) != plain
    assert digest(wave(chunks[0], chunks[2])) != plain
    assert digest(wave(*chunks) + b"behind") != plain
    assert [one.name for one in read_chunks(*over(wave(*chunks))).chunks] == [b"fmt ", b"bext", b"data"]


def test_ogg_comments_may_take_any_number_of_pages() -> None:
    plain = digest(stream(b"OpusTags"))
    assert digest(stream(b"OpusTags" + b"x" * 200_000)) == plain
    assert digest(stream(b"OpusTags", gap=3)) == plain  # numbers are framing
    assert digest(stream(b"OpusTags", granule=961)) != plain
    assert digest(stream(b"OpusTags", sound=b"abd" * 100)) != plain
    headers = ogg.read_headers(*over(stream(b"OpusTags" + b"x" * 200_000)))
    assert (len(headers.packets[1]), headers.next_sequence) == (200_008, 5)


def test_ape_tags_and_id3v1_behind_the_sound_are_none_of_it() -> None:
    plain = digest(b"wvpk" + b"s" * 500)
    item = (1).to_bytes(4, "little") + bytes(4) + b"Title\0x"
    footer = (
        b"APETAGEX"
        + (2000).to_bytes(4, "little")
        + (len(item) + 32).to_bytes(4, "little")
        + (1).to_bytes(4, "little")
        + bytes(12)
    )
    assert digest(b"wvpk" + b"s" * 500 + item + footer) == plain
    assert digest(b"wvpk" + b"s" * 500 + item + footer + b"TAG" + bytes(125)) == plain
    assert digest(b"wvpk" + b"s" * 499 + b"t" + item + footer) != plain
    assert sound_digest(*over(b"wvpk" + b"s" * 500)).container is Container.WAVPACK


HEADS = st.sampled_from(
    [b"", b"OggS\0\x02", b"RIFF\xff\0\0\0WAVE", b"FORM\0\0\0\xffAIFF", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), b"\0\0\0\x08ftyp", b"wvpk", b"MAC "]
)  # fmt: skip


@given(head=HEADS, rest=st.binary(max_size=400))
def test_any_bytes_give_a_digest_or_our_own_error(head: bytes, rest: bytes) -> None:
    reason_or_none(head + rest)


@given(at=st.integers(0, 63), bit=st.integers(0, 7), which=st.integers(0, 3))
def test_a_changed_bit_of_the_sound_gives_another_digest_or_our_own_error(at: int, bit: int, which: int) -> None:
    sound = bytes(range(64, 128))
    data = (
        mp4(tag=b"t" * 8, sound=sound),
        wave((b"fmt ", b"f" * 16), (b"data", sound), (b"id3 ", b"t" * 8)),
        stream(b"OpusTags" + b"t" * 8, sound=sound),
        b"wvpk" + sound,
    )[which]
    changed = bytearray(data)
    changed[data.index(sound) + at] ^= 1 << bit
    assert reason_or_none(bytes(changed)) is not None or digest(bytes(changed)) != digest(data)
