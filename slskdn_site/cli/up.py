"""`./slskdn up`: the platform itself."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

SUMMARY = "Start the platform and keep it running until Ctrl-C or SIGTERM."


def register(parser: argparse.ArgumentParser) -> None:
    """Arguments of `up`."""
    parser.add_argument("--data", metavar="DIR", help="data folder (instead of SLSKDN_DATA or ~/.local/share/slskdn)")
    parser.add_argument("--flower", action="store_true", help="also start Flower, the task monitor, behind a password")
    parser.add_argument("--quiet", action="store_true", help="keep the processes' lines in run/slskdn.log only")
    parser.add_argument(
        "--without",
        metavar="NAMES",
        default="",
        help="comma-separated processes not to start (web, worker, beat, node), for running them by hand",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Start the supervisor."""
    if args.data:
        os.environ["SLSKDN_DATA"] = str(Path(args.data).expanduser().absolute())
    from slskdn_site.supervise_platform import platform_run

    without = [name for name in str(args.without).split(",") if name]
    return platform_run(with_flower=args.flower, without=without, quiet=args.quiet)
