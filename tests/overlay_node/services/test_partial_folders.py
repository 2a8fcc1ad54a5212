"""Folders of transfers that ended."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path

import pytest

from overlay_node.services.partial_folders import discard_folder, sweep_folders
from overlay_node.store.memory_store import MemoryStore


def folder_in(root: Path) -> Path:
    made = root / str(uuid.uuid4())
    made.mkdir()
    (made / "audio.flac").write_bytes(b"x")
    return made


def test_a_folder_is_deleted_and_one_that_is_gone_is_fine(tmp_path: Path) -> None:
    made = folder_in(tmp_path)
    assert asyncio.run(discard_folder(made))
    assert not made.exists()
    assert asyncio.run(discard_folder(made))


def test_what_was_written_behind_the_deletions_back_is_told_and_goes_with_the_next_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, kept, real = folder_in(tmp_path), tmp_path / "no id of a transfer", shutil.rmtree
    kept.mkdir()

    def rmtree(path: Path, *, ignore_errors: bool) -> None:
        real(path, ignore_errors=ignore_errors)
        path.mkdir()  # a runner that saves its hint at this moment

    async def sweep() -> bool:
        return await sweep_folders(tmp_path, store=MemoryStore(), in_use=lambda _: False)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", rmtree)
        assert not asyncio.run(sweep())
    assert made.exists()
    assert asyncio.run(sweep())
    assert list(tmp_path.iterdir()) == [kept]


def test_a_folder_in_use_stays(tmp_path: Path) -> None:
    made = folder_in(tmp_path)
    assert asyncio.run(sweep_folders(tmp_path, store=MemoryStore(), in_use=lambda _: True))
    assert made.exists()
