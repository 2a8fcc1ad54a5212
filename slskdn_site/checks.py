"""Dangerous or surprising combinations of configuration, each with an id. Errors stop the start; warnings and notes are shown.

The findings are plain values, so that `./slskdn config check` shows them without Django; below they become Django system checks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from django.apps import AppConfig
from django.core import checks

from apps.domain.peers.reputation import NEUTRAL
from slskdn_site.config import Config, load_config


class Level(IntEnum):
    """How bad it is; Django's numbers."""

    INFO = checks.INFO
    WARNING = checks.WARNING
    ERROR = checks.ERROR


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should know of a configuration."""

    id: str
    level: Level
    sentence: str
    hint: str


SEED_RELEASES_MOST = 100  # what one node may announce when idle (DESIGN: selective seeding)


def is_loopback(host: str) -> bool:
    """True for `localhost` and loopback addresses."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def config_findings(config: Config) -> Iterator[Finding]:
    """Everything that is dangerous or surprising in `config`."""
    if config.mesh.enabled and config.overlay.port == config.mesh.dht.port != 0:
        yield Finding(
            "slskdn.E001",
            Level.ERROR,
            f"overlay.port and mesh.dht.port are both {config.overlay.port}.",
            "Give the DHT a port of its own; 50306 is the default.",
        )
    if len({config.web.port, config.overlay.port} - {0}) < len(
        [p for p in (config.web.port, config.overlay.port) if p]
    ):
        yield Finding(
            "slskdn.E002",
            Level.ERROR,
            f"web.port and overlay.port are both {config.web.port}.",
            "Set another web.port.",
        )
    if not is_loopback(config.web.host) and not config.web.allowed_hosts and config.web.host in {"0.0.0.0", "::"}:  # noqa: S104
        yield Finding(
            "slskdn.E003",
            Level.ERROR,
            f"web.host is {config.web.host}, but web.allowed_hosts is empty, so every page would be refused.",
            "List the names and addresses under which the pages are opened in web.allowed_hosts.",
        )
    if config.mode == "mesh" and not config.mesh.enabled:
        yield Finding(
            "slskdn.E004",
            Level.ERROR,
            "mode is mesh, but mesh.enabled is false: there would be no plane at all.",
            "Set mesh.enabled: true or another mode.",
        )
    if len(config.mesh.seed.releases) > SEED_RELEASES_MOST:
        yield Finding(
            "slskdn.E005",
            Level.ERROR,
            f"mesh.seed.releases lists {len(config.mesh.seed.releases)} releases; {SEED_RELEASES_MOST} is the most.",
            "Take some away: the list is public, and meant to be a choice.",
        )
    if "*" in config.web.allowed_hosts:
        yield Finding(
            "slskdn.W001",
            Level.WARNING,
            "web.allowed_hosts holds `*`: pages of other sites can reach this one through DNS rebinding.",
            "List the real names instead.",
        )
    if not is_loopback(config.web.host) and not config.web.secure_cookies:
        yield Finding(
            "slskdn.W002",
            Level.WARNING,
            f"The pages are open to the network ({config.web.host}) and cookies travel without HTTPS.",
            "Put a reverse proxy with HTTPS before it and set web.secure_cookies: true.",
        )
    if config.mesh.passive and config.mesh.seed.releases:
        yield Finding(
            "slskdn.W003",
            Level.WARNING,
            "mesh.seed.releases is set, but mesh.passive announces nothing.",
            "Set mesh.passive: false to seed them.",
        )
    if config.overlay.allow_private and not is_loopback(config.overlay.host):
        yield Finding(
            "slskdn.W004",
            Level.WARNING,
            "overlay.allow_private is true: addresses told by strangers may point into your own network.",
            "Keep it for closed networks and tests.",
        )
    scheduler = config.multi_source.swarm_scheduler
    if scheduler.min_reputation > NEUTRAL:
        last = "" if scheduler.use_quarantined_as_last_resort else ", and nobody who is quarantined is ever asked"
        yield Finding(
            "slskdn.W005",
            Level.WARNING,
            f"multi_source.swarm_scheduler.min_reputation is {scheduler.min_reputation:g}: every stranger (0.5) begins in quarantine{last}.",
            "Set it to 0.5 or less; 0.3 is the default.",
        )
    if config.mode == "hybrid":
        yield Finding(
            "slskdn.I001",
            Level.INFO,
            "mode is hybrid, but there are no Soulseek credentials: it acts as mesh.",
            "Set mode: mesh to say so.",
        )
    if config.integration.acoustid.enabled and not config.integration.acoustid.client_id:
        yield Finding(
            "slskdn.I002",
            Level.INFO,
            "AcoustID is enabled without integration.acoustid.client_id: files are placed as unconfirmed.",
            "Get an application key at acoustid.org/new-application.",
        )
    if not config.integration.musicbrainz.contact:
        yield Finding(
            "slskdn.I003",
            Level.INFO,
            "integration.musicbrainz.contact is empty; MusicBrainz asks for a mail address or URL of whoever runs this.",
            "Set it, so that they can reach you before they block you.",
        )


@checks.register("slskdn")
def configuration_check(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    """The findings as Django sees them."""
    return [
        checks.CheckMessage(int(finding.level), finding.sentence, hint=finding.hint, id=finding.id)
        for finding in config_findings(load_config())
    ]
