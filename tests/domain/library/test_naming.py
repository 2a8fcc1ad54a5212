"""Names of files: whatever anybody writes into a title, the path stays ours."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.library.naming import (
    DEFAULT_TEMPLATE,
    NameFacts,
    NameFactsError,
    TemplateError,
    check_template,
    clean_text,
    missing_fields,
    numbered,
    path_components,
    relative_path,
)


def facts(**changed: object) -> NameFacts:
    values: dict[str, object] = {
        "title": "Blue in Green", "ext": "flac", "track": 3, "albumartist": "Miles Davis", "artist": "Miles Davis", "album": "Kind of Blue", "year": 1959,
    }  # fmt: skip
    return NameFacts(**{**values, **changed})  # type: ignore[arg-type]


def test_the_default_is_artist_album_year_number_title() -> None:
    assert path_components(facts()) == ("Miles Davis", "Kind of Blue (1959)", "03 Blue in Green.flac")
    assert relative_path(facts()) == b"Miles Davis/Kind of Blue (1959)/03 Blue in Green.flac"


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"disc": 1, "discs": 2}, "1-03 Blue in Green.flac"),
        ({"disc": 2, "discs": 2}, "2-03 Blue in Green.flac"),
        ({"disc": 1, "discs": 1}, "03 Blue in Green.flac"),
        ({"disc": 3, "discs": 0}, "3-03 Blue in Green.flac"),
        ({"track": 112}, "112 Blue in Green.flac"),
        ({"track": 0}, "00 Blue in Green.flac"),
        ({"ext": "mp3"}, "03 Blue in Green.mp3"),
    ],
)
def test_numbers_are_padded_and_discs_told_apart(changed: dict[str, object], name: str) -> None:
    assert path_components(facts(**changed))[-1] == name


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("../../etc/passwd", "..-..-etc-passwd"),
        ("a\0b", "ab"),
        ("a\nb\r\tc", "a b c"),
        ("\u202egnp.exe", "gnp.exe"),
        ("in\u200bvisible\ufeff\u2066\u2069", "invisible"),
        ("AC/DC \\ live", "AC-DC - live"),
        ('What? "Yes": <no> *|*', "What_ 'Yes'- _no_ _-_"),
        ("trailing dots...", "trailing dots.._"),
        ("Cafe\u0301", "Café"),
        ("👩\u200d🎤 love 🏳️\u200d🌈", "👩\u200d🎤 love 🏳️\u200d🌈"),
        ("\ud800broken", "broken"),
        ("  spaced \u00a0\u3000 out  ", "spaced out"),
        ("", "Untitled"),
        ("\u200d\u200b\0", "Untitled"),
        ("{albumartist}", "{albumartist}"),
        ("%s $(rm) `x` ; & ~", "%s $(rm) `x` ; & ~"),
    ],
)
def test_a_title_becomes_harmless_text(title: str, shown: str) -> None:
    assert path_components(facts(title=title)) == ("Miles Davis", "Kind of Blue (1959)", f"03 {shown}.flac")


@pytest.mark.parametrize(
    ("artist", "folder"),
    [
        ("..", "__"),
        (".", "_"),
        ("...", "_._"),
        ("R.E.M.", "R.E.M_"),
        (".hidden", "_hidden"),
        ("CON", "CON_"),
        ("nul.tar", "nul_.tar"),
        ("Com1", "Com1_"),
        ("COM¹", "COM¹_"),
        ("CONcert", "CONcert"),
        ("/", "-"),
        ("\u202e", "Miles Davis"),
        ("Various Artists", "Various Artists"),
    ],
)
def test_a_folder_name_is_safe_everywhere(artist: str, folder: str) -> None:
    assert path_components(facts(albumartist=artist))[0] == folder


def test_an_unknown_year_takes_its_brackets_along_but_a_title_of_brackets_stays() -> None:
    assert path_components(facts(year=None))[1] == "Kind of Blue"
    assert path_components(facts(album="( )", year=None))[1] == "( )"
    assert path_components(facts(), template="{album} [{label}]/{title}.{ext}")[0] == "Kind of Blue"


@pytest.mark.parametrize("letter", ["x", "é", "日", "🎵"])
def test_long_text_is_shortened_to_255_bytes_and_keeps_number_and_extension(letter: str) -> None:
    made = path_components(facts(title=letter * 300, albumartist=letter * 300, album=letter * 5000))
    assert all(200 < len(part.encode()) <= 255 for part in made)
    assert made[-1].startswith(f"03 {letter}")
    assert made[-1].endswith(f"{letter}.flac")
    assert made[1].endswith(f"{letter} (1959)")


def test_the_longest_text_is_cut_and_the_number_behind_it_survives() -> None:
    name = path_components(facts(title="t" * 300), template="{album}/{artist} {title} {track}.{ext}")[-1]
    assert name.startswith("Miles Davis ttt")
    assert name.endswith("t 03.flac")
    assert len(name.encode()) == 255


def test_a_taken_name_gets_a_number_and_stays_within_255_bytes() -> None:
    assert numbered("03 Blue in Green.flac", 2) == "03 Blue in Green (2).flac"
    assert numbered("noextension", 3) == "noextension (3)"
    long = numbered("é" * 125 + ".flac", 12)
    assert len(long.encode()) <= 255
    assert long.endswith("é (12).flac")


@pytest.mark.parametrize(
    "template",
    [
        "",
        "/{title}.{ext}",
        "../{title}.{ext}",
        "a/./{title}.{ext}",
        "a//{title}.{ext}",
        "{title}",
        "{title}.{ext}/x",
        "{ext}/{title}.{ext}",
        "{nope}/{title}.{ext}",
        "{title/{album}.{ext}",
        "{{title}}.{ext}",
        "{title!r}.{ext}",
        "{title.__class__}.{ext}",
        "{album}.{ext}",
        "a:b/{title}.{ext}",
        "a\\b/{title}.{ext}",
        "a\nb/{title}.{ext}",
        "a\u202eb/{title}.{ext}",
        "a/b/c/d/e/f/g/h/{title}.{ext}",
        "x" * 600 + "{title}.{ext}",
    ],
)
def test_a_template_that_could_do_harm_is_refused_with_a_sentence(template: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_template(template)
    assert caught.value.code == "naming_template_invalid"
    assert caught.value.sentence.endswith(".")


def test_useful_templates_are_accepted() -> None:
    for template in (
        DEFAULT_TEMPLATE,
        "{title}.{ext}",
        "{label}/{catalog_number} {album}/{disc}/{track}. {artist} - {title}.{ext}",
    ):
        check_template(template)
    made = path_components(
        facts(label="Columbia", catalog_number="CL 1355"),
        template="{label}/{catalog_number} {album}/{track}. {title}.{ext}",
    )
    assert made == ("Columbia", "CL 1355 Kind of Blue", "03. Blue in Green.flac")
    assert path_components(facts(), template="{label}/{title}.{ext}") == ("_", "Blue in Green.flac")


@pytest.mark.parametrize(
    "changed",
    [
        {"ext": ""},
        {"ext": "../x"},
        {"ext": "FLAC"},
        {"track": -1},
        {"track": 10_000},
        {"disc": -1},
        {"year": 0},
        {"year": 12_345},
    ],
)
def test_facts_that_are_ours_are_checked_loudly(changed: dict[str, object]) -> None:
    with pytest.raises(NameFactsError):
        facts(**changed)


RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{digit}" for kind in ("com", "lpt") for digit in "0123456789")}
nasty = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(
            [
                "..",
                "/",
                "\\",
                "\0",
                "CON",
                ".",
                " ",
                "\u202e",
                "\u0301",
                "\u200d",
                "é",
                "🎵" * 80,
                "nul",
                ":",
                "e\u0338",
                "=\u0338",
            ]
        ),
        max_size=12,
    ).map("".join),
)
templates = st.sampled_from(
    [
        DEFAULT_TEMPLATE,
        "{title}.{ext}",
        "{albumartist}{album}/{artist}{title}.{ext}",
        "{label}/{catalog_number}/{disc}{track}{title}.{ext}",
    ]
)


@given(nasty, nasty, nasty, nasty, templates, st.integers(2, 99))
def test_any_text_gives_safe_components(
    title: str, artist: str, album: str, label: str, template: str, number: int
) -> None:
    made = path_components(
        facts(title=title, artist=artist, albumartist=artist, album=album, label=label, catalog_number=label),
        template=template,
    )
    assert len(made) == template.count("/") + 1
    for part in (*made, numbered(made[-1], number)):
        assert part not in ("", ".", "..")
        assert not set(part) & set('/\\\0\n\r:*?"<>|')
        assert len(part.encode()) <= 255
        assert part == unicodedata.normalize("NFC", part)
        assert part[0] not in " ." and part[-1] not in " ."
        assert part.partition(".")[0].rstrip().lower() not in RESERVED
        assert not any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in part)
        assert not any(
            unicodedata.bidirectional(each) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
            for each in part
        )
    assert made[-1].endswith(".flac")


@given(nasty)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


VARIOUS = {"albumartist": "Various Artists", "artist": "Nico", "disc": 2, "discs": 3, "disctitle": "Live"}


@pytest.mark.parametrize(
    ("template", "changed", "path"),
    [
        ("{album}/<CD {multidisc}>/{track} {title}.{ext}", {}, "Kind of Blue/03 Blue in Green.flac"),
        ("{album}/<CD {multidisc}>/{track} {title}.{ext}", {"discs": 2, "disc": 2}, "Kind of Blue/CD 2/03 Blue in Green.flac"),
        ("{album}/<{disctitle}|CD {multidisc}>/{track} {title}.{ext}", VARIOUS, "Kind of Blue/Live/2-03 Blue in Green.flac"),
        ("{album}/<{disctitle}|CD {multidisc}>/{track} {title}.{ext}", {"discs": 2}, "Kind of Blue/CD 1/03 Blue in Green.flac"),
        ("{album}/{track} <{trackartist} - >{title}.{ext}", {}, "Kind of Blue/03 Blue in Green.flac"),
        ("{albumartist}/{album}/{track} <{trackartist} - >{title}.{ext}", VARIOUS, "Various Artists/Kind of Blue/2-03 Nico - Blue in Green.flac"),
        ("{initial}/{albumartist_sort}/{album}< [{label}]>/{title}.{ext}", {"albumartist_sort": "Davis, Miles"}, "D/Davis, Miles/Kind of Blue/Blue in Green.flac"),
        ("<{originalyear}|{year}|0000> {album}< ({media}, {country})>/{title}.{ext}", {"originalyear": 1958, "media": "CD"}, "1958 Kind of Blue/Blue in Green.flac"),
        ("{album} <{codec}|lossy>/{title}.{ext}", {"codec": "FLAC"}, "Kind of Blue FLAC/Blue in Green.flac"),
        ("{album}/{title}.{ext}", {"discs": 2, "disc": 2}, "Kind of Blue/2-Blue in Green.flac"),
        ("<{label}>/<{country}>/{title}.{ext}", {}, "Blue in Green.flac"),
    ],
)  # fmt: skip
def test_optional_parts_stay_where_they_say_something_and_discs_are_always_told(
    template: str, changed: dict[str, object], path: str
) -> None:
    assert "/".join(path_components(facts(**changed), template=template)) == path


@pytest.mark.parametrize(
    "template",
    [
        "<{album}/{title}>.{ext}",
        "<{album}>/<{title}>.{ext}",
        "<<{album}>>/{title}.{ext}",
        "{album>/{title}.{ext}",
        "a|b/{title}.{ext}",
        "<{nope}>/{title}.{ext}",
        "{album}/<{title}|{track}>.{ext}",
        "<../>{title}.{ext}",
    ],
)
def test_optional_parts_that_could_leave_no_name_are_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        check_template(template)


def test_optional_text_of_dots_climbs_nowhere() -> None:
    for part in path_components(facts(), template="<..>/<.>/{title}.{ext}"):
        assert part not in (".", "..", "")


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({}, ()),
        ({"year": None}, ()),
        ({"album": ""}, ("album",)),
        ({"artist": "", "albumartist": ""}, ("albumartist",)),
        ({"albumartist": ""}, ()),
        ({"title": "\u200b", "track": 0}, ("disc_track", "title")),
    ],
)
def test_what_a_template_needs_and_nobody_knows_is_named(changed: dict[str, object], missing: tuple[str, ...]) -> None:
    assert missing_fields(facts(**changed)) == missing


def test_an_optional_part_needs_nothing() -> None:
    template = "{album}/<{track} >{title}.{ext}"
    assert missing_fields(facts(label=""), template="{album}/<{label} >{title}.{ext}") == ()
    assert missing_fields(facts(year=None), template="{album} {year}/{title}.{ext}") == ("year",)
    assert missing_fields(facts(track=0), template=template) == ("track",)


@given(st.text(max_size=30), st.integers(1, 3), st.integers(1, 3), st.text(max_size=10))
def test_tracks_of_distinct_discs_never_share_a_name(title: str, one: int, other: int, disctitle: str) -> None:
    for template in (
        DEFAULT_TEMPLATE,
        "{album}/<{disctitle}>/{track}.{ext}",
        "{title}.{ext}",
        "<CD {multidisc}>/{track}.{ext}",
    ):
        made = [
            path_components(facts(title=title, disc=disc, discs=3, disctitle=disctitle), template=template)
            for disc in (one, other)
        ]
        assert (made[0] == made[1]) == (one == other)
