"""`./slskdn health NAME`: does this process work? For containers' health checks."""

from __future__ import annotations

import argparse
import os
import socket

SUMMARY = "Ask whether one process works: web, worker, beat, node or flower (exit status 0: yes)."


def register(parser: argparse.ArgumentParser) -> None:
    """The process's name."""
    parser.add_argument("name", choices=["web", "worker", "beat", "node", "flower"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask it, on this machine."""
    from slskdn_site import processes
    from slskdn_site.config import load_config

    config = load_config()
    match args.name:
        case "web":
            works = processes.web_answers(config.web.host, config.web.port)
        case "node":
            works = processes.node_answers()
        case "flower":
            works = processes.flower_answers(config.flower.port)
        case "beat":
            works = _pid_lives("beat")
        case _:
            works = _pid_lives("worker") and _worker_answers()
    print(f"{args.name} {'works' if works else 'does not answer'}")
    return 0 if works else 1


def _pid_lives(name: str) -> bool:
    """The process that last said it was ready still runs."""
    from slskdn_site.processes import ready_file

    try:
        os.kill(int(ready_file(name).read_text(encoding="ascii")), 0)
    except (OSError, ValueError):
        return False
    return True


def _worker_answers() -> bool:
    """Celery's own ping, through the broker."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    from slskdn_site.celery import app

    return bool(app.control.ping(destination=[f"worker@{socket.gethostname()}"], timeout=3.0))
