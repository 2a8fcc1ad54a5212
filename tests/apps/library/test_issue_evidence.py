"""What an issue rests on, as its page says it."""

from __future__ import annotations

from apps.library.web.issue_evidence import evidence_lines


def test_numbers_have_names_and_units_and_ids_of_rows_are_not_said() -> None:
    copies = {
        "copies": 2,
        "keep": 634,
        "keep_path": "a.flac",
        "files": ["634", "488"],
        "spare_bytes": 3965717,
        "x_mbid": "1",
    }
    assert evidence_lines("duplicate_payload", copies) == [
        ("Copies", "2"),
        ("Would stay", "a.flac"),
        ("Room to spare", "3.8 MiB"),
    ]
    short = {"actual_ms": 22000, "actual_s": 22.0, "off_s": 8.0, "settled": True}
    assert evidence_lines("duration_short", short) == [("Lasts", "22 s"), ("Difference", "8 s")]
    grid = {"family": "mp3", "grid_rate": 44100, "z": 192.73, "origin_score": 24.1, "fields": ["title", "album"]}
    assert evidence_lines("transcode_mp3_origin", grid) == [
        ("Filter bank of", "MP3"),
        ("Sample rate of the grid", "44.1 kHz"),
        ("Standard deviations", "193"),
        ("Tags in question", "title, album"),
    ]


def test_a_score_says_whose_it_is_and_what_has_no_name_is_said_by_its_own() -> None:
    assert evidence_lines("better_in_peers", {"score": 0.37}) == [("Quality of this one", "0.37")]
    assert evidence_lines("x", {"some_number": 3, "empty": "", "none": None}) == [("Some number", "3")]
