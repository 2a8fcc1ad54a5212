"""The node's sign of life: every five seconds a row that says who we are, whom we talk to and what we do.

Report, version 1 (all keys always present):

    mode, passive                   as configured
    acting                          what the mode comes to: hybrid without a usable Soulseek account acts as mesh
    overlay  {host, port}           the TLS listener; port 0 = closed
    dht      {port, nodes {v4, v6}, good_nodes {v4, v6}, stored_keys, active_calls, queries_out, answers_in, timeouts}; {port: 0} = closed
    links    [{peer, group, agent, since, dialled, path, bytes_sent, bytes_received, features}]    since: seconds since 1970
    transfers [{id, want, recording, state, waiting, verified_bytes, payload_bytes, speed_bps, sources}]
    uploads  [{peer, transfer, payload_root, state, sent_bytes, queued}]
    upload_queue {slots, served, waiting, queued, rate_bps, rates_bps {peer: bytes a second}}    served, waiting: peers; queued: requests
    announced                       releases the DHT stores for us now
    bytes    {down, up}             payload bytes since the start
    bad_leaves                      since the start
    soulseek {phase, health, code, params, username, listening_port, …}    the session and what its parts add; {} = the node has no such plane
    loop {p50_ms, p99_ms, most_ms, samples}    how late the reactor was in the last five minutes
    scheduler {mode, cost_based, decisions, moves, races, rebalances, duplicate_bytes, bad_bytes, parted_bytes, violations {name: count},
               cost_variance, speed_up, peers {known, preferred, neutral, down_weighted, quarantined}, reputation {lowest, median}}
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from apps.domain.contracts.node_work import Heartbeat
from apps.domain.errors import DomainError
from overlay_node.config import NodeConfig
from overlay_node.ports import Store

log = logging.getLogger(__name__)

Report = dict[str, object]
MAX_LISTED: Final = 128  # links, transfers and uploads in one report: a row, not an archive


async def beat(
    config: NodeConfig,
    *,
    store: Store,
    peer_id: str,
    boot_id: str,
    started_at: datetime,
    report: Callable[[], Report],
) -> None:
    """Write the row every `heartbeat_s`, until cancelled."""
    while True:
        try:
            await store.heartbeat(
                Heartbeat(
                    peer_id=peer_id,
                    boot_id=boot_id,
                    started_at=started_at,
                    version=config.version,
                    report=report(),
                )
            )
        except DomainError as error:
            log.warning("heartbeat_not_written code=%s", error.code)
        except Exception:  # the next beat must come
            log.exception("heartbeat_not_written")
        await asyncio.sleep(config.heartbeat_s)
