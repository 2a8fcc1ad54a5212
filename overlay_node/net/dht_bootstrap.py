"""A stand-alone DHT node for others to join through: `python -m overlay_node.net.dht_bootstrap --port N --data DIR`.

Prints one line of JSON, `{"ready": true, "port": N}`, when it listens; runs until SIGTERM or SIGINT; keeps its id and nodes in DIR. A root:
it owns its process and its event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from overlay_node.dht.config import DhtConfig
from overlay_node.net.dht_persist import load_state, save_state
from overlay_node.net.dht_udp import Dht, DhtError

SAVE_EVERY_S = 300.0
STATE_FILE = "dht_state.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; 0, or 1 when the port cannot be opened."""
    parser = argparse.ArgumentParser(prog="dht_bootstrap", description="A DHT node for others to join through.")
    parser.add_argument("--port", type=int, required=True, help="UDP port; 0 = any")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the state is kept")
    parser.add_argument(
        "--host", action="append", help="address to bind, once per family; default 127.0.0.1 (a loopback network)"
    )
    parser.add_argument("--bootstrap", action="append", default=[], metavar="HOST:PORT", help="a node to join through")
    parser.add_argument(
        "--private",
        action="store_true",
        help="a LAN: private addresses allowed, no per-address limits (implied by loopback)",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    hosts: list[str] = options.host or ["127.0.0.1"]
    try:
        bootstrap = [_host_port(text) for text in options.bootstrap]
        private = options.private or all(ipaddress.ip_address(host).is_loopback for host in hosts)
    except ValueError as error:
        parser.error(str(error))
    config = DhtConfig().for_private_network() if private else DhtConfig()
    try:
        asyncio.run(_serve(Dht(port=options.port, hosts=hosts, config=config), bootstrap, options.data))
    except DhtError as error:
        sys.stderr.write(error.sentence + "\n")
        return 1
    return 0


async def _serve(dht: Dht, bootstrap: list[tuple[str, int]], data: Path) -> None:
    """Start, say so, save now and then, stop when a signal says so."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    path = data / STATE_FILE
    await dht.open(load_state(path))
    joining = loop.create_task(dht.join(bootstrap))
    try:
        sys.stdout.write(json.dumps({"ready": True, "port": dht.port}) + "\n")
        sys.stdout.flush()
        while not stopped.is_set():
            try:
                async with asyncio.timeout(SAVE_EVERY_S):
                    await stopped.wait()
            except TimeoutError:
                save_state(path, dht.state())
        save_state(path, dht.state())
    finally:
        joining.cancel()
        await dht.stop()


def _host_port(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit():
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
