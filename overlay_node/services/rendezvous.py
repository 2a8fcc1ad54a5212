"""The DHT behind the `Rendezvous` port: starts in the background, saves its state, says what it counts."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import Final

from overlay_node.config import NodeConfig
from overlay_node.dht.config import DhtConfig
from overlay_node.net.dht_persist import load_state, save_state
from overlay_node.net.dht_udp import Dht, DhtError

log = logging.getLogger(__name__)

SAVE_EVERY_S: Final = 300.0
REJOIN_S: Final = 5.0  # between two looks whether anybody is known; doubles while nobody is
MAX_REJOIN_S: Final = 120.0
WILDCARD_HOSTS: Final = ("0.0.0.0", "::")  # noqa: S104


class DhtRendezvous:
    """One DHT node of ours. Lookups made before it has joined wait for the first attempt to join."""

    def __init__(self, config: NodeConfig) -> None:
        loopback = _is_loopback(config.dht_host)
        base = DhtConfig(allow_private=config.allow_private)
        # A network on one machine: everybody shares one address, which the limits of the public network would refuse.
        self._dht: Final = Dht(
            port=config.dht_port,
            hosts=WILDCARD_HOSTS if config.dht_host in WILDCARD_HOSTS else (config.dht_host,),
            config=base.for_private_network() if loopback else base,
        )
        self._bootstrap: Final = config.dht_bootstrap
        self._path: Final = config.data_dir / "run" / "dht_state.json"
        self._joined: Final = asyncio.Event()

    @property
    def port(self) -> int:
        """The UDP port in use."""
        return self._dht.port

    async def open(self) -> None:
        """Bind. Raises DhtError("dht_port_unavailable")."""
        await self._dht.open(await asyncio.to_thread(load_state, self._path))

    async def run(self) -> None:
        """Join, again while nobody is known (the network may have come up after us); save the state now and then; until cancelled."""
        pause = REJOIN_S
        next_save = asyncio.get_running_loop().time() + SAVE_EVERY_S
        while True:
            try:
                if not self._knows_somebody():
                    await self._dht.join(self._bootstrap)
            except DhtError as error:
                log.warning("dht_join_failed code=%s", error.code)
            except Exception:  # joining is tried again, and the state still saved
                log.exception("dht_join_failed")
            finally:
                self._joined.set()
            pause = REJOIN_S if self._knows_somebody() else min(pause * 2, MAX_REJOIN_S)
            await asyncio.sleep(pause)
            if asyncio.get_running_loop().time() >= next_save:
                next_save += SAVE_EVERY_S
                self._save()

    def _knows_somebody(self) -> bool:
        return sum(self._dht.stats().nodes.values()) > 0

    async def get_peers(self, key: bytes) -> list[tuple[str, int]]:
        """Who announced `key`. Raises DhtError."""
        await self._joined.wait()
        return await self._dht.get_peers(key)

    async def announce(self, key: bytes, port: int) -> int:
        """Number of nodes that store it. Raises DhtError."""
        await self._joined.wait()
        return (await self._dht.announce(key, port)).stored_at

    def report(self) -> dict[str, object]:
        """Counters and gauges, for the heartbeat."""
        try:
            stats = self._dht.stats()
        except DhtError:
            return {"port": 0}
        return {
            "port": self._dht.port,
            "nodes": dict(stats.nodes),
            "good_nodes": dict(stats.good_nodes),
            "stored_keys": stats.stored_keys,
            "active_calls": stats.active_calls,
            "queries_out": stats.queries_out,
            "answers_in": stats.answers_in,
            "timeouts": stats.timeouts,
        }

    async def close(self) -> None:
        """Save and close."""
        if self._dht.port:
            self._save()
        await self._dht.stop()

    def _save(self) -> None:
        try:
            save_state(self._path, self._dht.state())
        except OSError as error:
            log.warning("dht_state_not_saved error=%s", error)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
