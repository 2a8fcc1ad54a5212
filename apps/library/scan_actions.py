"""What a person can do about scans, by name and by path: the same for API, pages and terminal."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from apps.library.models import LibraryRoot
from apps.library.selectors import root_containing
from apps.library.selectors_scan import ScanView
from apps.library.services_scan import ScanRefused, scan_cancel, scan_create, scan_pause, scan_resume

SCAN_ACTIONS: Final[Mapping[str, Callable[[uuid.UUID], ScanView]]] = {
    "pause": scan_pause,
    "resume": scan_resume,
    "cancel": scan_cancel,
}


def scan_begin(path: bytes = b"", *, believe: bool = False) -> list[ScanView]:
    """Scan the folder at `path` (a root or inside one, absolute), or without one every root that is scanned. Raises ScanRefused
    (`scan_path_outside`, `scan_root_unknown`: there is no folder to scan)."""
    if not path:
        roots = LibraryRoot.objects.filter(scanned=True).order_by("id").values_list("id", flat=True)
        if not roots:
            raise ScanRefused("There is no folder to scan.", code="scan_root_unknown")
        return [scan_create(root_id, believe=believe) for root_id in roots]
    folder = Path(os.path.normpath(os.fsdecode(path)))
    found = root_containing(folder)
    if found is None:
        raise ScanRefused("This path is in no folder of the library.", code="scan_path_outside")
    root_id, root = found
    below = b"" if folder == root else os.fsencode(folder.relative_to(root))
    return [scan_create(root_id, below=below, believe=believe)]
