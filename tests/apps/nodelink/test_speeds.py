"""The speeds in the frame of every page: the mesh's and Soulseek's together, from what two heartbeats counted."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat
from apps.nodelink.models import NodeHeartbeat
from apps.nodelink.selectors_status import node_glance
from apps.nodelink.services import heartbeat_record
from apps.nodelink.web.frame import frame_parts

pytestmark = pytest.mark.django_db
BEAT_S = 4


def beat(boot_id: str, *, overlay_up: int, soulseek_up: int, soulseek_down: int, mesh_bps: int, at: datetime) -> None:
    report = {
        "transfers": [{"speed_bps": mesh_bps}],
        "bytes": {"down": 10**9, "up": overlay_up},
        "traffic": {"soulseek_down": soulseek_down, "soulseek_up": soulseek_up, "overlay_down": 10**9, "overlay_up": 5},
    }
    heartbeat_record(Heartbeat(peer_id="me", boot_id=boot_id, started_at=at, version="1", report=report))
    NodeHeartbeat.objects.update(beat_at=at)


def test_what_comes_and_goes_over_both_planes_is_one_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.nodelink.selectors_status._sample", None)
    boot_id, now = str(uuid.uuid4()), timezone.now()
    earlier = now - timedelta(seconds=BEAT_S)
    beat(boot_id, overlay_up=1000, soulseek_up=500, soulseek_down=7000, mesh_bps=300, at=earlier)
    first = node_glance()
    assert (first.down_bps, first.up_bps) == (300, 0)
    beat(boot_id, overlay_up=3000, soulseek_up=2500, soulseek_down=4_103_000, mesh_bps=300, at=now)
    again = node_glance()
    assert (again.down_bps, again.up_bps) == (300 + 1_024_000, 1000)
    assert "KiB/s" in str(frame_parts()["frame-status"]), "and the pages show it"


def test_a_node_that_was_started_anew_begins_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.nodelink.selectors_status._sample", None)
    now = timezone.now()
    before = now - timedelta(seconds=BEAT_S)
    beat(str(uuid.uuid4()), overlay_up=10**9, soulseek_up=10**9, soulseek_down=10**9, mesh_bps=0, at=before)
    node_glance()
    beat(str(uuid.uuid4()), overlay_up=1, soulseek_up=1, soulseek_down=1, mesh_bps=0, at=now)
    assert (node_glance().down_bps, node_glance().up_bps) == (0, 0)
