"""Shared by the demonstration's tests: the small album, rendered once, and a running metadata service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from slskdn_site.demo.answer_folder import AnswerFolder, load_answers
from slskdn_site.demo.make_answers import ANSWERS
from slskdn_site.demo.metadata_service.server import MetadataServer
from slskdn_site.demo.synth import AlbumFile, write_album

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
Serve = Callable[[Sequence[AnswerFolder]], MetadataServer]


@pytest.fixture(scope="session")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[AlbumFile, ...]:
    """The eight sketches and the stand-in as files. Do not change them."""
    return write_album(tmp_path_factory.mktemp("small"), size="small")


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded answers beside the checkout."""
    if not (FIXTURES / "index.json").is_file():
        pytest.skip("no recorded answers beside the checkout (../shared/fixtures)")
    return FIXTURES


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a service in this process; all are stopped afterwards."""
    running: list[tuple[MetadataServer, threading.Thread]] = []

    def start(folders: Sequence[AnswerFolder]) -> MetadataServer:
        server = MetadataServer(folders)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture
def service(serve: Serve) -> MetadataServer:
    """A service of the project's own answers."""
    return serve([load_answers(ANSWERS)])
