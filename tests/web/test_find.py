"""The find box understands ids and addresses, and says what it does not."""

from __future__ import annotations

import uuid

import pytest

from apps.jobs.web.find import Found, NotFound, read_find

MBID = "78db95c6-be79-4c9b-9b27-a6c3a40e2fc5"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (MBID, ""),
        (f"  {MBID.upper()}\n", ""),
        (f"release/{MBID}", "mb_release"),
        (f"recording:{MBID}", "recording"),
        (f"https://musicbrainz.org/release/{MBID}", "mb_release"),
        (f"http://www.musicbrainz.org/recording/{MBID}/tags?x=1#y", "recording"),
        (f"beta.musicbrainz.org/release/{MBID}", "mb_release"),
    ],
)
def test_ids_and_addresses_are_found(text: str, kind: str) -> None:
    assert read_find(text) == Found(uuid.UUID(MBID), kind)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "find_empty"),
        ("kind of blue", "find_unreadable"),
        (MBID[:-1], "find_unreadable"),
        (f"https://musicbrainz.org/artist/{MBID}", "find_wrong_entity"),
        (f"https://musicbrainz.org/release-group/{MBID}", "find_wrong_entity"),
        (f"https://evil.example/release/{MBID}", "find_unreadable"),
        (f"https://musicbrainz.org.evil.example/release/{MBID}", "find_unreadable"),
    ],
)
def test_anything_else_says_why_not(text: str, code: str) -> None:
    assert read_find(text) == NotFound(code)
