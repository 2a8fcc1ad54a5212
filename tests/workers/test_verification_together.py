"""Two jobs for one track at once: one places its file, the other finds it held; no second file, nobody's work is lost."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from django.db import connections

from apps.domain.jobs.lifecycle import JobState, WantDesired
from apps.jobs.models import Job
from apps.library.models import AudioFile, AudioVariant
from apps.transfers.models import TransferVerdict
from tests.workers.assembled import assemble, flac, running_job, track_of
from tests.workers.gateways import sound
from tests.workers.test_verification import Make, assert_completed, files_in, knows, library, make
from workers.verification import Verifier

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["library", "make"]

SONG = "The Testers/First Album (2019)/01 Song 1.flac"


def by_profile(verifier: Verifier) -> Verifier:
    """Files of one profile count alike."""
    return dataclasses.replace(verifier, analysing=False)


def assert_held(job: Job, file: AudioFile) -> None:
    track = track_of(job)
    assert (track.state, track.code, track.audio_file_id) == ("completed", "already_held", file.id)
    assert track.want is not None
    assert track.want.desired == WantDesired.SATISFIED
    assert TransferVerdict.objects.get(transfer__want=track.want).accepted
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED


@pytest.mark.parametrize("same_payload", [False, True])
def test_of_two_jobs_that_place_one_track_at_once_one_places_it(
    make: Make, library: Path, tmp_path: Path, *, same_payload: bool
) -> None:
    first, second = running_job(tracks=1), running_job(tracks=1)
    mine = assemble(first, tmp_path / "a", source=flac(1))
    theirs = assemble(second, tmp_path / "b", source=flac(1 if same_payload else 2))
    waits = threading.Event()
    failed: list[BaseException] = []

    def other() -> None:
        try:
            by_profile(make(knows())).verify(
                theirs.id, checkpoint=lambda step: waits.set() if step == "proven" else None
            )
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=other)

    def meanwhile(step: str) -> None:
        if step == "tagged":  # it has looked whether the track is here, and not placed it yet
            thread.start()
            assert waits.wait(60)

    by_profile(make(knows())).verify(mine.id, checkpoint=meanwhile)
    thread.join(60)
    assert not thread.is_alive()
    assert failed == []
    assert files_in(library) == [SONG]
    file = AudioFile.objects.get()
    assert_completed(first, library)
    if same_payload:
        assert track_of(second).audio_file_id == file.id  # the very bytes: recognised as they are placed
        assert track_of(second).placing["found"]
    else:
        assert_held(second, file)


def test_a_lesser_download_is_not_placed_beside_what_came_meanwhile_and_a_better_one_is(
    make: Make, library: Path, tmp_path: Path
) -> None:
    lossy = sound.convert(flac(1), tmp_path / "lossy.mp3", "-b:a", "128k")
    first, second, third = (running_job(tracks=1) for _ in range(3))
    held = assemble(first, tmp_path / "a", source=flac(1))
    better = assemble(third, tmp_path / "c", source=flac(2))
    lesser = assemble(second, tmp_path / "b", source=lossy, profile="mp3-cbr128-44100-2")
    make(knows()).verify(held.id)
    make(knows()).verify(lesser.id)
    assert_held(second, AudioFile.objects.get())
    AudioVariant.objects.update(quality_score=0.2)
    make(knows()).verify(better.id)
    assert track_of(third).code != "already_held"
    assert files_in(library) == [SONG.replace(".flac", " (2).flac"), SONG]


def test_what_was_there_before_the_job_was_asked_for_hinders_no_download(
    make: Make, library: Path, tmp_path: Path
) -> None:
    first = running_job(tracks=1)
    make(knows()).verify(assemble(first, tmp_path / "a", source=flac(1)).id)
    again = running_job(tracks=1, redownload=True)  # somebody asks for it anew
    by_profile(make(knows())).verify(assemble(again, tmp_path / "b", source=flac(2)).id)
    assert track_of(again).code != "already_held"
    assert len(files_in(library)) == 2
