"""A Soulseek user on loopback, as a process: shares a folder through aioslsk's own managers, at the speed it is told.

`python -m slskdn_site.demo.soulseek_peer --name NAME --server HOST:PORT --shares DIR [--upload-kbps N] [--break-after BYTES --no-offsets]`

Writes one line of JSON, {"port": …}, once it is logged in and its folder is read. `--break-after`: its first upload ends after so many bytes, as a lost
connection does; `--no-offsets`: whoever asks for anything but the beginning gets nothing, as from some old clients.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from aioslsk.network.connection import CloseReason, PeerConnectionState
from aioslsk.settings import SharedDirectorySettingEntry
from aioslsk.transfer.manager import TransferManager
from typing_extensions import override

from overlay_node.soulseek.client import Account, SoulseekClient
from slskdn_site.demo.network import free_port

HOST = "127.0.0.1"


class _Moods(TransferManager):  # type: ignore[misc]  # aioslsk has no types
    """The library's transfers, with the faults of some real sharers."""

    break_after: int | None = None
    no_offsets = False

    @override
    async def _upload_file(self, transfer: Any, connection: Any) -> None:
        refused = self.no_offsets and transfer.bytes_transfered > 0
        if not refused and self.break_after is None:
            await super()._upload_file(transfer, connection)
            return
        most = 0 if refused else self.break_after or 0
        self.break_after = None if not refused else self.break_after
        connection.set_connection_state(PeerConnectionState.TRANSFERRING)
        await transfer.state.start_transferring()
        content = await asyncio.to_thread(Path(transfer.local_path).read_bytes)
        await connection.send_data(content[transfer.bytes_transfered :][:most])
        await connection.disconnect(CloseReason.REQUESTED)
        await transfer.state.fail()


class PeerClient(SoulseekClient):
    """The node's client with the library's own transfers in it."""

    @override
    def create_transfer_manager(self, cache: Any) -> TransferManager:
        return _Moods(self.settings, self.events, self.users, self.shares, self.network, cache=cache)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="soulseek_peer", description="A Soulseek user on loopback.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--password", default="demonstration")
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--shares", type=Path, required=True)
    parser.add_argument("--upload-kbps", type=int, default=0, help="KiB/s of all uploads together; 0: unlimited")
    parser.add_argument("--break-after", type=int, help="bytes after which the first upload breaks off")
    parser.add_argument("--no-offsets", action="store_true", help="nothing for who does not begin at the beginning")
    return parser.parse_args()


async def share(options: argparse.Namespace) -> None:
    """Log in and serve until SIGTERM or SIGINT."""
    host, _, port = str(options.server).rpartition(":")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    listening = free_port(HOST)
    client = PeerClient(
        Account(
            username=options.name,
            password=options.password,
            server_host=host,
            server_port=int(port),
            listen_host=HOST,
            listen_port=listening,
            race=False,
        )
    )
    client.settings.shares.directories = [SharedDirectorySettingEntry(path=str(options.shares))]
    client.settings.network.limits.upload_speed_kbps = options.upload_kbps
    client.network.load_speed_limits()
    client.transfers.break_after, client.transfers.no_offsets = options.break_after, options.no_offsets
    await client.start()
    try:
        await client.shares.scan()
        await client.login()
        sys.stdout.write(json.dumps({"port": listening}) + "\n")
        sys.stdout.flush()
        await ended.wait()
    finally:
        await client.stop()


if __name__ == "__main__":
    asyncio.run(share(arguments()))
