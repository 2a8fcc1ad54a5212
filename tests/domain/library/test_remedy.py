"""What mends which issue, how an attempt moves, and what comes of waiting for a job."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from apps.domain.jobs.lifecycle import JOB_ENDED, JobState, TrackState
from apps.domain.library.issues import IssueState, IssueType
from apps.domain.library.remedy import (
    FIXABLE,
    REMEDY_LIVE,
    REMEDY_MOVES,
    REMEDY_WORK,
    IssueFacts,
    JobWord,
    RemedyAction,
    RemedyState,
    after_job,
    beats,
    remedy_for,
)

ISSUE = IssueFacts(
    type=IssueType.SUSPECTED_TRANSCODE,
    state=IssueState.DETECTED,
    code="transcode_mp3_origin",
    has_file=True,
    root_writable=True,
    recording_mbid=uuid.UUID(int=1),
    release_mbid=uuid.UUID(int=2),
    medium=1,
    track=3,
)


@pytest.mark.parametrize(
    ("kind", "code", "action"),
    [
        (IssueType.MISSING_TRACK, "missing_track", RemedyAction.FETCH_MISSING),
        (IssueType.SUSPECTED_TRANSCODE, "transcode_mp3_origin", RemedyAction.BETTER_VARIANT),
        (IssueType.NON_CANONICAL_VARIANT, "better_in_peers", RemedyAction.BETTER_VARIANT),
        (IssueType.CORRUPTED_FILE, "decode_failed", RemedyAction.REPLACE_CORRUPT),
        (IssueType.WRONG_DURATION, "duration_short", RemedyAction.REPLACE_CORRUPT),
        (IssueType.WRONG_DURATION, "duration_long", RemedyAction.REIDENTIFY),
        (IssueType.TAGS_WRONG, "tags_contradict", RemedyAction.RETAG),
        (IssueType.TRACK_NOT_IN_RELEASE, "not_in_tagged_release", RemedyAction.REIDENTIFY),
        (IssueType.DUPLICATE_VARIANT, "duplicate_payload", RemedyAction.REMOVE_DUPLICATE),
    ],
)
def test_every_type_has_its_remedy(kind: IssueType, code: str, action: RemedyAction) -> None:
    assert remedy_for(replace(ISSUE, type=kind, code=code)).action is action


def test_a_track_of_another_release_is_retagged_if_that_release_is_known() -> None:
    issue = replace(ISSUE, type=IssueType.TRACK_NOT_IN_RELEASE, guess_mbid=uuid.UUID(int=9))
    assert remedy_for(issue).action is RemedyAction.RETAG


@pytest.mark.parametrize("state", list(IssueState))
def test_only_issues_that_may_become_fixing_are_mended(state: IssueState) -> None:
    remedy = remedy_for(replace(ISSUE, state=state))
    assert (remedy.action is not None) == (state in FIXABLE)
    assert bool(remedy.code) == (state not in FIXABLE)


def test_what_cannot_be_done_by_itself_has_a_code() -> None:
    assert remedy_for(replace(ISSUE, has_file=False)).code == "fix_file_missing"
    assert remedy_for(replace(ISSUE, root_writable=False)).code == "root_not_writable"
    assert remedy_for(replace(ISSUE, recording_mbid=None, track=None)).code == "fix_recording_unknown"
    broken = replace(ISSUE, type=IssueType.CORRUPTED_FILE, recording_mbid=None, track=None)
    assert remedy_for(broken).code == "fix_broken_unknown"
    assert remedy_for(replace(ISSUE, type=IssueType.TAGS_WRONG, recording_mbid=None)).code == "fix_recording_unknown"
    missing = replace(ISSUE, type=IssueType.MISSING_TRACK, has_file=False, root_writable=False)
    assert remedy_for(missing).action is RemedyAction.FETCH_MISSING
    assert remedy_for(replace(missing, release_mbid=None)).code == "fix_place_unknown"


def test_beside_the_old_files_nothing_of_theirs_need_be_writable() -> None:
    issue = replace(ISSUE, root_writable=False)
    assert remedy_for(issue, replace_existing=False).action is RemedyAction.BETTER_VARIANT
    copies = replace(issue, type=IssueType.DUPLICATE_VARIANT)
    assert remedy_for(copies, replace_existing=False).code == "root_not_writable"


def test_every_state_is_reached_and_what_is_live_can_end() -> None:
    reached = {to for targets in REMEDY_MOVES.values() for to in targets} | {RemedyState.PLANNED}
    assert reached == set(RemedyState) == set(REMEDY_MOVES)
    assert REMEDY_WORK < REMEDY_LIVE
    for state in REMEDY_LIVE - {RemedyState.UNDOING}:
        assert {RemedyState.DONE, RemedyState.FAILED} <= REMEDY_MOVES[state]
    assert REMEDY_MOVES[RemedyState.UNDOING] == {RemedyState.UNDONE, RemedyState.DONE}


@pytest.mark.parametrize("job", list(JobState))
@pytest.mark.parametrize("track", [None, *TrackState])
def test_waiting_ends_when_the_track_is_there_or_the_job_is_over(job: JobState, track: TrackState | None) -> None:
    waited = after_job(JobWord(job=job, job_code="tracks_failed", track=track, track_code="disk_full"))
    if track is TrackState.COMPLETED:
        assert waited.to is RemedyState.PLACING  # also while others of the job are on their way
    elif job in JOB_ENDED:
        assert waited.to is RemedyState.FAILED
        assert waited.code
    else:
        assert waited.to is None


def test_a_job_that_is_gone_or_was_cancelled_is_told_apart() -> None:
    assert after_job(JobWord(job=None)).code == "fix_job_gone"
    assert after_job(JobWord(job=JobState.CANCELLED, track=TrackState.CANCELLED)).code == "fix_job_cancelled"
    failed = JobWord(
        job=JobState.FAILED, track=TrackState.FAILED, track_code="library_path_link", track_params={"path": "x"}
    )
    assert (after_job(failed).code, after_job(failed).params) == ("library_path_link", {"path": "x"})


def test_better_is_told_by_quality_and_unmeasured_files_by_what_the_job_took() -> None:
    assert beats(0.9, 0.3, min_improvement=0.1)
    assert not beats(0.35, 0.3, min_improvement=0.1)
    assert not beats(0.2, 0.3, min_improvement=0.0)
    assert beats(None, 0.3, min_improvement=0.1)
    assert beats(0.3, None, min_improvement=0.1)
