"""What counts as a label, and what it is known by."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.catalog.identity import label_name_id
from apps.domain.mesh.labels import MAX_NAME_CHARS, NO_LABEL, clean_name, label_key, search_form

MBID = uuid.UUID("1efe1dc2-5d60-4ddb-9b04-d36c1b0c4a45")


def test_an_mbid_counts_before_a_name_and_a_name_where_there_is_none() -> None:
    assert label_key(MBID, "Sub Pop") == MBID
    assert label_key(None, " sub  POP ") == label_key(None, "Sub Pop") == label_name_id("Sub Pop")


@pytest.mark.parametrize("name", ["", "   ", "[no label]", "[No Label]", "none", "-", "\u202e\u200b"])
def test_no_label_is_none(name: str) -> None:
    assert label_key(None, name) is None


def test_the_special_label_of_musicbrainz_is_none_and_made_up_ids_are_not_believed() -> None:
    assert label_key(NO_LABEL, "[no label]") is None
    assert label_key(label_name_id("Sub Pop"), "Evil") == label_name_id("Evil")
    assert label_key(uuid.UUID(int=0), "Evil") == label_name_id("Evil")


def test_names_are_kept_on_one_line_without_what_can_not_be_seen() -> None:
    assert clean_name("Sub\u202e\x00 Pop\n\x1b[31m\u200b Records") == "Sub Pop [31m Records"
    assert clean_name("e\u0301") == "é"
    assert len(clean_name("x" * 10_000)) == MAX_NAME_CHARS


def test_search_ignores_case_marks_and_width() -> None:
    assert search_form("ＮÉＴ  Records") == search_form("net records")


@given(st.text(max_size=600))
def test_any_text_becomes_something_printable(text: str) -> None:
    kept = clean_name(text)
    assert kept.isprintable()
    assert len(kept) <= MAX_NAME_CHARS
    assert clean_name(kept) == kept
    assert len(search_form(text)) <= MAX_NAME_CHARS
