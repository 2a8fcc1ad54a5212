"""Running the analysis over a corpus: processes, CPU time, the lines of `--scores`."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from apps.domain.audio.analysis import Block
from apps.domain.audio.segments import SegmentChooser
from apps.domain.audio.transcode import TranscodeFacts, examine
from apps.domain.errors import DomainError
from slskdn_site.bench.transcode_corpus import CorpusError, CorpusFile, Judged, class_rows, genuine_row
from workers.gateways.analysis import AnalysisWish, analyse_file
from workers.gateways.decoders import BlockHook

TIMED_FILES: Final = 24
"""Files, spread over the corpus, of which the verdict alone is timed."""
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MEASURES: Final = {
    "origin": "origin_score",
    "upscale": "upscale_score",
    "upsampled": "upsampled_score",
    "depth": "depth_score",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a child says of one file."""

    suspect: bool | None
    code: str
    """The verdict's, or that of the error."""
    score: float
    evidence: dict[str, str | int | float | bool | None]
    cpu_s: float
    """Whole analysis, decode included."""
    verdict_cpu_s: float | None
    """Choosing segments and judging them; None: not timed."""
    failed: bool = False


class _Timed:
    """A chooser that knows the CPU it took, and remembers the rate."""

    def __init__(self) -> None:
        self.chooser: SegmentChooser | None = None
        self.cpu_s = 0.0

    def fresh(self) -> BlockHook:
        self.chooser, self.cpu_s = None, 0.0
        return self.hear

    def hear(self, block: Block, rate: int) -> None:
        began = time.process_time()
        if self.chooser is None:
            self.chooser = SegmentChooser(rate, block.shape[1])
        self.chooser.feed(block)
        self.cpu_s += time.process_time() - began


def judge(path: Path, *, timed: bool) -> Outcome:
    """The verdict of the workers' own analysis on one file. A file that can't be read has its error's code."""
    began = time.process_time()
    try:
        analysis = analyse_file(path, wish=AnalysisWish(fingerprint=False))
    except DomainError as error:
        return Outcome(None, error.code, 0.0, {}, time.process_time() - began, None, failed=True)
    cpu_s = time.process_time() - began
    assert analysis.sound is not None
    verdict = analysis.sound.transcode
    alone = _verdict_cpu_s(path, bits=analysis.decoded.bits) if timed else None
    return Outcome(verdict.suspect, verdict.code, verdict.score, dict(verdict.evidence), cpu_s, alone)


def transcode_bench(
    folder: Path, corpus: Sequence[CorpusFile], *, processes: int, scores: Path | None = None
) -> dict[str, Any]:
    """The report. Raises CorpusError if the scores can't be written."""
    every = -(-len(corpus) // TIMED_FILES)
    with _one_thread_each():
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            waiting = [pool.submit(judge, folder / one.path, timed=at % every == 0) for at, one in enumerate(corpus)]
            outcomes = [one.result() for one in waiting]
    pairs = list(zip(corpus, outcomes, strict=True))
    if scores is not None:
        _write_scores(scores, pairs)
    judged = [_judged(file, outcome) for file, outcome in pairs if not outcome.failed]
    read = [outcome for _, outcome in pairs if not outcome.failed]
    alone = [outcome.verdict_cpu_s for outcome in read if outcome.verdict_cpu_s is not None]
    return {
        "files": len(corpus),
        "classes": class_rows(judged),
        "genuine": genuine_row(judged),
        "too_little_signal": sum(1 for one in judged if one.suspect is None),
        "cpu_s_per_file": sum(alone) / len(alone) if alone else None,
        "timed_files": len(alone),
        "analysis_cpu_s_per_file": sum(one.cpu_s for one in read) / len(read) if read else None,
        "failed": [{"path": file.path, "code": outcome.code} for file, outcome in pairs if outcome.failed],
    }


def _judged(file: CorpusFile, outcome: Outcome) -> Judged:
    measures = {name: float(outcome.evidence.get(key) or 0.0) for name, key in _MEASURES.items()}
    return Judged(file, outcome.suspect, outcome.code, outcome.score, measures)


def _verdict_cpu_s(path: Path, *, bits: int) -> float:
    """CPU of choosing and judging alone, as for an unknown lossless file: every family is looked for."""
    from workers.gateways.audio import decode_test

    ears = _Timed()
    decode_test(path, listener=ears.fresh)
    if ears.chooser is None:
        return ears.cpu_s
    began = time.process_time()
    examine(ears.chooser.segments(), TranscodeFacts(codec=None, bits=bits))
    return ears.cpu_s + time.process_time() - began


def _write_scores(target: Path, pairs: Sequence[tuple[CorpusFile, Outcome]]) -> None:
    lines = [
        json.dumps(
            {
                "path": file.path,
                "label": file.label,
                "class": file.cls,
                "variant": file.variant,
                "verdict": "unreadable" if outcome.failed else outcome.code,
                "suspect": outcome.suspect,
                "score": outcome.score,
                "evidence": {"code": outcome.code} if outcome.failed else outcome.evidence,
            }
        )
        for file, outcome in pairs
    ]
    try:
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise CorpusError(f"The scores can't be written to {target}: {error}.", code="scores_unwritable") from error


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Children inherit one thread for linear algebra: CPU seconds are told per file, and processes are what makes it parallel."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
