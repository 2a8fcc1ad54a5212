"""What the find box understands, as tables."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.catalog.links import (
    Asked,
    BarcodeAsked,
    DiscogsAsked,
    DiscogsKind,
    EntityKind,
    FindUnreadable,
    IsrcAsked,
    MbidAsked,
    WordsAsked,
    barcode_forms,
    gtin_valid,
    understand,
)

MBID = uuid.UUID("1b022e01-4da6-387b-8658-8678046e4cef")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (str(MBID), MbidAsked(mbid=MBID, kind=None)),
        (f"  {str(MBID).upper()}\n", MbidAsked(mbid=MBID, kind=None)),
        (f"release:{MBID}", MbidAsked(mbid=MBID, kind=EntityKind.RELEASE)),
        (f"release-group {MBID}", MbidAsked(mbid=MBID, kind=EntityKind.RELEASE_GROUP)),
        (f"https://musicbrainz.org/artist/{MBID}", MbidAsked(mbid=MBID, kind=EntityKind.ARTIST)),
        (f"musicbrainz.org/label/{MBID}?page=2", MbidAsked(mbid=MBID, kind=EntityKind.LABEL)),
        (f"https://beta.musicbrainz.org/release/{MBID}/disc/2#x", MbidAsked(mbid=MBID, kind=EntityKind.RELEASE)),
        (f"https://musicbrainz.org/ws/2/recording/{MBID}?fmt=json", MbidAsked(mbid=MBID, kind=EntityKind.RECORDING)),
        (f"http://musicbrainz.org/track/{MBID}", MbidAsked(mbid=MBID, kind=EntityKind.TRACK)),
        ("https://musicbrainz.org/isrc/USGF19942501", IsrcAsked(isrc="USGF19942501")),
        ("https://www.discogs.com/release/249504-Rick-Astley-X", DiscogsAsked(id=249504, kind=DiscogsKind.RELEASE)),
        ("discogs.com/de/master/13814-Nevermind", DiscogsAsked(id=13814, kind=DiscogsKind.MASTER)),
        ("https://www.discogs.com/Nirvana-Nevermind/master/13814", DiscogsAsked(id=13814, kind=DiscogsKind.MASTER)),
        ("https://api.discogs.com/labels/1", DiscogsAsked(id=1, kind=DiscogsKind.LABEL)),
        ("https://www.discogs.com/artist/125246-Nirvana", DiscogsAsked(id=125246, kind=DiscogsKind.ARTIST)),
        ("[r249504]", DiscogsAsked(id=249504, kind=DiscogsKind.RELEASE)),
        ("[l=1]", DiscogsAsked(id=1, kind=DiscogsKind.LABEL)),
        ("discogs:release:249504", DiscogsAsked(id=249504, kind=DiscogsKind.RELEASE)),
        ("720642442524", BarcodeAsked(digits="720642442524")),
        ("0 720642 442524", BarcodeAsked(digits="0720642442524")),
        ("USGF1-99-42501".replace("1-", "1", 1), IsrcAsked(isrc="USGF19942501")),
        ("us-gf1-99-42501", IsrcAsked(isrc="USGF19942501")),
        ("Nirvana – Nevermind", WordsAsked(artist="Nirvana", title="Nevermind")),
        ("a-ha - Take On Me", WordsAsked(artist="a-ha", title="Take On Me")),
        ("nevermind", WordsAsked(title="nevermind")),
        ("1999", WordsAsked(title="1999")),
        ("r249504", WordsAsked(title="r249504")),
        ("AC/DC", WordsAsked(title="AC/DC")),
        ("Will.i.am", WordsAsked(title="Will.i.am")),
        ("- Untitled", WordsAsked(title="- Untitled")),
        ('"Nirvana - Nevermind"', WordsAsked(title="Nirvana - Nevermind")),
    ],
)
def test_what_is_typed_is_understood(text: str, asked: Asked) -> None:
    assert understand(text) == asked


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "find_empty"),
        (" \t", "find_empty"),
        ("0" * 8 + "-0000-0000-0000-" + "0" * 12, "find_empty"),
        ("x" * 501, "find_too_long"),
        (f"https://musicbrainz.org/work/{MBID}", "find_wrong_entity"),
        ("https://musicbrainz.org/release/nothing", "find_wrong_entity"),
        ("https://musicbrainz.org", "find_wrong_entity"),
        ("https://www.discogs.com/user/someone", "find_wrong_entity"),
        ("https://open.spotify.com/album/1", "find_other_site"),
        ("https://musicbrainz.org.example.com/release/" + str(MBID), "find_other_site"),
        ("720642442525", "barcode_check_digit"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(FindUnreadable) as caught:
        understand(text)
    assert caught.value.code == code


@given(st.text(max_size=600))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        asked = understand(text)
    except FindUnreadable as error:
        assert error.code
    else:
        assert not isinstance(asked, WordsAsked) or asked.title


@given(st.sampled_from([7, 11, 12, 13]), st.data())
def test_exactly_one_last_digit_makes_a_barcode(length: int, data: st.DataObject) -> None:
    body = data.draw(st.text("0123456789", min_size=length, max_size=length))
    assert sum(gtin_valid(f"{body}{last}") for last in range(10)) == 1


def test_a_upc_and_its_ean_are_one_barcode() -> None:
    assert barcode_forms("720642442524") == ("720642442524", "0720642442524")
    assert barcode_forms("0720642442524") == ("0720642442524", "720642442524")
    assert barcode_forms("5099902988023") == ("5099902988023",)
