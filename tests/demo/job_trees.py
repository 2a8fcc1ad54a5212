"""Job trees as the API gives them, made by hand: real values through the real serializer, so that its words can't drift from ours."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from rest_framework.renderers import JSONRenderer

from apps.domain.jobs.lifecycle import JobState, TrackState, TransferState, WantPhase
from apps.domain.soulseek.states import RescueState
from apps.jobs.api.serializers import JobTreeOut
from apps.jobs.selectors import JobTree, ProgressView, RejectedView, SourceView, TrackView, TransferView
from apps.soulseek.api.rescues import RescueOut
from apps.soulseek.selectors_rescues import RescueView
from slskdn_site.demo.report import Json

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
FAST, CORRUPT = "a" * 52, "b" * 52
NAMES = {FAST: "fast", CORRUPT: "corrupt"}


def source(
    peer: str, *, verified: int, bad: int = 0, share: float = 1.0, speed: int = 0, plane: str = "overlay"
) -> SourceView:
    return SourceView(
        peer=peer,
        plane=plane,
        agent="slskdn",
        verified_bytes=verified,
        wasted_bytes=0,
        bad_leaves=bad,
        share=share,
        speed_bps=speed,
        state="active",
        code="",
    )


def transfer(*, verified: int, total: int, speed: int = 0) -> TransferView:
    return TransferView(
        id=uuid.UUID(int=7),
        state=TransferState.FETCHING,
        code="",
        params={},
        profile="FLAC 44.1/16 2ch",
        payload_root="ab" * 32,
        payload_bytes=total,
        verified_bytes=verified,
        refetched_bytes=0,
        speed_bps=speed,
        eta_s=None,
        started_at=NOW,
        ended_at=None,
    )


def rejected(peers: Sequence[str] = (CORRUPT,)) -> RejectedView:
    return RejectedView(
        payload_root="cd" * 32,
        profile="FLAC 44.1/16 2ch",
        code="wrong_recording",
        params={"title": "Harbour Dues", "artist": "Tessaly Quay", "recording": str(uuid.UUID(int=9))},
        peers=tuple(peers),
    )


def progress(code: str = "no_source") -> ProgressView:
    return ProgressView(phase=WantPhase.NO_SOURCE, code=code, params={}, sources_known=0, next_look_at=None, since=NOW)


def track(
    position: int,
    state: TrackState,
    *,
    title: str = "Drydock",
    placed: str = "",
    code: str = "",
    doing: ProgressView | None = None,
    on_its_way: TransferView | None = None,
    sources: Sequence[SourceView] = (),
    refused: Sequence[RejectedView] = (),
) -> TrackView:
    done = state is TrackState.COMPLETED
    return TrackView(
        id=uuid.UUID(int=100 + position),
        medium=1,
        position=position,
        number=str(position),
        title=title,
        artist="Tessaly Quay",
        recording_mbid=uuid.UUID(int=200 + position),
        track_mbid=None,
        length_ms=30_000,
        state=state,
        code=code,
        params={},
        verification="fingerprint" if done else "",
        placed_path=placed,
        sha256="ef" * 32 if done else "",
        payload_root="ab" * 32 if done else "",
        next_step_at=None,
        want_id=None,
        desired="active",
        progress=doing,
        transfer=on_its_way,
        sources=tuple(sources),
        rejected=tuple(refused),
    )


def job(*tracks: TrackView, state: JobState = JobState.RUNNING, title: str = "Low Water Almanac") -> Json:
    tree = JobTree(
        id=uuid.UUID(int=1),
        kind="mb_release",
        target_mbid=uuid.UUID(int=2),
        release_mbid=uuid.UUID(int=2),
        state=state,
        code="",
        params={},
        title=title,
        artist="Tessaly Quay" if title else "",
        year="2026",
        constraints={},
        origin="api",
        requested_by="admin",
        created_at=NOW,
        started_at=NOW,
        ended_at=None,
        next_step_at=None,
        tracks=tracks,
    )
    return cast("Json", json.loads(JSONRenderer().render(JobTreeOut(tree).data)))


def rescue(
    position: int,
    *,
    overlay: int,
    soulseek: int,
    state: RescueState = RescueState.FINISHED,
    code: str = "rescue_finished",
    after_s: float | None = 2.5,
) -> Json:
    """Of the recording of a `track` at that position."""
    view = RescueView(
        id=uuid.UUID(int=300 + position),
        download_id=uuid.UUID(int=400 + position),
        batch_id=uuid.UUID(int=5),
        job_id=uuid.UUID(int=1),
        recording_mbid=uuid.UUID(int=200 + position),
        transfer_id=None,
        user="slackwater",
        name="01 - First Ferry.flac",
        trouble="too_slow",
        trouble_at=NOW,
        state=state,
        code=code,
        params={},
        overlay_bytes=overlay,
        soulseek_bytes=soulseek,
        share=None,
        overlay_bps=0,
        soulseek_bps=0,
        peers=0,
        started_at=NOW,
        first_byte_at=NOW + timedelta(seconds=after_s) if after_s is not None else None,
        ended_at=NOW,
    )
    return cast("Json", json.loads(JSONRenderer().render(RescueOut(view).data)))
