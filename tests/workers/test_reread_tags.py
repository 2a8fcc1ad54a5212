"""Tags that were kept by an older version are read again: no decode, no change to what else is known, and nothing of files that changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.domain.library.paths import PathKey
from apps.library.models import AudioFile, FolderMatch, LibraryRoot
from apps.library.services import root_record
from apps.library.services_read import read_record
from tests.workers.gateways import sound
from workers.gateways.analysis import AnalysisWish
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, write_tags
from workers.reading import TAGS_VERSION, read_music
from workers.reread_tags import reread_batch

pytestmark = pytest.mark.django_db(transaction=True)


def own(root: Path, name: str) -> int:
    path = sound.write(root / name, 0.5, seed=len(name))
    write_tags(path, AudioTags(title="Song", country="US", barcode="5012"), expected_root=identify(path).root)
    key = PathKey(root_id=root_record(root), relative=os.fsencode(name))
    read_record(key, read_music(path, wish=AnalysisWish(fingerprint=False, sound=False)))
    AudioFile.objects.update(tags={"v": 1, "title": "Song"}, tags_version=0)
    FolderMatch.objects.all().delete()
    return AudioFile.objects.get(display=name).id


def test_older_tags_are_read_again_and_nothing_else_is_touched(tmp_path: Path) -> None:
    file_id = own(tmp_path, "1.flac")
    before = AudioFile.objects.values().get(id=file_id)
    assert reread_batch() == (1, False)
    after = AudioFile.objects.values().get(id=file_id)
    assert (after["tags"]["country"], after["tags"]["barcode"], after["tags"]["v"]) == ("US", "5012", TAGS_VERSION)
    ignored = {"tags": 0, "tags_version": 0}
    assert after | ignored == before | ignored
    assert not FolderMatch.objects.exists()
    assert reread_batch() == (0, False)


def test_a_file_that_changed_or_went_is_left_to_its_scan(tmp_path: Path) -> None:
    changed, gone = own(tmp_path, "a.flac"), own(tmp_path, "bb.flac")
    (tmp_path / "a.flac").write_bytes(b"another")
    (tmp_path / "bb.flac").unlink()
    assert reread_batch() == (0, False)
    rows = dict(AudioFile.objects.values_list("id", "tags"))
    assert rows == {changed: {"v": 1, "title": "Song"}, gone: {"v": 1, "title": "Song"}}
    assert set(AudioFile.objects.values_list("tags_version", flat=True)) == {TAGS_VERSION}


def test_a_folder_that_went_away_is_asked_again_later_and_holds_up_no_other(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    away, there = own(tmp_path / "one", "a.flac"), own(tmp_path / "two", "bb.flac")
    LibraryRoot.objects.filter(path=str(tmp_path / "one")).update(path=str(tmp_path / "unmounted"))
    assert reread_batch() == (1, False)
    rows = dict(AudioFile.objects.values_list("id", "tags_version"))
    assert rows == {away: 0, there: TAGS_VERSION}


def test_a_batch_ends_by_the_clock(tmp_path: Path) -> None:
    own(tmp_path, "1.flac")
    ticks = iter((0.0, 21.0))
    assert reread_batch(clock=lambda: next(ticks)) == (0, True)
