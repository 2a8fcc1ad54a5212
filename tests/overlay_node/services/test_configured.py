"""What a person configures of the node's data plane and traces reaches the parts that do it."""

from __future__ import annotations

from pathlib import Path

from apps.domain.swarm.settings import SchedulerMode
from apps.domain.swarm.trace_retention import TraceLimits
from overlay_node.__main__ import node_config
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.rate_limits import Direction, Scope
from slskdn_site.config import Config
from tests.overlay_node.services.mesh_world import MeshWorld

KIB = 1024


def test_every_key_of_overlay_limits_and_tracing_reaches_the_nodes_configuration(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "overlay": {
                "upload_kbps": 11,
                "download_kbps": 12,
                "peer_upload_kbps": 13,
                "peer_download_kbps": 14,
                "upload_slots": 15,
            },
            "swarm": {
                "tracing": {
                    "enabled": True,
                    "max_size_mb": 16,
                    "retention_jobs": 17,
                    "retention_days": 18,
                    "retention_mb": 19,
                }
            },
            "multi_source": {"swarm_scheduler": {"mode": "conservative"}},
        }
    )
    told = node_config(config, tmp_path)
    assert (told.upload_kbps, told.download_kbps) == (11, 12)
    assert (told.peer_upload_kbps, told.peer_download_kbps, told.upload_slots) == (13, 14, 15)
    assert (told.tracing, told.trace_size_mb) == (True, 16)
    assert told.trace_limits == TraceLimits(jobs=17, days=18, total_mb=19)
    assert told.scheduler.mode is SchedulerMode.CONSERVATIVE


def test_configured_limits_and_slots_hold_in_a_node_that_starts(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        node = await mesh.start(
            "node",
            MemoryStore(),
            upload_kbps=700,
            download_kbps=600,
            peer_upload_kbps=500,
            peer_download_kbps=400,
            upload_slots=3,
        )
        limits = node.limits
        assert limits.node_budget(Direction.UP).rate == 700 * KIB
        assert limits.node_budget(Direction.DOWN).rate == 600 * KIB
        assert limits.peer_budget(Direction.UP, "somebody", 0.0).rate == 500 * KIB
        assert limits.peer_budget(Direction.DOWN, "somebody", 0.0).rate == 400 * KIB
        assert limits.kbps_of(Scope.JOB, "some job", Direction.DOWN) == 0
        assert node.seeder.report()["slots"] == 3

    mesh.run(scenario())
