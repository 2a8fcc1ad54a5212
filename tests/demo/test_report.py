from __future__ import annotations

import json
import uuid

from apps.domain.jobs.lifecycle import JobState, TrackState
from slskdn_site.demo.report import Json, given_by, parts, report_lines, report_of
from tests.demo.job_trees import CORRUPT, FAST, NAMES, job, rejected, source, track


def finished() -> Json:
    return job(
        track(
            1,
            TrackState.COMPLETED,
            placed="/album/01 Drydock.flac",
            sources=[source(FAST, verified=6_000_000, share=0.75), source("c" * 52, verified=2_000_000, share=0.25)],
        ),
        track(
            2,
            TrackState.COMPLETED,
            title="Gulls",
            placed="/album/02 Gulls.flac",
            sources=[source(FAST, verified=3_000_000), source(CORRUPT, verified=0, bad=5, share=0.0)],
            refused=[rejected()],
        ),
        state=JobState.COMPLETED,
    )


def test_the_report_has_every_key_that_programs_read() -> None:
    report = report_of(finished(), seconds=12.34, names=NAMES)
    assert (report["state"], report["seconds"], report["release"]) == ("completed", 12.3, str(uuid.UUID(int=2)))
    first, second = parts(report, "tracks")
    assert (first["state"], first["path"]) == ("completed", "/album/01 Drydock.flac")
    assert (first["sha256"], first["payload_root"]) == ("ef" * 32, "ab" * 32)
    assert parts(first, "sources")[0] == {
        "peer": FAST,
        "name": "fast",
        "plane": "overlay",
        "bytes": 6_000_000,
        "bad_leaves": 0,
    }
    assert parts(first, "rejected") == []
    (refused,) = parts(second, "rejected")
    assert (refused["payload_root"], refused["reason"]) == ("cd" * 32, "wrong_recording")
    assert refused["sent_by"] == ["corrupt"]
    assert "Harbour Dues by Tessaly Quay" in str(refused["message"])
    assert json.loads(json.dumps(report)) == report


def test_a_peer_without_a_name_is_told_by_its_id() -> None:
    given = given_by(report_of(finished(), seconds=1, names=NAMES))
    assert list(given) == ["fast", "c" * 52, "corrupt"]


def test_what_each_neighbour_gave_is_summed_over_the_album() -> None:
    given = given_by(report_of(finished(), seconds=1, names=NAMES))
    assert (given["fast"].bytes, given["fast"].tracks, given["fast"].bad_leaves) == (9_000_000, 2, 0)
    assert (given["corrupt"].bytes, given["corrupt"].tracks, given["corrupt"].bad_leaves) == (0, 0, 5)


def test_a_person_reads_state_place_givers_and_what_was_rejected() -> None:
    lines = report_lines(report_of(finished(), seconds=12.34, names=NAMES), folder="/album")
    assert lines[0] == "Tessaly Quay – Low Water Almanac: completed, 2 of 2 tracks in 12.3 s"
    assert "On disk: /album" in lines
    assert "  fast          9.0 MB in 2 tracks" in lines
    assert "  corrupt       0.0 MB in 0 tracks, 5 bad leaves" in lines
    assert lines[-2] == "Rejected:"
    assert lines[-1].startswith("  1-2 Gulls: The file is another recording: Harbour Dues by Tessaly Quay")


def test_an_album_that_never_arrived_names_no_folder_and_no_rejections() -> None:
    report = report_of(job(track(1, TrackState.WANTED), state=JobState.FAILED), seconds=1, names=NAMES)
    lines = report_lines(report, folder="")
    assert lines[0].endswith("failed, 0 of 1 tracks in 1 s")
    assert not any(line.startswith(("On disk", "Rejected")) for line in lines)


def test_a_job_that_was_never_resolved_has_a_report_too() -> None:
    report = report_of(job(title="", state=JobState.FAILED), seconds=0.26, names={})
    assert (report["tracks"], report["seconds"]) == ([], 0.3)
    assert "0 of 0 tracks" in report_lines(report, folder="")[0]
