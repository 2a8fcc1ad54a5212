"""`./slskdn demo --size small --json`: what it leaves on disk and what it reports of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile

from apps.domain.audio.payload import file_root, find_span_in_bytes
from slskdn_site.demo.album import STAND_IN_POSITION, album
from tests.e2e.world import Demonstration, Person

pytestmark = pytest.mark.e2e

ALBUM = album("small")


def tracks(demo: Demonstration) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = demo.report["tracks"]
    return listed


def source_of(demo: Demonstration, position: int) -> Path:
    (found,) = (demo.root / "source").glob(f"{position:02d} *")
    return found


def test_the_report_says_completed_with_eight_verified_tracks_and_has_every_promised_key(demo: Demonstration) -> None:
    assert demo.report["state"] == "completed"
    assert demo.report["seconds"] > 0
    assert len(tracks(demo)) == 8
    for track in tracks(demo):
        assert {"state", "path", "sha256", "payload_root", "sources", "rejected"} <= set(track)
        assert (track["state"], track["verification"]) == ("completed", "fingerprint")
        for source in track["sources"]:
            assert {"peer", "plane", "bytes", "bad_leaves"} <= set(source)
            assert source["plane"] == "overlay"
        for rejected in track["rejected"]:
            assert {"payload_root", "reason"} <= set(rejected)


def test_the_bytes_came_from_three_sources_or_more_and_none_from_the_corrupting_one(demo: Demonstration) -> None:
    sources = [source for track in tracks(demo) for source in track["sources"]]
    assert len({source["name"] for source in sources if source["bytes"]} - {""}) >= 3
    corrupt = [source for source in sources if source["name"] == "corrupt"]
    assert sum(source["bad_leaves"] for source in corrupt) > 0
    assert sum(source["bytes"] for source in corrupt) == 0
    assert sum(source["bad_leaves"] for source in sources if source["name"] != "corrupt") == 0


def test_every_file_is_on_disk_with_its_sha256_and_holds_exactly_the_payload_that_was_offered(
    demo: Demonstration,
) -> None:
    for position, track in enumerate(tracks(demo), start=1):
        data, offered = Path(track["path"]).read_bytes(), source_of(demo, position).read_bytes()
        assert hashlib.sha256(data).hexdigest() == track["sha256"]
        roots = set()
        for content in (data, offered):
            root, _ = file_root(lambda at, count, of=content: of[at : at + count], find_span_in_bytes(content))
            roots.add(root.hex())
        assert roots == {track["payload_root"]}
        given = sum(source["bytes"] for source in track["sources"])
        assert given == find_span_in_bytes(data).length


def test_every_file_decodes_to_the_very_samples_that_were_made(demo: Demonstration) -> None:
    for position, track in enumerate(tracks(demo), start=1):
        samples, rate = soundfile.read(track["path"], dtype="int16")
        offered, _ = soundfile.read(source_of(demo, position), dtype="int16")
        assert rate == 44_100
        assert np.array_equal(samples, offered)


def test_every_file_is_named_by_the_template_and_tagged_by_us(demo: Demonstration) -> None:
    for fact, track in zip(ALBUM.tracks, tracks(demo), strict=True):
        path = Path(track["path"])
        assert path.parent == demo.home / "library" / "Tessaly Quay" / "Low Water Almanac (2026)"
        assert path.name.startswith(f"{fact.position:02d} ")
        assert path.suffix == (".mp3" if fact.mp3_only else ".flac")
        tags = mutagen.File(path, easy=True)
        assert tags["title"] == [fact.title]
        assert tags["artist"] == [ALBUM.artist]
        assert tags["album"] == [ALBUM.title]
        assert tags["tracknumber"][0].partition("/")[0].lstrip("0") == str(fact.position)
        assert tags["musicbrainz_albumid"] == [ALBUM.release_mbid]
        # Picard's names: musicbrainz_trackid is the recording's id
        assert tags["musicbrainz_trackid"] == [fact.recording_mbid]


def test_the_wrong_recording_was_rejected_by_name(demo: Demonstration) -> None:
    rejected = {track["number"]: track["rejected"] for track in tracks(demo) if track["rejected"]}
    assert set(rejected) == {f"1-{STAND_IN_POSITION}"}
    (one,) = rejected[f"1-{STAND_IN_POSITION}"]
    assert one["reason"] == "wrong_recording"
    assert ALBUM.stand_in.title in one["message"]
    assert one["sent_by"] == ["twins"]
    accepted = {track["payload_root"] for track in tracks(demo)}
    assert one["payload_root"] not in accepted


def test_the_jobs_page_shows_what_the_terminal_showed(demo: Demonstration, person: Person) -> None:
    page = person.page(f"/jobs/{demo.report['job']}")
    for fact in ALBUM.tracks:
        assert fact.title.partition('"')[0].partition("/")[0] in page
    assert page.count("Verified") >= len(ALBUM.tracks)
    assert "Harbour Dues" in page
