"""Finds the module of a command, runs it, and turns errors into a sentence and an exit status.

Exit status: what the command returns; 1 for a DomainError, 2 for a wrong configuration or command line, 130 after Ctrl-C.
Imports stay inside functions: `up` reaches the supervisor without loading Django.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from apps.domain.errors import DomainError

# Order of `./slskdn help`; commands that are not named here follow in alphabetical order.
ORDER = (
    "demo",
    "up",
    "test",
    "jobs",
    "library",
    "doctor",
    "soulseek",
    "mesh",
    "swarm",
    "keys",
    "config",
    "debug",
    "verify",
    "bench",
    "lab",
    "lock",
    "manage",
    "run",
    "health",
    "prepare",
)
NOT_COMMANDS = {"main"}


def command_names() -> list[str]:
    """Every command there is: the modules of this package."""
    found = {path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")} - NOT_COMMANDS
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


def main(argv: Sequence[str]) -> int:
    """Run one command; its exit status."""
    if not argv or argv[0] in {"help", "-h", "--help"}:
        if len(argv) < 2:
            print(help_text())
            return 0
        argv = [argv[1], "--help"]
    name, *rest = argv
    if name not in command_names():
        print(f"slskdn: there is no command {name!r}. `./slskdn help` lists them.", file=sys.stderr)
        return 2
    try:
        module = importlib.import_module(f"slskdn_site.cli.{name}")
        parser = argparse.ArgumentParser(prog=f"slskdn {name}", description=module.SUMMARY)
        module.register(parser)
        args, args_passed_on = parser.parse_known_args(rest)
        if args_passed_on and not getattr(module, "PASSES_ON", False):
            parser.error(f"unknown arguments: {' '.join(args_passed_on)}")
        args.passed_on = args_passed_on
        status: int = args.run(args)
    except DomainError as error:
        print(f"slskdn: {error.sentence} [{error.code}]", file=sys.stderr)
        return 2 if error.code == "config_invalid" else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has gone (`… | head`). Standard output must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    return status


def help_text() -> str:
    """One line for each command."""
    lines = [
        "slskdn: music by MusicBrainz id, from Soulseek and a mesh of its own kind.",
        "",
        "  ./slskdn COMMAND …",
        "",
    ]
    for name in command_names():
        summary: str = importlib.import_module(f"slskdn_site.cli.{name}").SUMMARY
        lines.append(f"  {name:<9} {summary}")
    lines += ["  help      This list; `./slskdn help COMMAND` says more about one of them."]
    lines += ["", "The data folder is ~/.local/share/slskdn, or what SLSKDN_DATA or `up --data DIR` names."]
    return "\n".join(lines)


def logs_to_stderr() -> None:
    """A command's standard output is its answer, and with --json nothing else: what is logged meanwhile goes beside it."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


def logs_quiet() -> None:
    """A command that says by itself what it did repeats nothing of it as a line of the log; warnings stay, and so does what SLSKDN_LOG_LEVEL asks for."""
    if "SLSKDN_LOG_LEVEL" in os.environ:
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr):
            handler.setLevel(logging.WARNING)


def django_setup() -> None:
    """Make models and services importable, on the configured data folder. Raises ConfigError for a wrong configuration."""
    from slskdn_site.config import data_dir, load_config
    from slskdn_site.data_folder import data_folder_prepare
    from slskdn_site.settled import loading

    load_config()
    data_folder_prepare(data_dir())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    with loading():
        django.setup()
    logs_to_stderr()
