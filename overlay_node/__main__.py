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
from typing import Final

from twisted.internet.error import CannotListenError

from apps.domain.errors import DomainError
from apps.domain.mesh.policy import Mode
from apps.domain.swarm.trace_retention import TraceLimits
from overlay_node.config import NodeConfig
from overlay_node.net.reactor import install_reactor
from overlay_node.ports import BlobSource, Store
from overlay_node.services.root import Node, build_node
from slskdn_site.broker import redis_url
from slskdn_site.config import Config, data_dir, load_config
from slskdn_site.scheduler_settings import scheduler_settings

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
        redis_url=wake_url,
        version=VERSION,
    )


def run_node(
    config: NodeConfig,
    *,
    store: Store,
    blobs: Callable[[BlobSource], BlobSource] | None = None,
    ready: Callable[[Node], None] | None = None,
) -> int:
    """Run one node in this process until a signal; returns the exit status. Installs the reactor: once per process.

    `blobs` may wrap what is served; `ready` is called once the node listens.
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
            node = build_node(config, store=store, reactor=reactor, blobs=blobs)
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


def django_store() -> Store:
    """Django set up, and the store over its rows."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    import slskdn_site.celery  # noqa: F401  (tasks are sent by name through the configured broker)
    from overlay_node.store.django_store import DjangoStore

    return DjangoStore()


def main() -> int:
    """The daemon's node."""
    try:
        config = node_config(load_config(), data_dir(), wake_url=redis_url())
        store = django_store()
    except DomainError as error:
        sys.stderr.write(f"The node can't start: {error.sentence}\n")
        return 1
    return run_node(config, store=store)


if __name__ == "__main__":
    sys.exit(main())
