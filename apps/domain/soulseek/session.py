"""When to log in, when to try again, when never: the rules of keeping one Soulseek session. Pure; `now` is monotonic seconds, randomness an argument.

A server says why it refuses a name or a password, and says "kicked" to a session that another login replaced: in each case trying again would be wrong or
rude, so the keeper stops until a person does something. A ban says nothing: the connection just ends before the login is answered. Three such ends in a row
are taken for one, and the server is left alone for as long as its bans last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param

FIRST_PAUSE_S: Final = 2.0
MAX_PAUSE_S: Final = 300.0
BAN_S: Final = 1830.0
"""The server's bans last half an hour."""
SILENT_ENDS: Final = 3
STEADY_S: Final = 60.0
"""A session that lasted so long was a good one: the next trouble begins with the first pause again."""
PATIENCE_S: Final = 300.0
"""Without a session for longer than this the plane is unavailable, not just degraded."""
FLAPS: Final = 3
FLAP_WINDOW_S: Final = 600.0
"""So many losses in so long, and a session counts as degraded even while it stands."""


class Health(StrEnum):
    """As every page and every policy sees the plane."""

    OFF = "off"
    """no credentials, or legacy-free mesh mode: nobody wants it"""
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class Phase(StrEnum):
    """What the keeper is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"
    STOPPED = "stopped"
    """only a person's act begins again"""


REFUSALS: Final = {
    "INVALIDPASS": "soulseek_wrong_password",
    "INVALIDUSERNAME": "soulseek_bad_username",
    "INVALIDVERSION": "soulseek_client_refused",
}
"""What servers answer, and our codes. Any other reason is told as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """What people see. `retry_at`: monotonic seconds of the next attempt."""

    phase: Phase
    health: Health
    code: str = ""
    params: dict[str, Param] = field(default_factory=dict)
    retry_at: float | None = None


class SessionKeeper:
    """See the module. The caller connects when `due` says so, and tells what happened."""

    def __init__(self, *, now: float, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._first_pause_s: Final = first_pause_s
        self._phase = Phase.IDLE
        self._code = "soulseek_not_started"
        self._params: dict[str, Param] = {}
        self._retry_at: float | None = None
        self._failures = 0
        self._silent = 0
        self._online_since: float | None = None
        self._without_since = now
        self._losses: list[float] = []
        self._hindrance: tuple[str, dict[str, Param]] | None = None

    # ---- what people want

    def start(self, now: float) -> None:
        """Credentials are there, or a person wants it again: forget all that was held against it and connect now."""
        if self._phase in (Phase.CONNECTING, Phase.ONLINE):
            return
        self._failures = self._silent = 0
        self._phase, self._retry_at = Phase.WAITING, now
        self._code, self._params, self._without_since = "soulseek_connecting", {}, now

    def stop(self, code: str = "soulseek_off") -> None:
        """A person, a mode or missing credentials end it."""
        self._phase, self._retry_at, self._online_since = Phase.IDLE, None, None
        self._code, self._params = code, {}

    # ---- what happened

    def due(self, now: float) -> bool:
        """Connect and log in now? True once; then tell what came of it."""
        if self._phase is not Phase.WAITING or self._retry_at is None or now < self._retry_at:
            return False
        self._phase, self._retry_at = Phase.CONNECTING, None
        return True

    def logged_in(self, now: float) -> None:
        """The server took us."""
        self._phase, self._online_since, self._silent = Phase.ONLINE, now, 0
        self._code, self._params = "", {}

    def refused(self, reason: str, now: float) -> None:
        """The server answered the login with a refusal: no further attempt."""
        self._lose(now)
        self._phase = Phase.STOPPED
        self._code = REFUSALS.get(reason.strip().upper(), "soulseek_refused")
        self._params = {} if self._code != "soulseek_refused" else {"reason": reason[:200]}

    def kicked(self, now: float) -> None:
        """Somebody logged in elsewhere with this name, or an operator threw us out: fighting for the name helps nobody."""
        self._lose(now)
        self._phase, self._code, self._params = Phase.STOPPED, "soulseek_kicked", {}

    def barred(self, code: str, params: Mapping[str, Param], now: float) -> None:
        """Something here keeps us from logging in at all (a password that others can read): a person has to mend it."""
        self._lose(now)
        self._phase, self._code, self._params = Phase.STOPPED, code, dict(params)

    def hindered(self, code: str, params: Mapping[str, Param]) -> None:
        """The session can stand, but not at its best (nobody can connect to us)."""
        self._hindrance = (code, dict(params))

    def unhindered(self) -> None:
        """What hindered it is gone."""
        self._hindrance = None

    def unreachable(self, now: float, *, jitter: float, error: str = "", code: str = "soulseek_unreachable") -> None:
        """No connection could be made, or nothing came over it: the server or our network is away."""
        self._lose(now)
        self._silent = 0
        self._wait(now, jitter=jitter, code=code, params={"error": error[:200]} if error else {})

    def lost(self, now: float, *, jitter: float) -> None:
        """The connection ended: a session's, or one that waited for the answer to its login."""
        if self._phase is Phase.STOPPED:
            return
        silent = self._phase is Phase.CONNECTING
        self._lose(now)
        self._silent = self._silent + 1 if silent else 0
        if self._silent >= SILENT_ENDS:
            self._phase, self._retry_at = Phase.WAITING, now + BAN_S
            self._code, self._params = "soulseek_banned", {"minutes": round(BAN_S / 60)}
            return
        self._wait(now, jitter=jitter, code="soulseek_connection_lost", params={})

    # ---- what is seen

    def state(self, now: float) -> SessionState:
        """Phase, health and why."""
        code, params = self._code, dict(self._params)
        if self._phase is Phase.ONLINE:
            if self._hindrance is not None:
                code, params = self._hindrance[0], dict(self._hindrance[1])
            elif (losses := self._recent_losses(now)) >= FLAPS:
                code, params = "soulseek_unsteady", {"losses": losses, "minutes": round(FLAP_WINDOW_S / 60)}
        return SessionState(
            phase=self._phase, health=self._health(now), code=code, params=params, retry_at=self._retry_at
        )

    def _health(self, now: float) -> Health:
        if self._phase is Phase.IDLE:
            return Health.OFF
        if self._phase is Phase.STOPPED or self._code == "soulseek_banned":
            return Health.UNAVAILABLE
        if self._phase is Phase.ONLINE:
            unwell = self._hindrance is not None or self._recent_losses(now) >= FLAPS
            return Health.DEGRADED if unwell else Health.HEALTHY
        return Health.DEGRADED if now - self._without_since < PATIENCE_S else Health.UNAVAILABLE

    # ---- inside

    def _recent_losses(self, now: float) -> int:
        return sum(1 for at in self._losses if at > now - FLAP_WINDOW_S)

    def _lose(self, now: float) -> None:
        if self._online_since is not None:
            self._losses = [*(at for at in self._losses if at > now - FLAP_WINDOW_S), now][-FLAPS - 1 :]
            if now - self._online_since >= STEADY_S:
                self._failures = 0
            self._without_since = now
        self._online_since = None
        self._retry_at = None

    def _wait(self, now: float, *, jitter: float, code: str, params: dict[str, Param]) -> None:
        """Exponential, ±25 % by `jitter` in [0, 1): clients of a server that comes back must not all come in the same second."""
        pause = min(MAX_PAUSE_S, self._first_pause_s * 2.0 ** min(self._failures, 30)) * (0.75 + 0.5 * jitter)
        self._failures += 1
        self._phase, self._retry_at, self._code, self._params = Phase.WAITING, now + pause, code, params
