"""AcoustID: ranked recordings, and every refusal sorted into "later" and "never"."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.workers.conftest import ANSWERS, Metadata, limiter
from workers.gateways.acoustid import Acoustid, read_matches
from workers.gateways.errors import Permanent, Transient
from workers.gateways.http import retry_after_s


def known() -> tuple[str, int]:
    line = json.loads((ANSWERS / "acoustid/fingerprints.jsonl").read_text().splitlines()[0])
    return str(line["fingerprint"]), int(line["duration"])


def test_a_known_fingerprint_names_its_recording(acoustid: Acoustid, metadata: Metadata) -> None:
    fingerprint, duration = known()
    matches = acoustid.lookup(fingerprint, duration_s=duration)
    assert matches and matches[0].score > 0.9
    assert len(metadata.requests) == 1


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("status", "acoustid_unavailable"),
        ("close", "acoustid_unavailable"),
        ("truncated", "acoustid_unavailable"),
        ("hang", "acoustid_unavailable"),
        ("html", "acoustid_unavailable"),
        ("garbage", "acoustid_garbled"),
    ],
)
def test_a_failure_is_told_after_one_request(kind: str, code: str, acoustid: Acoustid, metadata: Metadata) -> None:
    metadata.fault(kind, count=9, **({"seconds": 5.0} if kind == "hang" else {}))
    fingerprint, duration = known()
    with pytest.raises(Transient) as failed:
        acoustid.lookup(fingerprint, duration_s=duration)
    assert failed.value.code == code
    assert len(metadata.requests) == 1


@pytest.fixture
def answering() -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """A server that gives the status and body it is told."""
    answers: list[tuple[int, bytes]] = []

    class Scripted(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", answers
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "raised", "told"),
    [
        (503, 13, Transient, "acoustid_unavailable"),
        (500, 5, Transient, "acoustid_unavailable"),
        (429, 14, Transient, "acoustid_unavailable"),
        (400, 4, Permanent, "acoustid_key_invalid"),
        (400, 3, Permanent, "acoustid_refused"),
        (400, 8, Permanent, "acoustid_refused"),
        (200, 2, Permanent, "acoustid_refused"),
    ],
)
def test_every_error_body_means_later_or_never(
    status: int, code: int, raised: type[Exception], told: str, answering: tuple[str, list[tuple[int, bytes]]]
) -> None:
    url, answers = answering
    answers.append((status, json.dumps({"error": {"code": code, "message": "no\n"}, "status": "error"}).encode()))
    with pytest.raises(raised) as failed:
        Acoustid(host=url, client_id="k", limiter=limiter(), timeout_s=1).lookup("AQ", duration_s=3)
    assert failed.value.code == told  # type: ignore[attr-defined]


def test_a_recording_counts_once_with_its_best_score_and_nonsense_is_left_out() -> None:
    mbid = "cd2e7c47-16f5-46c6-a37c-a1eb7bf599ff"
    value = {
        "status": "ok",
        "results": [
            {"id": "a", "score": 0.4, "recordings": [{"id": mbid, "title": "low"}, {"id": "nonsense"}, 3]},
            {
                "id": "b",
                "score": 0.9,
                "recordings": [
                    {"id": mbid, "title": "T\u202e\n", "artists": [{"name": "A", "joinphrase": " & "}, {"name": "B"}]}
                ],
            },
            {"id": "c", "score": "x"},
            {"id": "d", "score": 0.8},
            None,
        ],
    }
    (match,) = read_matches(value)
    assert (match.score, match.title, match.artist) == (0.9, "T ", "A & B")
    with pytest.raises(Transient):
        read_matches({"status": "ok"})


@pytest.mark.parametrize("score", ["1" + "0" * 400, "-1" + "0" * 400, "NaN", "Infinity", "null", "[]", "{}"])
def test_a_score_that_is_no_number_leaves_its_result_out_and_breaks_nothing(score: str) -> None:
    body = (
        '{"status": "ok", "results": ['
        '{"id": "a\\u0000\\ud800b", "score": 0.9, "recordings": [{"id": "e97f805a-ab48-4c52-855e-07049142113d"}]},'
        f'{{"id": "c", "score": {score}, "recordings": [{{"id": "5465ca86-3881-4349-81b2-6efbd3a59451"}}]}}]}}'
    )
    (match,) = read_matches(json.loads(body))
    assert (str(match.recording_mbid), match.score) == ("e97f805a-ab48-4c52-855e-07049142113d", 0.9)
    match.acoustid.encode()
    assert "\0" not in match.acoustid


@pytest.mark.parametrize(
    "value",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +99999999999999", "-5", "1e9", "soon"],
)
def test_an_absurd_retry_after_is_none(value: str) -> None:
    assert retry_after_s(value) is None


def test_a_retry_after_beyond_a_day_is_a_day() -> None:
    assert retry_after_s("9" * 5000) == retry_after_s("Fri, 31 Dec 9999 23:59:59 GMT") == 86_400.0
