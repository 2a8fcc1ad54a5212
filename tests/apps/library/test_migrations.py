"""Rows from before the library had scans get what scans write, and a second run changes nothing."""

from __future__ import annotations

import hashlib
import importlib
import uuid
from pathlib import Path

import numpy as np
import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from apps.domain.audio import fingerprint
from apps.domain.library.sorting import sort_key
from apps.library.models import (
    AudioFile,
    AudioVariant,
    CanonicalDirty,
    FingerprintSlice,
    FolderMatch,
    Identification,
    LibraryIssue,
)
from apps.library.services import root_record

pytestmark = pytest.mark.django_db

NOW = timezone.now()
PRINT = fingerprint.encode(np.arange(300, dtype=np.uint32)).encode("ascii")


def old_file(path: bytes, *, profile: str, printed: bytes) -> AudioFile:
    variant = AudioVariant.objects.create(
        payload_format="flac", payload_root=hashlib.sha256(path).digest(), payload_bytes=1, leaf_hashes=b"", profile=profile,
        container="flac", fingerprint=printed, recording_mbid=uuid.UUID(int=len(path)),
    )  # fmt: skip
    return AudioFile.objects.create(
        root_id=root_record(Path("/music")), rel_path=path, rel_path_hash=hashlib.sha256(path).digest(), display=path.decode(), size_bytes=1,
        mtime_ns=1, variant=variant, title="Ünder", artist="THE Band", album="Straße", medium_position=1, track_position=2,
        release_mbid=uuid.UUID(int=9),
    )  # fmt: skip


def test_old_rows_are_filled_once() -> None:
    for number in range(3):
        old_file(b"A/B/%d.flac" % number, profile="flac-16-44100-2", printed=PRINT if number else b"")
    old_file(b"top.mp3", profile="mp3-v0-44100-2", printed=b"not one")
    fill = importlib.import_module("apps.library.migrations.0007_fill_library_columns").fill
    for _ in range(2):
        fill(apps, None)
        assert set(AudioVariant.objects.values_list("codec", "lossless")) == {("flac", True), ("mp3", False)}
        files = AudioFile.objects.order_by("id")
        assert [bytes(file.folder_hash) for file in files] == [hashlib.sha256(b"A/B").digest()] * 3 + [
            hashlib.sha256(b"").digest()
        ]
        assert files[0].sort_key == sort_key(artist="THE Band", album="Straße", disc=1, track=2, title="Ünder")
        assert FingerprintSlice.objects.count() == 2
        assert {len(bytes(one.items)) for one in FingerprintSlice.objects.all()} == {480}
        assert Identification.objects.filter(state="pending").count() == 3
        assert {bytes(one.folder) for one in FolderMatch.objects.all()} == {b"A/B", b""}
        assert CanonicalDirty.objects.filter(kind="release").count() == 1


def test_the_sort_key_is_compared_by_code_points() -> None:
    for number, artist in enumerate(["Zz", "aa", "ä", "b c", "b-c", "bc"]):
        file = old_file(b"%d.flac" % number, profile="flac-16-44100-2", printed=b"")
        AudioFile.objects.filter(id=file.id).update(sort_key=artist)
    keys = list(AudioFile.objects.order_by("sort_key").values_list("sort_key", flat=True))
    assert keys == sorted(keys), connection.vendor


def test_old_folders_and_issues_get_their_words_once() -> None:
    root = root_record(Path("/music"))
    folder = FolderMatch.objects.create(root_id=root, folder=b"A/B", folder_hash=b"1" * 32, display="Ada/Straße")
    issue = LibraryIssue.objects.create(
        type="tags_wrong", severity="low", subject=b"2" * 32, artist="Bo", album="Ada", code="x", detected_at=NOW, seen_at=NOW, changed_at=NOW
    )  # fmt: skip
    fill = importlib.import_module("apps.library.migrations.0016_fill_words_of_names").fill
    for _ in range(2):
        fill(apps, None)
        assert sorted(folder.words.values_list("word", flat=True)) == ["ada", "strasse"]
        assert sorted(issue.words.values_list("word", flat=True)) == ["ada", "bo"]
