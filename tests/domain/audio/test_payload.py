"""Golden vectors of payload identity: every container rule, and the tree itself, with hashes written out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio import flac
from apps.domain.audio.payload import (
    LEAF_BYTES,
    Leaves,
    LeavesError,
    PayloadFacts,
    PayloadFormat,
    PayloadHasher,
    PreambleError,
    file_root,
    find_span,
    find_span_in_bytes,
    leaf_count,
    leaf_hash,
    leaf_hashes,
    leaf_length,
    merkle_root,
    parse_streaminfo,
    payload_root,
    verify_leaf,
    verify_manifest,
)
from tests.domain.audio import bits

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "audio"


def root_of(data: bytes) -> str:
    span = find_span_in_bytes(data)
    root, _ = file_root(lambda offset, length: data[offset : offset + length], span)
    return root.hex()


# --- the tree ------------------------------------------------------------------------------------------------------------------------


def test_a_leaf_is_hashed_behind_a_zero_byte() -> None:
    assert leaf_hash(b"") == blake3(b"\x00").digest()
    assert leaf_hash(b"abc").hex() == "b14157d03cf324d8896c43f2c5e241223eab944698e40c01f8f4e028fd1751e4"
    assert verify_leaf(b"abc", leaf_hash(b"abc"))
    assert not verify_leaf(b"abd", leaf_hash(b"abc"))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "1ad48f49627079d806b802c74f40c39d55fe1d78b3faf0f8017aec62cec42122"),
        (2, "a7c40517c3ba6ed1c930a04047fc7d941e0c6c86dff760457784186431014629"),
        (3, "b8a32224c977fedb0f8860d7bb067da5e88821ebc3a518f29bf21afeee562d43"),
        (5, "667f5c8d18ce7aa303848f8a0c385849aecfcb96b12e3dc8470435cffcfa3e84"),
        (6, "b62029ffc66892577f83147b284f54d3009308283c95492b691f5bc50967ccd8"),
        (7, "447242b100f0c5b345113b25b9fb2feff7448146255b57736a4c640ce68d1f93"),
    ],
)
def test_the_tree_over_n_leaves_has_this_root(count: int, expected: str) -> None:
    assert merkle_root([leaf_hash(bytes([index])) for index in range(count)]).hex() == expected


def test_an_odd_node_is_promoted_unchanged() -> None:
    a, b, c = (leaf_hash(bytes([index])) for index in range(3))
    pair = blake3(b"\x01" + a + b).digest()
    assert merkle_root([a, b, c]) == blake3(b"\x01" + pair + c).digest()


def test_the_root_binds_format_length_rate_channels_and_bits_in_this_encoding() -> None:
    merkle = leaf_hash(b"abc")
    facts = PayloadFacts(PayloadFormat.FLAC, 3, rate=44_100, channels=2, bits=16)
    by_hand = b"\x02slskdn-payload-1\x04flac" + bytes.fromhex("0000000000000003 0000ac44 00000002 00000010") + merkle
    assert payload_root(facts, merkle) == blake3(by_hand).digest()
    assert payload_root(facts, merkle).hex() == "8a5e62ec24d21ecac08ee19f6ef949d5495e3eb2747ab4f51fb65271995c6d43"
    assert (
        payload_root(PayloadFacts(PayloadFormat.MP3, 3, rate=44_100, channels=2), merkle).hex()
        == "e4b3955ed20d8775b4fa61ba286b97f3f2d344ca0cba8def4279a9eefd5394bf"
    )
    assert (
        payload_root(PayloadFacts(PayloadFormat.FILE, 3), merkle).hex()
        == "ae8d28c75944271cfd3d091039e73a5bfc229cc15751281ee7ecd89badb8a50f"
    )


def test_leaves_are_256_kib_and_the_last_one_is_short() -> None:
    data = bytes(range(256)) * 2048 + b"tail"
    leaves = leaf_hashes([data])
    assert leaves.hashes == (
        leaf_hash(data[:LEAF_BYTES]),
        leaf_hash(data[LEAF_BYTES : 2 * LEAF_BYTES]),
        leaf_hash(b"tail"),
    )
    assert leaves.merkle.hex() == "5bbfb1f1667e53c894b84b2cad075643297da4356bdcf00cb7c05681786b46e4"
    assert [leaf_length(index, len(data)) for index in range(3)] == [LEAF_BYTES, LEAF_BYTES, 4]


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 1), (LEAF_BYTES, 1), (LEAF_BYTES + 1, 2), (2 * LEAF_BYTES, 2)])
def test_a_payload_of_this_size_has_so_many_leaves(size: int, count: int) -> None:
    assert leaf_count(size) == count
    assert len(leaf_hashes([bytes(size)]).hashes) == count
    with pytest.raises(IndexError):
        leaf_length(count, size)


@given(st.lists(st.binary(max_size=70), max_size=12), st.integers(1, 33))
def test_the_hasher_does_not_care_how_the_bytes_are_cut(blocks: list[bytes], leaf_bytes: int) -> None:
    whole = b"".join(blocks)
    one_by_one = PayloadHasher(leaf_bytes=leaf_bytes)
    for at in range(len(whole)):
        one_by_one.update(whole[at : at + 1])
    expected = tuple(leaf_hash(whole[at : at + leaf_bytes]) for at in range(0, len(whole), leaf_bytes)) or (
        leaf_hash(b""),
    )
    leaves = leaf_hashes(blocks, leaf_bytes=leaf_bytes)
    assert leaves.hashes == expected == one_by_one.finish().hashes
    assert Leaves.unpack(leaves.pack(), payload_bytes=len(whole), leaf_bytes=leaf_bytes) == leaves


def test_a_leaf_list_of_the_wrong_length_is_refused() -> None:
    one = leaf_hash(b"x")
    for hashes, size in (((), 0), ((one, one), 1), ((one,), LEAF_BYTES + 1), ((one[:31],), 1)):
        with pytest.raises(LeavesError):
            Leaves(hashes=hashes, payload_bytes=size)
    with pytest.raises(LeavesError):
        Leaves.unpack(one + b"x", payload_bytes=1)
    with pytest.raises(LeavesError):
        merkle_root([])


def test_a_manifest_counts_only_if_every_fact_is_that_of_the_root() -> None:
    leaves = leaf_hashes([b"abc"])
    facts = PayloadFacts(PayloadFormat.MP3, 3, rate=44_100, channels=2)
    root = payload_root(facts, leaves.merkle)
    assert verify_manifest(root, facts, leaves)
    assert not verify_manifest(root, PayloadFacts(PayloadFormat.MP3, 3, rate=48_000, channels=2), leaves)
    assert not verify_manifest(root, PayloadFacts(PayloadFormat.MP3, 4, rate=44_100, channels=2), leaves)
    assert not verify_manifest(root, facts, leaf_hashes([b"abd"]))
    assert not verify_manifest(root, facts, Leaves(leaves.hashes, 3, leaf_bytes=LEAF_BYTES * 2))


@pytest.mark.parametrize(
    "facts", [{"payload_bytes": -1}, {"payload_bytes": 1 << 64}, {"payload_bytes": 0, "rate": 1 << 32}]
)
def test_facts_that_do_not_fit_their_fields_are_refused(facts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must fit"):
        PayloadFacts(PayloadFormat.FILE, **facts)


# --- FLAC ----------------------------------------------------------------------------------------------------------------------------


def test_flac_payload_starts_after_the_last_metadata_block() -> None:
    data = bits.flac(blocks=[(4, b"vendor"), (1, bytes(100))])
    span = find_span_in_bytes(data)
    assert (span.format, span.offset, span.length) == (PayloadFormat.FLAC, 42 + 10 + 104, len(bits.FLAC_FRAMES))
    assert (span.rate, span.channels, span.bits) == (44_100, 2, 16)
    assert root_of(data) == "b7f9db9fb56bd7222b25194e7ed252ce1c1d1ad98be242dc85d9f739bd4d7a55"


def test_flac_preamble_is_42_bytes_with_the_last_bit_set_whatever_follows() -> None:
    bare, tagged = (find_span_in_bytes(bits.flac(blocks=blocks)) for blocks in ([], [(4, b"vendor")]))
    assert bare.preamble == tagged.preamble
    assert len(bare.preamble) == 42
    assert bare.preamble[:8] == bytes.fromhex("664c6143 80000022")
    assert find_span_in_bytes(bare.preamble + bits.FLAC_FRAMES).preamble == bare.preamble


def test_streaminfo_is_read_field_by_field() -> None:
    info = parse_streaminfo(find_span_in_bytes(bits.flac()).preamble)
    assert (info.min_block, info.max_block, info.min_frame, info.max_frame) == (4096, 4096, 14, 99)
    assert (info.rate, info.channels, info.bits, info.total_samples) == (44_100, 2, 16, 123_456)
    assert info.md5 == bytes(range(16))
    assert info.min_block == info.max_block


@pytest.mark.parametrize(
    "preamble",
    [b"", b"fLaC", b"fLaC\x00\x00\x00\x22" + bits.streaminfo(), b"fLaC\x80\x00\x00\x22" + bits.streaminfo() + b"x"],
)
def test_a_preamble_that_is_not_canonical_is_refused(preamble: bytes) -> None:
    with pytest.raises(PreambleError):
        parse_streaminfo(preamble)


@pytest.mark.parametrize(
    "data",
    [
        b"fLaC",
        b"fLaC" + bytes([0x84, 0, 0, 4]) + b"abcd" + bits.FLAC_FRAMES,
        b"fLaC" + bytes([0x80, 0, 0, 33]) + bits.streaminfo()[:33] + bits.FLAC_FRAMES,
        b"fLaC"
        + bytes([0x00, 0, 0, 34])
        + bits.streaminfo()
        + bytes([0x80, 0, 0, 34])
        + bits.streaminfo()
        + bits.FLAC_FRAMES,
        b"fLaC" + bytes([0x00, 0, 0, 34]) + bits.streaminfo() + bytes([0xFF, 0, 0, 0]) + bits.FLAC_FRAMES,
        b"fLaC" + bytes([0x00, 0, 0, 34]) + bits.streaminfo() + bytes([0x84, 0xFF, 0xFF, 0xFF]) + bits.FLAC_FRAMES,
        b"fLaC" + bytes([0x00, 0, 0, 34]) + bits.streaminfo(),
        bits.flac(frames=bytes(70_000) + bits.FLAC_FRAMES),
        b"fLaC" + bytes([0x80, 0, 0, 34]) + bits.streaminfo(rate=0) + bits.FLAC_FRAMES,
    ],
    ids=[
        "marker-only",
        "no-streaminfo",
        "short-streaminfo",
        "two-streaminfos",
        "type-127",
        "beyond-end",
        "no-last-block",
        "no-sync",
        "rate-0",
    ],
)
def test_flac_that_breaks_a_rule_is_taken_whole(data: bytes) -> None:
    span = find_span_in_bytes(data)
    assert (span.format, span.offset, span.length, span.preamble) == (PayloadFormat.FILE, 0, len(data), b"")
    assert (span.rate, span.channels, span.bits) == (0, 0, 0)


def test_junk_between_flac_metadata_and_the_first_frame_is_payload() -> None:
    span = find_span_in_bytes(bits.flac(frames=bytes(1000) + bits.FLAC_FRAMES))
    assert (span.format, span.offset, span.length) == (PayloadFormat.FLAC, 42, 1000 + len(bits.FLAC_FRAMES))


def test_a_flac_header_of_more_than_64_mib_is_taken_whole_without_reading_it() -> None:
    block = bytes([0x01, 0xFF, 0xFF, 0xFF])
    head = b"fLaC" + bytes([0x00, 0, 0, 34]) + bits.streaminfo()
    step = 4 + 0xFFFFFF
    size, reads = 42 + 6 * step, 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal reads
        reads += length
        if offset < 42:
            return (head + block)[offset : offset + length]
        return block[:length] if (offset - 42) % step == 0 else bytes(length)

    assert find_span(read_at, size).format is PayloadFormat.FILE
    assert reads < 100_000


@pytest.mark.parametrize("window", [17, 20, 33, 1 << 20])
def test_frames_are_measured_without_decoding(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flac, "_WINDOW_BYTES", window)
    bodies = [b"", b"x" * 50, b"\xff\xf8\xc9\x18\x09" * 4, b"\xff" * 9, b"y" * 30]
    data = b"junk" + b"".join(bits.flac_frame(number, body) for number, body in enumerate(bodies))
    assert flac.frame_sizes(lambda offset, length: data[offset : offset + length], 4, len(data)) == (6, 56)
    assert flac.frame_sizes(lambda offset, length: data[offset : offset + length], 0, len(data)) is None


@given(st.binary(max_size=300), st.integers(17, 40))
def test_measuring_any_bytes_ends(tail: bytes, window: int) -> None:
    data = bits.FLAC_FRAMES + tail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flac, "_WINDOW_BYTES", window)
        sizes = flac.frame_sizes(lambda offset, length: data[offset : offset + length], 0, len(data))
    assert sizes is not None
    assert 0 < sizes[0] <= sizes[1] <= len(data)


# --- MP3 -----------------------------------------------------------------------------------------------------------------------------


def test_mp3_payload_starts_at_two_chained_headers() -> None:
    span = find_span_in_bytes(b"junk" + bits.MP3_FRAMES)
    assert (span.format, span.offset, span.length, span.preamble) == (PayloadFormat.MP3, 4, len(bits.MP3_FRAMES), b"")
    assert (span.rate, span.channels, span.bits) == (44_100, 2, 0)
    assert (
        root_of(bits.MP3_FRAMES)
        == root_of(b"junk" + bits.MP3_FRAMES)
        == "d151881c42d5e0067e0dbcbc0d9e08a822945ff518ce7fc385ac19a19a60f998"
    )


@pytest.mark.parametrize("kind", ["xing", "info", "vbri", "info-crc"])
def test_an_information_frame_is_preamble_and_not_payload(kind: str) -> None:
    frame = bits.information_frame(kind)
    span = find_span_in_bytes(frame + bits.MP3_FRAMES)
    assert (span.offset, span.preamble) == (len(frame), frame)
    assert root_of(frame + bits.MP3_FRAMES) == root_of(bits.MP3_FRAMES)


def test_only_one_information_frame_is_preamble() -> None:
    frame = bits.information_frame("info")
    assert find_span_in_bytes(frame + frame + bits.MP3_FRAMES).offset == len(frame)


def test_mpeg2_mono_has_its_own_side_information_and_rate() -> None:
    span = find_span_in_bytes(bits.MP3_V2_MONO)
    assert (span.format, span.rate, span.channels) == (PayloadFormat.MP3, 22_050, 1)
    assert root_of(bits.MP3_V2_MONO) == "990433dd6f57351e4d540820eba918e72e35cdb821f4f061c3688ad0d1fa12e8"


@pytest.mark.parametrize(
    "data",
    [
        bits.mp3_frame(0),
        bits.mp3_frame(0) + bits.mp3_frame(0, rate_index=1),
        bytes(65_536) + bits.MP3_FRAMES,
        b"RIFF" + bits.MP3_FRAMES,
        b"OggS" + bits.MP3_FRAMES,
        b"\0\0\0\x20ftypM4A " + bits.MP3_FRAMES,
    ],
    ids=["one-frame", "no-chain", "sync-too-late", "riff", "ogg", "mp4"],
)
def test_what_is_not_mp3_is_taken_whole(data: bytes) -> None:
    assert find_span_in_bytes(data).format is PayloadFormat.FILE
    assert find_span_in_bytes(data).length == len(data)


def test_junk_inside_mp3_is_payload() -> None:
    data = bits.MP3_FRAMES + b"inner junk" + bits.MP3_FRAMES
    assert find_span_in_bytes(data).length == len(data)


def test_a_whole_file_keeps_its_tags_in_its_root() -> None:
    assert root_of(b"OggS....") == "deb4705cc1194ea089f20e82ef053e15f09765e1a6a022d0fc453570b7afd11d"
    assert root_of(b"OggS....") != root_of(b"OggS...." + bits.id3v1())
    assert root_of(b"") == "c21ef2dcb5db3dd62a0695bdfce64c2ffea1e0be5f75dfa889b1b6bb75f52e91"


# --- tags around ---------------------------------------------------------------------------------------------------------------------

TRAILERS = {
    "id3v1": bits.id3v1(),
    "apev2": bits.ape(b"some items"),
    "apev1": bits.ape(b"some items", version=1000, header=False),
    "lyrics3v2": bits.lyrics3v2(b"LYR00005hello"),
    "lyrics3v1": b"LYRICSBEGINla la laLYRICSEND",
    "id3v24-footer": bits.id3v2(b"appended", footer=True),
    "lyrics-and-id3v1": bits.lyrics3v2(b"IND0000210") + bits.id3v1(),
    "everything-twice": bits.ape(b"x") + bits.id3v1() + bits.ape(b"y") + bits.id3v2(b"z", footer=True) + bits.id3v1(),
    "id3v1-text-inside-ape": bits.ape(b"TAG" + bytes(93), header=False),
}
LEADERS = {
    "none": b"",
    "id3v2.3": bits.id3v2(b"frames"),
    "id3v2.4-footer": bits.id3v2(bytes(200), footer=True),
    "three": bits.id3v2(b"a") + bits.id3v2(b"b") + bits.id3v2(b""),
}


@pytest.mark.parametrize("leader", LEADERS.values(), ids=LEADERS)
@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize(
    "sound",
    [bits.flac(), bits.MP3_FRAMES, bits.information_frame("info") + bits.MP3_FRAMES],
    ids=["flac", "mp3", "mp3-info"],
)
def test_tags_around_the_sound_leave_its_root_alone(leader: bytes, trailer: bytes, sound: bytes) -> None:
    assert root_of(leader + sound + trailer) == root_of(sound)


@pytest.mark.parametrize(
    "trailer",
    [
        b"TAG" + bytes(124),
        bits.ape(b"x")[:-1],
        bits.ape(b"x", claimed=1 << 31, header=False),
        bits.ape(b"x", version=3000, header=False),
        b"999999LYRICS200",
        b"LYRICSEND",
        b"3DI\x04\x00\x10\x00\x00\x00\x01",
        b"TAG+" + bytes(223),
    ],
    ids=[
        "short-id3v1",
        "cut-ape",
        "ape-too-large",
        "ape-version",
        "lyrics-too-large",
        "lyrics-no-begin",
        "footer-no-header",
        "enhanced-tag",
    ],
)
def test_what_only_looks_like_a_tag_is_payload(trailer: bytes) -> None:
    data = bits.MP3_FRAMES + trailer
    assert find_span_in_bytes(data).length == len(data)


def test_more_than_64_tags_on_a_side_are_taken_whole() -> None:
    assert find_span_in_bytes(bits.id3v2(b"") * 64 + bits.MP3_FRAMES).format is PayloadFormat.MP3
    assert find_span_in_bytes(bits.id3v2(b"") * 65 + bits.MP3_FRAMES).format is PayloadFormat.FILE
    assert find_span_in_bytes(bits.MP3_FRAMES + bits.id3v1() * 65).format is PayloadFormat.FILE


def test_a_leading_tag_of_more_than_64_mib_is_taken_whole() -> None:
    head = b"ID3\x04\x00\x00" + bytes([0x20, 0, 0, 0])
    assert (
        find_span(lambda offset, length: (head + bytes(64))[offset : offset + length], 70 << 20).format
        is PayloadFormat.FILE
    )


tags = st.lists(
    st.one_of(
        st.binary(max_size=40).map(bits.id3v2),
        st.binary(max_size=40).map(lambda body: bits.id3v2(body, footer=True)),
    ),
    max_size=4,
).map(b"".join)
trailers = st.lists(
    st.one_of(
        st.binary(min_size=30, max_size=30).map(bits.id3v1),
        st.binary(max_size=60).map(bits.ape),
        st.binary(max_size=40).map(lambda body: bits.id3v2(body, footer=True)),
        st.sampled_from(list(TRAILERS.values())),
    ),
    max_size=4,
).map(b"".join)


@given(
    tags,
    trailers,
    st.binary(max_size=200),
    st.sampled_from(["flac", "mp3"]),
    st.lists(st.binary(max_size=50), max_size=3),
)
def test_retagging_never_changes_the_root(
    leader: bytes, trailer: bytes, sound: bytes, kind: str, blocks: list[bytes]
) -> None:
    if kind == "flac":
        plain = bits.flac(frames=bits.FLAC_FRAMES + sound)
        retagged = bits.flac(frames=bits.FLAC_FRAMES + sound, blocks=[(4, block) for block in blocks])
    else:
        plain = retagged = bits.MP3_FRAMES + sound
    assert root_of(leader + retagged + trailer) == root_of(plain)


MARKERS = [
    b"ID3\x04\x00\x10",
    b"3DI\x04\x00\x00",
    b"TAG",
    b"APETAGEX",
    b"LYRICSBEGIN",
    b"LYRICS200",
    b"LYRICSEND",
    b"fLaC",
    b"\xff\xfb\x90\x00",
    b"\xff\xf8\xc9\x18",
]


@given(
    st.lists(
        st.one_of(st.binary(max_size=64), st.sampled_from(MARKERS), st.just(bits.flac()), st.just(bits.MP3_FRAMES)),
        max_size=12,
    ).map(b"".join)
)
def test_arbitrary_bytes_have_a_span_and_never_raise(data: bytes) -> None:
    span = find_span_in_bytes(data)
    assert 0 <= span.offset <= span.end <= len(data)
    assert len(root_of(data)) == 64


def test_every_truncation_of_a_file_has_a_span() -> None:
    data = bits.id3v2(b"x") + bits.flac(blocks=[(4, b"v")]) + bits.ape(b"y") + bits.id3v1()
    assert all(find_span_in_bytes(data[:cut]).end <= cut for cut in range(len(data)))


def test_a_file_that_shrinks_while_it_is_hashed_is_an_error_and_not_a_root() -> None:
    span = find_span_in_bytes(bits.MP3_FRAMES)
    with pytest.raises(LeavesError):
        file_root(lambda offset, length: bits.MP3_FRAMES[: len(bits.MP3_FRAMES) // 2][offset : offset + length], span)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded odd files are not beside this checkout")
def test_odd_files_from_the_wild_have_a_root_also_when_damaged() -> None:
    files = [path for path in sorted(FIXTURES.rglob("*")) if path.is_file() and path.suffix != ".json"]
    chance = random.Random(7)
    formats = set()
    for path in files:
        data = path.read_bytes()
        formats.add(find_span_in_bytes(data).format)
        assert len(root_of(data)) == 64
        damaged = bytearray(data[: chance.randrange(len(data) + 1)])
        for _ in range(min(20, len(damaged))):
            damaged[chance.randrange(min(len(damaged), 4096))] = chance.randrange(256)
        assert find_span_in_bytes(bytes(damaged)).end <= len(damaged)
    assert formats == set(PayloadFormat)
    assert len(files) > 400
