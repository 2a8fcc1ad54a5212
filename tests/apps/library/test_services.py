"""Rows of files and payloads: one row each however often they are written, and whose word counts."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest

from apps.domain.audio import fingerprint
from apps.domain.audio.payload import PayloadFormat
from apps.domain.audio.profile import parse_profile
from apps.domain.audio.variant import VariantFacts
from apps.domain.errors import DomainError
from apps.domain.library.paths import PathKey
from apps.library.models import (
    AudioFile,
    AudioVariant,
    CanonicalDirty,
    FingerprintSlice,
    FolderMatch,
    Identification,
    LibraryRoot,
)
from apps.library.selectors import root_containing, verified_fingerprints
from apps.library.services import FilePlace, FileStat, RecordingSource, file_record, root_record

pytestmark = pytest.mark.django_db

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def record(
    root: int,
    *,
    name: bytes = b"a.flac",
    recording: uuid.UUID | None = ONE,
    source: RecordingSource = "tag",
    verified: bool = False,
    inode: int = 5,
    fingerprint: bytes = b"",
    tags: dict[str, object] | None = None,
) -> AudioVariant:
    facts = VariantFacts(
        profile=parse_profile("flac-16-44100-2"), container="flac", total_samples=1, duration_ms=1, bitrate_bps=1,
        payload_root=b"r" * 32, payload_offset=42, payload_bytes=9, payload_format=PayloadFormat.FLAC, bits=16, vendor="x\0\ny",
    )  # fmt: skip
    file_record(
        PathKey(root_id=root, relative=name), stat=FileStat(size_bytes=1, mtime_ns=2, inode=inode), facts=facts,
        leaf_hashes=b"h" * 32, fingerprint=fingerprint, recording_mbid=recording, recording_source=source, verified=verified,
        place=FilePlace(title="T\u202e"), tags=tags,
    )  # fmt: skip
    return AudioVariant.objects.get()


@pytest.fixture
def root(db: None) -> int:
    return root_record(Path("/music"))


def test_writing_twice_makes_one_row(root: int) -> None:
    for _ in range(2):
        record(root)
    assert (AudioFile.objects.count(), AudioVariant.objects.count()) == (1, 1)
    assert AudioVariant.objects.get().vendor == "xy"
    assert AudioFile.objects.get().title == "T"


def test_the_most_trusted_word_says_which_recording_it_is(root: int) -> None:
    assert record(root, recording=ONE, source="tag").recording_mbid == ONE
    assert record(root, recording=TWO, source="person").recording_mbid == TWO
    assert record(root, recording=ONE, source="tag").recording_mbid == TWO
    assert record(root, recording=ONE, source="fingerprint", verified=True).recording_mbid == ONE
    kept = record(root, recording=TWO, source="person")
    assert (kept.recording_mbid, kept.verified) == (ONE, True)


def test_a_fingerprint_is_kept_and_only_confirmed_ones_are_compared_with(root: int) -> None:
    record(root, fingerprint=b"AQ1")
    assert verified_fingerprints(ONE) == ()
    record(root, verified=True, source="fingerprint")
    assert verified_fingerprints(ONE) == (b"AQ1",)


def test_inodes_of_64_bits_fit(root: int) -> None:
    record(root, inode=2**64 - 1)
    assert AudioFile.objects.get().inode == -1


def test_roots_are_absolute_text_and_become_writable_but_not_back() -> None:
    for wrong in (Path("relative"), Path("/bad\udce9")):
        with pytest.raises(DomainError):
            root_record(wrong)
    first = root_record(Path("/m"))
    assert root_record(Path("/m"), writable=True) == first
    assert root_record(Path("/m")) == first
    assert LibraryRoot.objects.get().writable


def test_a_folder_belongs_to_the_innermost_root() -> None:
    outer, inner = root_record(Path("/m")), root_record(Path("/m/inner"))
    assert root_containing(Path("/m/inner/x")) == (inner, Path("/m/inner"))
    assert root_containing(Path("/m/innermost")) == (outer, Path("/m"))
    assert root_containing(Path("/elsewhere")) is None


def printed(items: int = 300) -> bytes:
    return fingerprint.encode(np.arange(items, dtype=np.uint32) * np.uint32(2654435761)).encode("ascii")


def test_a_new_file_asks_the_next_stages_to_look_once(root: int) -> None:
    variant = record(root, name=b"Artist/Album/1.flac", fingerprint=printed())
    assert (variant.codec, variant.lossless) == ("flac", True)
    waiting = Identification.objects.get()
    assert (waiting.variant_id, waiting.state) == (variant.pk, "pending") and waiting.next_step_at is not None
    items, _ = fingerprint.decode(printed().decode())
    assert bytes(FingerprintSlice.objects.get().items) == items[80:200].astype("<u4").tobytes()
    folder = FolderMatch.objects.get()
    assert (bytes(folder.folder), folder.display, folder.state) == (b"Artist/Album", "Artist/Album", "pending")
    assert {(row.kind, row.mbid) for row in CanonicalDirty.objects.all()} == {("recording", ONE)}
    # What is decided stays decided while nothing changes.
    FolderMatch.objects.update(state="matched")
    Identification.objects.update(state="identified")
    CanonicalDirty.objects.all().delete()
    record(root, name=b"Artist/Album/1.flac", fingerprint=printed())
    assert (FolderMatch.objects.get().state, Identification.objects.get().state) == ("matched", "identified")
    assert not CanonicalDirty.objects.exists()
    record(root, name=b"Artist/Album/2.flac", fingerprint=printed())
    assert (FolderMatch.objects.get().state, Identification.objects.count()) == ("pending", 1)


def test_a_file_nobody_has_named_has_no_recording_and_another_word_counts_both_again(root: int) -> None:
    assert record(root, recording=None).recording_mbid is None
    assert not CanonicalDirty.objects.exists()
    record(root, recording=ONE)
    CanonicalDirty.objects.all().delete()
    record(root, recording=TWO, source="person")
    assert {row.mbid for row in CanonicalDirty.objects.all()} == {ONE, TWO}


def test_tags_are_kept_as_every_database_takes_them(root: int) -> None:
    record(root, tags={"title": "a\0b\ud800", "artists": ["x\0"], "n": 3})
    file = AudioFile.objects.get()
    assert file.tags == {"title": "ab?", "artists": ["x"], "n": 3}
    record(root)
    assert AudioFile.objects.get().tags == file.tags
    assert (file.read_state, file.sort_key) == ("read", "\ufffd 000-0000 t")
