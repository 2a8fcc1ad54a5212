"""`./slskdn users …`: people of the Soulseek network."""

from __future__ import annotations

import argparse

from slskdn_site.cli import _user_rules

SUMMARY = "People of the Soulseek network: rules about them."


def register(parser: argparse.ArgumentParser) -> None:
    """What can be done."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Buddies, the ignored, the banned, upload groups."
    _user_rules.register(commands.add_parser("rules", help=words, description=words))
