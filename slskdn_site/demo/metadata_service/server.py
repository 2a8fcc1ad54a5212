"""The HTTP side: requests in, replies out, statistics and faults through two control paths. Binds to 127.0.0.1 and nothing else.

`GET /__stats__` tells every request with its time; `DELETE` forgets them. `POST /__fault__` orders faults (one object or a list), `GET` lists
the open ones, `DELETE` drops them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

from slskdn_site.demo.answer_folder import AnswerFolder, canonical_query, fingerprint_sha1
from slskdn_site.demo.answer_shapes import Json, JsonObject
from slskdn_site.demo.metadata_service.acoustid import AcoustidCatalogue
from slskdn_site.demo.metadata_service.catalogue import MusicBrainzCatalogue, Reply, json_reply
from slskdn_site.demo.metadata_service.covers import cover_reply
from slskdn_site.demo.metadata_service.discogs import discogs_reply, link_reply
from slskdn_site.demo.metadata_service.faults import (
    Fault,
    FaultError,
    FaultPlan,
    fault_json,
    faults_from_json,
    faulty_reply,
)

HOST = "127.0.0.1"
# A lookup's form is some 5 kB; a batch of twenty, 100 kB.
_MAX_BODY_BYTES = 1 << 20
# Requests whose times are kept; older ones only count.
_KEPT_REQUESTS = 10_000
# Recorded headers that describe the recorded transfer, not this one.
_NOT_REPLAYED = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "server",
        "transfer-encoding",
        "vary",
    }
)
_PUBLIC_HOSTS = (
    "https://musicbrainz.org",
    "http://musicbrainz.org",
    "https://api.acoustid.org",
    "http://api.acoustid.org",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: seconds since the start (monotonic), wall clock, and what became of it. Credentials are not kept."""

    at_s: float
    unix_s: float
    service: str
    method: str
    path: str
    query: dict[str, str]
    user_agent: str
    status: int
    rule: str


class Ledger:
    """Counts requests and keeps their times. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._seen: deque[Seen] = deque(maxlen=_KEPT_REQUESTS)
        self._counts: Counter[str] = Counter()

    def since_start_s(self) -> float:
        """Monotonic seconds since the service began."""
        return time.monotonic() - self._started

    def add(self, seen: Seen) -> None:
        """Keep one request."""
        with self._lock:
            self._seen.append(seen)
            self._counts[seen.service] += 1

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._seen.clear()
            self._counts.clear()

    def json(self) -> JsonObject:
        """Everything kept, in order of arrival."""
        with self._lock:
            seen = sorted(self._seen, key=lambda one: one.at_s)
            counts: JsonObject = dict(self._counts)
        requests: list[Json] = [
            {
                "at_s": round(one.at_s, 6),
                "unix_s": round(one.unix_s, 6),
                "service": one.service,
                "method": one.method,
                "path": one.path,
                "query": dict[str, Json](one.query),
                "user_agent": one.user_agent,
                "status": one.status,
                "rule": one.rule,
            }
            for one in seen
        ]
        return {"counts": counts, "requests": requests, "up_s": round(self.since_start_s(), 3)}


class MetadataServer(ThreadingHTTPServer):
    """The server with its catalogues. `serve_forever` in one thread, `shutdown` from another; threads of requests die with the process."""

    daemon_threads = True

    def __init__(self, folders: Sequence[AnswerFolder], *, port: int = 0) -> None:
        self.musicbrainz = MusicBrainzCatalogue(folders)
        self.acoustid = AcoustidCatalogue(folders)
        self.faults = FaultPlan()
        self.ledger = Ledger()
        self.stopping = threading.Event()
        super().__init__((HOST, port), _Request)

    @property
    def base_url(self) -> str:
        """Where clients reach the service, without a slash at the end."""
        return f"http://{HOST}:{self.server_address[1]}"

    @override
    def shutdown(self) -> None:
        self.stopping.set()
        super().shutdown()


class _BadRequestError(ValueError):
    """The request can't be read; the message goes back to the client."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "slskdn-demo-metadata"
    # A client that says nothing for this long is dropped.
    timeout = 120

    @property
    def _home(self) -> MetadataServer:
        return cast("MetadataServer", self.server)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the ledger remembers."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def _handle(self, method: str) -> None:
        parts = urlsplit(self.path)
        try:
            body = self._body()
        except _BadRequestError as error:
            self.close_connection = True
            self._send(json_reply(400, {"error": str(error)}, rule="bad-request"))
            return
        if parts.path in {"/__stats__", "/__fault__"}:
            self._send(self._control(method, parts.path, body))
            return
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        if method == "POST":
            pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
        at_s, unix_s = self._home.ledger.since_start_s(), time.time()
        fault = self._home.faults.take(parts.path)
        service, reply = self._answer(method, parts.path, pairs)
        if fault is not None:
            reply = faulty_reply(fault, service) or Reply(
                reply.status, reply.body, reply.content_type, reply.headers, f"fault:{fault.kind}"
            )
        shown = canonical_query(
            (key, fingerprint_sha1(value) if key.startswith("fingerprint") else value) for key, value in pairs
        )
        agent = self.headers.get("User-Agent", "")
        self._home.ledger.add(Seen(at_s, unix_s, service, method, parts.path, shown, agent, reply.status, reply.rule))
        self._send(reply, fault=fault)

    def _answer(self, method: str, path: str, pairs: list[tuple[str, str]]) -> tuple[str, Reply]:
        if path.startswith("/ws/2/"):
            if method != "GET":
                return "musicbrainz", json_reply(405, {"error": "Method not allowed"}, rule="none")
            accept = self.headers.get("Accept", "")
            reply = link_reply(path, pairs) or self._home.musicbrainz.reply(path, pairs, accept=accept)
            return "musicbrainz", self._validated(reply)
        if path.startswith("/v2/"):
            return "acoustid", self._home.acoustid.reply(path, pairs)
        sent = {name.lower(): value for name, value in self.headers.items()}
        if method == "GET" and (told := discogs_reply(path, sent)) is not None:
            return "discogs", told
        if method == "GET" and (cover := cover_reply(path, self._home.musicbrainz)) is not None:
            return "coverart", cover
        return "none", json_reply(404, {"error": "Not Found"}, rule="none")

    def _validated(self, reply: Reply) -> Reply:
        """With an ETag; without a body for who has it already (RFC 9110 §13.1.2)."""
        if reply.status != 200:
            return reply
        recorded = next((value for name, value in reply.headers.items() if name.lower() == "etag"), "")
        etag = recorded or f'"{hashlib.sha1(reply.body).hexdigest()}"'  # noqa: S324 -- a name, not a secret
        others = {name: value for name, value in reply.headers.items() if name.lower() != "etag"}
        headers = {**others, "ETag": etag}
        if etag.removeprefix("W/") == self.headers.get("If-None-Match", "").removeprefix("W/"):
            return Reply(304, b"", reply.content_type, headers, "not-modified")
        return Reply(reply.status, reply.body, reply.content_type, headers, reply.rule)

    def _control(self, method: str, path: str, body: bytes) -> Reply:
        home = self._home
        if method == "DELETE":
            if path == "/__stats__":
                home.ledger.clear()
            else:
                home.faults.clear()
        elif path == "/__stats__" and method == "GET":
            return json_reply(200, home.ledger.json(), rule="control")
        elif path == "/__fault__" and method == "POST":
            try:
                home.faults.add(faults_from_json(cast("Json", json.loads(body))))
            except (FaultError, ValueError) as error:
                return json_reply(400, {"error": str(error)}, rule="control")
        elif method != "GET":
            return json_reply(405, {"error": "Method not allowed"}, rule="control")
        return json_reply(
            200, {"faults": list[Json](fault_json(fault) for fault in home.faults.listed())}, rule="control"
        )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise _BadRequestError("chunked bodies are not read here")
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY_BYTES:
            raise _BadRequestError("a body has a length of at most 1 MiB")
        body = self.rfile.read(int(length))
        if self.headers.get("Content-Encoding", "").lower() != "gzip" or not body:
            return body
        try:
            unpacked = zlib.decompressobj(wbits=31).decompress(body, _MAX_BODY_BYTES + 1)
        except zlib.error as error:
            raise _BadRequestError("the gzip body is broken") from error
        if len(unpacked) > _MAX_BODY_BYTES:
            raise _BadRequestError("a body unpacks to at most 1 MiB")
        return unpacked

    def _send(self, reply: Reply, *, fault: Fault | None = None) -> None:
        if fault is not None and fault.kind == "hang":
            self._home.stopping.wait(fault.seconds)
        body = reply.body
        packed = "gzip" in self.headers.get("Accept-Encoding", "").lower() and len(body) > 512
        if packed:
            body = gzip.compress(body, compresslevel=1, mtime=0)
        try:
            if fault is not None and fault.kind == "close":
                self.close_connection = True
                return
            self.send_response(reply.status)
            if reply.status != 304:
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Vary", "Accept, Accept-Encoding")
            if packed:
                self.send_header("Content-Encoding", "gzip")
            for name, value in reply.headers.items():
                if name.lower() not in _NOT_REPLAYED:
                    self.send_header(name, self._local(value) if name.lower() == "location" else value)
            self.end_headers()
            if fault is not None and fault.kind == "truncated":
                self.close_connection = True
                body = body[: len(body) // 2]
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            # The client gave up first, as clients do while an answer hangs.
            self.close_connection = True

    def _local(self, location: str) -> str:
        for public in _PUBLIC_HOSTS:
            if location.startswith(public + "/"):
                return self._home.base_url + location[len(public) :]
        return location
