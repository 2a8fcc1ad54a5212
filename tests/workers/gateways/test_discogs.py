"""Discogs' gateway against a real server: every answer sorted into "it", "never" and "later", the pace kept by all processes, the token nowhere to be seen."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.domain.catalog.discogs import DiscogsArtist, DiscogsLabel, DiscogsMaster, DiscogsRelease
from apps.domain.catalog.links import DiscogsKind
from slskdn_site.broker import redis_url
from slskdn_site.demo.metadata_service.discogs import WRONG_TOKEN
from tests.recorded import needs_recorded, recorded_folder
from tests.workers.conftest import Metadata, limiter
from workers.gateways.discogs import INTERVAL_MS, TOKEN_INTERVAL_MS, Discogs
from workers.gateways.errors import Permanent, Transient
from workers.gateways.limiter import Limiter

TOKEN = "s3cr3t-t0ken"
RELEASE = 9_000_001


def gateway(url: str, *, token: str = "", pace: Limiter | None = None, **given: object) -> Discogs:
    interval_ms = TOKEN_INTERVAL_MS if token else INTERVAL_MS
    return Discogs(
        base_url=url,
        token=token,
        contact="https://example.org",
        version="0",
        limiter=pace or limiter(),
        interval_ms=interval_ms,
        timeout_s=1.0,
        **given,  # type: ignore[arg-type]
    )


def test_each_kind_is_asked_by_its_number(metadata: Metadata) -> None:
    one = gateway(metadata.url)
    release = one.entity(DiscogsKind.RELEASE, RELEASE).facts
    assert isinstance(release, DiscogsRelease)
    assert (release.title, release.credit) == ("Minutes Of The Tide Board", "Harbour Committee")
    assert isinstance(one.entity(DiscogsKind.MASTER, 9_300_001).facts, DiscogsMaster)
    assert isinstance(one.entity(DiscogsKind.LABEL, 9_200_001).facts, DiscogsLabel)
    assert isinstance(one.entity(DiscogsKind.ARTIST, 9_100_001).facts, DiscogsArtist)
    assert [request["path"] for request in metadata.requests] == [
        "/releases/9000001", "/masters/9300001", "/labels/9200001", "/artists/9100001",
    ]  # fmt: skip
    assert all(request["user_agent"] == "slskdn/0 +https://example.org" for request in metadata.requests)


def test_what_is_as_it_was_is_not_sent_again(metadata: Metadata) -> None:
    one = gateway(metadata.url)
    first = one.entity(DiscogsKind.RELEASE, RELEASE)
    assert first.etag
    again = one.entity(DiscogsKind.RELEASE, RELEASE, etag=first.etag)
    assert again.facts is None
    assert again.etag == first.etag
    assert [request["status"] for request in metadata.requests] == [200, 304]


def test_an_unknown_number_is_never_there(metadata: Metadata) -> None:
    with pytest.raises(Permanent) as refused:
        gateway(metadata.url).entity(DiscogsKind.RELEASE, 1)
    assert refused.value.code == "discogs_not_found"
    assert refused.value.params == {"kind": "release", "id": 1}


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("status", "discogs_unavailable"),
        ("close", "discogs_unavailable"),
        ("hang", "discogs_unavailable"),
        ("html", "discogs_unavailable"),
        ("truncated", "discogs_garbled"),
        ("garbage", "discogs_garbled"),
    ],
)
def test_a_failure_is_told_after_one_request(kind: str, code: str, metadata: Metadata) -> None:
    metadata.fault(kind, count=9, **({"seconds": 5.0} if kind == "hang" else {}))
    with pytest.raises(Transient) as failed:
        gateway(metadata.url).entity(DiscogsKind.RELEASE, RELEASE)
    assert failed.value.code in {code, "discogs_unavailable" if kind == "truncated" else code}
    assert len(metadata.requests) == 1


@dataclass
class Scripted:
    """A server that gives what it is told: (status, headers, body)."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    def say(self, status: int, body: object = None, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body if body is not None else {"message": "no"}).encode()
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, raw))


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    told = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append({name.lower(): value for name, value in self.headers.items()})
            status, headers, body = told.answers.pop(0)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "raised", "code"),
    [
        (401, None, Permanent, "discogs_token_invalid"),
        (403, None, Permanent, "discogs_token_invalid"),
        (400, None, Permanent, "discogs_refused"),
        (404, None, Permanent, "discogs_not_found"),
        (404, b"<html>no such host</html>", Transient, "discogs_garbled"),  # a proxy's word, not Discogs'
        (200, b"<html>sign in</html>", Transient, "discogs_garbled"),
        (302, b"", Transient, "discogs_garbled"),
        (200, [], Transient, "discogs_garbled"),
        (200, {"id": 5}, Transient, "discogs_garbled"),
        (200, {"id": 6, "title": "another"}, Transient, "discogs_garbled"),
        (429, None, Transient, "discogs_unavailable"),
        (500, b"", Transient, "discogs_unavailable"),
        (502, b"<html>", Transient, "discogs_unavailable"),
        (503, None, Transient, "discogs_unavailable"),
        (304, b"", Transient, "discogs_garbled"),  # nobody asked whether it is as it was
    ],
)
def test_every_answer_has_its_code(
    status: int, body: object, raised: type[Exception], code: str, scripted: Scripted
) -> None:
    scripted.say(status, body, Location=f"{scripted.url}/elsewhere")
    with pytest.raises(raised) as failed:
        gateway(scripted.url, token=TOKEN).entity(DiscogsKind.RELEASE, 5)
    assert getattr(failed.value, "code", "") == code
    assert len(scripted.asked) == 1


def test_without_a_token_a_refusal_blames_no_token(scripted: Scripted) -> None:
    scripted.say(401)
    with pytest.raises(Permanent) as failed:
        gateway(scripted.url).entity(DiscogsKind.RELEASE, 5)
    assert failed.value.code == "discogs_refused"


def test_the_token_is_sent_and_nowhere_else_to_be_seen(scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    scripted.say(401)
    with caplog.at_level(logging.DEBUG), pytest.raises(Permanent) as failed:
        gateway(scripted.url, token=TOKEN).entity(DiscogsKind.RELEASE, 5)
    assert scripted.asked[0]["authorization"] == f"Discogs token={TOKEN}"
    assert TOKEN not in caplog.text
    assert TOKEN not in f"{failed.value!r} {failed.value} {failed.value.params}"


def test_a_wrong_token_is_told(metadata: Metadata) -> None:
    with pytest.raises(Permanent) as failed:
        gateway(metadata.url, token=WRONG_TOKEN).entity(DiscogsKind.RELEASE, RELEASE)
    assert failed.value.code == "discogs_token_invalid"
    assert WRONG_TOKEN not in json.dumps(metadata.requests)


GOOD = {"id": 5, "title": "x"}


def next_wait(pace: Limiter) -> float:
    """How long the next request has to wait; none is reserved."""
    with pytest.raises(Transient) as waits:
        pace.acquire()
    assert waits.value.retry_after_s is not None
    return waits.value.retry_after_s


def quick(name: str) -> Limiter:
    return limiter(name, interval_ms=0, max_wait_s=0)


@pytest.mark.parametrize(
    ("say", "least", "most"),
    [
        (lambda it: it.say(429, Retry_After="60"), 58.0, 60.0),
        (lambda it: it.say(429), 58.0, 60.0),
        (lambda it: it.say(503, Retry_After="7"), 5.0, 7.0),
        (lambda it: it.say(200, GOOD, X_Discogs_Ratelimit="25", X_Discogs_Ratelimit_Remaining="0"), 8.0, 10.0),
        (lambda it: it.say(200, GOOD, X_Discogs_Ratelimit="10", X_Discogs_Ratelimit_Remaining="9"), 4.0, 6.0),
    ],
)
def test_what_the_service_says_holds_everybody_back(
    say: Callable[[Scripted], None], least: float, most: float, scripted: Scripted
) -> None:
    name = uuid.uuid4().hex
    say(scripted)
    try:
        gateway(scripted.url, pace=quick(name)).entity(DiscogsKind.RELEASE, 5)
    except Transient as error:
        assert error.code == "discogs_unavailable"
    assert least < next_wait(quick(name)) <= most


def test_a_quiet_service_holds_nobody_back(scripted: Scripted) -> None:
    name = uuid.uuid4().hex
    scripted.say(200, GOOD, X_Discogs_Ratelimit="25", X_Discogs_Ratelimit_Remaining="20")
    gateway(scripted.url, pace=quick(name)).entity(DiscogsKind.RELEASE, 5)
    assert quick(name).acquire() == 0


@needs_recorded
def test_the_recorded_refusals_are_waited_out(scripted: Scripted) -> None:
    folder = recorded_folder()
    assert folder is not None
    sequence = json.loads((folder / "discogs" / "real-429-sequences.json").read_text("utf-8"))[0]
    body = (folder / "discogs" / "releases" / "35300.json").read_bytes()
    for one in sequence["sequence"]:
        headers = {"X_Discogs_Ratelimit": "60", "X_Discogs_Ratelimit_Remaining": one["remaining"]}
        if one["retry_after"]:
            headers["Retry_After"] = one["retry_after"]
        scripted.say(one["status"], body if one["status"] == 200 else None, **headers)
    answered = None
    while answered is None:
        name = uuid.uuid4().hex
        try:
            answered = gateway(scripted.url, token=TOKEN, pace=quick(name)).entity(DiscogsKind.RELEASE, 35300)
        except Transient as error:
            assert error.retry_after_s == 60
            assert 58 < next_wait(quick(name)) <= 60
    assert answered.facts is not None
    assert len(scripted.asked) == len(sequence["sequence"])


def test_two_processes_share_the_minute(metadata: Metadata) -> None:
    name = uuid.uuid4().hex
    program = (
        "import sys\n"
        "from apps.domain.catalog.links import DiscogsKind\n"
        "from workers.gateways.discogs import INTERVAL_MS, Discogs\n"
        "from workers.gateways.limiter import Limiter\n"
        "slept = []\n"
        "pace = Limiter(sys.argv[1], name=sys.argv[2], interval_ms=INTERVAL_MS, max_wait_s=1000, sleep=slept.append)\n"
        "one = Discogs(base_url=sys.argv[3], token='', contact='', version='0', limiter=pace, interval_ms=INTERVAL_MS)\n"
        "for _ in range(3): one.entity(DiscogsKind.RELEASE, 9000001)\n"
        "print(*slept)"
    )
    command = [sys.executable, "-c", program, redis_url(), name, metadata.url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    slept = sorted(float(word) for one in running for word in one.communicate()[0].split())
    # Six requests, the first at once: what they were told to wait is five intervals for the last of them.
    assert len(slept) >= 5
    assert slept[-1] > 4 * INTERVAL_MS / 1000
    assert len(metadata.requests) == 6
