"""Importing real files: what carries MBIDs or is named comes in, everything else is listed with a code, nothing is read twice."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import pytest

from apps.domain.errors import DomainError
from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.library.selectors import file_list, root_list, verified_fingerprints
from tests.workers.gateways import sound
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, write_tags
from workers.import_library import ImportedFile, ImportReport, import_folder
from workers.reading import NamedAs

pytestmark = pytest.mark.django_db

RECORDING, RELEASE = uuid.UUID(int=0x77), uuid.UUID(int=0x78)


def tagged(path: Path, *, seed: int = 1, recording: uuid.UUID = RECORDING, title: str = "Song") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound.write(path, 9, seed=seed)
    tags = AudioTags(
        title=title, artist="A", album="B", track=3, disc=1, recording_mbid=str(recording), release_mbid=str(RELEASE)
    )
    write_tags(path, tags, expected_root=identify(path).root)
    return path


def add(folder: Path, **given: object) -> ImportReport:
    return import_folder(folder, **{"wish": NamedAs(), **given})  # type: ignore[arg-type]


def test_a_tagged_file_comes_in_with_all_that_serving_needs(tmp_path: Path) -> None:
    path = tagged(tmp_path / "Artist" / "Album" / "03 Song.flac")
    report = add(tmp_path)
    assert (report.added, report.refused) == (1, 0)
    file = AudioFile.objects.select_related("variant").get()
    identity = identify(path)
    variant = file.variant
    assert bytes(variant.payload_root) == identity.root
    assert bytes(variant.leaf_hashes) == identity.leaves.pack()
    assert bytes(variant.preamble) == identity.span.preamble
    assert (file.payload_offset, variant.payload_bytes) == (identity.span.offset, identity.span.length)
    assert (variant.recording_mbid, variant.profile, variant.verified) == (RECORDING, "flac-16-44100-2", False)
    assert bytes(variant.fingerprint).startswith(b"AQ") and variant.pcm_md5 and variant.max_block_size
    assert (file.release_mbid, file.medium_position, file.track_position, file.title) == (RELEASE, 1, 3, "Song")
    assert bytes(file.rel_path) == b"Artist/Album/03 Song.flac"
    assert verified_fingerprints(RECORDING) == ()


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    path = tagged(tmp_path / "a.flac")
    add(tmp_path)
    path.chmod(0o000)  # whoever reads it now fails, unless it is root
    report = add(tmp_path)
    assert (report.added, report.updated, report.unchanged) == (0, 0, 1)
    path.chmod(0o644)
    os.utime(path, ns=(1, 1))
    assert add(tmp_path).updated == 1


def test_retagged_twins_are_one_variant_in_two_files(tmp_path: Path) -> None:
    first = tagged(tmp_path / "one.flac")
    twin = tmp_path / "two.flac"
    shutil.copy(first, twin)
    write_tags(twin, AudioTags(title="Other", recording_mbid=str(RECORDING)), expected_root=identify(twin).root)
    assert add(tmp_path).added == 2
    assert AudioVariant.objects.count() == 1


def test_every_unusable_file_is_listed_with_its_code_and_stops_nothing(tmp_path: Path) -> None:
    tagged(tmp_path / "good.flac")
    sound.write(tmp_path / "untagged.flac", 2)
    (tmp_path / "noise.mp3").write_bytes(os.urandom(5000))
    (tmp_path / "empty.flac").write_bytes(b"")
    cut = tagged(tmp_path / "cut.flac", seed=2)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (tmp_path / "cover.jpg").write_bytes(b"x")
    (tmp_path / "link.flac").symlink_to(tmp_path / "good.flac")
    (tmp_path / ".hidden.flac").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.flac")
    told: list[ImportedFile] = []
    report = add(tmp_path, on_file=told.append)
    codes = {file.path: file.code for file in report.refusals}
    assert (report.added, report.refused, len(told)) == (2, 4, 6)
    assert codes["noise.mp3"] in {"decode_failed", "no_audio"}
    assert codes["empty.flac"] in {"decode_failed", "no_audio"}
    assert codes["cut.flac"] in {"decode_failed", "sample_count_mismatch", "preamble_mismatch"}
    assert codes["pipe.flac"] == "file_not_regular"
    untagged = AudioFile.objects.select_related("variant").get(display="untagged.flac")
    assert untagged.variant is not None and untagged.variant.recording_mbid is None


def test_a_file_can_be_named_by_hand(tmp_path: Path) -> None:
    path = sound.write(tmp_path / "untagged.flac", 9)
    report = add(path, wish=NamedAs.of_text(recording=str(RECORDING), release=str(RELEASE)))
    assert report.added == 1
    variant = AudioVariant.objects.get()
    assert (variant.recording_mbid, variant.recording_source) == (RECORDING, "person")
    with pytest.raises(DomainError) as refused:
        NamedAs.of_text(recording="nonsense", release="")
    assert refused.value.code == "mbid_invalid"


def test_a_person_s_word_is_not_undone_by_a_tag(tmp_path: Path) -> None:
    path = tagged(tmp_path / "a.flac", recording=uuid.UUID(int=5))
    add(path, wish=NamedAs(recording=RECORDING))
    os.utime(path, ns=(1, 1))
    add(tmp_path)
    assert AudioVariant.objects.get().recording_mbid == RECORDING


def test_files_that_are_gone_are_noted_and_come_back(tmp_path: Path) -> None:
    path = tagged(tmp_path / "sub" / "a.flac")
    tagged(tmp_path / "b.flac", seed=2)
    add(tmp_path)
    aside = tmp_path / "aside"
    path.rename(aside)
    assert add(tmp_path).missing == 1
    assert AudioFile.objects.filter(missing_since__isnull=False).count() == 1
    aside.rename(path)
    report = add(tmp_path / "sub")
    assert (report.added, report.updated) == (0, 1)
    assert not AudioFile.objects.filter(missing_since__isnull=False).exists()
    assert LibraryRoot.objects.count() == 1


def test_an_import_that_was_interrupted_skips_what_it_knows(tmp_path: Path) -> None:
    for number in range(3):
        tagged(tmp_path / f"d{number}" / "a.flac", seed=number)

    def interrupt(file: ImportedFile) -> None:
        if file.path.startswith("d1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(tmp_path, on_file=interrupt)
    report = add(tmp_path)
    assert (report.added, report.unchanged) == (1, 2)


def test_names_that_are_no_text_are_kept_as_bytes(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9\x1b.flac"
    tagged(tmp_path / "x.flac").rename(os.fsdecode(raw))
    assert add(tmp_path).added == 1
    (file,) = file_list()
    assert file.path == "caf\\xe9\\u001b.flac" or "\\x1b" in file.path
    assert bytes(AudioFile.objects.get().rel_path) == b"caf\xe9\x1b.flac"


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DomainError) as refused:
        add(tmp_path / "nowhere")
    assert refused.value.code == "folder_missing"


def test_roots_are_counted(tmp_path: Path) -> None:
    tagged(tmp_path / "a.flac")
    add(tmp_path)
    (root,) = root_list()
    assert (root.path, root.files, root.missing, root.writable) == (str(tmp_path), 1, 0, False)
