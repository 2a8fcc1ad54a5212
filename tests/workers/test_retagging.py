"""Mending tags of files whose tags are part of their payload: the sound is the same, the payload another, and everything known goes with it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import mutagen
import pytest

from apps.catalog.models import Recording, Track
from apps.domain.audio.sound import sound_digest
from apps.domain.library.issues import IssueType
from apps.domain.library.paths import PathKey
from apps.library.models import (
    AudioFile,
    AudioVariant,
    FingerprintSlice,
    Identification,
    LibraryRoot,
    SameSound,
    TrashedFile,
    VariantEvidence,
)
from apps.library.services import root_record
from apps.library.services_read import read_record
from tests.workers.assembled import flac, recording_id
from tests.workers.conftest import Killed, kill_at
from tests.workers.gateways import sound
from tests.workers.mending import RELEASE, WHEN_NS, Home, fix, fix_one, issue, state_of, time_passes
from workers.gateways import ffmpeg
from workers.gateways.analysis import AnalysisWish
from workers.gateways.files import identify, reading
from workers.gateways.tags import read_tags
from workers.reading import read_music

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg here, not even imageio-ffmpeg's"),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=tmp_path)


def own(home: Home, name: str) -> tuple[int, int]:
    """(file, issue) of a file with a wrong title and a comment of the person's, analysed and identified."""
    options = {".m4a": ["-c:a", "aac"], ".opus": ["-c:a", "libopus"], ".wav": []}[Path(name).suffix]
    path = home.music / name
    said = ["-metadata", "title=Somethin", "-metadata", "comment=from my uncle", "-metadata", "artist=Nobody"]
    sound.convert(flac(), path, *options, *said)
    path.chmod(0o640)
    os.utime(path, ns=(WHEN_NS, WHEN_NS))
    key = PathKey(root_id=root_record(home.music), relative=os.fsencode(name))
    recorded = read_record(key, read_music(path, wish=AnalysisWish(fingerprint=True, sound=True)))
    variant = recorded.variant_id
    AudioVariant.objects.filter(id=variant).update(recording_mbid=recording_id(1), recording_source="person")
    Identification.objects.filter(variant_id=variant).update(state="confirmed", recording_mbid=recording_id(1))
    other = AudioVariant.objects.create(
        payload_format="file", payload_root=bytes(32), payload_bytes=0, leaf_hashes=bytes(32), profile="x"
    )
    SameSound.objects.bulk_create(
        SameSound(variant_id=one, other_id=two, ber=0.01) for one, two in ((variant, other.id), (other.id, variant))
    )
    return recorded.file_id, issue(IssueType.TAGS_WRONG, code="tags_contradict", file_id=recorded.file_id)


def heard(path: Path) -> bytes:
    with reading(path) as (read_at, size):
        return sound_digest(read_at, size).digest


@pytest.mark.parametrize("name", ["1.m4a", "1.opus", "1.wav"])
def test_tags_inside_the_payload_are_mended_and_undo_brings_the_very_bytes_back(home: Home, name: str) -> None:
    file_id, issue_id = own(home, name)
    path, before, digest = home.music / name, home.digest(name), heard(home.music / name)
    row = AudioFile.objects.values().get(id=file_id)
    old = AudioVariant.objects.get(id=row["variant_id"])
    done = home.step(fix_one(issue_id).id)
    assert (done.state, done.code, state_of(issue_id)[0]) == ("done", "fixed_retagged", "resolved")
    said = read_tags(path)
    assert (said.title, said.artist, said.album, said.tracks) == ("Song 1", "The Testers", "First Album", 3)
    assert said.release_mbid == str(RELEASE)
    assert said.replaygain_track_gain.endswith(" dB")
    assert said.acoustid_fingerprint == bytes(old.fingerprint).decode()
    assert "from my uncle" in str(mutagen.File(path).tags) or name.endswith(".wav")
    assert heard(path) == digest
    assert path.stat().st_mode & 0o777 == 0o640

    file = AudioFile.objects.get(id=file_id)
    new = AudioVariant.objects.get(id=file.variant_id)
    assert (file.title, new.id != old.id) == ("Song 1", True)
    assert bytes(new.payload_root) == identify(path).root
    kept = [
        "recording_mbid", "recording_source", "verified", "profile", "container", "fingerprint", "loudness_lufs", "quality_score", "transcode_verdict",
        "analyser_version", "total_samples", "duration_ms", "bitrate_kbps",
    ]  # fmt: skip
    assert {one: getattr(new, one) for one in kept} == {one: getattr(old, one) for one in kept}
    assert new.quality_score is not None
    told = Identification.objects.get(variant=new)
    assert (told.state, told.recording_mbid) == ("confirmed", recording_id(1))
    assert VariantEvidence.objects.get(variant=new).curves == VariantEvidence.objects.get(variant=old).curves
    assert FingerprintSlice.objects.filter(variant=new).exists()
    assert SameSound.objects.filter(variant=new).count() == SameSound.objects.filter(other=new).count() == 1

    undone = home.undo(done.id)
    assert undone.state == "undone"
    assert home.digest(name) == before
    ignored = {"inode": 0, "read_at": 0}
    assert AudioFile.objects.values().get(id=file_id) | ignored == row | ignored
    assert home.names() == [name]


@pytest.mark.parametrize("step", ["planned", "trashed", "tagged", "swapped", "recorded", "finished"])
def test_killed_while_it_is_mended_the_next_worker_finishes_it(home: Home, step: str) -> None:
    file_id, issue_id = own(home, "1.m4a")
    before = home.digest("1.m4a")
    made = fix_one(issue_id)
    with pytest.raises(Killed):
        home.step(made.id, kill_at(step))
    time_passes()
    home.step(made.id)
    assert state_of(issue_id)[0] == "resolved"
    assert read_tags(home.music / "1.m4a").title == "Song 1"
    variant = AudioFile.objects.get(id=file_id).variant
    assert variant is not None
    assert bytes(variant.payload_root) == identify(home.music / "1.m4a").root
    assert variant.quality_score is not None
    assert home.undo(made.id).state == "undone"
    assert home.digest("1.m4a") == before


def test_tags_that_are_right_already_are_no_fix_and_nothing_is_kept_of_the_file(home: Home) -> None:
    file_id, issue_id = own(home, "1.m4a")
    home.step(fix_one(issue_id).id)
    before, trashed = home.digest("1.m4a"), TrashedFile.objects.count()
    again = home.step(fix_one(issue(IssueType.TAGS_WRONG, code="tags_contradict", file_id=file_id, position=1)).id)
    assert (again.state, again.code) == ("failed", "fix_tags_right")
    assert (home.digest("1.m4a"), TrashedFile.objects.count()) == (before, trashed)


def test_a_recording_without_a_title_is_no_fix(home: Home) -> None:
    file_id, issue_id = own(home, "1.wav")
    Track.objects.update(title="")
    Recording.objects.update(title="")
    before = home.digest("1.wav")
    failed = home.step(fix_one(issue_id).id)
    assert (failed.state, failed.code, state_of(issue_id)) == (
        "failed",
        "fix_title_unknown",
        ("failed", "fix_title_unknown"),
    )
    assert home.digest("1.wav") == before
    assert AudioFile.objects.get(id=file_id).missing_since is None


def test_a_file_that_cannot_be_written_safely_says_so_and_stays(home: Home) -> None:
    file_id, _ = own(home, "1.wav")
    path = home.music / "1.wav"
    raw = bytearray(path.read_bytes())
    raw[4:8] = (len(raw) * 2).to_bytes(4, "little")  # a recorder that died: the form is longer than the file
    path.write_bytes(raw)
    key = PathKey(root_id=root_record(home.music), relative=b"1.wav")
    read_record(key, read_music(path, wish=AnalysisWish(fingerprint=False, sound=False)))
    AudioVariant.objects.update(recording_mbid=recording_id(1))
    before = home.digest("1.wav")
    failed = home.step(fix_one(issue(IssueType.TAGS_WRONG, code="tags_missing", file_id=file_id)).id)
    assert (failed.state, failed.code, failed.params["why"]["reason"]) == ("failed", "tags_not_writable", "cut_off")
    assert home.digest("1.wav") == before
    assert not TrashedFile.objects.filter(state="trashed").exists()


def test_a_folder_that_is_only_read_keeps_its_files(home: Home) -> None:
    _, issue_id = own(home, "1.opus")
    LibraryRoot.objects.update(writable=False)
    (refused,) = fix(issue_id)
    assert (refused.remediation, refused.code) == (None, "root_not_writable")
    assert replace(read_tags(home.music / "1.opus"), acoustid_fingerprint="").title == "Somethin"
