"""`./slskdn prepare`: checks, migrations, first user. `up` does it by itself; containers run it once before the others."""

from __future__ import annotations

import argparse

SUMMARY = "Check the settings, back up and migrate the database, create the first user (up does this itself)."


def register(parser: argparse.ArgumentParser) -> None:
    """No arguments."""
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Prepare."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from slskdn_site.prepare import prepare

    prepare()
    return 0
