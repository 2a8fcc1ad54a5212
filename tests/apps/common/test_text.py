"""Foreign text is made harmless before anybody sees it."""

from __future__ import annotations

import unicodedata

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from apps.common.text import MAX_MARKS, MAX_SHOWN_CHARS, display_text


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("So What", "So What"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\x00b\x07c\x1b[31m", "abc[31m"),
        ("first\nsecond\tthird\u2028fourth", "first second third fourth"),
        ("  wide \u00a0 spaces  ", "wide spaces"),
        ("\u2066isolate\u2069\u200b\ufeff", "isolate"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u3164\u2800", ""),
        (None, ""),
        (7, "7"),
    ],
)
def test_control_and_bidi_characters_are_not_shown(given_text: object, shown: str) -> None:
    assert display_text(given_text) == shown


def test_long_text_ends_in_an_ellipsis() -> None:
    assert display_text("x" * 5000) == "x" * (MAX_SHOWN_CHARS - 1) + "…"


def test_stacks_of_marks_do_not_climb_over_other_rows() -> None:
    assert display_text("a" + "\u0301" * 80) == "a" + "\u0301" * MAX_MARKS


@given(st.text(max_size=400))
def test_whatever_comes_in_one_harmless_line_comes_out(text: str) -> None:
    shown = display_text(text)
    assert len(shown) <= MAX_SHOWN_CHARS
    assert all(unicodedata.category(one) not in {"Cc", "Cs", "Zl", "Zp"} for one in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
    assert display_text(shown) == shown


def test_names_on_pages_are_escaped_and_isolated() -> None:
    page = Template("{% load slskdn %}{{ text|name }}").render(Context({"text": "<b>\u202ex</b>"}))
    assert page == "<bdi>&lt;b&gt;x&lt;/b&gt;</bdi>"


def test_names_in_attributes_are_escaped() -> None:
    page = Template('{% load slskdn %}<a title="{{ text|plain }}">').render(Context({"text": '" onload="x'}))
    assert page == '<a title="&quot; onload=&quot;x">'
