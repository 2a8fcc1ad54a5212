from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.domain.soulseek.states import RescueState
from slskdn_site.demo.report import Json, given_by, not_from_both, parts, report_lines, report_of, rescues_of
from tests.demo.job_trees import CORRUPT, FAST, NAMES, job, rejected, rescue, source, track


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


def from_both(*rescues: Json, slackwater: int = 1_000_000, fast: int = 5_000_000) -> dict[str, object]:
    """The report of an album whose first track came from Soulseek and the mesh, and whose second came from Soulseek."""
    tree = job(
        track(
            1,
            TrackState.COMPLETED,
            title="First Ferry",
            placed="/album/01 First Ferry.flac",
            sources=[source("slackwater", verified=slackwater, plane="soulseek"), source(FAST, verified=fast)],
        ),
        track(
            2,
            TrackState.COMPLETED,
            placed="/album/02 Drydock.flac",
            sources=[source("pierhead", verified=3_000_000, plane="soulseek")],
        ),
        state=JobState.COMPLETED,
    )
    report = report_of(tree, seconds=30, names=NAMES)
    report["soulseek"], report["rescues"] = [], rescues_of(rescues)
    return report


def test_bytes_of_both_networks_are_told_for_each_track_and_in_sum() -> None:
    report = from_both(rescue(1, overlay=5_000_000, soulseek=1_000_000))
    assert [one["planes"] for one in parts(report, "tracks")] == [
        {"soulseek": 1_000_000, "overlay": 5_000_000},
        {"soulseek": 3_000_000},
    ]
    assert report["planes"] == {"soulseek": 4_000_000, "overlay": 5_000_000}


def test_a_rescue_tells_state_reason_bytes_and_how_soon_it_came() -> None:
    (told,) = parts(from_both(rescue(1, overlay=5_000_000, soulseek=1_000_000)), "rescues")
    assert (told["user"], told["trouble"], told["state"], told["code"]) == (
        "slackwater", "too_slow", "finished", "rescue_finished",
    )  # fmt: skip
    assert told["says"]
    assert told["planes"] == {"soulseek": 1_000_000, "overlay": 5_000_000}
    assert told["rescued_after_s"] == 2.5


def test_a_rescue_that_found_nobody_took_no_time() -> None:
    (told,) = rescues_of(
        [rescue(1, overlay=0, soulseek=9, state=RescueState.NO_SOURCE, code="rescue_no_source", after_s=None)]
    )
    assert told["rescued_after_s"] is None


def test_an_album_from_both_with_a_rescued_track_lacks_nothing() -> None:
    assert not_from_both(from_both(rescue(1, overlay=5_000_000, soulseek=1_000_000))) == ""


RATIO = {"state": RescueState.REFUSED, "code": "rescue_ratio_reached"}


@pytest.mark.parametrize(
    ("given", "rescued", "missing"),
    [
        ({"fast": 0}, {}, "The album's bytes did not come over both networks."),
        ({"slackwater": 0}, {}, "No track has bytes of both networks."),
        ({}, None, "No rescue brought a track to its end with bytes of both networks: there is none."),
        ({}, {"position": 2}, "No rescue brought a track to its end"),
        ({}, {"soulseek": 0}, "No rescue brought a track to its end"),
        ({}, RATIO, "refused [rescue_ratio_reached]"),
    ],
    ids=["one network", "no mixed track", "no rescue", "of another track", "of another payload", "refused"],
)
def test_what_did_not_come_about_is_told(
    given: Mapping[str, int], rescued: Mapping[str, Any] | None, missing: str
) -> None:
    rescues = [] if rescued is None else [rescue(**{"position": 1, "overlay": 5, "soulseek": 1, **rescued})]
    assert missing in not_from_both(from_both(*rescues, **given))


def test_a_person_reads_the_networks_of_the_mixed_track_and_its_rescue() -> None:
    lines = report_lines(from_both(rescue(1, overlay=5_000_000, soulseek=1_000_000)), folder="/album")
    at = lines.index("Over which network:")
    assert lines[at + 1 : at + 4] == [
        "  soulseek      4.0 MB",
        "  overlay       5.0 MB",
        "  1-1 First Ferry: 1.0 MB soulseek, 5.0 MB overlay",
    ]
    assert lines[-2:] == [
        "Rescues:",
        "  slackwater: 01 - First Ferry.flac: too_slow: finished, 1.0 MB soulseek, 5.0 MB overlay; the mesh's first byte 2.5 s after the trouble began",
    ]
