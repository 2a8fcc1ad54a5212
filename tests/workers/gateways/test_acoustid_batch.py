"""Batches of AcoustID: many prints a request, each its answer, and every recorded refusal sorted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest

from apps.domain.library.offers import offers_from_json, offers_to_json
from tests.workers.conftest import ANSWERS, Metadata, limiter
from workers.gateways.acoustid import BATCH, Acoustid, AcoustidQuery, read_batch
from workers.gateways.acoustid_offers import read_offers
from workers.gateways.errors import Permanent, Transient

SHARED = Path(__file__).parents[4] / "shared" / "fixtures" / "acoustid"
REFUSALS = sorted((SHARED / "v2" / "__error__").glob("*")) + sorted((SHARED / "v2" / "lookup").glob("error-*"))
REFUSALS += sorted((SHARED / "v2").glob("lookup.*error*"))


def known() -> list[AcoustidQuery]:
    lines = (ANSWERS / "acoustid/fingerprints.jsonl").read_text().splitlines()
    return [AcoustidQuery(row["fingerprint"], int(row["duration"])) for row in map(json.loads, lines)]


def test_a_batch_is_one_request_and_gives_each_print_its_own_answer(acoustid: Acoustid, metadata: Metadata) -> None:
    asked = known()[:BATCH]
    stranger = AcoustidQuery(asked[0].fingerprint, asked[0].duration_s + 500)
    answers = acoustid.lookup_batch([*asked[: BATCH - 1], stranger])
    assert len(metadata.requests) == 1
    for query, offers in zip(asked, answers[:-1], strict=False):
        single = acoustid.lookup(query.fingerprint, duration_s=query.duration_s)
        assert offers and {one.recording_mbid for one in offers} == {one.recording_mbid for one in single}
        assert offers[0].title and offers[0].score > 0.8
    assert answers[-1] == ()


def test_a_print_that_is_none_costs_the_others_nothing(acoustid: Acoustid, metadata: Metadata) -> None:
    good = known()[:3]
    first, broken, *rest = acoustid.lookup_batch([good[0], AcoustidQuery("!!", 100), *good[1:]])
    assert broken is None and first and all(rest)
    assert acoustid.lookup_batch([AcoustidQuery("!!", 100)]) == (None,)
    assert acoustid.lookup_batch([AcoustidQuery(good[0].fingerprint, 0)]) == ((),)  # asked as one second: no track is


def test_a_batch_has_a_bound(acoustid: Acoustid) -> None:
    for count in (0, BATCH + 1):
        with pytest.raises(ValueError, match="queries"):
            acoustid.lookup_batch([AcoustidQuery("x", 1)] * count)


class Scripted:
    """A server that answers as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.forms: list[dict[str, list[str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.forms.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                status, headers, body = outer.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    one = Scripted()
    thread = Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


@pytest.mark.skipif(not REFUSALS, reason="the recorded refusals are not beside this checkout")
@pytest.mark.parametrize("path", REFUSALS, ids=lambda path: path.name)
@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
def test_every_recorded_refusal_is_told_as_later_or_never(path: Path, batch: bool, scripted: Scripted) -> None:
    body = path.read_bytes()
    value = json.loads(body) if path.suffix == ".json" else {}
    code = value.get("error", {}).get("code")
    status = {13: 503, 14: 429, 5: 500}.get(code, 400)
    scripted.answers = [(status, {}, body)] * 3
    one = Acoustid(host=scripted.url, client_id="k", limiter=limiter(), timeout_s=2)
    if batch and code in {2, 3, 8}:
        assert one.lookup_batch([AcoustidQuery("AQ", 3)]) == (None,)
        return
    with pytest.raises((Transient, Permanent)) as told:
        _ = one.lookup_batch([AcoustidQuery("AQ", 3)]) if batch else one.lookup("AQ", duration_s=3)
    expected = {None: "acoustid_garbled", 4: "acoustid_key_invalid", 5: "acoustid_unavailable", 13: "acoustid_unavailable", 14: "acoustid_unavailable"}  # fmt: skip
    assert told.value.code == expected.get(code, "acoustid_refused")
    assert isinstance(told.value, Transient) is (told.value.code in {"acoustid_unavailable", "acoustid_garbled"})
    assert len(scripted.forms) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_too_many_is_obeyed_by_every_process_for_as_long_as_it_says(status: int, scripted: Scripted) -> None:
    name, slept = uuid.uuid4().hex, list[float]()
    scripted.answers = [
        (status, {"Retry-After": "9"}, b'{"error": {"code": 14, "message": "x"}, "status": "error"}'),
        (200, {}, b'{"fingerprints": [], "status": "ok"}'),
    ]
    first = Acoustid(host=scripted.url, client_id="k", limiter=limiter(name, interval_ms=350), timeout_s=2)
    second = Acoustid(
        host=scripted.url, client_id="k", limiter=limiter(name, interval_ms=350, sleep=slept.append), timeout_s=2
    )
    with pytest.raises(Transient) as told:
        first.lookup_batch([AcoustidQuery("AQ", 3)])
    assert told.value.retry_after_s == 9
    assert second.lookup_batch([AcoustidQuery("AQ", 3)]) == (None,)
    assert slept and slept[0] > 7


def test_a_batch_refused_for_one_prints_sake_is_asked_for_in_halves(scripted: Scripted) -> None:
    refused = (400, {}, b'{"error": {"code": 8, "message": "duration"}, "status": "error"}')
    empty = b'{"fingerprints": [{"index": "0", "results": []}], "status": "ok"}'
    scripted.answers = [refused, refused, (200, {}, empty)]
    one = Acoustid(host=scripted.url, client_id="k", limiter=limiter(), timeout_s=2)
    assert one.lookup_batch([AcoustidQuery("A", 3), AcoustidQuery("B", 4)]) == (None, ())
    assert sorted(scripted.forms[0])[:4] == ["batch", "client", "duration.0", "duration.1"]
    assert [form["duration.0"] for form in scripted.forms] == [["3"], ["3"], ["4"]]


def test_what_is_no_answer_is_told_and_strange_parts_are_left_out() -> None:
    for value in ({}, {"fingerprints": {}}, {"fingerprints": None}):
        with pytest.raises(Transient):
            read_batch(value, count=1)
    strange = [None, {"index": "7", "results": []}, {"index": "-1"}, {"index": "0"}, {"index": "²", "results": []}, 3]
    assert read_batch({"fingerprints": strange}, count=1) == (None,)
    assert read_offers([None, {"score": "x"}, {"score": 1, "recordings": "y"}, {"score": True}]) == ()
    wild = {
        "score": 7, "id": "a\0", "recordings": [{"id": str(uuid.UUID(int=1)), "duration": float("inf"), "title": "\x00t\ud800",
        "artists": [{"name": None}, "x"], "releasegroups": [{"id": "no", "releases": [{"id": "no"}]}, 5], "sources": -4}],
    }  # fmt: skip
    (offer,) = read_offers([wild])
    assert (offer.score, offer.length_s, offer.title, offer.sources, offer.groups) == (1.0, None, "t", 0, ())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded answers are not beside this checkout")
def test_every_recorded_answer_is_read_with_its_recordings_and_survives_being_kept() -> None:
    read = recordings = 0
    for path in [
        *sorted((SHARED / "v2" / "lookup").glob("*.json")),
        *sorted((SHARED / "v2").glob("lookup.meta*.json")),
    ]:
        value = json.loads(path.read_text())
        if value.get("status") != "ok":
            continue
        offers = read_offers(value["results"])
        named = {each["id"] for result in value["results"] for each in result.get("recordings", [])}
        assert {str(one.recording_mbid) for one in offers} == named
        assert offers_from_json(json.loads(json.dumps(offers_to_json(offers)))) == offers
        read, recordings = read + 1, recordings + len(offers)
    assert read >= 337 and recordings > 900
    full = read_offers(json.loads((SHARED / "v2" / "lookup.meta=recordings+releasegroups+releases+sources+tracks.json").read_text())["results"])  # fmt: skip
    assert full[0].title == "Lower Your Eyelids to Die With the Sun" and full[0].sources == 360
    assert {(one.medium, one.track) for one in full[0].releases} >= {(1, 12)}
