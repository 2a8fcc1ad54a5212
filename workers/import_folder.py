"""Task: import a folder into the library, a few minutes at a time."""

from __future__ import annotations

import os
from pathlib import Path

from celery import shared_task

from apps.common.dispatch import TaskName, enqueue
from workers.import_library import ImportWish, import_folder_step

STEP_S = 120.0
"""Tasks have five minutes; one slow file may take half of that."""


@shared_task(name=TaskName.IMPORT_FOLDER.value)
def import_folder(folder: str, recording: str = "", release: str = "", after_hex: str = "") -> None:
    """`after_hex`: the last path that was dealt with. Sends itself on until the folder is through."""
    wish = ImportWish.of_text(recording=recording, release=release)
    done = import_folder_step(Path(os.path.abspath(folder)), wish=wish, after=bytes.fromhex(after_hex), budget_s=STEP_S)  # noqa: PTH100
    if done.next_after is not None:
        enqueue(TaskName.IMPORT_FOLDER, folder, recording, release, done.next_after.hex())
