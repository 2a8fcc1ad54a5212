"""A library with rules, and uploads in every state, in rows."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat
from apps.domain.soulseek.states import UPLOAD_ENDS, UploadState
from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.nodelink.services import heartbeat_record
from apps.soulseek.models import ShareRule, Upload

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


def library(path: str = "/music", names: tuple[str, ...] = ()) -> LibraryRoot:
    """A root with two albums for everybody, one for buddies, one for nobody."""
    root = LibraryRoot.objects.create(path=path)
    names = names or (
        "Band/Album/01 Song.flac",
        "Band/Album/02 Song.flac",
        "Band/Other/01 Song.mp3",
        "Private/Demo/01 Song.flac",
        "Diary/01 Secret.flac",
    )
    for at, name in enumerate(names):
        mp3 = name.endswith(".mp3")
        variant = AudioVariant.objects.create(
            payload_format="mp3" if mp3 else "flac",
            payload_root=hashlib.sha256(f"{path}{name}".encode()).digest(),
            payload_bytes=1000,
            leaf_hashes=b"",
            profile="mp3-v0-44100-2" if mp3 else "flac-16-44100-2",
            container="mp3" if mp3 else "flac",
            rate_hz=44_100,
            bits=0 if mp3 else 16,
            bitrate_kbps=245 if mp3 else 900,
            duration_ms=181_500,
            lossless=not mp3,
        )
        AudioFile.objects.create(
            root=root,
            rel_path=name.encode(),
            rel_path_hash=hashlib.sha256(name.encode()).digest(),
            folder_hash=hashlib.sha256(name.rpartition("/")[0].encode()).digest(),
            display=name,
            size_bytes=1000 + at,
            mtime_ns=at,
            variant=variant,
        )
    return root


def rules(root: LibraryRoot) -> None:
    for path, audience in ((b"Private", "buddies"), (b"Diary", "nobody")):
        ShareRule.objects.create(root=root, relative_path=path, display=path.decode(), audience=audience)


def waiting(rows: list[list[object]]) -> None:
    """The node's heartbeat says how uploads wait: [upload, place, why, its params, seconds from, seconds to]."""
    heartbeat_record(
        Heartbeat(
            peer_id="me",
            boot_id="b",
            started_at=timezone.now(),
            version="1",
            report={"soulseek": {"uploads": {"waits": rows}}},
        )
    )


def uploads() -> dict[UploadState, Upload]:
    """One in each state."""
    codes = {
        UploadState.REFUSED: ("shared_file_changed", {}),
        UploadState.CANCELLED: ("cancelled_by_person", {}),
        UploadState.TIMED_OUT: ("user_unreachable", {}),
        UploadState.ERRORED: ("upload_failed", {}),
        UploadState.ABORTED: ("user_declined", {"reason": "Cancelled"}),
    }
    made = {}
    for at, state in enumerate(UploadState):
        code, params = codes.get(state, ("", {}))
        made[state] = Upload.objects.create(
            id=uuid.UUID(int=at + 1),
            user=f"user {at}",
            remote_path=f"music\\Band\\Album\\{at:02} Song.flac",
            size_bytes=30_000_000,
            state=state,
            code=code,
            params=params,
            group="buddies" if at % 2 else "default",
            sent_bytes=15_000_000 if state is UploadState.SENDING else 0,
            speed_bps=400_000 if state is UploadState.SENDING else 0,
            asked_at=NOW + timedelta(minutes=at),
            started_at=NOW + timedelta(minutes=at + 1) if state is UploadState.SENDING else None,
            ended_at=NOW + timedelta(minutes=at + 2) if state in UPLOAD_ENDS else None,
        )
    return made
