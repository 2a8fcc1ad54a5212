"""`./slskdn manage`: Django's own commands on the configured data folder."""

from __future__ import annotations

import argparse

SUMMARY = "Run one of Django's own commands (shell, createsuperuser, changepassword, …)."


def register(parser: argparse.ArgumentParser) -> None:
    """Everything after `manage` is Django's."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="as for manage.py; `help` lists the commands")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand over to Django."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["slskdn manage", *args.arguments])
    return 0
