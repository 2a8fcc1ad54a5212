"""Reading what scans have found: each file once, by whoever holds it, and what can't be read is told and left alone."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from apps.domain.library.scans import ScanState
from apps.library.models import (
    AudioFile,
    AudioVariant,
    FolderMatch,
    Identification,
    LibraryRoot,
    LibraryScan,
    VariantEvidence,
)
from apps.library.selectors_scan import ScanView, scan_view
from apps.library.services import root_record
from apps.library.services_read import MAX_DEATHS, file_claim, files_waiting
from apps.library.services_scan import scan_cancel, scan_create, scan_pause, scan_resume, scans_read_finish
from tests.workers.conftest import Killed, kill_at
from tests.workers.gateways import sound
from workers import read_files, reading
from workers.gateways.analysis import EVERYTHING, AnalysisWish
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, write_tags
from workers.gateways.walk import WatchedRoot
from workers.read_files import read_batch
from workers.reading import TAGS_VERSION
from workers.scan_library import walk_slice

pytestmark = pytest.mark.django_db

QUICK = AnalysisWish(fingerprint=False, sound=False)
FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "audio"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    root = tmp_path / "music"
    for seed, name in enumerate(["A/1.flac", "A/2.flac", "B/1.mp3", "B/2.ogg"], start=1):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        sound.write(root / name, 2, seed=seed)
    return root


def scanned(root: Path) -> ScanView:
    scans_read_finish()  # one that is done would be given back
    view = scan_create(root_record(root))
    walk_slice(view.id)
    return told(view)


def told(view: ScanView) -> ScanView:
    scans_read_finish()
    found = scan_view(view.id)
    assert found is not None
    return found


def lapse() -> None:
    """As if the leases of whoever died, and delays, had run out."""
    past = timezone.now() - timedelta(seconds=1)
    AudioFile.objects.filter(lease_until__isnull=False).update(lease_until=past)
    LibraryScan.objects.filter(next_step_at__isnull=False).update(next_step_at=past)


def test_every_file_is_read_once_and_its_scan_ends(music: Path) -> None:
    path = music / "A" / "1.flac"
    sound.write(path, 12)
    tags = AudioTags(title="Song", artist="The Band", albumartist="Various", album="B", track=3, disc=1)
    write_tags(path, tags, expected_root=identify(path).root)
    view = scanned(music)
    assert view.state is ScanState.READING
    done = read_batch()
    assert (done.read, done.unreadable, done.put_off) == (4, 0, 0)
    end = told(view)
    assert (end.state, end.read, end.unreadable, end.progress.share) == (ScanState.COMPLETED, 4, 0, 1.0)
    assert end.bytes_read == sum(one.stat().st_size for one in music.rglob("*.*"))
    file = AudioFile.objects.select_related("variant").get(display="A/1.flac")
    assert (file.title, file.artist, file.track_position, file.read_state) == ("Song", "The Band", 3, "read")
    assert file.tags == {
        "v": TAGS_VERSION, "title": "Song", "artist": "The Band", "albumartist": "Various", "album": "B", "track": 3, "disc": 1,
    }  # fmt: skip
    assert file.sort_key == "various b 001-0003 song"
    variant = file.variant
    assert variant is not None and variant.recording_mbid is None and bytes(variant.fingerprint)
    assert (variant.codec, variant.lossless, variant.loudness_lufs is not None) == ("flac", True, True)
    assert variant.analyser_version > 0 and VariantEvidence.objects.filter(variant=variant).exists()
    assert Identification.objects.get(variant=variant).state == "pending"
    assert set(FolderMatch.objects.values_list("display", "state")) == {("A", "pending"), ("B", "pending")}
    assert read_batch().read == 0


def test_what_can_t_be_read_says_why_and_is_left_alone_until_it_changes(music: Path) -> None:
    (music / "noise.mp3").write_bytes(os.urandom(5000))
    (music / "empty.flac").write_bytes(b"")
    cut = music / "A" / "1.flac"
    cut.write_bytes(cut.read_bytes()[:9000])
    view = scanned(music)
    done = read_batch(wish=QUICK)
    assert (done.read, done.unreadable) == (3, 3)
    end = told(view)
    assert (end.state, end.read, end.unreadable) == (ScanState.COMPLETED, 6, 3)
    bad = dict(AudioFile.objects.filter(read_state="unreadable").values_list("display", "read_code"))
    assert set(bad) == {"noise.mp3", "empty.flac", "A/1.flac"} and all(bad.values())
    again = scanned(music)
    assert (again.state, again.unchanged, again.changed) == (ScanState.COMPLETED, 6 + 1 - 1, 0)
    sound.write(music / "noise.mp3", 2, seed=9)
    mended = scanned(music)
    assert mended.changed == 1
    assert read_batch(wish=QUICK).read == 1
    assert AudioFile.objects.get(display="noise.mp3").read_state == "read"


def test_a_file_that_is_found_broken_has_its_tags_word_on_what_it_should_be(music: Path) -> None:
    cut, recording, release = music / "A" / "1.flac", uuid.UUID(int=7), uuid.UUID(int=8)
    tags = AudioTags(title="Song", artist="Ada", track=3, recording_mbid=str(recording), release_mbid=str(release))
    write_tags(cut, tags, expected_root=identify(cut).root)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    scanned(music)
    assert read_batch(wish=QUICK).unreadable == 1
    file = AudioFile.objects.get(display="A/1.flac")
    assert (file.read_state, file.variant_id, file.title, file.track_position) == ("unreadable", None, "Song", 3)
    assert (file.release_mbid, file.tags["recording_mbid"]) == (release, str(recording))


def test_a_file_that_broke_keeps_the_name_of_what_it_was(music: Path) -> None:
    scanned(music)
    read_batch(wish=QUICK)
    path = music / "A" / "1.flac"
    before = AudioFile.objects.get(display="A/1.flac")
    path.write_bytes(path.read_bytes()[:9000])
    scanned(music)
    read_batch(wish=QUICK)
    file = AudioFile.objects.get(display="A/1.flac")
    assert (file.read_state, file.variant_id, file.size_bytes) == ("unreadable", before.variant_id, 9000)


@pytest.mark.parametrize("step", ["claimed", "read"])
def test_killed_anywhere_and_run_again_it_gives_the_same_rows(music: Path, step: str) -> None:
    view = scanned(music)
    with pytest.raises(Killed):
        read_batch(wish=QUICK, checkpoint=kill_at(step))
    lapse()
    read_batch(wish=QUICK)
    end = told(view)
    assert (end.state, end.read, AudioFile.objects.filter(read_state="read").count()) == (ScanState.COMPLETED, 4, 4)
    assert AudioVariant.objects.count() == 4


def test_a_file_that_ends_every_reader_is_given_up(music: Path) -> None:
    shutil.rmtree(music / "B")
    (music / "A" / "2.flac").unlink()
    scanned(music)
    for _ in range(MAX_DEATHS):
        with pytest.raises(Killed):
            read_batch(wish=QUICK, checkpoint=kill_at("claimed"))
        lapse()
    assert read_batch(wish=QUICK).unreadable == 1
    file = AudioFile.objects.get()
    assert (file.read_state, file.read_code, file.read_params["deaths"]) == (
        "unreadable",
        "file_kills_readers",
        MAX_DEATHS,
    )


def test_a_file_that_changes_while_it_is_read_is_read_later_and_not_for_ever(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(music / "B")
    (music / "A" / "2.flac").unlink()
    real = reading.identify

    def written_to(path: Path) -> object:
        found = real(path)
        os.utime(path, ns=(0, time.monotonic_ns()))
        return found

    scanned(music)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "identify", written_to)
        for _ in range(5):
            assert read_batch(wish=QUICK).put_off == 1
            assert read_batch(wish=QUICK).put_off == 0, "not at once"
            lapse()
    file = AudioFile.objects.get()
    assert (file.read_state, file.read_code) == ("unreadable", "file_changed")
    assert scanned(music).changed == 1
    assert read_batch(wish=QUICK).read == 1


def test_a_file_that_went_away_before_it_was_read_is_missing(music: Path) -> None:
    view = scanned(music)
    shutil.rmtree(music / "B")
    assert read_batch(wish=QUICK).read == 2
    assert told(view).state is ScanState.COMPLETED
    assert AudioFile.objects.filter(missing_since__isnull=False, read_state="pending").count() == 2
    assert scanned(music).state is ScanState.COMPLETED


def test_nothing_is_missing_in_a_folder_whose_disk_went_away_while_it_was_read(music: Path) -> None:
    view = scanned(music)
    away = music.with_name("away")
    music.rename(away)
    music.mkdir()  # the place of the mount
    done = read_batch(wish=QUICK)
    assert (done.read, done.put_off) == (0, 1)
    assert (told(view).state, told(view).code) == (ScanState.READING, "root_missing")
    assert not AudioFile.objects.filter(missing_since__isnull=False).exists()
    music.rmdir()
    away.rename(music)
    LibraryScan.objects.update(next_step_at=timezone.now() - timedelta(seconds=1))
    lapse()
    assert read_batch(wish=QUICK).read == 4
    assert told(view).state is ScanState.COMPLETED


def test_paused_and_cancelled_scans_are_not_read(music: Path) -> None:
    view = scanned(music)
    scan_pause(view.id)
    assert not files_waiting() and read_batch(wish=QUICK).read == 0
    scan_resume(view.id)
    assert files_waiting()
    scan_cancel(view.id)
    assert read_batch(wish=QUICK).read == 0
    assert scanned(music).changed == 4, "the next scan takes them up"
    assert read_batch(wish=QUICK).read == 4


def test_a_file_in_hand_when_its_scan_is_paused_is_finished(music: Path) -> None:
    view = scanned(music)

    def pause(step: str) -> None:
        if step == "read":
            scan_pause(view.id)

    assert read_batch(wish=QUICK, checkpoint=pause).read == 1
    assert AudioFile.objects.filter(read_state="read").count() == 1


def test_a_batch_ends_by_the_clock_and_gives_back_what_it_took(music: Path) -> None:
    scanned(music)
    done = read_batch(wish=QUICK, batch_s=0.0)
    assert done.more and done.read == 0
    assert not AudioFile.objects.filter(lease_until__isnull=False).exists()


def test_a_folder_that_stalls_while_its_files_are_read_is_waited_for(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stalling(WatchedRoot):
        def stats(self, paths: object) -> list[tuple[int, int, int] | str | None]:
            os.kill(self.child_pid, signal.SIGSTOP)
            return super().stats(paths)  # type: ignore[arg-type]

    view = scanned(music)
    with monkeypatch.context() as patched:
        patched.setattr(read_files, "WatchedRoot", Stalling)
        done = read_batch(wish=QUICK, stall_s=0.2)
    assert (done.read, done.put_off) == (0, 1)
    waiting = told(view)
    assert (waiting.state, waiting.code, waiting.waits) == (ScanState.READING, "root_stalled", True)
    assert not files_waiting()
    assert LibraryRoot.objects.get().state_code == "root_stalled"
    lapse()
    assert read_batch(wish=QUICK).read == 4
    assert told(view).state is ScanState.COMPLETED
    assert LibraryRoot.objects.get().state_code == ""  # else the doctor would take it for away until the next walk


@pytest.mark.django_db(transaction=True)
def test_two_readers_at_once_read_every_file_once(music: Path) -> None:
    for number in range(12):
        sound.write(music / f"{number}.flac", 1, seed=20 + number)
    view = scanned(music)
    barrier, read = threading.Barrier(2), []

    def work() -> None:
        try:
            barrier.wait(10)
            read.append(read_batch(wish=QUICK).read)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(read) == 16
    end = told(view)
    assert (end.state, end.read) == (ScanState.COMPLETED, 16)
    assert set(AudioFile.objects.values_list("attempt", flat=True)) == {1}


def _read_and_die(started: object) -> None:
    connections.close_all()

    def stop(step: str) -> None:
        if step == "read":
            started.set()  # type: ignore[attr-defined]
            time.sleep(60)

    read_batch(wish=QUICK, checkpoint=stop)


@pytest.mark.django_db(transaction=True)
def test_a_reader_that_is_killed_costs_one_reading(music: Path) -> None:
    view = scanned(music)
    context = multiprocessing.get_context("fork")
    started = context.Event()
    connections.close_all()
    process = context.Process(target=_read_and_die, args=(started,))
    process.start()
    assert started.wait(30)
    process.kill()
    process.join()
    assert read_batch(wish=QUICK).read == 3, "the fourth is still in the dead reader's hands"
    lapse()
    assert read_batch(wish=QUICK).read == 1
    assert told(view).state is ScanState.COMPLETED
    assert AudioVariant.objects.count() == 4


def test_a_claim_is_nobody_else_s(music: Path) -> None:
    scanned(music)
    claims = [file_claim(lease_s=60) for _ in range(5)]
    assert len({one.file_id for one in claims if one is not None}) == 4 and claims[4] is None


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the odd files of the fixtures are not on this machine")
@pytest.mark.parametrize(
    ("wish", "every"),
    [
        pytest.param(QUICK, 4, id="quick, one in four of each kind"),
        pytest.param(QUICK, 1, id="quick", marks=pytest.mark.long),
        pytest.param(EVERYTHING, 1, id="everything", marks=pytest.mark.long),
    ],
)
def test_all_odd_files_pass_through_a_scan(tmp_path: Path, wish: AnalysisWish, every: int) -> None:
    # A third of them needs a child of ffmpeg, which takes most of the time.
    odd = [path for path in FIXTURES.rglob("*") if path.is_file() and path.name != "index.json"]
    odd = sorted(odd, key=lambda path: (path.suffix.casefold(), path))[::every]
    root = tmp_path / "odd"
    root.mkdir()
    for number, path in enumerate(odd):
        shutil.copyfile(path, root / f"{number:03d} {path.name}")
    view = scanned(root)
    assert view.refused == 0
    done = read_batch(batch_s=600.0, wish=wish)
    end = told(view)
    assert end.state is ScanState.COMPLETED and end.added == done.read + done.unreadable == end.seen
    assert end.added > 300 // every and done.read > 250 // every, "the fixtures are mostly readable"
    states = AudioFile.objects.values_list("display", "read_state", "read_code")
    assert [one for one in states if one[1] == "unreadable" and one[2] in {"", "unexpected"}] == []
    assert [one for one in states if one[1] == "pending"] == []
