"""Command line: `python -m slskdn_site.demo.soulseek_server --control SOCKET [--port N] [--account NAME:PASSWORD …] …`.

Prints one line with its port once it listens. The control socket takes one JSON order a line and answers with one line: `{"order": "kick"|"ban"|"say"|
"stop"|"start"|"report", "user": …, "seconds": …, "text": …}`; `report` tells who is there, the searches and the logins so far.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from slskdn_site.demo.soulseek_server.server import ServerSettings, SoulseekServer


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="soulseek_server", description="A Soulseek server on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--control", type=Path, required=True, help="unix socket for orders")
    parser.add_argument(
        "--account", action="append", default=[], help="NAME:PASSWORD; without any, every new name is one"
    )
    parser.add_argument("--wishlist-interval", type=int, default=720, help="seconds")
    parser.add_argument("--phrase", action="append", default=[], help="a phrase that is not searched for")
    parser.add_argument("--search-limit", default="", help="COUNT/SECONDS: who searches more is banned, e.g. 34/220")
    return parser.parse_args()


def settings_of(options: argparse.Namespace) -> ServerSettings:
    """Its settings. Exits with a usage error for ones that make no sense."""
    accounts = dict(cast("tuple[str, str]", tuple(one.partition(":")[::2])) for one in options.account)
    limit = None
    if options.search_limit:
        count, _, seconds = options.search_limit.partition("/")
        limit = (int(count), float(seconds))
    return ServerSettings(
        accounts=accounts or None,
        wishlist_interval_s=options.wishlist_interval,
        excluded_phrases=tuple(options.phrase),
        search_limit=limit,
    )


async def obey(server: SoulseekServer, order: Mapping[str, object]) -> dict[str, object]:
    """Carry out one order."""
    user = str(order.get("user", ""))
    match order.get("order"):
        case "kick":
            return {"done": server.kick(user)}
        case "ban":
            seconds = order.get("seconds")
            server.ban(user, seconds=float(seconds) if isinstance(seconds, int | float) else None)
        case "say":
            server.say(str(order.get("text", "")))
        case "stop":
            await server.stop()
        case "start":
            await server.start()
        case "report":
            now = time.monotonic()
            return {
                "users": sorted(server.users),
                "shared": {user.name: user.files for user in server.users.values()},
                "searches": [
                    {"user": one.user, "query": one.query, "kind": one.kind, "age_s": round(now - one.at, 3)}
                    for one in server.searches
                ],
                "logins": [list(one) for one in server.logins],
            }
        case unknown:
            return {"error": f"unknown order {unknown!r}"}
    return {"done": True}


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    server = SoulseekServer(settings_of(options))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)

    async def ordered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                order = json.loads(line)
                answer = await obey(server, order if isinstance(order, dict) else {})
            except ValueError:
                answer = {"error": "an order is one JSON object a line"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    control = await asyncio.start_unix_server(ordered, str(options.control))
    port = await server.start(port=options.port)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await ended.wait()
    control.close()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
