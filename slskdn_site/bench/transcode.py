"""`./slskdn bench transcode`: how well lossy origin, upscales and padding are told from genuine sound. Options and table; `transcode_run` measures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUMMARY = "How well transcodes, upscales, upsampled and padded files are told from genuine ones, on a labelled corpus."
MAX_PROCESSES = 64


def register(parser: argparse.ArgumentParser) -> None:
    """Corpus and output."""
    parser.description = (
        "Runs the analysis of the daemon's own workers over every file of a corpus and compares the verdicts with its manifest.jsonl (one JSON object a "
        "line: piece, variant, file, label, cls; codec, hires and bitdepth where they apply). AUROC of the lossy-origin classes is taken against every "
        "genuine file, hard negatives included; upscales against the same codec setting from lossless, upsampled rates against genuine high rates, "
        "padded word lengths against genuine 24 bits."
    )
    parser.add_argument(
        "--corpus", type=Path, required=True, metavar="DIR", help="folder with manifest.jsonl and its files"
    )
    parser.add_argument(
        "--scores", type=Path, metavar="FILE", help="write a JSON line per file: path, label, verdict, score, evidence"
    )
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="files at a time (default: 2)")
    parser.add_argument("--only", metavar="TEXT", help="only files whose path holds this text")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print. 2: the corpus can't be read; 1: some of its files can't."""
    from apps.domain.errors import DomainError
    from slskdn_site.bench.transcode_corpus import read_corpus
    from slskdn_site.bench.transcode_run import transcode_bench

    if not 1 <= args.processes <= MAX_PROCESSES:
        print(f"slskdn: --processes is 1 to {MAX_PROCESSES}.", file=sys.stderr)
        return 2
    try:
        corpus = read_corpus(args.corpus, only=args.only)
        report = transcode_bench(args.corpus, corpus, processes=args.processes, scores=args.scores)
    except DomainError as error:
        print(f"slskdn: {error.sentence} ({error.code})", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=2) if args.json else transcode_table(report))
    return 1 if report["failed"] else 0


def transcode_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    lines = [f"{'class':28} {'n':>4} {'AUROC':>7} {'found':>6} {'named':>6}  against"]
    lines += [
        f"{one['name']:28} {one['n']:4} {_figure(one['auroc'], 4):>7} {_figure(one['tpr'], 3):>6} {_figure(one['named'], 3):>6}  "
        f"{one['against']} ({one['against_n']})"
        for one in report["classes"]
    ]
    genuine = report["genuine"]
    lines.append(
        f"plain genuine: {_figure(genuine['plain_fpr'], 4)} of {genuine['plain_n']} flagged (95 % upper bound "
        f"{_figure(genuine['plain_upper_95'], 4)}); hard negatives: {_figure(genuine['hard_fpr'], 4)} of {genuine['hard_n']}"
    )
    lines.append(
        f"CPU per file: {_figure(report['cpu_s_per_file'], 3)} s for the verdict ({report['timed_files']} files), "
        f"{_figure(report['analysis_cpu_s_per_file'], 3)} s for the whole analysis with its decode"
    )
    lines += [f"flagged though genuine: {path}" for path in genuine["flagged"]]
    lines += [f"can't be read: {one['path']} ({one['code']})" for one in report["failed"]]
    return "\n".join(lines)


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
