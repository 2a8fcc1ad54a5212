"""`./slskdn soulseek …`: how the session stands and why; connect, disconnect, away; the password. The same services as the API."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from slskdn_site.cli._answers import answer_print
from slskdn_site.cli.main import django_setup

SUMMARY = "The session with the Soulseek server: how it stands and why, connect, disconnect, away, set the password."
POLL_S: Final = 0.1


def register(parser: argparse.ArgumentParser) -> None:
    """status, connect, disconnect, away; each with --json; password."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "How the session stands and why; exit status 1 when it is wanted and unavailable."
    command = commands.add_parser("status", help=words, description=words)
    command.add_argument("--events", type=int, default=5, help="how many things that happened are listed (default 5)")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.set_defaults(run=status)
    for name, run, words in (
        ("connect", connect, "Connect, or connect again: after a refusal, a kick, a new password."),
        ("disconnect", disconnect, "End the session; nothing connects until you want it."),
        ("away", away, "Be shown to others as away."),
    ):
        command = commands.add_parser(name, help=words, description=words)
        if name == "away":
            command.add_argument("--back", action="store_true", help="be shown as online again")
        command.add_argument("--wait", type=float, default=10.0, help="seconds for what comes of it (default 10)")
        command.add_argument("--json", action="store_true", help="one JSON object instead of text")
        command.set_defaults(run=run)
    words = (
        "Set the password: asked for, or the first line of standard input. Kept in a file that only its owner can read."
    )
    command = commands.add_parser("password", help=words, description=words)
    command.set_defaults(run=password)


def status(args: argparse.Namespace) -> int:
    """How it stands."""
    django_setup()
    return _show(args, events=max(0, args.events))


def connect(args: argparse.Namespace) -> int:
    """Connect, and say what came of it."""
    django_setup()
    from apps.soulseek.services_session import session_connect

    before = _stamp()
    session_connect()
    _wait(args.wait, lambda: _stamp() != before and _settled())
    return _show(args, events=0)


def disconnect(args: argparse.Namespace) -> int:
    """Disconnect."""
    django_setup()
    from apps.soulseek.selectors_session import session_glance
    from apps.soulseek.services_session import session_disconnect

    session_disconnect()
    _wait(args.wait, lambda: not session_glance().online)
    _show(args, events=0)
    return 0


def away(args: argparse.Namespace) -> int:
    """Away, or back."""
    django_setup()
    from apps.soulseek.selectors_session import session_glance
    from apps.soulseek.services_session import session_away

    session_away(away=not args.back)
    _wait(args.wait, lambda: not session_glance().online or session_glance().away is not args.back)
    _show(args, events=0)
    return 0


def password(_args: argparse.Namespace) -> int:
    """Read it, keep it, have the node connect with it."""
    from slskdn_site.config import data_dir, load_config
    from slskdn_site.soulseek_password import password_write

    if sys.stdin.isatty():
        given = getpass.getpass("Soulseek password: ")
        if given != getpass.getpass("Again: "):
            print("slskdn: these are not the same.", file=sys.stderr)
            return 1
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    path = password_write(given, data_dir())
    print(f"Kept in {path}.")
    section = load_config().soulseek
    if section.password:
        print("But soulseek.password is configured too, and comes first: take it away there.", file=sys.stderr)
    if not section.username:
        print("Now write your name into slskdn.yml: soulseek.username.", file=sys.stderr)
        return 0
    if _connect_again():
        print("The node connects with it.")
    return 0


def _connect_again() -> bool:
    """Before the first start there are no rows to write into; the node reads the new password then anyway."""
    django_setup()
    from django.db import DatabaseError

    from apps.nodelink.selectors_status import NodePresence, node_glance
    from apps.soulseek.selectors_session import session_glance
    from apps.soulseek.services_session import session_connect

    try:
        if node_glance().presence is not NodePresence.ALIVE or not session_glance().wanted:
            return False
        session_connect()
    except DatabaseError:
        return False
    return True


def _stamp() -> datetime | None:
    from apps.soulseek.selectors_session import session_glance

    return session_glance().updated_at


def _settled() -> bool:
    from apps.soulseek.selectors_session import session_glance

    return session_glance().phase in ("online", "stopped", "idle")


def _wait(seconds: float, condition: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not condition():
        time.sleep(POLL_S)


def _show(args: argparse.Namespace, *, events: int) -> int:
    from apps.common.sentences import sentence
    from apps.soulseek.selectors_session import session_events, session_glance

    glance = session_glance()
    rows = session_events(limit=events) if events else []
    answer = {
        "health": glance.health,
        "phase": glance.phase,
        "code": glance.code,
        "params": dict(glance.params),
        "sentence": str(sentence(glance.code, glance.params)),
        "mode": glance.mode,
        "acting": glance.acting,
        "wanted": glance.wanted,
        "away": glance.away,
        "username": glance.username,
        "server": glance.server,
        "address": glance.address,
        "listening_port": glance.listening_port,
        "since": _iso(glance.since),
        "retry_at": _iso(glance.retry_at),
        "searches": {
            "used": glance.budget.used,
            "most": glance.budget.most,
            "window_s": glance.budget.window_s,
            "waiting": glance.budget.waiting,
            "running": glance.budget.running,
            "next_at": _iso(glance.budget.next_at),
        },
        "shared": {"files": glance.shared_files, "folders": glance.shared_folders},
        "uploads": {"running": glance.uploads_running, "waiting": glance.uploads_waiting},
        "events": [
            {"kind": row.kind, "code": row.code, "params": dict(row.params), "at": _iso(row.at)} for row in rows
        ],
    }
    budget = glance.budget
    lines = [f"Soulseek is {glance.health} ({glance.phase}{', away' if glance.away else ''})."]
    if glance.code:
        lines.append(str(sentence(glance.code, glance.params)))
    if glance.retry_at is not None:
        lines.append(f"Next attempt: {_iso(glance.retry_at)}.")
    if glance.online:
        port = f"port {glance.listening_port}" if glance.listening_port else "no port for others"
        lines.append(f"{glance.username} at {glance.server} since {_iso(glance.since)}, {port}.")
    if glance.acting != glance.mode:
        lines.append(f"Mode {glance.mode} acts as {glance.acting}.")
    lines.append(f"Searches: {budget.used} of {budget.most} within {budget.window_s} s, {budget.waiting} waiting.")
    for row in rows:
        said = row.params.get("text") if row.kind == "server_said" else sentence(row.code, row.params)
        lines.append(f"{_iso(row.at)}  {row.kind:12}  {said}")
    answer_print(args, answer, lines)
    return 1 if glance.health == "unavailable" else 0


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None
