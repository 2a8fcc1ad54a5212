"""The plane's parts as the node puts them together: every byte of a real download reaches the ledger, and the governor hears who gives what."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.domain.contracts.node_work import WantWork
from apps.domain.contracts.soulseek_traffic import TrafficPlane
from apps.domain.mesh.policy import Mode
from apps.domain.soulseek.fairness import FairnessRules
from apps.domain.soulseek.guardrails import GuardrailSettings
from apps.domain.soulseek.states import DownloadState
from overlay_node.services.fairness import NodeFairness
from overlay_node.services.soulseek_plane import NodeSeams, soulseek_parts
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.store.soulseek.memory_downloads import MemoryDownloads
from overlay_node.store.soulseek.traffic_memory import MemoryTraffic
from overlay_node.swarm.rate_limits import Direction, RateLimits
from tests.overlay_node.services.mesh_world import want
from tests.overlay_node.soulseek.downloads_world import SOUND, download
from tests.overlay_node.soulseek.test_downloading import limited, path_of, shared
from tests.overlay_node.soulseek.world import memory_rows, played, soulseek_world

JOB = uuid.UUID(int=7)
OVERLAY_DOWN = (TrafficPlane.OVERLAY, Direction.DOWN)


@pytest.mark.e2e
def test_a_download_s_bytes_are_counted_for_its_job_and_while_it_comes_the_mesh_waits(tmp_path: Path) -> None:
    async def scene() -> None:
        rows, limits = MemoryTraffic(), RateLimits(now=0.0)
        wants: list[WantWork] = []
        traffic = TrafficCounter(rows, boot_id=uuid.uuid4(), wall=lambda: datetime.now(UTC))
        rules = dataclasses.replace(FairnessRules.none(), min_overlay_upload_download_ratio=0.5, grace_bytes=0)
        fairness = NodeFairness(
            rules, mode=lambda: Mode.HYBRID, guardrails=GuardrailSettings(), provable=False, rows=rows, traffic=traffic, limits=limits,
            jobs=set, wants=lambda: wants, clock=lambda: 0.0, wall=lambda: datetime.now(UTC),
        )  # fmt: skip
        seams = NodeSeams(boot_id="boot-1", traffic=traffic, fairness=fairness, keep_folders=lambda _keeps: None)
        made: list[Any] = []

        def parts(context: Any) -> list[Any]:
            found, maker = soulseek_parts(context, seams)
            made.append(maker)
            return found

        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "s", "1.flac")) as bob:
            limited(bob, 1500)
            downloads = MemoryDownloads()
            plane = await world.plane(
                "alice",
                parts=parts,
                rows=dataclasses.replace(memory_rows(), downloads=downloads),
                make_client=lambda account: made[0](account),  # noqa: PLW0108  (it is made by `parts`)
            )
            await world.until(lambda: plane.online)
            asked = dataclasses.replace(download(path_of(bob, "1.flac")), job_id=JOB)
            one = downloads.put(asked)
            wanted = want(id=asked.want_id)
            wants.append(wanted)
            await world.until(lambda: fairness.soulseek_gives(wanted.id))
            assert fairness.holds_back(wanted) == ""
            traffic.add(*OVERLAY_DOWN, "peer", 10, JOB)
            await traffic.flush()
            await fairness.look()
            assert fairness.holds_back(wanted) == "fairness_soulseek_first"
            await world.until(lambda: downloads.state(one) is DownloadState.WHOLE)
            await world.until(lambda: not fairness.soulseek_gives(wanted.id))
            assert fairness.holds_back(wanted) == ""
            await traffic.flush()
        came = rows.peers["soulseek", "bob", "down"]
        assert len(SOUND) <= came < 1.1 * len(SOUND)
        assert rows.jobs[JOB, "soulseek"] == came
        assert (
            sum(count for (_, plane, way), count in rows.hours.items() if (plane, way) == ("soulseek", "down")) == came
        )
        assert not fairness.soulseek_uploads_wait()

    played(scene)
