"""Albums and tracks from real Nicotine+ users, and back to them; the mesh is open and nobody is on it."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mutagen
import pytest

from apps.domain.audio.payload import LEAF_BYTES, file_root, find_span_in_bytes
from apps.domain.soulseek.guardrails import GRACE_BYTES
from overlay_node.soulseek.stream_files import OVERLAP
from slskdn_site.demo.network import SOULSEEK_NAME, SoulseekPeer
from tests.e2e.soulseek_world import ALBUM, NOISE, SoulseekWorld, edition, got, sent
from tests.e2e.world import Person, kill_9, processes_below, tracks_by, until

pytestmark = pytest.mark.e2e

SLOWEST_KIB_S = 5
SLOW_KIB_S = 150  # half a minute for the longest track
HELPER_KIB_S = 300  # slow enough that there is a middle to be killed in
BROKEN_BYTES = 700_000
TWO = edition("two")
LONGEST = max(ALBUM.tracks, key=lambda track: 0 if track.mp3_only else track.frames).position
SHORTER = 7


@pytest.fixture(scope="module")
def world() -> Iterator[SoulseekWorld]:
    """One platform and one server for all; users come and go with each test."""
    with tempfile.TemporaryDirectory(prefix="slsk-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        running = SoulseekWorld(Path(folder) / "w")
        try:
            running.start()
            yield running
        finally:
            status = running.end()
        assert status == 0
        until(lambda: not processes_below(running.root), "every process is gone", within_s=20)


@pytest.fixture
def person(world: SoulseekWorld) -> Person:
    """Somebody signed in."""
    return world.person()


@pytest.fixture(scope="module")
def offsets_job(world: SoulseekWorld) -> str:
    """A track of somebody who refuses offsets, asked for; most of its way are pauses before the next attempt, so it is begun before the others."""
    old = SoulseekPeer(
        name="old",
        shares=world.folder("old", edition("offsets"), (LONGEST,)),
        break_after=BROKEN_BYTES,
        no_offsets=True,
    )
    world.other_client(old)
    return world.ask(world.person(), edition("offsets"), tracks=(LONGEST,))


@pytest.fixture(scope="module")
def album_job(world: SoulseekWorld, offsets_job: str) -> dict[str, Any]:
    """The album, asked for while two users have half of it each, under different names and tags; the job's tree at its end."""
    first = world.nicotine("ann", shared=world.folder("ann", TWO, (1, 2, 3, 4)))
    second = world.nicotine("ben", shared=world.folder("ben", TWO, (5, 6, 7, 8), twin=True))
    del offsets_job  # under way meanwhile
    with world.users(first, second):
        person = world.person()
        return world.ended(person, world.ask(person, TWO))


def payload_of(path: Path) -> str:
    data = path.read_bytes()
    root, _ = file_root(lambda at, count: data[at : at + count], find_span_in_bytes(data))
    return root.hex()


def receiving(world: SoulseekWorld, person: Person, job: str, user: str, *, least: int = 200_000) -> dict[str, Any]:
    """A stream of the job from a user, once it is well under way."""

    def found() -> dict[str, Any] | None:
        rows = [one for one in world.downloads(person, job) if one["user"] == user]
        return next((one for one in rows if one["state"] == "receiving" and one["bytes_have"] >= least), None)

    return world.until(person, job, found, f"bytes come from {user}")


def of(world: SoulseekWorld, person: Person, job: str, user: str) -> list[dict[str, Any]]:
    return [one for one in world.downloads(person, job) if one["user"] == user]


def came_to(world: SoulseekWorld, person: Person, job: str, user: str, state: str) -> None:
    """The only stream of a job from a user ends so; its row follows the job's end by a moment."""
    world.until(
        person,
        job,
        lambda: [one["state"] for one in of(world, person, job, user)] == [state],
        f"{user}'s stream is {state}",
    )


def test_an_album_is_put_together_from_two_users_with_different_tags(
    world: SoulseekWorld, person: Person, album_job: dict[str, Any]
) -> None:
    tracks = tracks_by(album_job)
    assert len(tracks) == 8
    for fact in ALBUM.tracks:
        track = tracks[fact.position]
        assert (track["state"], track["verification"]) == ("completed", "fingerprint")
        path = Path(track["placed_path"])
        assert path.parent == world.home / "library" / ALBUM.artist / f"{TWO.title} (2026)"
        assert payload_of(path) == payload_of(world.files[fact.position]) == track["payload_root"]
        tags = mutagen.File(path, easy=True)
        assert (tags["title"], tags["album"]) == ([fact.title], [TWO.title])  # ours, whatever the sharer's were
        given = [source for source in track["sources"] if source["verified_bytes"]]
        assert [source["plane"] for source in given] == ["soulseek"]
    rows = world.downloads(person, album_job["id"])
    assert {one["user"] for one in rows} == {"ann", "ben"}
    until(
        lambda: {one["state"] for one in world.downloads(person, album_job["id"])} == {"succeeded"},
        "every stream is told as done",
    )
    assert got(person, f"/api/soulseek/hunts/{hunt_of(world, album_job['id'])}")["hunt"]["state"] == "done"
    page = person.page(f"/jobs/{album_job['id']}")
    assert "ann" in page
    assert "ben" in page


def test_nicotine_downloads_from_us_what_the_job_placed(
    world: SoulseekWorld, person: Person, album_job: dict[str, Any]
) -> None:
    placed = Path(tracks_by(album_job)[1]["placed_path"])
    session = until(
        lambda: one if (one := got(person, "/api/soulseek/session"))["shared_files"] >= 8 else None,
        "what was placed is shared",
    )
    assert session["health"] == "healthy"
    virtual = shared_path(person, placed, world.home / "library")
    taker = world.nicotine("kim", wants=[(SOULSEEK_NAME, virtual, placed.stat().st_size)])
    with world.users(taker):
        arrived = taker.downloads / placed.name
        until(arrived.exists, "Nicotine+ has the file")
        assert arrived.read_bytes() == placed.read_bytes()
        until(
            lambda: [one["state"] for one in uploads(person, "kim")] == ["succeeded"],
            "the upload is told as done",
        )


def shared_path(person: Person, placed: Path, root: Path) -> str:
    """How others see a file of ours: a backslash between the parts, the share's name first."""
    tree = got(person, "/api/soulseek/shares")
    name = str(tree["folders"][0]["name"])
    return "\\".join([name, *placed.relative_to(root).parts])


def uploads(person: Person, user: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = got(person, "/api/soulseek/uploads")["items"]
    return [one for one in rows if one["user"] == user]


def test_a_wrong_recording_is_rejected_remembered_and_never_asked_for_again(
    world: SoulseekWorld, person: Person
) -> None:
    wrong = edition("wrong")
    lie = {5: world.files[ALBUM.stand_in.position]}
    liar = world.nicotine("liz", shared=world.folder("liz", wrong, (5,), instead=lie))
    # The honest one's names fit less well, so that the liar is asked first.
    honest = world.nicotine("hal", shared=world.folder("hal", wrong, (5,), twin=True, called="gulls over gasw"))
    with world.users(liar, honest):
        job = world.ask(person, wrong, tracks=(5,))
        done = tracks_by(world.ended(person, job))[5]
        assert payload_of(Path(done["placed_path"])) == payload_of(world.files[5])
        (rejected,) = done["rejected"]
        assert rejected["code"] == "wrong_recording"
        assert "Harbour Dues" in rejected["message"]
        came_to(world, person, job, "liz", "rejected")
        came_to(world, person, job, "hal", "succeeded")
        assert outcomes(world, "liz") == [("wrong_recording", None)]
        again = world.ask(person, wrong, tracks=(5,))
        world.ended(person, again)
        hunt = hunt_of(world, again)
        refused = {one["user"]: one["refused"] for one in got(person, f"/api/soulseek/hunts/{hunt}")["candidates"]}
        assert refused["liz"]
        assert of(world, person, again, "liz") == []


def outcomes(world: SoulseekWorld, user: str) -> list[tuple[Any, ...]]:
    return world.rows(f"SELECT outcome, again_at FROM soulseek_sourceoutcome WHERE user = '{user}' ORDER BY id")


def hunt_of(world: SoulseekWorld, job: str) -> str:
    ((hunt,),) = world.rows(f"SELECT id FROM soulseek_hunt WHERE job_id = {hexed(job)}")
    return str(uuid.UUID(hunt))


def test_somebody_who_bans_us_in_the_middle_is_left_for_the_next(world: SoulseekWorld, person: Person) -> None:
    banned = edition("banned")
    banner = world.nicotine("bob", shared=world.folder("bob", banned, (LONGEST,)), upload_kib_s=SLOW_KIB_S)
    other = world.nicotine("amy", shared=world.folder("amy", banned, (LONGEST,), twin=True, called="neap spring or"))
    world.await_user(banner)
    with world.users(other):
        job = world.ask(person, banned, tracks=(LONGEST,))
        receiving(world, person, job, "bob")
        # The same user from another machine, where we are banned: the server takes the newer login; then the older one falls.
        banning = world.nicotine("bob", folder="bob-again", shared=world.root / "music" / "bob", banned=[SOULSEEK_NAME])
        with world.users(banning):
            banner.kill()
            world.ended(person, job)
            (refused,) = of(world, person, job, "bob")
            assert (refused["state"], refused["code"]) == ("refused", "banned_there")
            came_to(world, person, job, "amy", "succeeded")
            assert outcomes(world, "bob") == [("banned", None)]


def test_somebody_who_takes_no_offsets_is_read_from_the_beginning(
    world: SoulseekWorld, person: Person, offsets_job: str
) -> None:
    job = offsets_job
    done = tracks_by(world.ended(person, job))[LONGEST]
    assert payload_of(Path(done["placed_path"])) == payload_of(world.files[LONGEST])
    (row,) = of(world, person, job, "old")
    came_to(world, person, job, "old", "succeeded")
    assert row["attempts"] >= 2
    sent_by_old = world.rows("SELECT bytes_have FROM soulseek_downloadprogress WHERE download_id = " + hexed(row["id"]))
    assert sent_by_old == [(world.files[LONGEST].stat().st_size,)]
    first, *resumed, anew = offsets_of(world, row["id"])
    assert (first, anew) == (0, 0)
    assert min(resumed) > 0


def hexed(identity: str) -> str:
    return f"'{identity.replace('-', '')}'"


def test_the_server_falls_and_comes_back_while_a_stream_goes_on_and_a_search_waits(
    world: SoulseekWorld, person: Person
) -> None:
    server = edition("server")
    # Not Nicotine+: it drops everybody when it loses the server.
    gus = world.other_client(
        SoulseekPeer(name="gus", shares=world.folder("gus", server, (SHORTER,)), upload_kbps=2 * SLOW_KIB_S)
    )
    job = world.ask(person, server, tracks=(SHORTER,))
    before = receiving(world, person, job, "gus")["bytes_have"]
    logins = world.logins(SOULSEEK_NAME)
    world.order("stop")
    until(lambda: session(person)["phase"] != "online", "the session is told as lost")
    assert session(person)["health"] in {"degraded", "unavailable"}
    asked = sent(person, "/api/searches", {"query": "words for later", "anew": True})
    world.until(
        person, job, lambda: stream(world, person, job)["bytes_have"] > before, "the stream goes on without a server"
    )
    assert got(person, f"/api/searches/{asked['id']}")["state"] == "queued"
    assert got(person, f"/api/searches/{asked['id']}")["started_at"] is None
    world.order("start")
    until(lambda: world.logins(SOULSEEK_NAME) > logins, "we log in again")
    until(lambda: session(person)["health"] == "healthy", "the session stands")
    until(lambda: got(person, f"/api/searches/{asked['id']}")["started_at"], "the search is sent")
    world.ended(person, job)
    assert stream(world, person, job)["attempts"] == 0
    gus.stop()


def session(person: Person) -> dict[str, Any]:
    return got(person, "/api/soulseek/session")


def stream(world: SoulseekWorld, person: Person, job: str) -> dict[str, Any]:
    (row,) = world.downloads(person, job)
    return row


def test_our_node_killed_in_a_stream_goes_on_where_its_bytes_were_safe(world: SoulseekWorld, person: Person) -> None:
    crashed = edition("crashed")
    uma = world.nicotine("uma", shared=world.folder("uma", crashed, (LONGEST,)), upload_kib_s=2 * SLOW_KIB_S)
    with world.users(uma):
        job = world.ask(person, crashed, tracks=(LONGEST,))
        before = receiving(world, person, job, "uma")
        mark = world.home / "partial" / "streams" / before["id"] / "mark.json"
        world.until(person, job, lambda: safe_bytes(mark) > 2 * LEAF_BYTES, "bytes are safe on disk")
        world.kill("node")
        done = tracks_by(world.ended(person, job))[LONGEST]
        assert payload_of(Path(done["placed_path"])) == payload_of(world.files[LONGEST])
        came_to(world, person, job, "uma", "succeeded")
    assert [one["id"] for one in world.downloads(person, job)] == [before["id"]]
    first, *later = offsets_of(world, before["id"])
    assert first == 0
    assert min(later) >= 2 * LEAF_BYTES - OVERLAP
    assert [one["verified_bytes"] for one in done["sources"]] == [done["transfer"]["payload_bytes"]]
    until(lambda: not mark.parent.exists(), "the stream's folder is gone")


def offsets_of(world: SoulseekWorld, download: str) -> list[int]:
    """From where a stream began, each time."""
    log = (world.home / "run" / "slskdn.log").read_text(errors="replace")
    return [int(one) for one in re.findall(rf"stream_begins download={download} offset=(\d+)", log)]


def safe_bytes(mark: Path) -> int:
    """How much of a stream survives anything."""
    return int(json.loads(mark.read_text(encoding="utf-8"))["synced"]) if mark.exists() else 0


def test_a_stream_of_5_kib_s_is_rescued_by_the_mesh_and_the_file_has_bytes_of_both(
    world: SoulseekWorld, person: Person
) -> None:
    rescued = edition("rescued")
    shared = world.folder("sloe", rescued, (LONGEST,), twin=True)
    quick = world.nicotine("sloe", shared=shared, upload_kib_s=2 * SLOW_KIB_S)
    world.await_user(quick)
    job = world.ask(person, rescued, tracks=(LONGEST,))
    world.neighbour("helper", "127.0.41.1", rescued)
    receiving(world, person, job, "sloe", least=3 * LEAF_BYTES)
    # The same user, throttled from now on: the newer login, and the older one falls.
    slow = world.nicotine("sloe", folder="sloe-slow", shared=shared, upload_kib_s=SLOWEST_KIB_S)
    with world.users(slow):
        quick.kill()
        is_too_slow(world, person, job)
        assert stream(world, person, job)["id"] in {
            one["id"] for one in got(person, "/api/transfers/underperforming")["items"]
        }
        world.give("helper", rescued, LONGEST)
        done = tracks_by(world.ended(person, job))[LONGEST]
        assert payload_of(Path(done["placed_path"])) == payload_of(world.files[LONGEST])
        given = {one["plane"]: one["verified_bytes"] for one in done["sources"] if one["verified_bytes"]}
        assert given["soulseek"] >= 2 * LEAF_BYTES
        assert given["overlay"] > 0
        assert sum(given.values()) == done["transfer"]["payload_bytes"]
        world.until(person, job, lambda: states(world, person, job) == ["finished"], "the rescue is told as done")
        (rescue,) = world.rescues(person, job)
        assert rescue["code"] in {"rescue_finished", "rescue_same_payload"}
        assert min(rescue["overlay_bytes"], rescue["soulseek_bytes"]) > 0
    world.network.neighbours["helper"].process.stop()


def test_our_node_killed_in_a_rescue_goes_on_with_what_both_planes_gave(world: SoulseekWorld, person: Person) -> None:
    torn = edition("torn")
    tess = world.other_client(
        SoulseekPeer(
            name="tess",
            shares=world.folder("tess", torn, (LONGEST,), twin=True),
            upload_kbps=SLOWEST_KIB_S,
            break_after=BROKEN_BYTES,
        )
    )
    job = world.ask(person, torn, tracks=(LONGEST,))
    world.neighbour("mender", "127.0.43.1", torn, kbps=HELPER_KIB_S)
    is_too_slow(world, person, job)
    world.give("mender", torn, LONGEST)
    (before,) = world.until(
        person,
        job,
        lambda: [one for one in world.rescues(person, job) if one["overlay_bytes"] >= 6 * LEAF_BYTES],
        "the mesh has given some",
    )
    assert before["state"] == "active"
    world.kill("node")
    done = tracks_by(world.ended(person, job))[LONGEST]
    assert payload_of(Path(done["placed_path"])) == payload_of(world.files[LONGEST])
    world.until(person, job, lambda: states(world, person, job) == ["finished"], "the rescue is told as done")
    (after,) = world.rescues(person, job)
    assert (after["id"], after["trouble_at"]) == (before["id"], before["trouble_at"])
    assert after["soulseek_bytes"] >= BROKEN_BYTES // LEAF_BYTES * LEAF_BYTES
    assert after["overlay_bytes"] >= before["overlay_bytes"]
    assert after["overlay_bytes"] + after["soulseek_bytes"] == done["transfer"]["payload_bytes"]
    # Rows lag a second behind the disk: what came in that last one has no giver.
    given = {one["plane"]: one["verified_bytes"] for one in done["sources"] if one["verified_bytes"]}
    assert given["soulseek"] == after["soulseek_bytes"]
    assert after["overlay_bytes"] - 4 * LEAF_BYTES <= given["overlay"] <= after["overlay_bytes"]
    # What was here came no second time: at most what was on its way when the node fell.
    assert over_the_mesh(world, job) <= after["overlay_bytes"] + 4 * LEAF_BYTES
    (row,) = world.downloads(person, job)
    first, *later = offsets_of(world, row["id"])
    assert first == 0
    assert min(later) >= 2 * LEAF_BYTES - OVERLAP
    tess.stop()
    world.network.neighbours["mender"].process.stop()


def over_the_mesh(world: SoulseekWorld, job: str) -> int:
    """Bytes that the ledger counted."""
    table = f"soulseek_jobtraffic WHERE job_id = {hexed(job)} AND plane = 'overlay'"
    return sum(count for (count,) in world.rows(f"SELECT total_bytes FROM {table}"))


def states(world: SoulseekWorld, person: Person, job: str) -> list[str]:
    return [one["state"] for one in world.rescues(person, job)]


def is_too_slow(world: SoulseekWorld, person: Person, job: str) -> None:
    world.until(
        person,
        job,
        lambda: [one["trouble"] for one in world.downloads(person, job)] == ["too_slow"],
        "it is found to be too slow",
    )


def test_the_mesh_gives_no_more_than_the_ratio_allows_and_says_so(world: SoulseekWorld, person: Person) -> None:
    slow = world.nicotine("sam", shared=world.folder("sam", NOISE, (1,)), upload_kib_s=SLOWEST_KIB_S)
    with world.users(slow):
        job = world.ask(person, NOISE)
        world.neighbour("giver", "127.0.42.1", NOISE)
        is_too_slow(world, person, job)
        world.give("giver", NOISE, 1)
        world.until(
            person,
            job,
            lambda: (
                [(one["state"], one["code"]) for one in world.rescues(person, job)]
                == [("refused", "rescue_ratio_reached")]
            ),
            "the guardrail holds",
        )
        had = stream(world, person, job)["bytes_have"]
        world.until(person, job, lambda: stream(world, person, job)["bytes_have"] > had, "Soulseek goes on")
        (rescue,) = world.rescues(person, job)
        assert GRACE_BYTES // 2 < rescue["overlay_bytes"] <= GRACE_BYTES + 2 * had + 8 * LEAF_BYTES
        assert person.job(job)["state"] == "running"
        person.act(job, "cancel")
    world.network.neighbours["giver"].process.stop()


@pytest.fixture(scope="module")
def one_attempt(world: SoulseekWorld) -> None:
    """From here on a broken stream is not asked for again: the next candidate takes over."""
    world.configure(downloads={"attempts": 1})


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("end", ["frozen", "killed"])
def test_somebody_who_freezes_or_dies_in_the_middle_is_left_for_the_next(
    world: SoulseekWorld, person: Person, end: str
) -> None:
    bad, good, of_it = f"{end}1", f"{end}2", edition(end)
    failing = world.nicotine(bad, shared=world.folder(bad, of_it, (LONGEST,)), upload_kib_s=SLOW_KIB_S)
    other = world.nicotine(good, shared=world.folder(good, of_it, (LONGEST,), twin=True, called="neap spring or"))
    with world.users(failing, other):
        job = world.ask(person, of_it, tracks=(LONGEST,))
        receiving(world, person, job, bad)
        assert failing.process is not None
        os.kill(failing.process.pid, signal.SIGSTOP if end == "frozen" else signal.SIGKILL)
        try:
            done = tracks_by(world.ended(person, job))[LONGEST]
        finally:
            if end == "frozen":
                os.kill(failing.process.pid, signal.SIGCONT)
        assert payload_of(Path(done["placed_path"])) == payload_of(world.files[LONGEST])
        (left,) = of(world, person, job, bad)
        assert (left["state"], left["user"]) == ("aborted", bad)
        came_to(world, person, job, good, "succeeded")
        assert [outcome for outcome, _ in outcomes(world, bad)] == ["went_away"]


BUDGET, WINDOW_S = 6, 60
SKIPPED_S = 45


@pytest.mark.long
def test_two_hundred_searches_never_exceed_the_budget_not_even_across_a_restart(
    world: SoulseekWorld, person: Person
) -> None:
    searches_grow_older(world, WINDOW_S)  # those of other tests
    world.configure(search={"searches": BUDGET, "window_s": WINDOW_S, "at_once": 4})
    for number in range(200):
        sent(person, "/api/searches", {"query": f"budget words {number:03d}"})
    until(lambda: len(sent_searches(world)) >= BUDGET, "the budget is spent")
    fallen = world.pid("node")
    kill_9(fallen)
    earlier = len(sent_searches(world))
    searches_grow_older(world, SKIPPED_S)  # before the next node reads them, so that nobody waits for the whole window
    until(lambda: world.pid("node") not in {0, fallen}, "the next node is started")
    until(lambda: len(sent_searches(world)) > earlier, "the window has moved")
    ages = sorted(sent_searches(world), reverse=True)
    ages[:earlier] = [age + SKIPPED_S for age in ages[:earlier]]
    for start in ages:
        assert sum(start - WINDOW_S < age <= start for age in ages) <= BUDGET, ages
    queue = got(person, "/api/searches/queue")
    assert queue["waiting"] > 150
    until(lambda: got(person, "/api/searches/queue")["next_at"], "it is told when the next one's turn comes")


def searches_grow_older(world: SoulseekWorld, seconds: int) -> None:
    """What was sent so far was sent longer ago; a node that starts now reads it so."""
    older = f"strftime('%Y-%m-%d %H:%M:%f', started_at, '-{seconds} seconds')"
    world.rows(f"UPDATE soulseek_searchprogress SET started_at = {older} WHERE started_at IS NOT NULL")
    ((starts,),) = world.rows("SELECT search_starts FROM soulseek_soulseeksession")
    noted = json.dumps([at - seconds for at in json.loads(starts)])
    world.rows(f"UPDATE soulseek_soulseeksession SET search_starts = '{noted}'")


def sent_searches(world: SoulseekWorld) -> list[float]:
    """Ages in seconds of what the server was asked by us in this test."""
    searches = world.order("report")["searches"]
    return [
        one["age_s"] for one in searches if one["user"] == SOULSEEK_NAME and one["query"].startswith("budget words")
    ]
