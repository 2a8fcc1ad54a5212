"""One worker at a time places files of a recording: of two jobs for one track the second sees what the first placed."""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from slskdn_site.config import data_dir


@contextmanager
def placing_turn(recording_mbid: uuid.UUID) -> Iterator[None]:
    """Wait for whoever places a file of this recording (some others share its lock). A worker that dies gives its turn up.

    A lock of the operating system, not a row: all workers are of one machine, and nothing is left behind by a kill.
    """
    folder = data_dir() / "placing"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{recording_mbid.hex[:2]}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
