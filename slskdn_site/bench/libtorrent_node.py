"""One process of libtorrent's side of the transport bench.

    python -m slskdn_site.bench.libtorrent_node SPEC

SPEC is a JSON file (`LibtorrentSpec`). The process writes {"event": "ready", "port"} once it listens. A line `usage` on its standard input is answered
by {"event": "usage", "cpu_s"}; `go HOST PORT …` makes a downloader connect to these peers, and {"event": "assembled", …} follows once all pieces are
verified and written. It ends when its standard input is closed, or on SIGTERM.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

_ALERT_MS: Final = 500
_KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LibtorrentSpec:
    """What one process is told."""

    host: str
    torrent: str
    folder: str
    """where the payload lies, or will lie"""
    seeds: bool
    encrypted: bool

    def write(self, path: Path) -> Path:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def settings(lt: Any, spec: LibtorrentSpec) -> dict[str, Any]:
    """No discovery, no limits, several connections from one machine; RC4 or nothing."""
    policy = lt.enc_policy.forced if spec.encrypted else lt.enc_policy.disabled
    return {
        "listen_interfaces": f"{spec.host}:0",
        "outgoing_interfaces": spec.host,
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        "allow_multiple_connections_per_ip": True,
        "out_enc_policy": int(policy),
        "in_enc_policy": int(policy),
        "allowed_enc_level": int(lt.enc_level.rc4 if spec.encrypted else lt.enc_level.plaintext),
        "prefer_rc4": spec.encrypted,
        "alert_mask": int(lt.alert.category_t.status_notification | lt.alert.category_t.error_notification),
        "unchoke_slots_limit": -1,
        "max_out_request_queue": 1500,
        "max_allowed_in_request_queue": 4000,
        "send_buffer_watermark": 4 * _KIB * _KIB,
        "send_buffer_low_watermark": _KIB * _KIB,
        "send_buffer_watermark_factor": 150,
        "rate_limit_ip_overhead": False,
        "close_redundant_connections": False,
    }


def main() -> int:
    """Run until the bench is done."""
    lt: Any = importlib.import_module("libtorrent")  # its stubs are stricter than it is
    spec = LibtorrentSpec.read(Path(sys.argv[1]))
    session = lt.session(settings(lt, spec))
    parameters = lt.load_torrent_file(spec.torrent)
    parameters.save_path = spec.folder
    if spec.seeds:
        parameters.flags |= lt.torrent_flags.seed_mode
    handle = session.add_torrent(parameters)
    while not session.listen_port():
        session.wait_for_alert(_ALERT_MS)
        session.pop_alerts()
    _say("ready", port=session.listen_port())
    for line in sys.stdin:
        word, *peers = line.split()
        if word == "usage":
            _say("usage", cpu_s=_cpu_s())
        elif word == "go":
            _download(lt, session, handle, peers)
    return 0


def _download(lt: Any, session: Any, handle: Any, peers: list[str]) -> None:
    began, cpu_s = time.monotonic(), _cpu_s()
    for host, port in zip(peers[::2], peers[1::2], strict=True):
        handle.connect_peer((host, int(port)))
    finished = False
    while True:
        session.wait_for_alert(_ALERT_MS)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.torrent_finished_alert) and not finished:
                finished = True
                handle.flush_cache()
            elif isinstance(alert, lt.cache_flushed_alert) and finished:
                _say("assembled", seconds=time.monotonic() - began, cpu_s=_cpu_s() - cpu_s)
                return
            elif isinstance(alert, lt.torrent_error_alert):
                raise SystemExit(alert.message())


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _say(event: str, **values: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
