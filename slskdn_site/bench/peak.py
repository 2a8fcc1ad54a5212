"""The most memory that this process ever held."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Highest resident memory of this program since it began, in bytes.

    Linux: VmHWM. Not `ru_maxrss`, which a program that was started by fork and exec inherits of who started it: a small child of a large process
    would tell the large one's. It is taken only where there is no /proc (macOS counts it in bytes).
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
