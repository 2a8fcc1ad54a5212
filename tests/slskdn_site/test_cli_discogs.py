"""`./slskdn discogs …` as people type it, against a running metadata service."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator

import pytest

from apps.domain.catalog.identity import discogs_id
from apps.jobs.models import Job
from slskdn_site.cli.main import main
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.workers.conftest import Metadata, limiter
from workers import composition
from workers.discogs_kept import KeptDiscogs
from workers.gateways.discogs import INTERVAL_MS, Discogs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    server = MetadataServer([])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    port = Discogs(
        base_url=server.base_url, token="", contact="", version="0", limiter=limiter(), interval_ms=INTERVAL_MS
    )
    monkeypatch.setattr(composition, "discogs", lambda: KeptDiscogs(port))
    yield Metadata(server)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_release_is_shown_and_kept(service: Metadata, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discogs", "show", "release", "https://www.discogs.com/release/9000001-Minutes"]) == 0
    told = capsys.readouterr().out
    assert "Harbour Committee - Minutes Of The Tide Board" in told
    assert "1986-11 · UK · Slack Water Tapes SWT 07 · Cassette" in told
    assert "A1       3:05  Apologies For Absence" in told
    assert "A3          ?  Any Other Business" in told
    assert str(discogs_id("release", 9_000_001)) in told
    assert main(["discogs", "show", "release", "9000001", "--offline", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == 9_000_001
    assert len(service.requests) == 1
    assert main(["discogs", "show", "release", "r9000001", "--refresh"]) == 0
    assert [one["status"] for one in service.requests] == [200, 304]


def test_the_other_kinds_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, number, name in [("master", "9300001", "Minutes"), ("label", "9200001", "Slack Water Tapes"), ("artist", "9100001", "Harbour Committee")]:  # fmt: skip
        assert main(["discogs", "show", kind, number]) == 0
        assert name in capsys.readouterr().out


def test_what_is_not_there_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discogs", "show", "release", "4"]) == 1
    assert "discogs_not_found" in capsys.readouterr().err
    assert main(["discogs", "show", "release", "nonsense"]) == 1
    assert "discogs_number_invalid" in capsys.readouterr().err
    assert main(["discogs", "show", "label", "4", "--offline"]) == 1


def test_a_release_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discogs", "get", "9000001"]) == 0
    job = Job.objects.get(id=uuid.UUID(capsys.readouterr().out.strip()))
    assert (job.target_source, job.target_ref, job.target_mbid) == ("discogs", "9000001", discogs_id("release", 9_000_001))  # fmt: skip
