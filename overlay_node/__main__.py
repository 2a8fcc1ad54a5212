"""The node's process: `python -m overlay_node`. A root: it owns the reactor and sets Django up.

Reads slskdn.yml (the only module of this package that knows `slskdn_site`), runs until SIGTERM or SIGINT, and leaves within 5 s.
Exit status: 0 after a signal; 1 when it could not start, with a sentence on standard error.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twisted.internet.error import CannotListenError

from apps.domain.errors import DomainError
from apps.domain.mesh.policy import Mode
from apps.domain.soulseek.budget import SearchBudget
from apps.domain.soulseek.guardrails import GuardrailSettings
from apps.domain.soulseek.performance import RescueRules
from apps.domain.soulseek.streaming import StreamRules
from apps.domain.swarm.trace_retention import TraceLimits
from overlay_node.config import NodeConfig, SoulseekConfig
from overlay_node.net.reactor import install_reactor
from overlay_node.ports import BlobSource, Store
from overlay_node.services.root import Node, build_node
from overlay_node.soulseek.ports import Credentials, PlaneRows, SoulseekSupplies
from slskdn_site.broker import redis_url
from slskdn_site.config import Config, data_dir, load_config
from slskdn_site.fairness_settings import fairness_rules
from slskdn_site.scheduler_settings import scheduler_settings
from slskdn_site.settled import loading
from slskdn_site.soulseek_password import password_read
from slskdn_site.upload_rules import upload_rules

if TYPE_CHECKING:  # Django is set up before these are imported
    from overlay_node.store.database_thread import DatabaseThread
    from overlay_node.store.django_store import DjangoStore

log = logging.getLogger(__name__)

VERSION: Final = "0.1.0"


def node_config(config: Config, folder: Path, *, wake_url: str = "") -> NodeConfig:
    """What the person configured, as the node's value. Raises DomainError `config_invalid` for what only the node can judge."""
    return NodeConfig(
        data_dir=folder,
        mode=Mode(config.mode),
        mesh_enabled=config.mesh.enabled,
        passive=config.mesh.passive,
        overlay_host=config.overlay.host,
        overlay_port=config.overlay.port,
        allow_private=config.overlay.allow_private,
        upload_kbps=config.overlay.upload_kbps,
        download_kbps=config.overlay.download_kbps,
        peer_upload_kbps=config.overlay.peer_upload_kbps,
        peer_download_kbps=config.overlay.peer_download_kbps,
        upload_slots=config.overlay.upload_slots,
        dht_host=config.mesh.dht.host,
        dht_port=config.mesh.dht.port,
        dht_bootstrap=tuple(_host_port(text) for text in config.mesh.dht.bootstrap),
        seed_releases=tuple(_mbid(text) for text in config.mesh.seed.releases),
        tracing=config.swarm.tracing.enabled,
        trace_size_mb=config.swarm.tracing.max_size_mb,
        trace_limits=TraceLimits(
            jobs=config.swarm.tracing.retention_jobs,
            days=config.swarm.tracing.retention_days,
            total_mb=config.swarm.tracing.retention_mb,
        ),
        scheduler=scheduler_settings(config),
        fairness=fairness_rules(config),
        redis_url=wake_url,
        version=VERSION,
        soulseek=soulseek_config(config),
    )


def soulseek_config(config: Config) -> SoulseekConfig:
    """The account and its server, without the password."""
    section = config.soulseek
    return SoulseekConfig(
        username=section.username,
        server_host=section.server.host,
        server_port=section.server.port,
        listen_host=section.listen_host,
        listen_port=section.listen_port,
        upnp=section.upnp,
        description=section.description,
        browse_cache_hours=section.browse_cache_hours,
        share=section.share.enabled,
        uploads=upload_rules(section.uploads),
        leecher_files=section.uploads.leechers.least_files,
        leecher_folders=section.uploads.leechers.least_folders,
        searches=SearchBudget(
            searches=section.search.searches, window_s=section.search.window_s, at_once=section.search.at_once
        ),
        downloads=StreamRules(
            at_once=section.downloads.at_once,
            per_user=section.downloads.per_user,
            speed_kbps=section.downloads.speed_kbps,
            answer_timeout_s=section.downloads.answer_timeout_s,
            queue_timeout_s=section.downloads.queue_timeout_s,
            queue_patience_s=section.downloads.queue_patience_s,
            attempts=section.downloads.attempts,
            stall_s=section.downloads.silence_timeout_s,
        ),
        rescue=RescueRules(
            max_queue_s=config.transfers.rescue_mode.max_queue_time_seconds,
            min_throughput_kbps=config.transfers.rescue_mode.min_throughput_kbps,
            min_duration_s=config.transfers.rescue_mode.min_duration_seconds,
            stall_timeout_s=config.transfers.rescue_mode.stall_timeout_seconds,
            recovery_s=config.transfers.rescue_mode.recovery_seconds,
            recovery_kbps=config.transfers.rescue_mode.recovery_throughput_kbps,
        ),
        rescue_enabled=config.transfers.rescue_mode.enabled,
        guardrails=GuardrailSettings(**config.transfers.rescue_mode.guardrails.model_dump()),
        prints_looked_up=config.integration.acoustid.enabled and bool(config.integration.acoustid.client_id),
    )


def run_node(
    config: NodeConfig,
    *,
    store: Store,
    blobs: Callable[[BlobSource], BlobSource] | None = None,
    ready: Callable[[Node], None] | None = None,
    soulseek: SoulseekSupplies | None = None,
) -> int:
    """Run one node in this process until a signal; returns the exit status. Installs the reactor: once per process.

    `blobs` may wrap what is served; `ready` is called once the node listens; `soulseek` None: there is no Soulseek plane.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    reactor = install_reactor(loop)
    status = 0

    async def main() -> None:
        nonlocal status
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        node: Node | None = None
        try:
            node = build_node(config, store=store, reactor=reactor, blobs=blobs, soulseek=soulseek)
            await node.start()
            gc.collect()
            gc.freeze()  # what the start has made stays: no collection walks it again, and none stops the loop for long
            if ready is not None:
                ready(node)
            await stopped.wait()
        except (DomainError, CannotListenError, ValueError, OSError) as error:
            sentence = error.sentence if isinstance(error, DomainError) else str(error)
            sys.stderr.write(f"The node can't start: {sentence}\n")
            status = 1
        finally:
            if node is not None:
                await node.stop()
            await store.close()

    async def whole_life() -> None:
        nonlocal status
        try:
            await main()
        except Exception:
            log.exception("node_failed")
            status = 1
        finally:
            reactor.stop()

    task = loop.create_task(whole_life())
    reactor.run(installSignalHandlers=False)
    del task
    return status


def _host_port(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or not 0 < int(port) < 65536:
        raise DomainError(
            f"mesh.dht.bootstrap: {text} is not host:port.", code="config_invalid", key="mesh.dht.bootstrap"
        )
    return host.strip("[]"), int(port)


def _mbid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise DomainError(
            f"mesh.seed.releases: {text} is not an MBID.", code="config_invalid", key="mesh.seed.releases"
        ) from error


def plane_rows(database: DatabaseThread) -> PlaneRows:
    """The Soulseek plane's rows over Django's."""
    from overlay_node.store.soulseek.downloads import DjangoDownloads
    from overlay_node.store.soulseek.errands import DjangoErrands
    from overlay_node.store.soulseek.people import DjangoPeopleRows
    from overlay_node.store.soulseek.rescues import DjangoRescues
    from overlay_node.store.soulseek.searches import DjangoSearches
    from overlay_node.store.soulseek.session import DjangoSessionRows
    from overlay_node.store.soulseek.sharing import DjangoSharingRows

    return PlaneRows(
        session=DjangoSessionRows(database),
        errands=DjangoErrands(database),
        sharing=DjangoSharingRows(database),
        people=DjangoPeopleRows(database),
        searches=DjangoSearches(database),
        downloads=DjangoDownloads(database),
        rescues=DjangoRescues(database),
    )


def soulseek_supplies(config: Config, folder: Path, database: DatabaseThread) -> SoulseekSupplies:
    """What the plane needs of this machine: rows, and the account's secret as it is when somebody logs in."""
    section = config.soulseek

    def credentials() -> Credentials:
        return Credentials(section.username, password_read(section.password, folder))

    return SoulseekSupplies(rows=plane_rows(database), credentials=credentials)


def django_store() -> DjangoStore:
    """Django set up, and the store over its rows."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    with loading():
        django.setup()
        import slskdn_site.celery  # noqa: F401  (tasks are sent by name through the configured broker)
        from overlay_node.store.django_store import DjangoStore

    return DjangoStore()


def main() -> int:
    """The daemon's node."""
    try:
        chosen, folder = load_config(), data_dir()
        config = node_config(chosen, folder, wake_url=redis_url())
        store = django_store()
        soulseek = soulseek_supplies(chosen, folder, store.database)
    except DomainError as error:
        sys.stderr.write(f"The node can't start: {error.sentence}\n")
        return 1
    return run_node(config, store=store, soulseek=soulseek)


if __name__ == "__main__":
    sys.exit(main())
