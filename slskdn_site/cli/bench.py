"""`./slskdn bench …`: measurements that are too heavy for the tests.

Each bench is a module of `slskdn_site.bench` with `SUMMARY` and `register(parser)`, like a command; what it needs is imported when it runs. Modules
without these two are parts of one.
"""

from __future__ import annotations

import argparse
import importlib
from importlib.util import find_spec
from typing import Final

SUMMARY = "Measure: the transport beside other programs, the scheduler, session traces, reading the library, transcode detection, a large library, many jobs, a large expansion, a large share."
BENCHES: Final = (
    "transport",
    "scheduler",
    "trace",
    "scan",
    "transcode",
    "library",
    "jobs",
    "expand",
    "index",
    "shares",
)
"""modules of slskdn_site.bench, in the order of the help; one that is not there is left out"""


def register(parser: argparse.ArgumentParser) -> None:
    """What can be measured."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="WHAT")
    for name in BENCHES:
        if find_spec(f"slskdn_site.bench.{name}") is None:
            continue
        bench = importlib.import_module(f"slskdn_site.bench.{name}")
        bench.register(commands.add_parser(name, help=bench.SUMMARY))
