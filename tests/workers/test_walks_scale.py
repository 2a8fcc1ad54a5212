"""A thousand release groups and a label of five hundred releases, in a process of their own: no task for long, no memory to speak of."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from slskdn_site.demo.answer_folder import load_answers
from slskdn_site.demo.large_world import write_large_world
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.workers.conftest import Metadata
from tests.workers.test_kill import Platform

pytestmark = pytest.mark.e2e

WALK = """
import json, sys, uuid
import django
django.setup()
from apps.catalog.selectors_graph import artist_groups, artist_releases, graph_state, label_releases, label_state, walks_due
from apps.catalog.services_walk import artist_graph_ask, label_graph_ask
from slskdn_site.bench.peak import peak_bytes
from workers.composition import musicbrainz
from workers.walks import BUDGET_S, walk
artist, label = (uuid.UUID(one) for one in sys.argv[1:])
artist_graph_ask(artist)
label_graph_ask(label)
pages = tasks = most = 0
while due := walks_due():
    for step in due:
        # A clock on which every request takes as long as MusicBrainz lets it: a task ends after its minute of them.
        seconds = [0.0]
        def clock():
            seconds[0] += 1.05
            return seconds[0]
        asked = []
        walk(step.id, musicbrainz=musicbrainz(), clock=clock, checkpoint=asked.append)
        tasks, most = tasks + 1, max(most, asked.count("stored"))
        pages += asked.count("stored")
print(json.dumps({
    "pages": pages, "tasks": tasks, "most": most, "states": [graph_state(artist).state, label_state(label).state],
    "groups": len(artist_groups(artist)), "releases": len(artist_releases(artist)), "label": len(label_releases(label)),
    "peak_mib": peak_bytes() >> 20,
}))
"""


@pytest.fixture
def platform(data_folder: Path, metadata: Metadata) -> object:
    made = Platform(data_folder, metadata)
    yield made
    made.stop()


def test_a_thousand_groups_are_read_within_400_mib_and_no_task_reads_for_long(
    platform: Platform, tmp_path: Path
) -> None:
    world = write_large_world(tmp_path)
    server = MetadataServer([load_answers(tmp_path)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        platform.environment["SLSKDN__INTEGRATION__MUSICBRAINZ__HOST"] = server.base_url
        told = platform.python("-c", WALK, str(world.artist_mbid), str(world.label_mbid))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    found = json.loads(told.strip().splitlines()[-1])
    assert (found["groups"], found["releases"], found["label"]) == (1000, world.releases, 500)
    assert found["states"] == ["ready", "ready"]
    assert found["pages"] == 10 + 14 + 5
    assert found["most"] <= 60  # pages in one task: a minute's worth of requests
    assert found["peak_mib"] < 400
