"""`./slskdn run NAME`: one process alone, as a container runs it. The supervisor starts the same command lines."""

from __future__ import annotations

import argparse
import os

SUMMARY = "Run one process alone: web, worker, beat, node or flower (containers, debugging)."


def register(parser: argparse.ArgumentParser) -> None:
    """The process's name."""
    parser.add_argument("name", metavar="web|worker|beat|node|flower")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Become that process."""
    from slskdn_site.config import data_dir, load_config
    from slskdn_site.data_folder import data_folder_prepare
    from slskdn_site.processes import process_command, process_environment

    command = process_command(args.name, config=load_config())
    data_folder_prepare(data_dir())
    os.environ.update(process_environment(args.name))
    os.execv(command[0], command)  # noqa: S606
