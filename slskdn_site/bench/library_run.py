"""What `./slskdn bench library` fills and asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slskdn_site.bench.library_requests import requests
from slskdn_site.bench.library_rows import FILL, fill, settle
from slskdn_site.bench.pages_run import Subject

BAR_MS: Final = 300.0
BIG: Final = frozenset({
    "library_audiofile", "library_audiovariant", "library_identification", "library_libraryissue", "library_issuetally",
    "library_canonicalstats", "library_trackstats", "library_foldermatch", "library_folderword", "library_issueword",
    "library_trashedfile", "library_duplicatekey", "library_variantevidence", "library_fingerprintslice", "catalog_recording", "catalog_release",
})  # fmt: skip


def library(variants: int) -> Subject:
    """A library of so many variants."""
    return Subject(
        bars_ms={"postgresql": BAR_MS, "sqlite": BAR_MS},
        big=BIG,
        version=FILL,
        fill=_fill,
        settle=settle,
        requests=lambda _known: requests(variants=variants),
    )


def _fill(sizes: Mapping[str, int]) -> Mapping[str, str]:
    fill(variants=sizes["variants"], issues=sizes["issues"])
    return {}
