"""Searching releases and fetching all editions of a group: recorded shapes from a real server of the test, pages followed, odd editions left out."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slskdn_site.demo.answer_folder import AnswerFolder, Entry, canonical_query, json_bytes
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.workers.conftest import ANSWERS, limiter
from workers.gateways.errors import Permanent, Transient
from workers.gateways.musicbrainz import RELEASE_INCLUDES, SEARCH_LIMIT, Musicbrainz

GROUP = uuid.UUID("11111111-1111-4111-8111-111111111111")


def a_release(**changes: object) -> dict[str, object]:
    body = json.loads(next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).read_text("utf-8"))
    return {**body, "id": str(uuid.uuid4()), **changes}


def entry(path: str, body: object, *, status: int = 200, **query: str) -> Entry:
    pairs = [("fmt", "json"), *query.items()]
    return Entry(service="musicbrainz", path=path, query=canonical_query(pairs), body=json_bytes(body), status=status)


@contextmanager
def served(*entries: Entry) -> Iterator[Musicbrainz]:
    server = MetadataServer([AnswerFolder(tuple(entries))])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Musicbrainz(host=server.base_url, contact="", version="0", limiter=limiter(), timeout_s=2.0)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(releases: list[dict[str, object]], *, whole: int, offset: int) -> Entry:
    query = {"release-group": str(GROUP), "inc": "+".join(sorted(RELEASE_INCLUDES)), "limit": "100"}
    if offset:
        query["offset"] = str(offset)
    body = {"release-count": whole, "release-offset": offset, "releases": releases}
    return entry("/ws/2/release", body, **query)


def test_all_pages_of_a_group_are_read_and_odd_editions_left_out() -> None:
    first, second = [a_release(), a_release(title=7)], [a_release(country="JP")]
    with served(page(first, whole=3, offset=0), page(second, whole=3, offset=2)) as musicbrainz:
        found = musicbrainz.group_releases(GROUP)
    assert [str(one.mbid) for one in found] == [first[0]["id"], second[0]["id"]]
    assert all(list(one.tracks()) for one in found)


def test_an_unknown_group_is_final() -> None:
    with served() as musicbrainz, pytest.raises(Permanent) as failed:
        musicbrainz.group_releases(GROUP)
    assert failed.value.code == "release_group_not_found"


def test_an_answer_without_a_list_may_be_asked_again() -> None:
    query = {"release-group": str(GROUP), "inc": "+".join(sorted(RELEASE_INCLUDES)), "limit": "100"}
    with (
        served(entry("/ws/2/release", {"releases": "none"}, **query)) as musicbrainz,
        pytest.raises(Transient) as failed,
    ):
        musicbrainz.group_releases(GROUP)
    assert failed.value.code == "musicbrainz_garbled"


def test_a_search_escapes_what_people_call_their_albums() -> None:
    body = {"releases": [{**a_release(), "score": 100, "track-count": 8}, {"id": "no uuid"}, "odd"]}
    asked = 'release:"AC\\/DC \\(Live\\)" AND artist:"Who\\?"'
    with served(entry("/ws/2/release", body, query=asked, limit=str(SEARCH_LIMIT))) as musicbrainz:
        (hit,) = musicbrainz.release_search(artist="Who?", album="AC/DC  (Live)")
    assert (hit.score, hit.tracks) == (100, 8)
    assert hit.group_mbid is not None


def test_words_of_tags_are_not_sent_where_searching_is_switched_off() -> None:
    class NoLimit:
        def acquire(self) -> float:
            raise AssertionError("somebody was to be asked")

    silent = Musicbrainz(host="http://127.0.0.1:9", contact="", version="0", limiter=NoLimit(), searching=False)  # type: ignore[arg-type]
    assert silent.release_search(artist="Somebody", album="Something private") == ()
