"""The session of a node with a real server on loopback: logins, refusals, losses, what people want."""

from __future__ import annotations

from pathlib import Path

from apps.domain.soulseek.session import Health, Phase
from tests.overlay_node.soulseek.world import played, soulseek_world


def test_a_node_logs_in_and_tells_how_it_stands(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane()
            await world.until(lambda: plane.online)
            state = plane.state()
            assert (state.phase, state.health, state.code) == (Phase.ONLINE, Health.HEALTHY, "")
            assert "alice" in world.server.users
            assert world.server.logins == [("alice", "ok")]

    played(scene)
