"""Is it well? The checks behind /healthz/ready, the System page and the API, each with a state and a code."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from apps.nodelink.selectors_status import NodePresence, node_glance

REACTOR_LATE_MS = 25.0
"""DESIGN §7: if stalls push the 99th percentile over it, the Soulseek plane should have a process of its own."""


class CheckState(StrEnum):
    """Result of a check."""

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must work. `code` says what is wrong; `value` is a measure for people (ms, s)."""

    name: str
    state: CheckState
    code: str = ""
    value: str = ""
    needed: bool = True
    """False: shown to people; the platform is ready without it."""


def health_checks() -> list[Check]:
    """All checks, in the order things depend on each other. Never raises; takes at most a few seconds (time-outs of 2 s)."""
    return [check_database(), check_broker(), *check_node(), *(check() for check in _MORE)]


_MORE: list[Callable[[], Check]] = []


def check_add(check: Callable[[], Check]) -> None:
    """Have another app's check among `health_checks`. It must not raise."""
    if check not in _MORE:
        _MORE.append(check)


def check_database() -> Check:
    """Answers a query, and its migrations table is there."""

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")

    return _timed("database", ask, code="database_away", errors=(DatabaseError,))


def check_broker() -> Check:
    """Redis or Valkey answers PING."""

    def ask() -> None:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()

    return _timed("broker", ask, code="broker_away", errors=(redis.RedisError, OSError))


def check_node() -> list[Check]:
    """The node's heartbeat is young; while it is: its event loop is on time, and its Soulseek session stands where somebody wants one. One query."""
    try:
        status = node_glance()
    except DatabaseError:
        return [Check(name="node", state=CheckState.FAILED, code="database_away")]
    if status.presence is not NodePresence.ALIVE:
        code = "node_absent" if status.presence is NodePresence.ABSENT else "node_silent"
        age = f"{status.age_s:.0f} s" if status.age_s else ""
        return [Check(name="node", state=CheckState.FAILED, code=code, value=age)]
    late = status.loop_p99_ms > REACTOR_LATE_MS
    checks = [
        Check(name="node", state=CheckState.OK, value=f"{status.age_s or 0:.0f} s"),
        Check(
            name="reactor",
            state=CheckState.FAILED if late else CheckState.OK,
            code="reactor_late" if late else "",
            value=f"{status.loop_p99_ms:.1f} ms",
            needed=False,
        ),
    ]
    if status.soulseek:
        failed = status.soulseek == "unavailable"
        checks.append(
            Check(
                name="soulseek",
                state=CheckState.FAILED if failed else CheckState.OK,
                code=status.soulseek_code,
                value=status.soulseek,
                needed=False,
            )
        )
    return checks


def _timed(name: str, ask: Callable[[], None], *, code: str, errors: tuple[type[Exception], ...]) -> Check:
    started = time.monotonic()
    try:
        ask()
    except errors:
        return Check(name=name, state=CheckState.FAILED, code=code)
    return Check(name=name, state=CheckState.OK, value=f"{(time.monotonic() - started) * 1000:.0f} ms")
