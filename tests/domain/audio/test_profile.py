"""The codec profile grammar, with its golden vectors."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.profile import (
    CLASS_KBPS,
    LOSSLESS,
    MP3_KBPS,
    Codec,
    CodecProfile,
    ProfileError,
    QualityKind,
    parse_profile,
    preference_key,
    profile_of,
)

GOLDEN = {
    "flac-16-44100-2": CodecProfile(Codec.FLAC, QualityKind.BITS, 16, 44_100, 2),
    "flac-24-96000-2": CodecProfile(Codec.FLAC, QualityKind.BITS, 24, 96_000, 2),
    "alac-16-44100-2": CodecProfile(Codec.ALAC, QualityKind.BITS, 16, 44_100, 2),
    "pcm-32-48000-1": CodecProfile(Codec.PCM, QualityKind.BITS, 32, 48_000, 1),
    "mp3-320-44100-2": CodecProfile(Codec.MP3, QualityKind.KBPS, 320, 44_100, 2),
    "mp3-v0-44100-2": CodecProfile(Codec.MP3, QualityKind.LAME_V, 0, 44_100, 2),
    "aac-256-44100-2": CodecProfile(Codec.AAC, QualityKind.KBPS, 256, 44_100, 2),
    "opus-128-48000-2": CodecProfile(Codec.OPUS, QualityKind.KBPS, 128, 48_000, 2),
    "vorbis-q6-44100-2": CodecProfile(Codec.VORBIS, QualityKind.VORBIS_Q, 6, 44_100, 2),
    "vorbis-q10-48000-6": CodecProfile(Codec.VORBIS, QualityKind.VORBIS_Q, 10, 48_000, 6),
}


@pytest.mark.parametrize(("text", "profile"), GOLDEN.items(), ids=GOLDEN)
def test_a_profile_is_written_and_read_like_this(text: str, profile: CodecProfile) -> None:
    assert str(profile) == text
    assert parse_profile(text) == profile


@pytest.mark.parametrize(
    "text",
    [
        "", "flac", "flac-16-44100", "FLAC-16-44100-2", "flac-016-44100-2", "flac-16-44100-2 ", "flac-16-44100-2\n", "flac-64-44100-2", "flac-v0-44100-2",
        "mp3-321-44100-2", "mp3-v10-44100-2", "mp3-q5-44100-2", "mp3-16-0-2", "vorbis-192-44100-2", "vorbis-q11-44100-2", "aac-250-44100-2",
        "opus-128-48000-0", "opus-128-48000-33", "dsd-1-2822400-2", "flac-16-44100-２", "flac-16-999999-2",
    ],
)  # fmt: skip
def test_what_the_grammar_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ProfileError):
        parse_profile(text)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"codec": Codec.MP3, "bitrate_bps": 320_000}, "mp3-320-44100-2"),
        ({"codec": Codec.MP3, "bitrate_bps": 318_900}, "mp3-320-44100-2"),
        ({"codec": Codec.MP3, "bitrate_bps": 247_000, "vbr": True}, "mp3-v0-44100-2"),
        ({"codec": Codec.MP3, "bitrate_bps": 191_000, "vbr": True}, "mp3-v2-44100-2"),
        ({"codec": Codec.MP3, "bitrate_bps": 191_000, "vbr": True, "lame_v": 0}, "mp3-v0-44100-2"),
        ({"codec": Codec.MP3, "bitrate_bps": 65_000, "vbr": True, "channels": 1}, "mp3-v5-44100-1"),
        ({"codec": Codec.AAC, "bitrate_bps": 251_313}, "aac-256-44100-2"),
        ({"codec": Codec.AAC, "bitrate_bps": 240_000}, "aac-224-44100-2"),
        ({"codec": Codec.VORBIS, "bitrate_bps": 192_000}, "vorbis-q6-44100-2"),
        ({"codec": Codec.OPUS, "bitrate_bps": 131_000, "rate": 48_000}, "opus-128-48000-2"),
        ({"codec": Codec.FLAC, "bits": 24, "bitrate_bps": 1}, "flac-24-44100-2"),
    ],
)
def test_measured_properties_snap_to_this_profile(given_: dict[str, object], expected: str) -> None:
    assert str(profile_of(**{"rate": 44_100, "channels": 2, **given_})) == expected


@pytest.mark.parametrize(
    "given_", [{"codec": Codec.MP3}, {"codec": Codec.FLAC}, {"codec": Codec.AAC, "bitrate_bps": 128_000, "rate": 0}]
)
def test_unknown_properties_have_no_profile(given_: dict[str, object]) -> None:
    with pytest.raises(ProfileError):
        profile_of(**{"rate": 44_100, "channels": 2, **given_})


def test_preference_is_a_strict_order_with_lossless_first() -> None:
    best_first = [
        "flac-24-96000-2", "flac-24-44100-2", "flac-16-48000-2", "flac-16-44100-2", "aac-320-44100-2", "mp3-320-44100-2",
        "mp3-v0-44100-2", "vorbis-q6-44100-2", "mp3-192-44100-2", "opus-112-48000-2", "mp3-128-44100-2", "ac3-128-44100-2",
    ]  # fmt: skip
    assert sorted(best_first, key=lambda text: preference_key(parse_profile(text)), reverse=True) == best_first


@given(st.text(max_size=30))
def test_any_text_is_a_profile_or_an_error(text: str) -> None:
    with contextlib.suppress(ProfileError):
        assert str(parse_profile(text)) == text


@given(
    st.sampled_from(list(Codec)),
    st.integers(1000, 768_000),
    st.integers(1, 32),
    st.integers(4, 32),
    st.integers(1, 5_000_000),
    st.booleans(),
)
def test_every_measured_profile_reads_back(
    codec: Codec, rate: int, channels: int, bits: int, bitrate: int, vbr: bool
) -> None:
    profile = profile_of(codec, rate=rate, channels=channels, bits=bits, bitrate_bps=bitrate, vbr=vbr)
    assert parse_profile(str(profile)) == profile
    assert profile.lossless == (codec in LOSSLESS)
    assert profile.nominal_kbps >= 0
    assert profile.kind is not QualityKind.KBPS or profile.quality in (*MP3_KBPS, *CLASS_KBPS)
