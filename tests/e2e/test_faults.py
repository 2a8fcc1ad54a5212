"""Single faults on the running platform of the demonstration: peers that break every rule, an unknown release, disks without room."""

from __future__ import annotations

import hashlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from overlay_node.protocol import limits
from overlay_node.protocol.envelope import encode_frame
from overlay_node.protocol.messages import MbidQuery, MbidResponse, Ping
from slskdn_site.demo.album import album
from tests.e2e.hostile_peer import RawPeer, envelope, strange
from tests.e2e.world import Demonstration, Person, files_below, node_asked, tracks_by, until

pytestmark = pytest.mark.e2e

ALBUM = album("small")


def test_an_unknown_release_fails_with_a_code_and_a_sentence(person: Person) -> None:
    job = str(person.ask(str(uuid.uuid4())).json()["id"])
    until(lambda: person.job(job)["state"] == "failed", "the job fails")
    tree = person.job(job)
    assert (tree["code"], tree["message"]) == ("release_not_found", "MusicBrainz knows no release with this id.")
    assert tree["message"] in person.page(f"/jobs/{job}")


def test_peers_that_break_every_rule_are_parted_from_and_the_node_goes_on(demo: Demonstration) -> None:
    report = node_asked(demo.home, "report")
    address = (report["overlay"]["host"], report["overlay"]["port"])
    before = node_asked(demo.home, "health")
    ping = encode_frame(Ping(message_id=str(uuid.uuid4()), nonce=1))[0]
    nested = b'{"type":"ping","deep":' + b"[" * 5000 + b"]" * 5000 + b"}"
    too_long = (limits.MAX_ENVELOPE_BYTES + 1).to_bytes(4, "big") + bytes(100)
    for data, code in (
        (ping, b"talk_before_hello"),
        (b"\xff\xff\xff\xff", b"bad_length"),
        (envelope(b"[1,2]"), b"bad_json"),
    ):
        with RawPeer(address) as peer:
            peer.send(data)
            assert code in peer.rest()
    for data, code in ((nested, b"bad_json"), (b'{"type":', b"bad_json"), (b"\xff\xfe", b"bad_json")):
        with RawPeer(address) as peer:
            peer.greet()
            peer.send(envelope(data))
            assert code in peer.rest()
    with RawPeer(address) as peer:
        peer.greet()
        peer.send(too_long)
        assert b"bad_length" in peer.rest()
    with RawPeer(address) as peer:  # a message cut in the middle
        peer.greet()
        peer.send(ping[:-3])
    with RawPeer(address) as peer:  # an answer that nobody asked for, and an attachment far too large
        peer.greet()
        peer.send(strange("mbid_response", in_reply_to=str(uuid.uuid4()), variants=[]))
        peer.send(
            envelope(b'{"type":"x_large","version":1,"message_id":"%s","attachment_bytes":999999999}' % uuid_text())
        )
        assert b"bye" in peer.rest()
    after = node_asked(demo.home, "health")
    assert after["boot_id"] == before["boot_id"]
    with RawPeer(address) as peer:
        peer.greet()
        assert isinstance(peer.ask(a_query()), MbidResponse)


def test_a_peer_of_a_newer_dialect_is_understood_as_far_as_we_go(demo: Demonstration, person: Person) -> None:
    report = node_asked(demo.home, "report")

    def skipped() -> float:
        counted: float = node_asked(demo.home, "metrics")["metrics"].get("slskdn_node_ignored_unknown_messages", 0)
        return counted

    with RawPeer((report["overlay"]["host"], report["overlay"]["port"])) as peer:
        opened = peer.greet()
        assert "dream/7" not in opened.features
        peer.send(strange("topic_news", os.urandom(limits.MAX_ATTACHMENT_BYTES), mood={"deep": [1, {"a": None}]}))
        peer.send(strange("gossip_hello"))
        peer.send(strange("mbid_query", b"tail", version=9, recordings="in another shape"))
        answer = peer.ask(a_query())
        assert isinstance(answer, MbidResponse)
        assert skipped() == 3
        peer.send(strange("mbid_query", recordings=[str(uuid.uuid4())], colour="blue"))
        assert isinstance(peer.ask(a_query()), MbidResponse)
        assert skipped() == 3
        # What it calls itself is text on the page of peers, and nothing else.
        page = until(lambda: page_with(person, "/peers", "alert(2)"), "the page of peers shows it")
        assert "<script>alert" not in page
        assert not {"\0", "\u202e", "\u2066"} & set(page)


def page_with(person: Person, path: str, text: str) -> str:
    page = person.page(path)
    return page if text in page else ""


def test_a_full_disk_is_shown_and_waited_for_and_what_stands_at_the_target_stays(
    demo: Demonstration, person: Person
) -> None:
    position = 3
    known = demo.report["tracks"][position - 1]
    library, partial = demo.home / "library", demo.home / "partial"
    inside = Path(known["path"]).relative_to(library)
    with small_disk(partial), small_disk(library):
        own = library / "Twice" / inside
        own.parent.mkdir(parents=True)
        own.write_bytes(b"somebody's own")
        asked = person.ask(
            ALBUM.release_mbid,
            tracks=[{"medium": 1, "position": position}],
            # It is held already; this is about where a second copy goes.
            constraints={"target_dir": "Twice", "redownload": True},
        )
        job = str(asked.json()["id"])
        # The node has no room for the partial file …
        full = until(lambda: shown(person, job, "disk_full"), "the job shows that the disk is full")
        assert (full["state"], full["message"]) == (
            "running",
            "The disk is full; it goes on by itself once there is room.",
        )
        assert tracks_by(full)[position]["state"] == "downloading"
        enlarge(partial)
        # … then the library has none for the finished one …
        until(lambda: tracks_by(person.job(job))[position]["state"] == "verifying", "the payload arrives")
        full = until(lambda: waits_at_library(person, job, position), "the track shows that the disk is full")
        assert full["message"] == "The disk is full; it goes on by itself once there is room."
        assert files_below(library) == [own]
        enlarge(library)
        # … and with room it ends well.
        demo.time_passes()
        done = until(lambda: shown(person, job, "", state="completed"), "the job ends", every_s=0.2)
        track = tracks_by(done)[position]
        placed = Path(track["placed_path"])
        assert placed == own.with_stem(f"{own.stem} (2)")
        assert own.read_bytes() == b"somebody's own"
        assert hashlib.sha256(placed.read_bytes()).hexdigest() == track["sha256"]
        assert track["payload_root"] == known["payload_root"]
        # The album's cover comes of itself when it is filed (`integration.coverart.save`), at a time of its own; nothing else may be there.
        cover = own.with_name("cover.jpg")
        assert [path for path in files_below(library) if path != cover] == [placed, own]


def uuid_text() -> bytes:
    return str(uuid.uuid4()).encode()


def a_query() -> MbidQuery:
    return MbidQuery(message_id=str(uuid.uuid4()), recordings=(ALBUM.tracks[0].recording_mbid,))


def shown(person: Person, job: str, code: str, *, state: str = "running") -> dict[str, Any] | None:
    tree = person.job(job)
    return tree if (tree["state"], tree["code"]) == (state, code) else None


def waits_at_library(person: Person, job: str, position: int) -> dict[str, Any] | None:
    tree = person.job(job)
    track = tracks_by(tree)[position]
    return tree if (track["state"], track["code"], tree["code"]) == ("verifying", "disk_full", "disk_full") else None


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A real file system of 1 MiB in place of a folder."""
    folder.mkdir(exist_ok=True)
    if os.getuid() != 0 or mounted("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(folder)):
        pytest.skip("only root with the right to mount can make a small disk here")
    try:
        yield
    finally:
        assert not mounted("umount", "-l", str(folder))


def enlarge(folder: Path) -> None:
    assert not mounted("mount", "-o", "remount,size=64m", str(folder))


def mounted(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode
