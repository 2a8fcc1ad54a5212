"""The command line: one module per command, with `SUMMARY` and `register(parser)`. Adding a command is adding a file."""

from __future__ import annotations
