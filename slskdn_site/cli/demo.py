"""`./slskdn demo`: the main job on a loopback network, for real."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

SUMMARY = "Run the main job for real on a loopback network of its own; leaves an album on disk."


def register(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument(
        "--json", action="store_true", help="print one report as JSON at the end, everything else to standard error"
    )
    parser.add_argument("--keep", action="store_true", help="leave it running afterwards; prints address and password")
    parser.add_argument(
        "--soulseek",
        action="store_true",
        help="with a Soulseek server and two of its users: part of the album comes from there",
    )
    parser.add_argument(
        "--size", choices=["small", "full"], default="full", help="length of the made tracks (default: full)"
    )
    parser.add_argument(
        "--mb-release", metavar="ID", help="ask for this release instead (its answers must be in --fixtures)"
    )
    parser.add_argument(
        "--music", metavar="DIR", type=Path, help="a folder of your own tagged FLAC and MP3 instead of made music"
    )
    parser.add_argument(
        "--fixtures", metavar="DIR", type=Path, help="further recorded MusicBrainz and AcoustID answers"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="where the demonstration lives (default: a new folder under ~/.local/share/slskdn-demo)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Give the demonstration."""
    from slskdn_site.demo.run import DemoOptions, demo_run

    base = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "slskdn-demo"
    folder = args.data or base / time.strftime("%Y%m%d-%H%M%S")
    return demo_run(
        DemoOptions(
            folder=folder.expanduser().absolute(),
            size=args.size,
            music=args.music.expanduser().absolute() if args.music else None,
            fixtures=args.fixtures.expanduser().absolute() if args.fixtures else None,
            release=args.mb_release,
            json_report=args.json,
            keep=args.keep,
            soulseek=args.soulseek,
        )
    )
