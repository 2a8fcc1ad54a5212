"""Verifying real files: accepted, refused, put off; run twice and killed at every step: one file, one set of rows."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from apps.domain.audio import mpeg
from apps.domain.jobs.lifecycle import JobState, TrackState, WantDesired
from apps.domain.jobs.verdicts import CHARGING, PREAMBLE_CODES
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_cancel, job_retry
from apps.jobs.services_verify import verify_claim, verify_later
from apps.library.models import AudioFile, AudioVariant
from apps.transfers.models import PayloadDenial, TransferVerdict
from apps.transfers.node_services import node_work
from tests.sound_corpus import piece
from tests.workers.assembled import OTHER, SECONDS, Names, assemble, due, flac, recording_id, running_job, track_of
from tests.workers.conftest import Killed, kill_at
from tests.workers.gateways import sound
from workers.gateways.acoustid import AcoustidPort
from workers.gateways.errors import Permanent, Transient
from workers.gateways.files import identify
from workers.gateways.tags import read_tags
from workers.verification import MAX_DEATHS, Verifier

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = ["claimed", "identified", "decoded", "fingerprinted", "judged", "tagged", "placed", "recorded", "finished"]
Make = Callable[..., Verifier]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


@pytest.fixture
def make(library: Path) -> Make:
    def verifier(
        acoustid: AcoustidPort | None = None, *, fingerprinting: bool = True, require: bool = False
    ) -> Verifier:
        return Verifier(
            acoustid=acoustid,
            fingerprinting=fingerprinting,
            require_fingerprint=require,
            library_root=lambda: library,
            template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}",
        )

    return verifier


def knows(position: int = 1) -> Names:
    return Names(recordings=(recording_id(position),))


def files_in(library: Path) -> list[str]:
    return sorted(str(path.relative_to(library)) for path in library.rglob("*") if path.is_file())


def assert_completed(
    job: Job, library: Path, *, name: str = "The Testers/First Album (2019)/01 Song 1.flac", position: int = 1
) -> JobTrack:
    track = track_of(job, position)
    assert (track.state, track.lease_until) == (TrackState.COMPLETED, None)
    assert (track.next_step_at is None) == (track.verification == "fingerprint")  # the others are looked at again
    path = library / name
    assert track.placed_path == str(path)
    assert bytes(track.file_sha256 or b"") == hashlib.sha256(path.read_bytes()).digest()
    file = AudioFile.objects.select_related("variant").get(id=track.audio_file_id)
    assert identify(path).root == bytes(file.variant.payload_root) == bytes(track.payload_root or b"")
    assert track.want is not None and track.want.desired == WantDesired.SATISFIED
    assert TransferVerdict.objects.get(transfer__want=track.want, accepted=True)
    return track


def test_a_right_file_is_tagged_placed_and_recorded(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    make(knows()).verify(transfer.id)
    track = assert_completed(job, library)
    assert track.verification == "fingerprint"
    tags = read_tags(Path(track.placed_path))
    assert (tags.title, tags.artist, tags.album, tags.date) == ("Song 1", "The Testers", "First Album", "2019-05-01")
    assert (tags.recording_mbid, tags.release_mbid) == (str(recording_id(1)), str(job.release_mbid))
    assert (tags.track, tags.tracks, tags.disc, tags.isrcs) == (1, 1, 1, ("QZES52000001",))
    assert tags.release_group_mbid and tags.track_mbid and tags.artist_mbids and tags.albumartist_mbids
    variant = AudioVariant.objects.get()
    assert variant.verified and variant.recording_mbid == recording_id(1) and bytes(variant.fingerprint)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert Path(transfer.path).exists()  # the node takes it away once it has seen the verdict
    assert [path.name for path in Path(transfer.path).parent.iterdir()] == [Path(transfer.path).name]


def test_a_file_that_kills_whoever_looks_at_it_is_refused_after_a_while_and_nobody_is_charged(
    make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    for _ in range(MAX_DEATHS):
        assert verify_claim(transfer.id, lease_s=60)  # and then it died
        due(job)
    assert track_of(job).state == TrackState.VERIFYING
    make(knows()).verify(transfer.id)
    verdict = TransferVerdict.objects.get(transfer_id=transfer.id)
    assert (verdict.accepted, verdict.code, verdict.code in CHARGING) == (False, "verification_crashed", False)
    assert PayloadDenial.objects.filter(payload_root=transfer.payload_root).exists()
    assert (track_of(job).state, files_in(library)) == (TrackState.WANTED, [])


def test_deaths_that_others_survive_count_for_nothing(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    for _ in range(MAX_DEATHS + 1):
        assert verify_claim(transfer.id, lease_s=60)
        due(job)
        claim = verify_claim(transfer.id, lease_s=60)
        assert claim is not None and claim.deaths == 1
        assert verify_later(claim, code="acoustid_unavailable", params={}, delay_s=0)
        due(job)
    make(knows()).verify(transfer.id)
    assert_completed(job, library)


def test_run_twice_changes_nothing(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    for _ in range(2):
        make(knows()).verify(transfer.id)
    assert_completed(job, library)
    assert len(files_in(library)) == AudioFile.objects.count() == AudioVariant.objects.count() == 1


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_and_run_again_gives_one_file(step: str, make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    with pytest.raises(Killed):
        make(knows()).verify(transfer.id, checkpoint=kill_at(step))
    make(knows()).verify(transfer.id)  # the lease of the dead is still live: nobody works
    due(job)
    make(knows()).verify(transfer.id)
    assert_completed(job, library)
    assert files_in(library) == ["The Testers/First Album (2019)/01 Song 1.flac"]
    assert AudioFile.objects.count() == AudioVariant.objects.count() == TransferVerdict.objects.count() == 1


def test_another_recording_is_refused_by_name_and_remembered(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    make(Names(recordings=(OTHER,))).verify(transfer.id)
    track, verdict = track_of(job), TransferVerdict.objects.get()
    assert (track.state, track.code, track.params["recording"]) == (TrackState.WANTED, "wrong_recording", str(OTHER))
    assert (verdict.accepted, verdict.code, verdict.params["title"]) == (False, "wrong_recording", "Named")
    assert bytes(PayloadDenial.objects.get().payload_root) == bytes(transfer.payload_root)
    assert track.want is not None and track.want.desired == WantDesired.ACTIVE
    assert files_in(library) == []
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_after_a_refusal_the_next_payload_is_judged(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    first = assemble(job, tmp_path)
    make(Names(recordings=(OTHER,))).verify(first.id)
    type(first).objects.filter(id=first.id).update(state="rejected")
    second = assemble(job, tmp_path, source=flac(9))
    make(knows()).verify(second.id)
    assert assert_completed(job, library).code == ""


def test_broken_frames_are_refused_and_remembered(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    broken = tmp_path / "broken.flac"
    data = bytearray(flac().read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    broken.write_bytes(data)
    make(knows()).verify(assemble(job, tmp_path, source=broken).id)
    # Damaged frames may look like a header that lies; then the header is asked for again before the payload is given up.
    verdict = TransferVerdict.objects.get()
    assert verdict.code in {"decode_failed", *PREAMBLE_CODES}
    assert PayloadDenial.objects.exists() == (verdict.code == "decode_failed")
    assert track_of(job).state == TrackState.WANTED
    assert files_in(library) == []


def test_what_does_not_decode_at_all_is_refused_and_remembered(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    broken = tmp_path / "broken.ogg"
    broken.write_bytes(b"OggS" + bytes(100_000))
    make(knows()).verify(assemble(job, tmp_path, source=broken, profile="vorbis-q4-44100-2").id)
    assert TransferVerdict.objects.get().code == "decode_failed"
    assert PayloadDenial.objects.get().code == "decode_failed"
    assert track_of(job).state == TrackState.WANTED
    assert files_in(library) == []


def test_an_altered_preamble_is_refused_without_a_word_against_the_payload(make: Make, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    path = Path(transfer.path)
    data = bytearray(path.read_bytes())
    data[30] ^= 0xFF  # inside STREAMINFO's MD5
    path.write_bytes(data)
    make(knows()).verify(transfer.id)
    assert TransferVerdict.objects.get().code == "pcm_md5_mismatch"
    assert not PayloadDenial.objects.exists()
    assert track_of(job).state == TrackState.WANTED


def test_a_preamble_with_another_rate_is_not_the_payloads_fault(make: Make, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    path = Path(transfer.path)
    data = bytearray(path.read_bytes())
    data[18:20] = (48_000 >> 4).to_bytes(2, "big")  # the upper 16 of the sample rate's 20 bits
    path.write_bytes(data)
    make(knows()).verify(transfer.id)
    assert TransferVerdict.objects.get().code == "preamble_mismatch"
    assert not PayloadDenial.objects.exists()


def test_a_file_that_is_not_the_payload_or_is_gone_is_refused(make: Make, tmp_path: Path) -> None:
    job = running_job(tracks=2)
    changed, gone = assemble(job, tmp_path, position=1), assemble(job, tmp_path, position=2)
    with Path(changed.path).open("ab") as file:
        file.write(b"more")
    Path(gone.path).unlink()
    for transfer in (changed, gone):
        make(knows()).verify(transfer.id)
    assert TransferVerdict.objects.get(transfer=changed).code == "payload_mismatch"
    assert TransferVerdict.objects.get(transfer=gone).code == "file_missing"
    assert PayloadDenial.objects.filter(payload_root=changed.payload_root).exists()
    assert not PayloadDenial.objects.filter(payload_root=gone.payload_root).exists()


@pytest.mark.parametrize(
    ("acoustid", "fingerprinting", "code"),
    [
        (None, True, "acoustid_disabled"),
        (Names(), True, "acoustid_no_result"),
        (Names(error=Permanent("no", code="acoustid_key_invalid")), True, "acoustid_key_invalid"),
        (None, False, "chromaprint_disabled"),
    ],
)
def test_without_a_word_from_anywhere_a_file_is_placed_as_unconfirmed(
    acoustid: Names | None, fingerprinting: bool, code: str, make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1)
    make(acoustid, fingerprinting=fingerprinting).verify(assemble(job, tmp_path).id)
    track = assert_completed(job, library)
    assert (track.verification, track.code) == ("unconfirmed", code)
    assert not AudioVariant.objects.get().verified


def test_where_a_fingerprint_is_required_an_unconfirmed_file_is_refused_until_a_person_retries(
    make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    make(None, require=True).verify(transfer.id)
    assert TransferVerdict.objects.get().code == "fingerprint_required"
    assert PayloadDenial.objects.get().code == "fingerprint_required"
    assert files_in(library) == []
    job_cancel(job.id)
    job_retry(job.id)
    assert not PayloadDenial.objects.exists()


def test_an_acoustid_that_is_down_is_waited_for(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    names = Names(error=Transient("down", code="acoustid_unavailable"))
    make(names).verify(transfer.id)
    track = track_of(job)
    assert (track.state, track.code, track.params["tries"]) == (TrackState.VERIFYING, "acoustid_unavailable", 1)
    make(names).verify(transfer.id)  # not due
    assert names.asked == 1
    due(job)
    make(knows()).verify(transfer.id)
    assert assert_completed(job, library).verification == "fingerprint"


def test_an_acoustid_that_stays_down_is_not_waited_for_for_ever(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    names = Names(error=Transient("garbled", code="acoustid_garbled"))
    for _ in range(5):
        due(job)
        make(names).verify(transfer.id)
    track = assert_completed(job, library)
    assert (track.verification, track.code, names.asked) == ("unconfirmed", "acoustid_garbled", 5)


def test_a_fingerprint_confirmed_here_decides_without_acoustid(make: Make, library: Path, tmp_path: Path) -> None:
    first = running_job(tracks=1)
    make(knows()).verify(assemble(first, tmp_path).id)
    again = running_job(tracks=1, redownload=True)
    twin = sound.convert(flac(), tmp_path / "twin.mp3", "-b:a", "320k")
    names = Names(recordings=(OTHER,))
    make(names).verify(assemble(again, tmp_path, source=twin, profile="mp3-320-44100-2").id)
    track = assert_completed(again, library, name="The Testers/First Album (2019)/01 Song 1.mp3")
    assert (track.verification, names.asked) == ("fingerprint", 0)
    other = running_job(tracks=1, redownload=True)
    strange = flac(77)
    make(None).verify(assemble(other, tmp_path, source=strange).id)
    assert track_of(other).code == "wrong_recording"


def test_an_unconfirmed_file_of_another_length_is_refused(make: Make, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    longer = sound.write(tmp_path / "long.flac", SECONDS + 9, seed=3)
    make(None).verify(assemble(job, tmp_path, source=longer).id)
    verdict = TransferVerdict.objects.get()
    assert (verdict.code, verdict.params["actual_s"], verdict.params["expected_s"]) == ("wrong_duration", 29, 20)


def test_what_stands_at_the_target_stays_and_the_file_gets_the_next_free_name(
    make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1)
    taken = library / "The Testers/First Album (2019)/01 Song 1.flac"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"somebody's own")
    make(knows()).verify(assemble(job, tmp_path).id)
    assert_completed(job, library, name="The Testers/First Album (2019)/01 Song 1 (2).flac")
    assert taken.read_bytes() == b"somebody's own"


def test_a_full_disk_is_shown_and_waited_for(
    make: Make, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    real = os.fsync

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    make(knows()).verify(transfer.id)
    track = track_of(job)
    job.refresh_from_db()
    assert (track.state, track.code, job.state, job.code) == (
        TrackState.VERIFYING,
        "disk_full",
        JobState.RUNNING,
        "disk_full",
    )
    assert files_in(library) == []
    assert len(list(Path(transfer.path).parent.iterdir())) == 1
    monkeypatch.setattr(os, "fsync", real)
    due(job)
    make(knows()).verify(transfer.id)
    assert_completed(job, library)
    job.refresh_from_db()
    assert (job.state, job.code) == (JobState.COMPLETED, "")


def test_a_disk_that_is_really_full_is_waited_for(make: Make, library: Path, tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(library)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let the test mount a small disk")
    try:
        job = running_job(tracks=1)
        transfer = assemble(job, tmp_path)
        make(knows()).verify(transfer.id)
        assert track_of(job).code == "disk_full"
        assert files_in(library) == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(library)], check=True)
        due(job)
        make(knows()).verify(transfer.id)
        assert_completed(job, library)
    finally:
        subprocess.run(["umount", str(library)], check=True)


def test_a_library_that_is_not_mounted_is_waited_for(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    library.rmdir()
    make(knows()).verify(transfer.id)
    assert track_of(job).code == "library_missing"
    library.mkdir()
    due(job)
    make(knows()).verify(transfer.id)
    assert_completed(job, library)


def test_a_link_inside_the_library_is_not_followed_and_fails_the_track(
    make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1)
    (tmp_path / "outside").mkdir()
    (library / "The Testers").symlink_to(tmp_path / "outside")
    transfer = assemble(job, tmp_path)
    make(knows()).verify(transfer.id)
    track = track_of(job)
    assert (track.state, track.code) in {
        (TrackState.FAILED, "library_path_link"),
        (TrackState.FAILED, "library_path_blocked"),
    }
    assert list((tmp_path / "outside").iterdir()) == []
    (library / "The Testers").unlink()
    type(transfer).objects.filter(id=transfer.id).update(state="stopped")
    assert job_retry(job.id) is JobState.RUNNING
    make(knows()).verify(assemble(job, tmp_path).id)
    assert_completed(job, library)


def test_a_job_cancelled_meanwhile_stays_cancelled_and_nothing_is_placed(
    make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    make(knows()).verify(transfer.id, checkpoint=lambda step: job_cancel(job.id) if step == "decoded" else None)  # type: ignore[arg-type, func-returns-value]
    assert track_of(job).state == TrackState.CANCELLED
    assert files_in(library) == []
    assert not TransferVerdict.objects.exists()


@pytest.mark.parametrize("lie", ["numbers", "junk"])
def test_what_a_peer_put_before_an_mp3_payload_is_made_true_or_left_out(
    lie: str, make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1)
    lossy = sound.convert(flac(1), tmp_path / "1.mp3", "-b:a", "320k")
    honest = identify(lossy).span.preamble
    transfer = assemble(job, tmp_path, source=lossy, profile="mp3-320-44100-2")
    path = Path(transfer.path)
    at = max(honest.find(b"Info"), honest.find(b"Xing"))
    lied = honest[: at + 8] + b"\x07" * 112 + honest[at + 120 :] if lie == "numbers" else b"peer's words " * 20
    path.write_bytes(lied + path.read_bytes()[len(honest) :])
    make(knows()).verify(transfer.id)
    placed = Path(assert_completed(job, library, name="The Testers/First Album (2019)/01 Song 1.mp3").placed_path)
    told = mpeg.read_information(identify(placed).span.preamble)
    if lie == "junk":
        assert told is None and b"words" not in placed.read_bytes()
    else:
        true = mpeg.read_information(honest)
        assert told is not None and true is not None
        assert (told.frames, told.stream_bytes) == (true.frames, true.stream_bytes)


def test_the_album_takes_no_more_lossy_tracks_than_it_may(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=2, max_lossy_tracks_per_album=1)
    for position in (1, 2):
        lossy = sound.convert(flac(position), tmp_path / f"{position}.mp3", "-b:a", "320k")
        transfer = assemble(job, tmp_path, position=position, source=lossy, profile="mp3-320-44100-2")
        make(knows(position)).verify(transfer.id)
    assert track_of(job, 1).state == TrackState.COMPLETED
    second = track_of(job, 2)
    assert (second.state, second.code) == (TrackState.WANTED, "lossy_limit")
    assert second.want is not None and second.want.constraints["allow_lossy"] is False
    assert not PayloadDenial.objects.exists()
    assert files_in(library) == ["The Testers/First Album (2019)/01 Song 1.mp3"]


def test_a_format_whose_tags_are_payload_is_placed_as_it_came(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    ogg = sound.write(tmp_path / "a.ogg", SECONDS)
    make(knows()).verify(assemble(job, tmp_path, source=ogg, profile="vorbis-q4-44100-2").id)
    track = assert_completed(job, library, name="The Testers/First Album (2019)/01 Song 1.ogg")
    assert Path(track.placed_path).read_bytes() == ogg.read_bytes()


@pytest.mark.parametrize(
    "title", ["../../etc/passwd", "a\0b", "line\nbreak", "x" * 300, "\u202egnp.exe", "..", "CON", ""]
)
def test_no_title_shapes_a_path(title: str, make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1, titles={1: title.replace("\0", "")})
    make(knows()).verify(assemble(job, tmp_path).id)
    assert track_of(job).state == TrackState.COMPLETED
    (placed,) = files_in(library)
    assert placed.count("/") == 2
    assert placed.startswith("The Testers/First Album (2019)/01 ")
    assert len(placed.rpartition("/")[2].encode()) <= 255
    assert placed.isprintable()


def test_files_go_below_the_jobs_own_folder(make: Make, library: Path, tmp_path: Path) -> None:
    job = running_job(tracks=1, target_dir="New/Today")
    make(knows()).verify(assemble(job, tmp_path).id)
    assert_completed(job, library, name="New/Today/The Testers/First Album (2019)/01 Song 1.flac")


def test_something_unexpected_is_recorded_and_fails_the_track_in_the_end(make: Make, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    broken = Names(error=ZeroDivisionError())  # type: ignore[arg-type]
    for _ in range(8):
        due(job)
        make(broken).verify(transfer.id)
    track = track_of(job)
    assert (track.state, track.code, track.params["error"]) == (TrackState.FAILED, "unexpected", "ZeroDivisionError")
    job.refresh_from_db()
    assert (job.state, job.code) == (JobState.FAILED, "tracks_failed")


def test_what_proves_no_better_than_the_held_file_is_not_placed_and_not_fetched_again(
    make: Make, library: Path, tmp_path: Path
) -> None:
    job = running_job(tracks=1, better_than=0.95, min_improvement=0.05)
    make(knows()).verify(assemble(job, tmp_path).id)
    track = track_of(job)
    assert (track.state, track.code) == ("wanted", "not_better")
    assert track.params["floor"] == 1.0
    assert list(library.rglob("*.flac")) == []
    denial = PayloadDenial.objects.get()
    assert denial.code == "not_better"
    [want] = node_work().wants
    assert want.denied == {(denial.payload_format, bytes(denial.payload_root))}


def test_what_one_job_refused_for_its_own_wishes_another_may_have(make: Make, library: Path, tmp_path: Path) -> None:
    strict = running_job(tracks=1, better_than=0.95, min_improvement=0.05)
    make(knows()).verify(assemble(strict, tmp_path).id)
    plain = running_job(tracks=1)
    wants = {one.group_id: one for one in node_work().wants}
    assert (len(wants[strict.id].denied), len(wants[plain.id].denied)) == (1, 0)
    make(knows()).verify(assemble(plain, tmp_path).id)
    assert_completed(plain, library, name="The Testers/First Album (2019)/01 Song 1.flac")


def test_a_lossy_file_is_below_a_lossless_canonical_variant(make: Make, tmp_path: Path) -> None:
    job = running_job(tracks=1, download_mode="canonical", target_profile="flac-16-44100-2")
    twin = sound.convert(flac(), tmp_path / "twin.mp3", "-b:a", "320k")
    make(knows()).verify(assemble(job, tmp_path, source=twin, profile="mp3-320-44100-2").id)
    assert (track_of(job).code, PayloadDenial.objects.get().code) == ("below_canonical", "below_canonical")


def test_a_download_is_analysed_and_scored_in_the_same_decode(make: Make, tmp_path: Path) -> None:
    job = running_job(tracks=1)
    make(knows()).verify(assemble(job, tmp_path).id)
    variant = AudioVariant.objects.get()
    assert variant.quality_score is not None
    assert variant.clipped_ppm is not None
    assert variant.analyser_version > 0


def test_a_real_transcode_is_refused_where_none_is_wanted_and_remembered_only_there(
    make: Make, library: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.wav"
    soundfile.write(plain, piece(1, seconds=SECONDS), 44_100, subtype="PCM_16")
    coded = sound.convert(plain, tmp_path / "coded.mp3", "-c:a", "libmp3lame", "-b:a", "192k")
    fake = sound.convert(coded, tmp_path / "fake.flac", "-c:a", "flac", "-sample_fmt", "s16")
    strict = running_job(tracks=1, download_mode="no-transcodes")
    make(knows()).verify(assemble(strict, tmp_path, source=fake).id)
    track = track_of(strict)
    assert (track.state, track.code, track.params["verdict"]) == ("wanted", "transcode_suspected", "mp3_origin")
    assert list(library.rglob("*.flac")) == []
    lax = running_job(tracks=1)
    wants = {one.group_id: one for one in node_work().wants}
    assert (len(wants[strict.id].denied), len(wants[lax.id].denied)) == (1, 0)
    make(knows()).verify(assemble(lax, tmp_path, source=fake).id)
    assert track_of(lax).state == "completed"
    variant = AudioVariant.objects.get()
    assert variant.transcode_suspect
    assert variant.quality_score is not None
    assert variant.quality_score <= 0.4
