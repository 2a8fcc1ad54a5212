"""A labelled corpus: its manifest, which files each class is compared with, and the statistics. Pure but for reading the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.special import betaincinv  # type: ignore[import-untyped]

from apps.domain.errors import DomainError

MANIFEST: Final = "manifest.jsonl"
MAX_LINES: Final = 200_000
_LABELS: Final = ("genuine", "transcode", "upscale", "lossy")
_PLAIN: Final = ("neg_plain", "bd_genuine", "hr_genuine")
_HARD: Final = ("neg_hard", "neg_proc", "neg_loud", "neg_resamp", "x_up48")
_RESAMPLED_TO_48: Final = "x_up48"
"""48 kHz from 44.1: nothing lossy, and too small a step to call it an upsampled rate; counts as a hard negative."""


class CorpusError(DomainError):
    """`corpus_missing`, `corpus_manifest_invalid`, `corpus_file_missing`, `corpus_empty`."""

    default_code = "corpus_manifest_invalid"


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One line of the manifest."""

    path: str
    """Relative to the corpus."""
    label: str
    cls: str
    variant: str
    codec: str = ""
    hires: str = ""
    bitdepth: str = ""

    @property
    def fake(self) -> bool:
        """Lossless, but not what it states."""
        return self.bitdepth == "fake" or (self.hires == "upsampled" and self.cls != _RESAMPLED_TO_48)

    @property
    def genuine(self) -> bool:
        """Never lossy, and what it states."""
        return self.label == "genuine" and not self.fake


@dataclass(frozen=True, slots=True)
class Judged:
    """A file and the verdict on it."""

    file: CorpusFile
    suspect: bool | None
    code: str
    score: float
    measures: dict[str, float]
    """origin, upscale, upsampled, depth: each divided by its own bar; what was not measured is 0."""


def read_corpus(folder: Path, *, only: str | None = None) -> list[CorpusFile]:
    """The manifest's files, all of which are there. Raises CorpusError."""
    manifest = folder / MANIFEST
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise CorpusError(f"{folder} has no {MANIFEST}.", code="corpus_missing") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{manifest} can't be read: {error}.", code="corpus_missing") from error
    if len(lines) > MAX_LINES:
        raise CorpusError(f"{manifest} has more than {MAX_LINES} lines.")
    files = [_read_line(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    files = [one for one in files if not only or only in one.path]
    if not files:
        raise CorpusError(f"{manifest} names no files.", code="corpus_empty")
    missing = [one.path for one in files if not (folder / one.path).is_file()]
    if missing:
        raise CorpusError(
            f"{len(missing)} of {len(files)} files are not there, {missing[0]} for one.",
            code="corpus_file_missing",
            missing=len(missing),
        )
    return files


def _read_line(line: str, number: int) -> CorpusFile:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise CorpusError(f"Line {number} of the manifest is not JSON: {error}.", line=number) from error
    if not isinstance(row, dict):
        raise CorpusError(f"Line {number} of the manifest is not an object.", line=number)
    needed = {name: row.get(name) for name in ("file", "label", "cls", "variant")}
    wrong = [name for name, value in needed.items() if not isinstance(value, str) or not value]
    optional = {name: row.get(name) or "" for name in ("codec", "hires", "bitdepth")}
    wrong += [name for name, value in optional.items() if not isinstance(value, str)]
    if wrong:
        raise CorpusError(f"Line {number} of the manifest: {', '.join(wrong)} is missing or no text.", line=number)
    if row["label"] not in _LABELS:
        raise CorpusError(f"Line {number} of the manifest: no such label as {row['label']!r}.", line=number)
    return CorpusFile(row["file"], row["label"], row["cls"], row["variant"], **optional)


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float | None:
    """Chance that a positive scores above a negative, ties counted half (Mann-Whitney); None without both."""
    if not positives or not negatives:
        return None
    ordered = np.sort(np.asarray(negatives, dtype=np.float64))
    below = np.searchsorted(ordered, positives, side="left")
    upto = np.searchsorted(ordered, positives, side="right")
    return float((below + upto).mean() / 2 / len(ordered))


def upper_bound_95(events: int, n: int) -> float | None:
    """One-sided 95 % upper bound of a share (Clopper-Pearson); None without trials."""
    if n == 0:
        return None
    return 1.0 if events == n else float(betaincinv(events + 1, n - events, 0.95))


def class_rows(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """name, n, auroc, tpr, named (share with the right family; None where that means nothing), measure, against, against_n."""
    genuine = [one for one in judged if one.file.genuine]
    rows = [
        _row(name, some, genuine, measure="score", against="all genuine", right=_origin_named)
        for name, some in _grouped(judged, lambda one: one.file.cls if one.file.label == "transcode" else "")
    ]
    for name, some in _grouped(judged, lambda one: one.file.variant if one.file.label == "upscale" else ""):
        target = "mp3_" + some[0].file.codec.rpartition(">")[2]
        same = [one for one in judged if one.file.label == "lossy" and one.file.codec == target]
        rows.append(_row(name, some, same, measure="upscale", against=f"{target} from lossless", right="mp3_upscaled"))
    high = [one for one in genuine if one.file.hires == "genuine"]
    for name, some in _grouped(judged, lambda one: one.file.variant if _is_fake(one, "hires") else ""):
        rows.append(_row(name, some, high, measure="upsampled", against="genuine high rates", right="upsampled"))
    deep = [one for one in genuine if one.file.cls in ("bd_genuine", "hr_genuine")]
    for name, some in _grouped(judged, lambda one: one.file.variant if _is_fake(one, "bitdepth") else ""):
        rows.append(_row(name, some, deep, measure="depth", against="genuine 24 bits", right="padded_depth"))
    return rows


def genuine_row(judged: Sequence[Judged]) -> dict[str, Any]:
    """False positives of any kind. Encodings of the same samples again (`samepcm`) are no further trials and stay out of n."""
    plain = [one for one in judged if one.file.genuine and one.file.cls in _PLAIN]
    hard = [one for one in judged if one.file.genuine and one.file.cls in _HARD]
    flagged = [one for one in judged if one.file.genuine and one.suspect]
    false_plain, false_hard = (sum(1 for one in some if one.suspect) for some in (plain, hard))
    return {
        "plain_fpr": _share(false_plain, len(plain)),
        "plain_n": len(plain),
        "plain_upper_95": upper_bound_95(false_plain, len(plain)),
        "hard_fpr": _share(false_hard, len(hard)),
        "hard_n": len(hard),
        "highest_score": max((one.score for one in judged if one.file.genuine), default=None),
        "flagged": sorted(one.file.path for one in flagged),
    }


def _row(
    name: str,
    some: Sequence[Judged],
    negatives: Sequence[Judged],
    *,
    measure: str,
    against: str,
    right: str | Callable[[Judged], bool],
) -> dict[str, Any]:
    def value(one: Judged) -> float:
        return one.score if measure == "score" else one.measures[measure]

    if isinstance(right, str):
        found, named = [one.suspect is True and one.measures[measure] >= 1 for one in some], None
    else:
        found = [one.suspect is True and one.code.endswith("_origin") for one in some]
        named = sum(map(right, some)) / len(some)
    return {
        "name": name,
        "n": len(some),
        "auroc": auroc([value(one) for one in some], [value(one) for one in negatives]),
        "tpr": sum(found) / len(some),
        "named": named,
        "lowest": min(value(one) for one in some),
        "highest_against": max((value(one) for one in negatives), default=None),
        "measure": measure,
        "against": against,
        "against_n": len(negatives),
    }


def _grouped(judged: Iterable[Judged], key: Callable[[Judged], str]) -> list[tuple[str, list[Judged]]]:
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        if name := key(one):
            groups.setdefault(name, []).append(one)
    return sorted(groups.items())


def _is_fake(one: Judged, what: str) -> bool:
    value = one.file.hires == "upsampled" if what == "hires" else one.file.bitdepth == "fake"
    return one.file.fake and value


def _origin_named(one: Judged) -> bool:
    return one.code == f"{one.file.codec.partition('_')[0]}_origin"


def _share(events: int, n: int) -> float | None:
    return events / n if n else None
