"""The recorded answers of real services, which lie beside the checkout: never in it, and not on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest


def recorded_folder() -> Path | None:
    """`shared/fixtures` beside this checkout, or beside a folder above it."""
    for parent in Path(__file__).resolve().parents[1:]:
        folder = parent / "shared" / "fixtures"
        if (folder / "index.json").is_file():
            return folder
    return None


needs_recorded = pytest.mark.skipif(
    recorded_folder() is None, reason="no recorded answers beside the checkout (../shared/fixtures)"
)
