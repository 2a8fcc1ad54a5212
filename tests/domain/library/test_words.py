"""Names as words: what a person types finds names by how their words begin, in every script."""

from __future__ import annotations

import pytest

from apps.domain.library.words import MAX_ASKED, MAX_WORDS, WORD_CHARS, asked_words, words_of


def found(name: str, asked: str) -> bool:
    """As the databases compare: by code points."""
    return all(any(start <= word < end for word in words_of(name)) for start, end in asked_words(asked))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("The Beatles/Abbey Road", "beat"),
        ("The Beatles/Abbey Road", "road beatles"),
        ("The Beatles/Abbey Road", "Beatles/Abbey"),
        ("Björk/Homogenic", "bjork"),
        ("Bjork/Homogenic", "björk"),
        ("Sigur Rós", "sigur RÓS"),
        ("AC/DC/Back in Black (1980) [FLAC]", "ac dc 1980"),
        ("Straße", "strasse"),
        ("宇多田ヒカル/初恋", "ヒカル"),
        ("宇多田ヒカル/初恋", "初恋"),
        ("เพลงไทย", "ไทย"),
        ("Молчат Дома", "дома"),
        ("!!!/Louden Up Now", "!!!"),
        ("under_score", "score"),
        ("Ｆｕｌｌｗｉｄｔｈ", "full"),
        ("x" * 100, "x" * 80),
    ],
)
def test_a_name_is_found_by_how_its_words_begin(name: str, asked: str) -> None:
    assert found(name, asked)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("The Beatles", "eatles"), ("The Beatles", "beatles stones"), ("Abbey Road", "roads"), ("Song", "!!!"), ("", "a")],
)
def test_a_name_is_not_found_by_what_no_word_of_it_begins_with(name: str, asked: str) -> None:
    assert not found(name, asked)


def test_nothing_asked_leaves_nothing_out() -> None:
    assert asked_words("") == asked_words(" \t ") == ()


def test_a_word_that_begins_another_asks_for_nothing_more() -> None:
    assert [start for start, _ in asked_words("the them t")] == ["them"]


def test_words_and_searches_are_bounded_whatever_the_text() -> None:
    long = " ".join(f"{number}word{'y' * 100}" for number in range(500))
    assert len(words_of(long)) == MAX_WORDS
    assert len(words_of("漢" * 4000)) <= MAX_WORDS
    assert max(map(len, words_of(long))) == WORD_CHARS
    assert len(asked_words(long)) == MAX_ASKED
