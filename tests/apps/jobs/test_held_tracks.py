"""What the library holds already is not fetched; what it holds in lesser quality is only replaced by something better. Each key as configured."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.domain.jobs.manifest import Manifest, PlannedTrack
from apps.domain.library.canonical import CanonicalPolicy
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_create
from apps.jobs.services_resolve import job_resolved, resolve_claim
from apps.library.services_canonical import variant_scored
from apps.transfers.models import Want
from apps.transfers.node_services import node_work
from tests.apps.library import canonical_rows as rows

pytestmark = pytest.mark.django_db(transaction=True)
RELEASE = uuid.UUID(int=0x900)
SONGS = [uuid.UUID(int=0x901), uuid.UUID(int=0x902)]
CLEAN = {"clipped_ppm": 0, "dynamic_range": 12.0, "loudness_range_lu": 9.0, "transcode_suspect": False}


def hold(number: int, song: uuid.UUID, profile: str = "flac-16-44100-2", **more: object) -> int:
    made = rows.variant(number, profile=profile, recording=song, verified=True, **CLEAN | more)
    file = rows.file(number, made, within=rows.root())
    variant_scored(made.id)
    return file.id


def ask(policy: CanonicalPolicy | None = None, songs: int = 1, **wishes: object) -> Job:
    tracks = tuple(
        PlannedTrack(
            medium=1, position=at + 1, number=str(at + 1), title=f"Song {at + 1}", artist="Ada", recording_mbid=song, track_mbid=None,
            length_ms=200_000, release_mbids=(RELEASE,),
        )
        for at, song in enumerate(SONGS[:songs])
    )  # fmt: skip
    job_id = job_create(kind="mb_release", target_mbid=RELEASE, constraints=wishes).id
    claim = resolve_claim(job_id, lease_s=60)
    assert claim is not None
    manifest = Manifest(title="Album", artist="Ada", year="2000", release_mbid=RELEASE, tracks=tracks)
    assert job_resolved(claim, manifest=manifest, policy=policy)
    return Job.objects.get(id=job_id)


def wish() -> Constraints:
    return Constraints.from_json(Want.objects.get().constraints)


def test_a_track_that_is_held_in_good_quality_ends_completed_with_a_link_to_the_file() -> None:
    file = hold(1, SONGS[0])
    job = ask(songs=2)
    first, second = JobTrack.objects.order_by("position")
    assert (first.state, first.code, first.audio_file_id, first.want) == (
        TrackState.COMPLETED,
        "already_held",
        file,
        None,
    )
    assert first.placed_path == "/music/000001.flac"
    assert (first.verification, first.params["score"]) == ("fingerprint", "1.00")
    assert (second.state, job.state) == (TrackState.WANTED, JobState.RUNNING)
    assert [want.recording_mbid for want in node_work().wants] == [SONGS[1]]


def test_a_job_of_which_everything_is_held_is_completed_at_once_and_says_so() -> None:
    hold(1, SONGS[0])
    job = ask()
    assert (job.state, job.code, job.params) == (JobState.COMPLETED, "all_held", {"tracks": 1})


def test_a_lesser_file_sets_the_bar_that_travels_to_the_node() -> None:
    hold(1, SONGS[0], "mp3-320-44100-2")
    ask(CanonicalPolicy(min_quality_improvement=0.2))
    assert wish().better_than == pytest.approx(0.74)
    assert wish().quality_floor == pytest.approx(0.94)
    assert wish().target_profile == "mp3-320-44100-2"


def test_a_suspected_transcode_is_replaced_although_it_is_lossless() -> None:
    hold(1, SONGS[0], transcode_suspect=True, transcode_verdict="mp3_origin")
    ask()
    assert wish().better_than == pytest.approx(0.40)


def test_the_threshold_decides_what_is_good_enough() -> None:
    hold(1, SONGS[0], "mp3-320-44100-2")
    assert ask(CanonicalPolicy(local_quality_threshold=0.7)).code == "all_held"


def test_who_asks_for_it_anyway_gets_it() -> None:
    hold(1, SONGS[0])
    assert ask(redownload=True).state == JobState.RUNNING
    assert wish().better_than is None


def test_a_fix_names_the_file_to_beat_itself() -> None:
    hold(1, SONGS[0])
    ask(better_than=0.3, min_improvement=0.05)
    assert wish().quality_floor == 0.35


def test_while_scoring_is_off_nothing_of_it_decides() -> None:
    hold(1, SONGS[0])
    assert ask(CanonicalPolicy(enabled=False)).state == JobState.RUNNING
    assert (wish().prefer_canonical, wish().better_than, wish().target_profile) == (False, None, None)


def test_preferences_are_as_configured_unless_the_job_says_otherwise() -> None:
    ask(CanonicalPolicy(prefer_canonical=False, prefer_original_master=True))
    assert (wish().prefer_canonical, wish().original_master) == (False, True)
    Want.objects.all().delete()
    Job.objects.all().delete()
    ask(CanonicalPolicy(prefer_canonical=False), prefer_canonical=True, original_master=False)
    assert (wish().prefer_canonical, wish().original_master) == (True, False)


def test_a_file_that_is_missing_is_not_held() -> None:
    made = rows.variant(1, recording=SONGS[0], **CLEAN)
    rows.file(1, made, within=rows.root(), missing=True)
    assert ask().state == JobState.RUNNING


def test_a_lossless_job_takes_no_held_lossy_file() -> None:
    hold(1, SONGS[0], "mp3-320-44100-2")
    ask(CanonicalPolicy(local_quality_threshold=0.5), allow_lossy=False)
    assert (wish().better_than, wish().allow_lossy) == (None, False)


def test_replacing_transcodes_by_itself_is_off_by_default() -> None:
    assert not CanonicalPolicy().auto_replace_transcodes
    assert dataclasses.asdict(CanonicalPolicy())["local_quality_threshold"] == 0.85
