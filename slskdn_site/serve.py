"""The web process: uvicorn with Django's ASGI application, on the supervisor's listening socket or on its own."""

from __future__ import annotations

import argparse
import socket
import sys

import uvicorn

GRACEFUL_STOP_S = 3  # open event streams are cut after this; browsers reconnect by themselves


def serve(*, host: str, port: int, descriptor: int | None) -> int:
    """Answer requests until SIGTERM. `descriptor`: an inherited listening socket, instead of `host` and `port`."""
    server = uvicorn.Server(
        uvicorn.Config(
            "slskdn_site.asgi:application",
            host=host,
            port=port,
            log_config=None,  # Django's LOGGING holds for everything in this process
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACEFUL_STOP_S,
        )
    )
    sockets = None if descriptor is None else [socket.socket(fileno=descriptor)]
    server.run(sockets=sockets)
    return 0 if server.started else 1


def main() -> int:
    """Command line: `--fd N`, or `--host` and `--port`."""
    parser = argparse.ArgumentParser(prog="slskdn web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5030)
    parser.add_argument("--fd", type=int)
    args = parser.parse_args()
    return serve(host=args.host, port=args.port, descriptor=args.fd)


if __name__ == "__main__":
    sys.exit(main())
