"""What the node may do in its mode: one object, each answer with its reason.

A mode is chosen by a person (DESIGN §9): `legacy` opens no overlay or DHT socket; `hybrid` and `mesh` do. `passive` fetches and answers nobody's
search: it neither announces nor serves. `mesh` never connects to a Soulseek server; `hybrid` without a Soulseek account acts as `mesh` and says so.
Reasons are codes; an allowed deed has the empty one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_ANNOUNCED = 100  # DESIGN §8: MBIDs that leave the machine at once
FEATURE_FETCH = "payload/1"
"""Hello feature of a node that asks for payloads."""
FEATURE_SERVE = "serve/1"
"""Hello feature of a node that answers payload_request and mbid_query with what it holds."""
FEATURE_ADVERTS = "adverts/1"
"""Hello feature of a node that understands adverts; who also serves tells its own."""
FEATURE_CACHE_JOBS = "cache_jobs/1"
"""Hello feature of a node that understands cache jobs; who also serves answers them."""


class Mode(StrEnum):
    """How the node takes part."""

    LEGACY = "legacy"
    HYBRID = "hybrid"
    MESH = "mesh"


@dataclass(frozen=True, slots=True)
class Permission:
    """May it be done, and if not, why (a code)."""

    allowed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


_YES = Permission(allowed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshPolicy:
    """The guardrails of one configuration."""

    mode: Mode
    enabled: bool = True
    passive: bool = False
    soulseek: bool = True
    """there is a Soulseek account"""

    @property
    def acting(self) -> Mode:
        """The mode as it comes out: hybrid without a Soulseek account is mesh."""
        return Mode.MESH if self.mode is Mode.HYBRID and not self.soulseek else self.mode

    @property
    def may_soulseek(self) -> Permission:
        """Connect to the Soulseek server."""
        if self.mode is Mode.MESH:
            return Permission(allowed=False, reason="soulseek_mode_mesh")
        if not self.soulseek:
            legacy = self.mode is Mode.LEGACY
            return Permission(allowed=False, reason="soulseek_no_account" if legacy else "soulseek_acts_as_mesh")
        return _YES

    @property
    def may_open(self) -> Permission:
        """Overlay and DHT sockets."""
        if self.mode is Mode.LEGACY:
            return Permission(allowed=False, reason="mode_legacy")
        if not self.enabled:
            return Permission(allowed=False, reason="mesh_disabled")
        return _YES

    @property
    def may_dial(self) -> Permission:
        """Connect to peers and fetch from them."""
        return self.may_open

    @property
    def may_announce(self) -> Permission:
        """Put our address under a release's key in the DHT, and tell peers what we hold unasked."""
        if not self.may_open:
            return self.may_open
        return Permission(allowed=False, reason="mesh_passive") if self.passive else _YES

    @property
    def may_serve(self) -> Permission:
        """Answer queries with holdings, and upload."""
        return self.may_announce

    @property
    def features(self) -> tuple[str, ...]:
        """What hello names: nothing that the policy forbids."""
        if not self.may_open:
            return ()
        understood = (FEATURE_FETCH, FEATURE_ADVERTS, FEATURE_CACHE_JOBS)
        return (*understood, FEATURE_SERVE) if self.may_serve else understood
