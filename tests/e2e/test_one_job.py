"""One job through everything that can happen to it, one thing after another; every process real, every kill a `kill -9`."""

from __future__ import annotations

import os
import shutil
import signal
import time
import unicodedata
import uuid
from pathlib import Path
from typing import Any

import pytest
import soundfile

from apps.domain.audio.payload import LEAF_BYTES
from overlay_node.store.piece_store import PieceStore
from slskdn_site.demo.network import Neighbour
from tests.e2e.hostile_release import HostileRelease
from tests.e2e.world import (
    Demonstration,
    Person,
    children_of,
    files_below,
    halted,
    is_running,
    kill_9,
    node_asked,
    processes_below,
    tracks_by,
    until,
)

pytestmark = pytest.mark.e2e

STEADY_KBPS = 200  # the long track's 20 MB would take minutes: it is still on its way at every interruption, on a slow machine too
DYING_KBPS = 400


def held_bytes(folder: Path, copy: Path, *, root: bytes) -> int:
    """What a dead node's partial folder holds, each leaf hashed, as the next node will find it."""
    shutil.copytree(folder, copy)
    opened = PieceStore.open(copy, root=root)
    assert opened is not None
    opened.store.close()
    assert not opened.damaged
    payload_bytes = opened.store.manifest.facts.payload_bytes
    return sum(min(LEAF_BYTES, payload_bytes - leaf * LEAF_BYTES) for leaf in opened.held)


def sent_bytes(neighbour: Neighbour) -> int:
    report = node_asked(neighbour.folder, "report")
    return int(report["bytes"]["up"])


def verified(person: Person, job: str, position: int) -> int:
    transfer = _tracks(person, job)[position]["transfer"]
    return int(transfer["verified_bytes"]) if transfer else 0


def given_by(person: Person, job: str, position: int, peer: str) -> int:
    sources = _tracks(person, job)[position]["sources"]
    return sum(int(one["verified_bytes"]) for one in sources if one["peer"] == peer)


def phase(name: str, began: list[float]) -> None:
    now = time.monotonic()
    if began:
        print(f"  {now - began[0]:5.1f} s")
    began[:] = [now]
    print(f"{name} …", end="")


def test_one_job_survives_everything_that_happens_to_it(demo: Demonstration, hostile: HostileRelease) -> None:
    person, clock = demo.person(), []
    lookup = f"/ws/2/release/{hostile.release_mbid}"

    phase("MusicBrainz answers 503; asked twice with one key", clock)
    demo.faults({"kind": "status", "prefix": lookup, "status": 503, "retry_after_s": 0})
    key = str(uuid.uuid4())
    first, again = (person.ask(hostile.release_mbid, key=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    job = str(first.json()["id"])
    assert again.json()["id"] == job
    assert demo.rows(f"SELECT count(*) FROM jobs_job WHERE target_mbid = '{uuid.UUID(hostile.release_mbid).hex}'") == [
        (1,)
    ]
    tree = until(lambda: _with_code(person.job(job), "musicbrainz_unavailable"), "the job says so")
    assert "MusicBrainz" in tree["message"]
    demo.time_passes()

    phase("nobody has it: it waits and says so", clock)
    until(lambda: person.job(job)["state"] == "running", "the job is resolved")
    tree = until(lambda: _waiting_for_sources(person.job(job)), "both tracks wait for a source")
    assert all("Nobody on the mesh" in track["message"] for track in tree["tracks"])
    assert "Nobody on the mesh" in person.page(f"/jobs/{job}")

    phase("two neighbours appear", clock)
    demo.network.start_neighbours(
        [
            hostile.neighbour("steady", "127.0.21.1", tracks=(1,), kbps=STEADY_KBPS),
            hostile.neighbour("dying", "127.0.22.1", tracks=(1, 2), kbps=DYING_KBPS),
        ]
    )
    steady, dying = demo.network.neighbours["steady"], demo.network.neighbours["dying"]
    demo.faults({"kind": "hang", "prefix": "/v2/lookup", "count": 1, "seconds": 300})
    asked_before = len(demo.requests_of("/v2/lookup"))
    phase("it goes on", clock)
    until(lambda: given_by(person, job, 1, dying.peer_id), "the dying neighbour gives bytes of the long track")
    until(lambda: given_by(person, job, 1, steady.peer_id), "and so does the steady one")

    phase("a peer dies in the middle of a transfer", clock)
    until(lambda: len(demo.requests_of("/v2/lookup")) > asked_before, "the short track's verification asks AcoustID")
    assert {n: track["state"] for n, track in _tracks(person, job).items()} == {1: "downloading", 2: "verifying"}
    dying.process.kill()

    phase("kill -9 of the worker while it verifies, pool children and all", clock)
    pool = children_of(demo.pid("worker"))
    assert pool
    demo.kill("worker")
    assert not any(is_running(pid) for pid in pool)

    phase("kill -9 of Valkey", clock)
    demo.kill("valkey")
    assert person.job(job)["state"] == "running"

    phase("kill -9 of the supervisor", clock)
    assert _tracks(person, job)[1]["state"] == "downloading"
    # supervisor, valkey, web, node, beat, worker and its pool
    until(lambda: len(processes_below(demo.home)) >= 7, "the new worker has its pool")
    kill_9(int(demo.facts()["pid"]))
    until(lambda: not processes_below(demo.home), "nobody outlives the supervisor")
    demo.time_passes()  # the killed verification's lease runs out
    demo.start_again()
    person = demo.person()
    before = verified(person, job, 1)
    phase("and everything goes on after it", clock)
    until(lambda: verified(person, job, 1) > before, "the transfer goes on after kill -9 of the supervisor")
    until(lambda: _tracks(person, job)[2]["state"] == "completed", "another worker verifies the short track")

    phase("SIGTERM in the middle of everything", clock)
    assert _tracks(person, job)[1]["state"] == "downloading"
    assert demo.network.platform is not None
    terminated = demo.network.platform.process.popen
    terminated.send_signal(signal.SIGTERM)
    assert terminated.wait(60) == 0
    assert not processes_below(demo.home)
    phase("start after it", clock)
    demo.start_again()
    supervisor = demo.network.platform.process.popen
    person = demo.person()
    before = verified(person, job, 1)
    until(lambda: verified(person, job, 1) > before, "the transfer goes on after SIGTERM")

    phase("kill -9 of the node: no verified leaf is fetched again", clock)
    transfer: dict[str, Any] = _tracks(person, job)[1]["transfer"]
    assert transfer["state"] == "fetching"
    with halted(supervisor.pid):  # the next node waits until everything is measured
        kill_9(demo.pid("node"))
        partial, root = demo.home / "partial" / transfer["id"], bytes.fromhex(transfer["payload_root"])
        held = held_bytes(partial, demo.root / "held", root=root)
        assert held >= before > 0
        # The steady neighbour hurries from now on, and counts from nothing what it sends.
        steady.process.kill()
        configuration = steady.folder / "slskdn.yml"
        slow = configuration.read_text(encoding="utf-8")
        configuration.write_text(slow.replace(f"upload_kbps: {STEADY_KBPS}", "upload_kbps: 0"), encoding="utf-8")
        demo.network.start_neighbours([steady.plan])

    phase("to the end", clock)
    done = until(lambda: _ended(person.job(job)), "the job ends", every_s=0.2)
    assert (done["state"], done["code"]) == ("completed", "")
    assert sent_bytes(steady) == transfer["payload_bytes"] - held
    phase("what it left", clock)
    _nothing_hostile_happened(demo, person, hostile, done)
    phase("", clock)


def _tracks(person: Person, job: str) -> dict[int, dict[str, Any]]:
    return tracks_by(person.job(job))


def _with_code(tree: dict[str, Any], code: str) -> dict[str, Any] | None:
    return tree if tree["code"] == code else None


def _waiting_for_sources(tree: dict[str, Any]) -> dict[str, Any] | None:
    progress = [track["progress"] or {} for track in tree["tracks"]]
    return tree if progress and all(one.get("code") == "no_source" for one in progress) else None


def _ended(tree: dict[str, Any]) -> dict[str, Any] | None:
    return tree if tree["state"] in {"completed", "partial", "failed", "cancelled"} else None


def _nothing_hostile_happened(
    demo: Demonstration, person: Person, hostile: HostileRelease, tree: dict[str, Any]
) -> None:
    """Titles from MusicBrainz with ../, NUL, newline, 300 characters and bidi marks shaped neither a path nor a page."""
    library = demo.home / "library"
    for track in tree["tracks"]:
        path = Path(track["placed_path"])
        parts = path.relative_to(library).parts
        assert len(parts) == 3
        assert path in files_below(library)
        for part in parts:
            assert part not in {".", ".."}
            assert len(os.fsencode(part)) <= 255
            assert not any(unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for sign in part)
        samples, _ = soundfile.read(path, dtype="int16")
        offered, _ = soundfile.read(hostile.files[track["position"] - 1], dtype="int16")
        assert (samples == offered).all()
    for page in (person.page(f"/jobs/{tree['id']}"), person.page("/")):
        assert "<script>alert" not in page
        assert not {"\0", "\u202e", "\u2066"} & set(page)
