"""Rows of the library: what is on disk (`files`), how it was read (`scans`), what it is (`identity`), how good it is among its kind (`canonical`),
what is wrong with it (`issues`), what was taken away (`trash`), and what got another name (`renames`).
"""

from __future__ import annotations

from apps.library.models.canonical import CanonicalDirty, CanonicalStats, DuplicateKey, TrackStats
from apps.library.models.files import AudioFile, AudioVariant, FingerprintSlice, LibraryRoot, VariantEvidence
from apps.library.models.identity import AcoustidAnswer, FolderMatch, FolderWord, Identification, SameSound
from apps.library.models.issues import (
    DoctorScan,
    IssueCount,
    IssueDay,
    IssueTally,
    IssueWord,
    LibraryIssue,
    LibraryMeasure,
)
from apps.library.models.renames import FileMove, LibraryRenaming
from apps.library.models.scans import LibraryScan
from apps.library.models.trash import TrashedFile

__all__ = [
    "AcoustidAnswer",
    "AudioFile",
    "AudioVariant",
    "CanonicalDirty",
    "CanonicalStats",
    "DoctorScan",
    "DuplicateKey",
    "FileMove",
    "FingerprintSlice",
    "FolderMatch",
    "FolderWord",
    "Identification",
    "IssueCount",
    "IssueDay",
    "IssueTally",
    "IssueWord",
    "LibraryIssue",
    "LibraryMeasure",
    "LibraryRenaming",
    "LibraryRoot",
    "LibraryScan",
    "SameSound",
    "TrackStats",
    "TrashedFile",
    "VariantEvidence",
]
