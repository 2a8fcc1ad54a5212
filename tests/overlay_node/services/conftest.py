from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.overlay_node.services.mesh_world import MeshWorld


@pytest.fixture
def mesh() -> Iterator[MeshWorld]:
    folder = Path(tempfile.mkdtemp(prefix="mesh-"))  # a short path: a unix socket lives in it
    made = MeshWorld(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real FLAC files of some leaves each: noise, which doesn't compress."""
    folder = tmp_path_factory.mktemp("music")
    for name, seed in (("one", 1), ("two", 2)):
        noise = np.random.default_rng(seed).integers(-20000, 20000, size=(44100 * 12, 2), dtype=np.int16)
        soundfile.write(folder / f"{name}.flac", noise, 44100, subtype="PCM_16")
    return folder
