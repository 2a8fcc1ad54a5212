"""`./slskdn users …`: people of the Soulseek network."""

from __future__ import annotations

import argparse

from slskdn_site.cli import _user_files, _user_rules

SUMMARY = "People of the Soulseek network: what is known of them, their files, rules about them."


def register(parser: argparse.ArgumentParser) -> None:
    """What can be done."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Buddies, the ignored, the banned, upload groups."
    _user_rules.register(commands.add_parser("rules", help=words, description=words))
    words = "Users of whom something was heard, the last first."
    _user_files.register_list(commands.add_parser("list", help=words, description=words))
    words = "What is known of a user, and what was exchanged."
    _user_files.register_show(commands.add_parser("show", help=words, description=words))
    words = "Somebody's list of files: kept, or asked for (at most a minute)."
    _user_files.register_browse(commands.add_parser("browse", help=words, description=words))
    words = "Download a folder of the list that was browsed, or files of it; raw, below the downloads folder."
    _user_files.register_download(commands.add_parser("download", help=words, description=words))
