"""From a pasted address to a discography on disk, and back from its manifests after the loss of the database; every process real.

One more job is under way when the database is lost: of its two tracks one is on disk, and the other is nobody's. What is on disk is never fetched again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slskdn_site.demo.network import Network
from tests.e2e.two_albums import EBB, FLOW, SINGLE, TwoAlbums, write_two_albums
from tests.e2e.world import Person, files_below, node_asked, until
from tests.prepared import prepared_folder
from tests.services import PROJECT

pytestmark = pytest.mark.e2e


class House:
    """The platform, its person at the API and at the command line, and its neighbour."""

    def __init__(self, network: Network, made: TwoAlbums) -> None:
        assert network.platform is not None
        self.network, self.made, self.home = network, made, network.platform.folder
        self.person = Person(network.platform.url, network.platform.password)

    def cli(self, *argv: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "slskdn_site.cli", *argv],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("SLSKDN")},
                "SLSKDN_DATA": str(self.home),
                "PYTHONPATH": str(PROJECT),
            },
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-3000:])
        return done.stdout

    def reached(self, job: str, state: str) -> dict[str, Any]:
        def told() -> dict[str, Any]:
            tree = self.person.job(job)
            assert tree["state"] == state or tree["state"] not in {"completed", "partial", "failed", "cancelled"}, tree
            return tree if tree["state"] == state else {}

        return until(told, f"the job is {state}", every_s=0.2)

    def children(self, job: str) -> dict[str, dict[str, Any]]:
        """Children of a tree by release."""
        listed = self.person.get(f"/api/jobs/{job}/children")["items"]
        return {str(one["target_mbid"]): one for one in listed}

    def manifests(self) -> dict[str, dict[str, Any]]:
        """What the files say, by their place in the folder."""
        folder = self.home / "jobs"
        return {
            str(path.relative_to(folder)): yaml.safe_load(path.read_text(encoding="utf-8"))
            for path in folder.rglob("*.yaml")
        }

    def music(self) -> dict[str, str]:
        """Name → digest of every file in the library; a scan puts its marker `.slskdn-root` beside them."""
        library = self.home / "library"
        return {
            str(path.relative_to(library)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files_below(library)
            if path.name != ".slskdn-root"
        }

    def given(self) -> int:
        """Bytes of music that the neighbour ever sent."""
        return int(node_asked(self.network.neighbours["north"].folder, "report")["bytes"]["up"])

    def loses_its_database(self) -> None:
        """Ended, the database removed with what was half fetched, and up again; music, manifests, keys and secrets stay."""
        assert self.network.platform is not None
        self.network.platform.process.stop()
        shutil.rmtree(self.home / "db")
        shutil.rmtree(self.home / "partial", ignore_errors=True)
        platform = self.network.start_platform()
        self.person = Person(platform.url, platform.password)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    root = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))
    made = write_two_albums(root / "made")
    try:
        with Network(root / "n") as network:
            network.start_metadata(made.answers)
            network.start_bootstrap()
            network.prepare_database(prepared_folder())
            network.spawn_platform()
            network.start_neighbours([made.neighbour()])
            network.await_platform()
            yield House(network, made)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_an_address_becomes_a_discography_and_manifests_bring_it_back_without_a_byte_from_the_mesh(
    house: House,
) -> None:
    # An address is pasted, and what it means is asked for.
    found = house.person.post("/api/find", {"text": f"https://musicbrainz.org/artist/{EBB.artist_mbid}"}).json()
    until(lambda: house.person.get(f"/api/find/{found['id']}")["state"] == "done", "it is found")
    (one,) = house.person.get(f"/api/find/{found['id']}")["candidates"]
    candidate = one["candidate"]
    assert (candidate["kind"], candidate["mbid"], candidate["title"]) == ("artist", EBB.artist_mbid, EBB.artist)
    single = str(house.person.ask(SINGLE.release_mbid).json()["id"])
    asked = house.person.post("/api/jobs/discography", {"mb_artist_id": candidate["mbid"]})
    assert asked.status_code == 202, asked.text
    tree = str(asked.json()["id"])

    # Its releases come over the mesh; the single lacks what nobody has.
    house.reached(tree, "completed")
    children = house.children(tree)
    assert {mbid: one["state"] for mbid, one in children.items()} == {
        EBB.release_mbid: "completed",
        FLOW.release_mbid: "completed",
    }
    until(lambda: lacks_the_second(house.person.job(single)), "the single has the one track that there is")
    assert house.given() > 0

    # Each job is a file: in completed/ once it ended, in active/ while it is under way.
    places = {
        tree: f"completed/discography-{tree}.yaml",
        single: f"active/mb_release-{single}.yaml",
        **{one["id"]: f"completed/{tree}/mb_release-{one['id']}.yaml" for one in children.values()},
    }
    until(lambda: set(house.manifests()) == set(places.values()), "every job is a file in its place")
    until(
        lambda: house.manifests()[places[single]]["status"].get("completed_tracks") == ["1-1"],
        "the file of the single tells of its track",
    )
    written = house.manifests()
    for job, place in places.items():
        assert written[place]["job_id"] == job
        assert written[place]["status"]["state"] == ("running" if job == single else "completed")
    exported = yaml.safe_load(house.cli("jobs", "export", tree))
    assert exported["mb_artist_id"] == EBB.artist_mbid
    assert {one["job_id"] for one in exported["children"]} == {one["id"] for one in children.values()}

    # The database is lost. What is in the library is read first, then the jobs are brought back.
    music, given = house.music(), house.given()
    assert sum(name.endswith(".flac") for name in music) == 5
    house.loses_its_database()
    assert house.person.get("/api/jobs")["items"] == []
    (scan,) = [json.loads(line) for line in house.cli("library", "scan", "--wait", "--json").splitlines()]
    assert scan["state"] == "completed", scan
    report = json.loads(house.cli("jobs", "restore", str(house.home / "jobs"), "--json"))
    assert (report["files"], report["failed"]) == (4, [])
    assert {one["job_id"] for one in report["jobs"]} == set(places)

    assert house.person.job(tree)["state"] == "completed"
    assert {mbid: (one["id"], one["state"]) for mbid, one in house.children(tree).items()} == {
        mbid: (one["id"], "completed") for mbid, one in children.items()
    }
    assert {one["id"] for one in house.person.get("/api/jobs")["items"]} == {tree, single}
    # The one that was under way goes on where it was: it holds the first track, and looks for the second.
    until(lambda: lacks_the_second(house.person.job(single)), "the single looks for what it lacks")
    assert house.given() == given
    assert house.music() == music
    again = json.loads(house.cli("jobs", "restore", "--json"))
    assert {one["outcome"] for one in again["jobs"]} == {"kept"}
    until(lambda: set(house.manifests()) == set(places.values()), "the files are where they were")


def lacks_the_second(job: dict[str, Any]) -> bool:
    """True when its first track is there and the node has looked for the second in vain."""
    if [track["state"] for track in job["tracks"]] != ["completed", "wanted"]:
        return False
    second = job["tracks"][1]
    return job["state"] == "running" and (second["progress"] or {}).get("code") == "no_source"
