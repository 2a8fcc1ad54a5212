"""MusicBrainz' artists, labels, groups, lists and searches: read from recorded answers, merges followed, every refusal and every broken body told."""

from __future__ import annotations

import dataclasses
import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from apps.domain.catalog.graph import ArtistDetail, GroupDetail, read_artist, read_brief, read_group, read_label
from apps.domain.catalog.release import read_recording
from apps.domain.catalog.validators import HttpValidator
from apps.domain.catalog.walks import WalkKind
from slskdn_site.demo.answer_folder import AnswerFolder, Entry, canonical_query, json_bytes, load_answers
from slskdn_site.demo.answer_shapes import artist_json
from slskdn_site.demo.large_world import LargeWorld, mbid_of, write_large_world
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.recorded import needs_recorded, recorded_folder
from tests.workers.conftest import ANSWERS, Metadata, limiter
from workers.gateways.errors import Permanent, Transient
from workers.gateways.musicbrainz import ARTIST_INCLUDES, Musicbrainz
from workers.gateways.musicbrainz_search import found_of, words_query

ARTIST = uuid.UUID("0f5e8a5a-7c0f-4b3a-9f57-0d5c6a7b8c9d")
ASKED = canonical_query([("fmt", "json"), ("inc", " ".join(ARTIST_INCLUDES))])
NIRVANA = uuid.UUID("5b11f4ce-a62d-471e-81fc-a69a8278c7da")


@contextmanager
def served(*folders: AnswerFolder) -> Iterator[tuple[Musicbrainz, Metadata]]:
    server = MetadataServer(list(folders))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield (
            Musicbrainz(host=server.base_url, contact="", version="0", limiter=limiter(), timeout_s=2.0),
            Metadata(server),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(body: bytes, *, status: int = 200, mbid: uuid.UUID = ARTIST, **headers: str) -> AnswerFolder:
    """What an artist's lookup is answered with."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return AnswerFolder((Entry("musicbrainz", f"/ws/2/artist/{mbid}", ASKED, body, status=status, headers=named),))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> LargeWorld:
    return write_large_world(tmp_path_factory.mktemp("world"), groups=30, label_releases=12)


@pytest.fixture(scope="module")
def known(world: LargeWorld) -> AnswerFolder:
    return load_answers(world.folder)


def test_a_redirect_to_another_mbid_is_asked_there_and_to_nowhere_else() -> None:
    new = uuid.uuid4()
    moved = answer(b"{}", status=301, Location=f"https://elsewhere.example/ws/2/artist/{new}?fmt=json&inc=aliases")
    there = answer(json_bytes(artist_json("Now", str(new))), mbid=new)
    with served(moved, there) as (musicbrainz, metadata):
        found = musicbrainz.artist(ARTIST)
        assert (found.mbid, found.name) == (new, "Now")
        assert [one["path"] for one in metadata.requests] == [f"/ws/2/artist/{ARTIST}", f"/ws/2/artist/{new}"]


@pytest.mark.parametrize(
    "location",
    [
        "",
        "https://musicbrainz.org/login",
        f"https://musicbrainz.org/ws/2/artist/{ARTIST}",
        f"https://musicbrainz.org/ws/2/label/{uuid.uuid4()}",
        "http://[",
    ],
)
def test_a_redirect_that_leads_to_no_artist_is_no_answer(location: str) -> None:
    with served(answer(b"", status=302, **({"Location": location} if location else {}))) as (musicbrainz, metadata):
        with pytest.raises(Transient) as failed:
            musicbrainz.artist(ARTIST)
        assert failed.value.code == "musicbrainz_unavailable"
        assert len(metadata.requests) == 1


def test_a_ring_of_redirects_ends() -> None:
    one, two = uuid.uuid4(), uuid.uuid4()
    ring = [
        answer(b"", status=301, mbid=here, Location=f"https://musicbrainz.org/ws/2/artist/{there}")
        for here, there in ((ARTIST, one), (one, two), (two, one))
    ]
    with served(*ring) as (musicbrainz, metadata):
        with pytest.raises(Transient):
            musicbrainz.artist(ARTIST)
        assert len(metadata.requests) == 3


@pytest.mark.parametrize(
    ("status", "body", "code", "kind"),
    [
        (400, b'{"error":"coffee is not a valid inc parameter"}', "musicbrainz_refused", Permanent),
        (401, b'{"error":"You are not authorized"}', "musicbrainz_refused", Permanent),
        (404, b'{"error":"Not Found"}', "artist_not_found", Permanent),
        (503, b"<html>busy</html>", "musicbrainz_unavailable", Transient),
        (502, b"<html><h1>502 Bad Gateway</h1></html>", "musicbrainz_unavailable", Transient),
        (200, b"<!doctype html><html>maintenance</html>", "musicbrainz_garbled", Transient),
        (200, b'{"id": "5b11', "musicbrainz_garbled", Transient),
        (200, b"[]", "musicbrainz_garbled", Transient),
        (200, b'{"id": "no id", "name": "x"}', "musicbrainz_garbled", Transient),
        (200, b'{"name": "x"}', "musicbrainz_garbled", Transient),
        (200, b"", "musicbrainz_garbled", Transient),
    ],
)
def test_what_is_no_answer_is_told_by_its_code(status: int, body: bytes, code: str, kind: type[Exception]) -> None:
    with served(answer(body, status=status)) as (musicbrainz, metadata):
        with pytest.raises((Transient, Permanent)) as failed:
            musicbrainz.artist(ARTIST)
        assert (failed.value.code, type(failed.value)) == (code, kind)
        assert len(metadata.requests) == 1


def test_what_did_not_change_is_not_sent_again() -> None:
    with served(answer(json_bytes(artist_json("Same", str(ARTIST))), ETag='W/"abc"')) as (musicbrainz, metadata):
        first = musicbrainz.look_up("artist", ARTIST)
        assert first.validator == HttpValidator(etag='W/"abc"')
        assert isinstance(first.detail, ArtistDetail)
        again = musicbrainz.look_up("artist", ARTIST, known=first.validator)
        assert (again.detail, again.validator) == (None, first.validator)
        other = musicbrainz.look_up("artist", ARTIST, known=HttpValidator(etag='"older"'))
        assert other.detail is not None
        assert [one["status"] for one in metadata.requests] == [200, 304, 200]


def test_offline_nothing_is_sent(known: AnswerFolder, world: LargeWorld) -> None:
    with served(known) as (online, metadata):
        offline = Musicbrainz(host=metadata.url, contact="", version="0", limiter=limiter(), offline=True)
        assert online.artist(world.artist_mbid).name == "Thousand Groups"
        for ask in (
            lambda: offline.artist(world.artist_mbid),
            lambda: offline.release(ARTIST),
            lambda: offline.browse(WalkKind.LABEL_RELEASES, world.label_mbid, offset=0),
            lambda: offline.search_artists("thousand"),
            lambda: offline.by_barcode("4000000000000"),
            lambda: offline.release_search(artist="a", album="b"),
        ):
            with pytest.raises(Transient) as failed:
                ask()
            assert failed.value.code == "musicbrainz_offline"
        assert len(metadata.requests) == 1


def test_lists_come_page_by_page(known: AnswerFolder, world: LargeWorld) -> None:
    with served(known) as (musicbrainz, _):
        page, groups = musicbrainz.browse(WalkKind.ARTIST_GROUPS, world.artist_mbid, offset=20, limit=25)
        assert (page.taken, page.total, page.unreadable) == (10, 30, 0)
        assert all(isinstance(one, GroupDetail) and one.artists for one in groups)
        page, briefs = musicbrainz.browse(WalkKind.LABEL_RELEASES, world.label_mbid, offset=0, limit=5)
        assert (page.taken, page.total, len(briefs)) == (5, 12, 5)
        group = uuid.UUID(mbid_of("group", 0))
        assert musicbrainz.browse(WalkKind.GROUP_RELEASES, group, offset=0)[0].total == 2
        with pytest.raises(Permanent) as failed:
            musicbrainz.browse(WalkKind.LABEL_RELEASES, ARTIST, offset=0)
        assert failed.value.code == "label_not_found"


def test_searches_find_by_words_fields_barcodes_and_isrcs(known: AnswerFolder, world: LargeWorld) -> None:
    with served(known, load_answers(ANSWERS)) as (musicbrainz, metadata):
        artist = musicbrainz.search_artists(words_query("thousand groups"))[0]
        assert (artist.score, artist.value.mbid) == (100, world.artist_mbid)
        assert musicbrainz.search_labels('label:"Large Crate"')[0].value.mbid == world.label_mbid
        groups = musicbrainz.search_groups(f'releasegroup:"Work No. 7" AND arid:{world.artist_mbid}')
        assert groups[0].value.facts.title == "Work No. 7"
        releases = musicbrainz.search_releases('release:"Work No. 1" AND country:US', limit=3)
        assert releases and releases[0].value.country == "US"
        assert releases[0].value.track_count == 8
        recordings = musicbrainz.search_recordings(f'recording:"Movement 3" AND arid:{world.artist_mbid}')
        recording, homes = recordings[0].value
        assert recording.title == "Movement 3" and homes
        (brief,) = musicbrainz.by_barcode("4000000300000")
        assert brief.mbid == uuid.UUID(mbid_of("release", 3, 0))
        assert musicbrainz.by_barcode("0000000000000") == ()
        isrc = _isrcs()[0]
        found, _ = musicbrainz.by_isrc(isrc.lower())[0]
        assert isrc in found.isrcs
        with pytest.raises(Permanent) as failed:
            musicbrainz.by_isrc("XXXXX0000000")
        assert failed.value.code == "isrc_not_found"
        before = len(metadata.requests)
        with pytest.raises(Permanent):
            musicbrainz.by_isrc("../release/x")
        assert musicbrainz.search_releases(words_query(' "" () !!! ')) == ()
        assert len(metadata.requests) == before


def _isrcs() -> list[str]:
    found: list[str] = []
    for path in sorted((ANSWERS / "musicbrainz/ws/2/recording").glob("*.json")):
        found += json.loads(path.read_text())["isrcs"]
    return found


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ("nirvana nevermind", "nirvana nevermind"),
        ("AC/DC", r"AC\/DC"),
        ("this OR that AND NOT", "this or that and not"),
        ('say "hey" (live)', r"say \"hey\" \(live\)"),
        ("  - ! ", ""),
    ],
)
def test_words_are_words_and_no_operators(words: str, query: str) -> None:
    assert words_query(words) == query


def test_a_hit_that_cant_be_read_is_left_out() -> None:
    answer_ = {"artists": [{"id": "x"}, 3, {"id": str(ARTIST), "name": "A", "score": "97"}]}
    (found,) = found_of(answer_, entity="artist", read=read_artist)
    assert (found.score, found.value.name) == (97, "A")


def _recorded(kind: str) -> list[tuple[Path, dict[str, object]]]:
    folder = recorded_folder()
    if folder is None:
        return []
    rows = json.loads((folder / "index.json").read_text())["entries"]
    return [
        (folder / row["file"], row)
        for row in rows
        if row["service"] == "musicbrainz"
        and row["status"] == 200
        and "json" in row["content_type"]
        and str(row["path"]).split("/")[3] == kind
    ]


@needs_recorded
@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("artist", read_artist),
        ("label", read_label),
        ("release-group", read_group),
        ("recording", read_recording),
    ],
)
def test_every_recorded_lookup_and_search_is_read(kind: str, read: object) -> None:
    looked = searched = 0
    for file, row in _recorded(kind):
        body = json.loads(file.read_bytes())
        if len(str(row["path"]).split("/")) > 4:
            read(body)  # type: ignore[operator]
            looked += 1
        elif "query" in row["query"]:  # type: ignore[operator]
            hits = found_of(body, entity=kind, read=read)  # type: ignore[arg-type]
            listed = body.get(f"{kind}s", body.get(kind))
            assert len(hits) == len(listed)
            assert [one.score for one in hits] == sorted((one.score for one in hits), reverse=True)
            searched += 1
    assert looked >= 5
    assert searched >= 2


@needs_recorded
def test_every_recorded_release_is_read_in_brief() -> None:
    read = 0
    for file, _ in _recorded("release"):
        body = json.loads(file.read_bytes())
        releases: Sequence[object] = body.get("releases", [body])
        for one in releases:
            brief = read_brief(one)
            assert brief.title
            read += 1
    assert read > 100


@needs_recorded
@pytest.mark.parametrize(
    ("status", "code"), [(404, "artist_not_found"), (400, "musicbrainz_refused"), (503, "musicbrainz_unavailable")]
)
def test_recorded_refusals_are_told_by_their_codes(status: int, code: str) -> None:
    folder = recorded_folder()
    assert folder is not None
    recorded = [one for one in load_answers(folder).entries if one.service == "musicbrainz" and one.status == status]
    assert recorded
    for one in recorded:
        given = dataclasses.replace(one, path=f"/ws/2/artist/{ARTIST}", query=ASKED, body=one.read())
        with served(AnswerFolder((given,))) as (musicbrainz, _):
            with pytest.raises((Permanent, Transient)) as failed:
                musicbrainz.artist(ARTIST)
            assert failed.value.code == code


@needs_recorded
def test_the_recorded_redirect_is_followed_as_it_was_recorded() -> None:
    folder = recorded_folder()
    assert folder is not None
    (recorded,) = [one for one in load_answers(folder).entries if one.status == 301]
    new = uuid.uuid4()
    headers = {key: value.replace("/work/", "/artist/") for key, value in recorded.headers.items()}
    location = next(value for key, value in headers.items() if key.lower() == "location")
    headers["Location"] = location.replace(location.rsplit("/", 1)[-1].split("?")[0], str(new))
    moved = dataclasses.replace(recorded, path=f"/ws/2/artist/{ARTIST}", query=ASKED, headers=headers)
    with served(AnswerFolder((moved,)), answer(json_bytes(artist_json("Now", str(new))), mbid=new)) as (musicbrainz, _):
        assert musicbrainz.artist(ARTIST).mbid == new


@needs_recorded
def test_recorded_bodies_cut_off_are_garbled_wherever_they_end() -> None:
    file, _ = next(one for one in _recorded("artist") if str(NIRVANA) in str(one[1]["path"]))
    body = file.read_bytes()
    for end in (1, len(body) // 3, len(body) // 2, len(body) - 3):
        with served(answer(body[:end])) as (musicbrainz, _):
            with pytest.raises(Transient) as failed:
                musicbrainz.artist(ARTIST)
            assert failed.value.code == "musicbrainz_garbled"


@needs_recorded
def test_recorded_artists_labels_and_codes_are_found() -> None:
    folder = recorded_folder()
    assert folder is not None
    with served(load_answers(folder)) as (musicbrainz, _):
        found = musicbrainz.search_artists(words_query("Nirvana"))
        assert NIRVANA in {one.value.mbid for one in found[:5]}
        assert musicbrainz.search_labels(words_query("Ubiktune"))[0].value.name == "Ubiktune"
        recordings = musicbrainz.by_isrc("USSUB0200002")
        assert {recording.title for recording, _ in recordings} >= {"Blew"}
        assert musicbrainz.artist(NIRVANA).relations
