"""Real neighbours for the workers' tests: the demonstration's metadata service in a thread, the tests' Valkey, a library of their own."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slskdn_site.broker import redis_url
from slskdn_site.demo.answer_folder import load_answers
from slskdn_site.demo.metadata_service.faults import Fault
from slskdn_site.demo.metadata_service.server import MetadataServer
from workers.gateways.acoustid import Acoustid
from workers.gateways.limiter import Limiter
from workers.gateways.musicbrainz import Musicbrainz

ANSWERS = Path(__file__).resolve().parents[2] / "slskdn_site" / "demo" / "answers"


class Metadata:
    """The running service, and what it was asked."""

    def __init__(self, server: MetadataServer) -> None:
        self._server = server
        self.url = server.base_url

    def fault(self, kind: str, *, prefix: str = "/", count: int = 1, **given: object) -> None:
        self._server.faults.add([Fault(kind=kind, prefix=prefix, count=count, **given)])  # type: ignore[arg-type]

    def heal(self) -> None:
        self._server.faults.clear()

    @property
    def requests(self) -> list[dict[str, object]]:
        found = self._server.ledger.json()["requests"]
        assert isinstance(found, list)
        return found  # type: ignore[return-value]


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    server = MetadataServer([load_answers(ANSWERS)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Metadata(server)
    server.shutdown()
    thread.join()
    server.server_close()


def limiter(name: str | None = None, *, interval_ms: int = 0, **given: object) -> Limiter:
    return Limiter(redis_url(), name=name or uuid.uuid4().hex, interval_ms=interval_ms, **given)  # type: ignore[arg-type]


@pytest.fixture
def musicbrainz(metadata: Metadata) -> Musicbrainz:
    return Musicbrainz(host=metadata.url, contact="tests@example.org", version="0", limiter=limiter(), timeout_s=1.0)


@pytest.fixture
def acoustid(metadata: Metadata) -> Acoustid:
    return Acoustid(host=metadata.url, client_id="key", limiter=limiter(), timeout_s=1.0)


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs, no handler of Exception sees it."""


def kill_at(step: str) -> Callable[[str], None]:
    def checkpoint(name: str) -> None:
        if name == step:
            raise Killed(step)

    return checkpoint
