"""Faults that take their real time: a MusicBrainz that says nothing, a lease that runs out by itself, and sources that lie.

Left out of `./slskdn test`, part of `./slskdn test --long` and of what continuous integration runs.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

from slskdn_site.demo.album import album
from slskdn_site.demo.network import Neighbour
from tests.e2e.hostile_release import HostileRelease
from tests.e2e.world import Demonstration, Person, children_of, kill_9, tracks_by, until

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@dataclass(frozen=True, slots=True)
class Missed:
    """A job whose verification lost its process, and the worker that lost it."""

    job: str
    worker: int


@pytest.fixture(scope="module", autouse=True)
def missed(demo: Demonstration, hostile: HostileRelease) -> Missed:
    """Every pool child is killed while one of them verifies. Its lease runs out while the other tests do their waiting."""
    person = demo.person()
    demo.network.start_neighbours([hostile.neighbour("short", "127.0.34.1", tracks=(2,))])
    demo.faults({"kind": "hang", "prefix": "/v2/lookup", "seconds": 300})
    before = len(demo.requests_of("/v2/lookup"))
    demo.forget_acoustid()  # another test asked about this sound before
    wishes = {"target_dir": "Lease", "redownload": True}  # and placed it
    asked = person.ask(hostile.release_mbid, tracks=[{"medium": 1, "position": 2}], constraints=wishes)
    until(lambda: len(demo.requests_of("/v2/lookup")) > before, "AcoustID is asked of its sound")
    # It may have been asked of the first bytes, while the rest came: the verification itself is to be lost.
    begun = f"SELECT attempt FROM jobs_jobtrack WHERE job_id = '{uuid.UUID(str(asked.json()['id'])).hex}' AND state = 'verifying'"
    until(lambda: demo.rows(begun) == [(1,)], "its verification has begun")
    worker = demo.pid("worker")
    pool = children_of(worker)
    assert pool
    for child in pool:
        kill_9(child)
    return Missed(job=str(asked.json()["id"]), worker=worker)


@pytest.fixture
def alone(demo: Demonstration, missed: Missed) -> Iterator[None]:
    """No neighbour of another test is left that holds the hostile release."""
    end_neighbours(demo)
    yield
    end_neighbours(demo)


def end_neighbours(demo: Demonstration) -> None:
    for neighbour in demo.network.neighbours.values():
        if neighbour.process.running():
            neighbour.process.kill()


def test_a_musicbrainz_that_answers_garbage_and_then_nothing_for_a_minute_is_waited_for(
    demo: Demonstration, person: Person
) -> None:
    release = album("full").release_mbid
    prefix = f"/ws/2/release/{release}"
    # The platform also matches the folders that other tests placed: it may hold this release, and may ask for it meanwhile.
    demo.faults({"kind": "garbage", "prefix": prefix, "count": 100})
    demo.forget_release(release)
    job = str(person.ask(release).json()["id"])
    tree = until(lambda: with_code(person.job(job), "musicbrainz_garbled"), "the job says that the answer is none")
    assert tree["message"] == "MusicBrainz answered with something that is no answer."
    demo.end_faults()
    demo.faults({"kind": "hang", "prefix": prefix, "seconds": 60, "count": 100})
    tree = until(lambda: with_code(person.job(job), "musicbrainz_unavailable"), "the job says that nobody answers")
    assert tree["message"] == "MusicBrainz does not answer right now; it is asked again by itself."
    assert tree["next_step_at"]
    demo.end_faults()
    until(lambda: person.job(job)["state"] == "running", "it is resolved in the end")
    assert len(person.job(job)["tracks"]) == 8
    person.act(job, "cancel")


@pytest.mark.usefixtures("alone")
def test_sources_that_lie_about_size_or_preamble_are_charged_and_an_honest_one_serves(
    demo: Demonstration, person: Person, hostile: HostileRelease
) -> None:
    demo.network.start_neighbours(
        [
            hostile.neighbour("size", "127.0.31.1", tracks=(1,)),
            hostile.neighbour("preamble", "127.0.32.1", tracks=(2,)),
        ]
    )
    neighbours = demo.network.neighbours
    alter(neighbours["size"], "UPDATE library_audiovariant SET payload_bytes = payload_bytes - 1")
    honest_preamble = alter(neighbours["preamble"], "SELECT preamble FROM library_audiovariant")[0][0]
    altered = honest_preamble[:-1] + bytes([honest_preamble[-1] ^ 1])  # the last byte of the MD5 in STREAMINFO
    alter(neighbours["preamble"], f"UPDATE library_audiovariant SET preamble = x'{altered.hex()}'")
    job = str(person.ask(hostile.release_mbid, constraints={"target_dir": "Liars", "redownload": True}).json()["id"])
    refused = until(lambda: tracks_by(person.job(job)).get(2, {}).get("rejected"), "the altered preamble is refused")
    assert refused[0]["code"] in {"pcm_md5_mismatch", "preamble_mismatch"}
    liar = f"SELECT violations FROM peers_peer WHERE key = '{neighbours['size'].peer_id}'"
    until(lambda: demo.rows(liar) not in ([], [(0,)]), "the lie about size is charged")
    assert tracks_by(person.job(job))[1]["state"] != "completed"
    demo.network.start_neighbours([hostile.neighbour("honest", "127.0.33.1", tracks=(1, 2))])
    done = until(lambda: ended(person.job(job)), "the job ends", every_s=0.2)
    assert done["state"] == "completed"
    for position, track in tracks_by(done).items():
        assert Path(track["placed_path"]).is_relative_to(demo.home / "library" / "Liars")
        samples, _ = soundfile.read(track["placed_path"], dtype="int16")
        offered, _ = soundfile.read(hostile.files[position - 1], dtype="int16")
        assert (samples == offered).all()
    # The sound of the altered file was right: only its sender is charged, nobody's claim is refuted.
    assert tracks_by(done)[2]["payload_root"] == refused[0]["payload_root"]
    wrong = f"SELECT wrong_claims FROM peers_peer WHERE key = '{neighbours['preamble'].peer_id}'"
    assert demo.rows(wrong) == [(0,)]


def test_a_killed_pool_child_is_missed_when_its_lease_runs_out(
    demo: Demonstration, person: Person, missed: Missed
) -> None:
    done = until(lambda: ended(person.job(missed.job)), "the job ends by itself", every_s=0.5)
    assert done["state"] == "completed"
    assert demo.pid("worker") == missed.worker
    assert demo.rows("SELECT attempt FROM jobs_jobtrack WHERE placed_path LIKE '%/Lease/%'") == [(2,)]


def with_code(tree: dict[str, Any], code: str) -> dict[str, Any] | None:
    return tree if tree["code"] == code else None


def ended(tree: dict[str, Any]) -> dict[str, Any] | None:
    return tree if tree["state"] in {"completed", "partial", "failed", "cancelled"} else None


def alter(neighbour: Neighbour, sql: str) -> list[tuple[Any, ...]]:
    """Make a liar of an honest node, or read what it holds."""
    database = neighbour.folder / "db" / "slskdn.sqlite3"
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        return connection.execute(sql).fetchall()
