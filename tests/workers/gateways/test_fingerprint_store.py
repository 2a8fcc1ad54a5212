"""The index of a process follows the rows: new ones, late ones, gone ones; and shares its files with other processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.domain.audio.fingerprint import Items
from apps.domain.audio.fingerprint_index import slice_items
from apps.library.models import AudioVariant, FingerprintSlice
from tests.apps.library import canonical_rows as rows
from workers.gateways import fingerprint_store
from workers.gateways.fingerprint_store import FingerprintStore

pytestmark = pytest.mark.django_db


def noise(seed: int) -> Items:
    return np.random.default_rng(seed).integers(0, 1 << 32, 200, dtype=np.uint32)


def known(number: int, *, sliced: bool = True) -> AudioVariant:
    variant = rows.variant(number)
    if sliced:
        slice_it(variant, number)
    return variant


def slice_it(variant: AudioVariant, number: int) -> None:
    FingerprintSlice.objects.create(variant=variant, items=slice_items(noise(number)).astype("<u4").tobytes())


def found(store: FingerprintStore, number: int) -> list[int]:
    return [hit.id for hit in store.query(slice_items(noise(number)))]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint_store, "TAIL_ROWS", 4)
    monkeypatch.setattr(fingerprint_store, "MAX_SEGMENTS", 3)


def test_new_rows_are_found_at_the_next_refresh(tmp_path: Path) -> None:
    store = FingerprintStore(folder=tmp_path / "index")
    assert len(store.refreshed(now=0)) == 0
    one = known(1)
    assert found(store, 1) == []
    store.refreshed(now=1)
    assert found(store, 1) == [one.id]
    assert not (tmp_path / "index").exists()  # a few rows are no file's worth


def test_a_print_that_came_late_to_an_old_variant_is_found_within_a_minute(tmp_path: Path) -> None:
    store = FingerprintStore(folder=tmp_path / "index")
    late = known(1, sliced=False)
    known(2)
    store.refreshed(now=0)
    slice_it(late, 1)
    store.refreshed(now=30)
    assert found(store, 1) == []
    store.refreshed(now=61)
    assert found(store, 1) == [late.id]


@pytest.mark.usefixtures("small")
def test_segments_are_files_that_another_process_maps_and_are_merged(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    store = FingerprintStore(folder=folder)
    made = []
    for number in range(1, 18):
        made.append(known(number))
        store.refreshed(now=float(number))
    assert 1 <= len([one for one in folder.iterdir() if not one.name.startswith(".")]) <= 3
    other = FingerprintStore(folder=folder)
    other.refreshed(now=0)
    for each in (store, other):
        assert [found(each, number) for number in (1, 7, 17)] == [[made[0].id], [made[6].id], [made[16].id]]
    assert isinstance(next(iter(other._segments.values())).keys, np.memmap)


@pytest.mark.usefixtures("small")
def test_gone_rows_leave_the_tail_at_once_and_the_files_with_a_merge(tmp_path: Path) -> None:
    store = FingerprintStore(folder=tmp_path / "index")
    made = [known(number) for number in range(1, 6)]
    store.refreshed(now=0)
    made[0].delete()
    for number in range(10, 25):
        known(number)
        store.refreshed(now=100.0 * number)
    assert found(store, 1) == []
    assert found(store, 2) == [made[1].id] and found(store, 24) != []


@pytest.mark.usefixtures("small")
def test_a_damaged_file_costs_its_speed_not_its_answers(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    made = [known(number) for number in range(1, 6)]
    FingerprintStore(folder=folder).refreshed(now=0)
    (segment,) = (one for one in folder.iterdir() if not one.name.startswith("."))
    (segment / "keys.npy").write_bytes(b"junk")
    store = FingerprintStore(folder=folder)
    store.refreshed(now=0)
    assert [found(store, number) for number in range(1, 6)] == [[one.id] for one in made]


@pytest.mark.usefixtures("small")
def test_a_folder_that_cannot_be_written_costs_memory_not_answers(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file is here")
    store = FingerprintStore(folder=tmp_path / "index")
    made = [known(number) for number in range(1, 6)]
    store.refreshed(now=0)
    assert [found(store, number) for number in range(1, 6)] == [[one.id] for one in made]


def test_rows_that_say_nothing_are_known_and_not_read_again(tmp_path: Path) -> None:
    store = FingerprintStore(folder=tmp_path / "index")
    FingerprintSlice.objects.create(variant=rows.variant(1), items=b"short")
    known(2)
    store.refreshed(now=0)
    store.refreshed(now=61)
    assert len(store.refreshed(now=122)) == 1
