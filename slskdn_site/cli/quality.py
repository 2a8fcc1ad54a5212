"""`./slskdn quality …`: how good a file is and why, with a picture of the evidence; scores counted anew."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.domain.audio.picture import Chart
    from apps.domain.audio.quality import QualityScore

SUMMARY = "How good files are and why; a picture of the evidence; scores counted anew."


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Decode and analyse one file now, and tell its quality with every term. The file may be anywhere; nothing is written but the picture."
    show = commands.add_parser("show", help=what, description=what)
    show.add_argument("path", metavar="PATH")
    show.add_argument("--png", metavar="FILE", help="draw spectrum and codec grid into this new file")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)
    what = "Score the library's files below a folder (or one file) anew, from what was measured of them."
    recompute = commands.add_parser("recompute", help=what, description=what)
    recompute.add_argument("path", metavar="PATH")
    recompute.add_argument("--json", action="store_true", help="print JSON")
    recompute.set_defaults(run=_recompute)
    what = "Print files spread over the library with their scores and verdicts, to be checked by ear."
    sample = commands.add_parser("sample", help=what, description=what)
    sample.add_argument("count", metavar="N", type=int)
    sample.add_argument("--json", action="store_true", help="print JSON, a line a file")
    sample.set_defaults(run=_sample)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _show(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.sentences import sentence
    from apps.domain.audio.picture import charts_of
    from apps.domain.audio.quality import quality_score
    from workers.gateways.analysis import AnalysisWish, analyse_file
    from workers.sound_facts import quality_facts

    path = Path(args.path).expanduser()
    if args.png and Path(args.png).exists():
        print(f"slskdn: {args.png} exists; name a new file.", file=sys.stderr)
        return 1
    made = analyse_file(path, wish=AnalysisWish(fingerprint=False, sound=True))
    sound = made.sound
    if sound is None:
        print("slskdn: this file's sound can't be analysed.", file=sys.stderr)
        return 1
    score = quality_score(quality_facts(made.decoded, sound))
    verdicts, curves = sound.evidence()
    if args.json:
        print(
            json.dumps(
                {"path": str(path), "profile": str(made.decoded.profile), **score.to_json(), "verdicts": verdicts}
            )
        )
    else:
        print(f"{path}\n{made.decoded.profile}  quality {score.score:.2f}")
        for line in _term_lines(score):
            print(f"  {line}")
        print(f"  {sentence(sound.transcode.code)}  (score {sound.transcode.score:.2f}; 1 is the bar)")
        figures = (
            ("loudness", sound.loudness_lufs, "LUFS"), ("range", sound.loudness_range_lu, "LU"), ("dynamics", sound.dynamic_range, "DR"),
            ("true peak", sound.true_peak_dbtp, "dBTP"), ("clipped", float(sound.clipped_ppm), "ppm"),
            ("upper edge", float(sound.bandwidth_hz) if sound.bandwidth_hz else None, "Hz"),
        )  # fmt: skip
        print("  " + ", ".join(f"{name} {value:.1f} {unit}" for name, value, unit in figures if value is not None))
    if args.png:
        charts = charts_of(
            curves, rate_hz=made.decoded.rate, bandwidth_hz=sound.bandwidth_hz, evidence=dict(sound.transcode.evidence)
        )
        _draw(
            Path(args.png),
            charts,
            title=path.name,
            verdict=f"{made.decoded.profile}, quality {score.score:.2f}. {sentence(sound.transcode.code)}",
        )
    return 0


def _draw(target: Path, charts: tuple[Chart, ...], *, title: str, verdict: str) -> None:
    from workers.gateways.picture import picture_write

    picture_write(target.expanduser(), charts, title=title, verdict=verdict)


def _term_lines(score: QualityScore) -> list[str]:
    from apps.common.sentences import sentence
    from apps.domain.library.canonical_words import QUALITY_WORDS

    return [
        f"{QUALITY_WORDS.get(one.name, one.name):<15} {100 * one.points:+6.1f} of {100 * one.weight:+.0f}  {sentence(one.code)}"
        for one in score.terms
    ]


def _recompute(args: argparse.Namespace) -> int:
    """Exit status 1 when the library knows no file there."""
    _ready()
    from apps.library.selectors_file import variants_below
    from apps.library.services_canonical import variant_scored

    text = os.path.abspath(Path(args.path).expanduser())  # noqa: PTH100  (links stay as the library has them)
    scored = suspects = 0
    total = 0.0
    for variant_id in variants_below(text):
        made = variant_scored(variant_id)
        if made is not None:
            scored += 1
            total += made.score
            suspects += any(one.name == "transcode" for one in made.terms)
    mean = round(total / scored, 4) if scored else None
    if args.json:
        print(json.dumps({"scored": scored, "mean_score": mean, "suspects": suspects}))
    elif scored:
        print(f"{scored} variant(s) scored; mean {mean:.2f}; {suspects} with evidence of a lossy origin.")
    else:
        print("The library has no read file there.")
    return 0 if scored else 1


def _sample(args: argparse.Namespace) -> int:
    _ready()
    from apps.library.selectors_file import quality_sample

    for one in quality_sample(max(1, min(args.count, 10_000))):
        if args.json:
            print(json.dumps(dataclasses.asdict(one)))
            continue
        score = f"{one.score:.2f}" if one.score is not None else "  – "
        word = {True: "suspect", False: "-", None: "?"}[one.suspect]
        print(f"{score}  {word:<8} {one.verdict or 'not analysed':<18} {one.profile:<18} {one.path}")
    return 0
