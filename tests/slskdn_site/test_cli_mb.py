"""`./slskdn mb …` as people call it, against a running metadata service: an artist's graph with progress and counts, one thing again, lists."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator

import pytest

from apps.catalog.models import Release, Walk
from slskdn_site.cli import main
from slskdn_site.demo.answer_folder import load_answers
from slskdn_site.demo.large_world import LargeWorld, mbid_of, write_large_world
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.workers.conftest import limiter
from workers import composition
from workers.gateways.musicbrainz import Musicbrainz

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> LargeWorld:
    return write_large_world(tmp_path_factory.mktemp("world"), groups=24, label_releases=9)


@pytest.fixture
def served(world: LargeWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetadataServer]:
    """The service, and composition that leads to it (as its configuration would)."""
    server = MetadataServer([load_answers(world.folder)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    gateway = Musicbrainz(host=server.base_url, contact="", version="0", limiter=limiter(), timeout_s=5.0)
    monkeypatch.setattr(composition, "musicbrainz", lambda: gateway)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main.main(["mb", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.usefixtures("served")
def test_an_artists_graph_is_waited_for_with_progress_and_counted_by_type(
    capsys: pytest.CaptureFixture[str], world: LargeWorld
) -> None:
    address = f"https://musicbrainz.org/artist/{world.artist_mbid}?tab=x"
    status, out, err = run(capsys, "artist-graph", address, "--wait")
    assert status == 0
    assert "Thousand Groups  [ready]  24/24 groups, 32/32 releases" in out
    assert "24/24 groups, 32/32 releases" in err
    assert "Single" in out and "Album + Live" in out and "From MusicBrainz" in out
    status, out, _ = run(capsys, "artist-graph", str(world.artist_mbid), "--json")
    told = json.loads(out)
    assert (told["state"], told["groups"], told["releases"]) == (
        "ready",
        {"taken": 24, "total": 24},
        {"taken": 32, "total": 32},
    )
    assert sum(one["groups"] for one in told["by_type"].values()) == 24
    assert told["source"] == "musicbrainz" and told["fetched_at"]


@pytest.mark.usefixtures("served")
def test_an_unknown_artist_ends_with_a_sentence_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "artist-graph", str(uuid.uuid4()), "--wait")
    assert status == 1
    assert "MusicBrainz knows no artist with this id." in out
    assert main.main(["mb", "artist-graph", "nonsense"]) == 1


@pytest.mark.usefixtures("served")
def test_one_thing_is_asked_for_again(capsys: pytest.CaptureFixture[str], world: LargeWorld) -> None:
    status, out, _ = run(capsys, "refresh", "label", str(world.label_mbid), "--wait")
    assert status == 0
    assert "Large Crate  [ready]  9/9 releases" in out
    assert run(capsys, "refresh", "release-group", mbid_of("group", 0), "--wait")[1].startswith("Work No. 1  [ready]")
    release = mbid_of("release", 0, 0)
    assert Release.objects.get(mbid=release).fetched_at is None
    assert json.loads(run(capsys, "refresh", "release", release, "--json")[1])["title"] == "Work No. 1"
    assert Release.objects.get(mbid=release).fetched_at is not None
    assert "Movement 1" in run(capsys, "refresh", "recording", mbid_of("recording", 0, 1))[1]


def test_lists_are_told_with_what_they_wait_for(capsys: pytest.CaptureFixture[str], world: LargeWorld) -> None:
    run(capsys, "artist-graph", str(world.artist_mbid))
    Walk.objects.filter(kind="artist_groups").update(code="musicbrainz_unavailable", taken=100, total=250)
    status, out, _ = run(capsys, "walks")
    assert status == 0
    assert "100/250" in out and "MusicBrainz does not answer right now" in out and "0/?" in out
    lines = [json.loads(line) for line in run(capsys, "walks", "--open", "--json")[1].splitlines()]
    assert {one["kind"] for one in lines} == {"artist_groups", "artist_releases"}


def test_the_public_musicbrainz_is_never_asked_more_often_than_it_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Noted(composition.Limiter):
        def __init__(self, redis_url: str, *, name: str, interval_ms: int) -> None:
            super().__init__(redis_url, name=name, interval_ms=interval_ms)
            made.append(interval_ms)

    monkeypatch.setattr(composition, "Limiter", Noted)
    for host in ("https://musicbrainz.org", "http://mirror.example:5000"):
        section = composition.load_config().integration.musicbrainz.model_copy(update={"host": host, "interval_ms": 10})
        integration = composition.load_config().integration.model_copy(update={"musicbrainz": section})
        config = composition.load_config().model_copy(update={"integration": integration})
        monkeypatch.setattr(composition, "load_config", lambda config=config: config)
        composition.musicbrainz.__wrapped__()
    assert made == [1050, 10]
