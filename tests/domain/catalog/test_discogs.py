"""Discogs' answers as values: every recorded one is read, and what people type into it becomes tracks on media."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from apps.domain.catalog.discogs import (
    MAX_LINES,
    DiscogsGarbled,
    duration_of,
    duration_text,
    plain_name,
    read_artist,
    read_discogs,
    read_label,
    read_release,
)
from apps.domain.catalog.discogs_tracks import DiscogsMedium, Position, position_of, tracklist
from apps.domain.catalog.identity import discogs_id, discogs_track_id, is_derived
from apps.domain.catalog.links import DiscogsKind
from tests.recorded import needs_recorded, recorded_folder

FIXTURES = (recorded_folder() or Path("absent")) / "discogs"
REFUSALS = (".404", ".429")


@needs_recorded
def test_every_recorded_answer_is_read_and_read_again_from_its_row() -> None:
    read, refused = 0, 0
    for kind, path in ((each, one) for each in DiscogsKind for one in (FIXTURES / f"{each}s").glob("*.json")):
        value = json.loads(path.read_text("utf-8"))
        if path.stem.endswith(REFUSALS):
            with pytest.raises(DiscogsGarbled):
                read_discogs(kind, value)
            refused += 1
            continue
        facts = read_discogs(kind, value)
        assert path.stem.startswith(str(facts.id))
        assert read_discogs(kind, json.loads(json.dumps(facts.to_json()))) == facts
        read += 1
    assert read > 80
    assert refused > 5


def recorded(number: int) -> tuple[DiscogsMedium, ...]:
    path = FIXTURES / "releases" / f"{number}.json"
    if not path.exists():
        pytest.skip("the recorded answers are not on this machine")
    return tracklist(read_release(json.loads(path.read_text("utf-8"))))


def shape(media: tuple[DiscogsMedium, ...]) -> list[tuple[str, int]]:
    return [(one.format, len(one.tracks)) for one in media]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1156598, [("Vinyl", 5)]),  # an index on side B whose parts have parts
        (9082405, [("Vinyl", 8), ("CD", 8)]),  # A1 … B4 and CD-1 … CD-8
        (5435378, [("CD", 9), ("CD", 7)]),  # 1.1 … 2.7 on two discs
        (350350, [("CD", 1)]),  # 1.1 … 1.13 are parts of the one track
        (1450895, [("Vinyl", 7), ("Vinyl", 11)]),  # B1 with B1a … B1h below it; D2a and D2b without a D2
        (8661943, [("Vinyl", 7), ("Vinyl", 11)]),  # the same as index tracks
        (603365, [("CD", 21), ("CD", 20)]),
        (11578434, [("CD", n) for n in (7, 8, 7, 7, 5, 4, 5, 7, 6, 5, 5, 5, 5)]),
        (565473, [("CD", 16)]),  # a, b, c, d below a heading
        (15313328, [("File", 5), ("File", 8), ("File", 8), ("File", 9), ("File", 7), ("File", 4)]),
    ],
)
def test_recorded_releases_have_their_media(number: int, expected: list[tuple[str, int]]) -> None:
    media = recorded(number)
    assert shape(media) == expected
    for medium in media:
        assert [track.position for track in medium.tracks] == list(range(1, len(medium.tracks) + 1))


def test_the_parts_of_a_side_are_one_track_with_the_length_of_the_whole() -> None:
    lizard = recorded(1156598)[0].tracks[-1]
    assert (lizard.number, lizard.title, lizard.length_ms) == ("B", "Lizard", 1_344_000)


def test_parts_without_a_whole_are_joined() -> None:
    medley = recorded(1450895)[1].tracks[6]
    assert (medley.number, medley.title, medley.length_ms) == ("D2", "Could It Be Magic / Mandy", 480_000)


def test_the_movements_of_a_work_are_tracks_that_name_it() -> None:
    first = recorded(1161277)[0].tracks[0]
    assert first.title.startswith("Chöre Für Doris")
    assert first.title.endswith(": Die Nachtigall")
    assert first.length_ms == 181_000


@pytest.mark.parametrize(
    ("text", "discs", "expected"),
    [
        ("4", 1, Position("", "4")),
        ("04", 1, Position("", "4")),
        ("A1", 1, Position("side 1", "A1")),
        ("A", 1, Position("side 1", "A")),
        ("AA", 1, Position("side 1", "AA")),
        ("AA", 14, Position("side 14", "AA")),
        ("D3", 2, Position("side 2", "D3")),
        ("1-02", 2, Position("1", "2")),
        ("CD1-3", 2, Position("CD1", "3")),
        ("CD 2-11", 2, Position("CD2", "11")),
        ("CD-3", 2, Position("CD", "3")),
        ("DVD-4", 2, Position("DVD", "4")),
        ("CD7", 2, Position("CD", "7")),
        ("1.2", 1, Position("", "1", "2")),
        ("1.2", 2, Position("1", "2")),
        ("2a", 1, Position("", "2", "a")),
        ("B1a", 1, Position("side 1", "B1", "a")),
        ("Bd", 1, Position("side 1", "B", "d")),
        ("Bc1", 1, Position("side 1", "B", "c1")),
        ("C1.4", 2, Position("side 2", "C1", "4")),
        ("", 1, None),
        ("bonus track", 1, None),
        ("1" * 41, 1, None),
    ],
)
def test_positions(text: str, discs: int, expected: Position | None) -> None:
    assert position_of(text, discs=discs) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3:45", 225), ("03:45", 225), ("1:02:03", 3723), ("75:10", 4510), ("3.45", 225), ("3'45\"", 225), ("(3:45)", 225),
        ("ca. 3:45", 225), ("~3:45", 225), ("0:07", 7), ("", None), ("0:00", None), ("3:75", None), ("about three", None),
        ("3", None), ("-3:45", None), ("999:99:99", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: int | None) -> None:
    assert duration_of(text) == seconds
    assert duration_of(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Dune (3)", "Dune"), ("Dune*", "Dune"), ("Dune (3)*", "Dune"), ("Persuader, The", "The Persuader"),
        ("Persuader, The (2)", "The Persuader"), ("Sunn O)))", "Sunn O)))"), ("(2)", "(2)"), ("*", "*"), ("Blink-182", "Blink-182"),
        ("Earth, Wind & Fire", "Earth, Wind & Fire"), ("Live (2012)", "Live"),
    ],
)  # fmt: skip
def test_names_without_their_numbers_and_marks(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def release(*lines: dict[str, object], formats: object = None, **more: object) -> tuple[DiscogsMedium, ...]:
    told = {"id": 7, "title": "Fixture", "tracklist": list(lines), "formats": formats or [{"name": "CD", "qty": "1"}]}
    return tracklist(read_release({**told, **more}))


def line(position: str, title: str = "Song", duration: str = "", **more: object) -> dict[str, object]:
    return {"position": position, "title": title, "duration": duration, "type_": "track", **more}


def test_a_credit_reads_as_printed() -> None:
    artists = [
        {"id": 1, "name": "Dune (3)", "anv": "", "join": "&"},
        {"id": 2, "name": "Trashman, The", "anv": "Trash*", "join": "feat."},
        {"id": 3, "name": "Nobody", "join": ""},
    ]
    facts = read_release({"id": 7, "title": "x", "artists": artists})
    assert facts.credit == "Dune & Trash feat. Nobody"


def test_a_title_in_two_scripts_names_its_artist_once() -> None:
    artists = [
        {"id": 3840, "name": "Radiohead", "join": "="},
        {"id": 3840, "name": "Radiohead", "anv": "レディオヘッド"},
    ]
    assert read_release({"id": 7, "title": "x", "artists": artists}).credit == "Radiohead"


def test_numbers_that_begin_again_are_the_next_disc_where_there_is_one() -> None:
    lines = [line("1"), line("2"), line("1"), line("2"), line("3")]
    assert shape(release(*lines, formats=[{"name": "CD", "qty": "2"}])) == [("CD", 2), ("CD", 3)]
    assert shape(release(*lines)) == [("CD", 5)]


def test_films_are_left_out_and_discs_of_sound_stay() -> None:
    lines = [line("CD-1"), line("DVD-1"), line("Video 1")]
    both = [{"name": "CD", "qty": "1"}, {"name": "DVD", "qty": "1", "descriptions": ["DVD-Video"]}]
    assert shape(release(*lines, formats=both)) == [("CD", 1)]
    both[1]["descriptions"] = ["DVD-Audio"]
    assert shape(release(*lines, formats=both)) == [("CD", 1), ("DVD", 1)]


def test_what_has_no_title_or_position_is_a_track_still() -> None:
    media = release(line("1", ""), line("", "Hidden", "4:00"))
    assert [(one.number, one.title) for one in media[0].tracks] == [("1", "[untitled]"), ("", "Hidden")]


def test_headings_are_no_tracks_also_where_no_line_says_what_it_is() -> None:
    heading = {"position": "", "title": "Disc One", "duration": ""}
    assert shape(release(heading, {"position": "1", "title": "a", "duration": "1:00"})) == [("CD", 1)]


def test_an_index_with_a_position_of_its_own_is_one_track() -> None:
    subs = [{"position": "", "title": "One", "duration": "1:00"}, {"position": "", "title": "Two", "duration": "2:00"}]
    index = {"position": "3", "title": "", "duration": "", "type_": "index", "sub_tracks": subs}
    track = release(index)[0].tracks[0]
    assert (track.number, track.title, track.length_ms) == ("3", "One / Two", 180_000)


@pytest.mark.parametrize("value", [None, [], "x", {}, {"id": 0, "title": "x"}, {"id": True, "title": "x"}, {"id": 7}])
def test_what_is_no_release_is_garbled(value: object) -> None:
    with pytest.raises(DiscogsGarbled):
        read_release(value)


def test_fields_of_other_shapes_are_not_told_and_texts_are_cleaned() -> None:
    facts = read_release(
        {
            "id": 7,
            "title": "Tit\u202ele\x00\ud800",
            "artists": {"name": "x"},
            "labels": [3, {"name": 4}, {"name": "L (2)", "catno": "none", "id": "9"}],
            "formats": [{"name": "CD", "qty": "many"}, None],
            "tracklist": [None, 3, {"position": 3, "title": None, "sub_tracks": "x"}],
            "released": "19xx",
            "year": 1994,
            "identifiers": [{"type": "Barcode", "value": "5 012394 144777"}, {"type": "Barcode", "value": "none"}],
        }
    )
    assert facts.title == "Title"
    assert facts.artists == ()
    assert facts.labels[0].shown == "L"
    assert facts.labels[0].catno == ""
    assert facts.date == "1994"
    assert facts.barcodes == ("5012394144777",)
    assert len(facts.lines) == 1


def test_the_largest_answers_are_cut() -> None:
    many = [{"position": "1", "title": "x" * 5000, "sub_tracks": [line("1a")] * 50}] * 5000
    facts = read_release({"id": 7, "title": "x", "tracklist": many, "genres": ["g" + str(n) for n in range(5000)]})
    assert sum(1 + len(one.subs) for one in facts.lines) <= MAX_LINES
    assert len(facts.genres) <= 50
    assert len(facts.lines[0].title) <= 1000


def test_labels_and_artists_have_their_relatives() -> None:
    label = read_label({"id": 5, "name": "Svek (2)", "parent_label": {"id": 6, "name": "Big"}, "sublabels": [{"id": 7, "name": "Small"}]})  # fmt: skip
    assert (label.shown, label.parent and label.parent.id, label.sublabels[0].name) == ("Svek", 6, "Small")
    artist = read_artist({"id": 5, "name": "Wool (4)", "profile": "One\r\nTwo\u0007", "members": [{"id": 8, "name": "A"}]})  # fmt: skip
    assert (artist.shown, artist.profile, artist.members[0].id) == ("Wool", "One\nTwo", 8)


def test_derived_ids_are_for_ever_and_no_mbids() -> None:
    assert discogs_id("release", 1) == uuid.UUID("245cbf8f-f4b7-5b8e-bb64-87a56aee9c72")
    assert discogs_track_id(1, 1, 2) != discogs_track_id(1, 2, 1)
    assert is_derived(discogs_track_id(1, 1, 2))
    assert not is_derived(uuid.UUID("78db95c6-be79-4c9b-9b27-a6c3a40e2fc5"))
