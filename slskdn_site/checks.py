"""Dangerous or surprising combinations of configuration, each with an id. Errors stop the start; warnings and notes are shown.

The findings are plain values, so that `./slskdn config check` shows them without Django; below they become Django system checks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from django.apps import AppConfig
from django.core import checks

from apps.domain.errors import DomainError
from apps.domain.peers.reputation import NEUTRAL
from slskdn_site.config import Config, data_dir, load_config
from slskdn_site.soulseek_password import password_path, password_read


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


def soulseek_findings(config: Config, folder: Path | None) -> Iterator[Finding]:
    """What is dangerous or surprising about the Soulseek account. `folder`: the data folder, whose secret is looked at."""
    section = config.soulseek
    port = section.listen_port
    if section.username and port and port in (config.web.port, config.overlay.port):
        other = "web.port" if port == config.web.port else "overlay.port"
        yield Finding(
            "slskdn.E006",
            Level.ERROR,
            f"soulseek.listen_port and {other} are both {port}.",
            "Give each a port of its own; 50300 is the default for Soulseek.",
        )
    if section.username and (not section.username.isascii() or not section.username.isprintable()):
        yield Finding(
            "slskdn.W006",
            Level.WARNING,
            "soulseek.username has letters that Soulseek servers take for invalid.",
            "Use plain ASCII letters, digits and signs.",
        )
    if config.mode == "legacy" and not section.username:
        yield Finding(
            "slskdn.W007",
            Level.WARNING,
            "mode is legacy, but there is no Soulseek account: nothing can be fetched at all.",
            "Write soulseek.username, or choose mode: hybrid.",
        )
    if config.mode == "mesh" and section.username:
        yield Finding(
            "slskdn.I004",
            Level.INFO,
            "mode is mesh: the Soulseek account is not used.",
            "Set mode: hybrid to use both.",
        )
    if config.mode == "hybrid" and not section.username:
        yield Finding(
            "slskdn.I001",
            Level.INFO,
            "mode is hybrid, but there are no Soulseek credentials: it acts as mesh.",
            "Set soulseek.username and its password, or mode: mesh to say so.",
        )
    if folder is None or not section.username or config.mode == "mesh":
        return
    try:
        password_read(section.password, folder)
    except DomainError as error:
        readable = error.code == "soulseek_password_readable"
        yield Finding(
            "slskdn.W008" if readable else "slskdn.W009",
            Level.WARNING,
            error.sentence,
            f"chmod 600 {password_path(folder)}" if readable else "./slskdn soulseek password",
        )


def config_findings(config: Config, *, folder: Path | None = None) -> Iterator[Finding]:
    """Everything that is dangerous or surprising in `config`, and in the data folder when it is named."""
    yield from soulseek_findings(config, folder)
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
        for finding in config_findings(load_config(), folder=data_dir())
    ]
