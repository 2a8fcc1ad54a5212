"""libtorrent as a DHT node on loopback: the foreign implementation ours must get on with.

What its settings must be is not obvious: a session built with no bootstrap nodes starts its DHT twice, so it is enabled only afterwards; one
node per /24 and 5 queries/s per address are its defaults; `set_alert_notify` can deadlock, so alerts are polled.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import libtorrent as lt


class TorrentNode:
    """One libtorrent session, DHT only."""

    def __init__(self, host: str) -> None:
        literal = f"[{host}]" if ":" in host else host
        self.session = lt.session(
            {
                "enable_dht": False,
                "dht_bootstrap_nodes": "",
                "listen_interfaces": f"{literal}:0",
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
                "enable_ip_notifier": False,
                "enable_outgoing_tcp": False,
                "enable_incoming_tcp": False,
                "enable_outgoing_utp": False,
                "enable_incoming_utp": False,
                "dht_restrict_routing_ips": False,
                "dht_restrict_search_ips": False,
                "dht_upload_rate_limit": 10_000_000,
                "dht_block_ratelimit": 10_000,
                "dht_prefer_verified_node_ids": False,
                "dht_enforce_node_id": False,
                "alert_mask": lt.alert.category_t.dht_notification
                | lt.alert.category_t.status_notification
                | lt.alert.category_t.error_notification
                | lt.alert.category_t.dht_operation_notification,
            }
        )
        self.host = host
        self.peers: dict[bytes, set[tuple[str, int]]] = {}
        self.port = 0
        self.session.apply_settings({"enable_dht": True})
        self.wait(lambda: self.port != 0)

    def poll(self) -> None:
        for alert in self.session.pop_alerts():
            if isinstance(alert, lt.listen_succeeded_alert) and "udp" in str(alert.socket_type).lower():
                self.port = alert.port
            elif isinstance(alert, lt.dht_get_peers_reply_alert):
                self.peers.setdefault(alert.info_hash.to_bytes(), set()).update(alert.peers())

    def wait(self, condition: Callable[[], bool], seconds: float = 20.0) -> bool:
        """Poll until the condition holds; for code without a loop."""
        deadline = time.monotonic() + seconds
        while True:
            self.poll()
            if condition():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)

    def know(self, host: str, port: int) -> None:
        self.session.add_dht_node((host, port))

    def announce(self, key: bytes, port: int) -> None:
        self.session.dht_announce(lt.sha1_hash(key), port, 0)

    def look_up(self, key: bytes) -> None:
        self.session.dht_get_peers(lt.sha1_hash(key))

    def close(self) -> None:
        """Fall silent. The session itself goes with its last reference; its destructor waits for its threads."""
        self.session.apply_settings({"enable_dht": False})
