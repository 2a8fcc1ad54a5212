"""Rows of the library: what is on disk (`files`), how it was read (`scans`), what it is (`identity`), how good it is among its kind (`canonical`),
what is wrong with it (`issues`), and what was taken away (`trash`).
"""

from __future__ import annotations

from apps.library.models.canonical import CanonicalDirty, CanonicalStats, TrackStats
from apps.library.models.files import AudioFile, AudioVariant, FingerprintSlice, LibraryRoot, VariantEvidence
from apps.library.models.identity import AcoustidAnswer, FolderMatch, Identification, SameSound
from apps.library.models.issues import DoctorScan, IssueCount, IssueDay, IssueTally, LibraryIssue, LibraryMeasure
from apps.library.models.scans import LibraryScan
from apps.library.models.trash import TrashedFile

__all__ = [
    "AcoustidAnswer",
    "AudioFile",
    "AudioVariant",
    "CanonicalDirty",
    "CanonicalStats",
    "DoctorScan",
    "FingerprintSlice",
    "FolderMatch",
    "Identification",
    "IssueCount",
    "IssueDay",
    "IssueTally",
    "LibraryIssue",
    "LibraryMeasure",
    "LibraryRoot",
    "LibraryScan",
    "SameSound",
    "TrackStats",
    "TrashedFile",
    "VariantEvidence",
]
