"""Fills a prepared database with rows for the pages to show: `python -m tests.web.seed COUNT`, in the data folder of SLSKDN_DATA.

Every state, long names, foreign scripts, spoofed text, refused payloads. Nothing here is random: two runs look the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from datetime import timedelta

NAMES = [
    ("Kind of Blue", "Miles Davis", "1959"),
    ("Music Has the Right to Children", "Boards of Canada", "1998"),
    ("Ágætis byrjun", "Sigur Rós", "1999"),
    ("三日月ロック", "スピッツ", "2002"),
    ("أنا بعشقك", "ميادة الحناوي", "1981"),
    (
        "Lift Your Skinny Fists Like Antennas to Heaven, and a title that goes on " + "and on " * 40,
        "Godspeed You! Black Emperor",
        "2000",
    ),
    ("inno\u202ecent\u202c\u0007 <script>alert(1)</script>\nsecond line", "pee\u2066r\u2069", "2020"),
    ("Selected Ambient Works 85–92", "Aphex Twin", "1992"),
]
TITLES = [
    "So What",
    "Freddie Freeloader",
    "Blue in Green",
    "All Blues",
    "Flamenco Sketches",
    "On Green Dolphin Street",
    "Fran-Dance",
    "Stella by Starlight",
]


def mbid(*parts: object) -> uuid.UUID:
    """A stable id."""
    return uuid.UUID(bytes=hashlib.sha256(repr(parts).encode()).digest()[:16], version=4)


def digest(*parts: object) -> bytes:
    """Stable 32 bytes."""
    return hashlib.sha256(repr(parts).encode()).digest()


def fill(count: int) -> None:
    """`count` jobs, peers, files; a heartbeat when there is anything. One transaction, for speed."""
    from django.db import transaction

    with transaction.atomic():
        _fill(count)


FULL_JOBS = 48  # have tracks and sources; further ones are a line in the list, as after years of use


def _fill(count: int) -> None:
    from django.utils import timezone

    from apps.catalog.models import Release
    from apps.domain.library.sorting import sort_key
    from apps.library.models import AudioFile, AudioVariant, LibraryRoot
    from apps.mesh.models import Announcement, Claim, SeededRelease
    from apps.nodelink.models import NodeHeartbeat
    from apps.peers.models import Peer, TrafficLedger

    now = timezone.now()
    peers = [
        Peer.objects.create(
            plane="overlay",
            key=("k" + digest("peer", n).hex())[:52],
            agent="slskdn/0.1.0",
            last_seen=now - timedelta(minutes=n),
            bad_leaves=3 if n % 7 == 3 else 0,
            wrong_claims=1 if n % 7 == 4 else 0,
            violations=2 if n % 11 == 5 else 0,
            banned_until=now + timedelta(hours=1) if n % 11 == 5 else None,
        )
        for n in range(max(count, 4 if count else 0))
    ]
    for peer in peers:
        TrafficLedger.objects.create(peer=peer, plane="overlay", direction="down", total_bytes=peer.pk * 7_340_032)
        TrafficLedger.objects.create(peer=peer, plane="overlay", direction="up", total_bytes=peer.pk * 1_048_576)
    learn(peers[: max(0, count - 1)] if count > 1 else peers[:3])
    if not count:
        return
    NodeHeartbeat.objects.create(
        peer_id="k" + digest("self").hex()[:51],
        boot_id="b",
        started_at=now - timedelta(hours=5),
        beat_at=now + timedelta(days=1),
        version="0.1.0",
        report={
            "links": [{"peer": peer.key} for peer in peers[:4]],
            "dht": {"port": 50306, "good_nodes": {"v4": 150, "v6": 32}},
            "transfers": [{"speed_bps": 1_400_000}, {"speed_bps": 2_500_000}],
            "bytes": {"down": 0, "up": 0},
            "scheduler": {
                "mode": "balanced",
                "cost_based": True,
                "decisions": 48_211,
                "moves": 311,
                "races": 74,
                "rebalances": 96,
                "duplicate_bytes": 18_300_000,
                "bad_bytes": 786_432,
                "parted_bytes": 1_310_720,
                "violations": {},
                "cost_variance": 0.417,
                "speed_up": 2.34,
                "peers": {"known": 41, "preferred": 12, "neutral": 22, "down_weighted": 4, "quarantined": 3},
                "reputation": {"lowest": 0.043, "median": 0.61},
            },
        },
    )
    root = LibraryRoot.objects.create(path="/music", writable=True)
    for n in range(count):
        title, artist, year = NAMES[n % len(NAMES)]
        variant = AudioVariant.objects.create(
            payload_format="flac",
            payload_root=digest("variant", n),
            payload_bytes=31_000_000 + n,
            leaf_hashes=b"",
            recording_mbid=mbid("recording", n),
            verified=n % 3 != 1,
            profile="flac-16-44100-2",
            container="flac",
            duration_ms=180_000 + n * 991,
        )
        path = f"{n:04}/{artist}/{title} ({year})/{n % 8 + 1:02} {TITLES[n % 8]}.flac"[:300]
        AudioFile.objects.create(
            root=root,
            rel_path=path.encode(),
            rel_path_hash=hashlib.sha256(path.encode()).digest(),
            display=path,
            size_bytes=31_200_000 + n,
            mtime_ns=1,
            variant=variant,
            title=TITLES[n % 8],
            artist=artist,
            album=title[:1000],
            sort_key=sort_key(artist=artist, album=title, disc=1, track=n % 8 + 1, title=TITLES[n % 8]),
            medium_position=1,
            track_position=n % 8 + 1,
            missing_since=now if n % 23 == 9 else None,
        )
        make_job(n, peers=peers, now=now - timedelta(minutes=3 * n))
    for n in range(min(count, 100)):
        title, artist, year = NAMES[n % len(NAMES)]
        if n % 2 == 0:
            Release.objects.create(
                mbid=mbid("release", n), title=title[:1000], artist_credit=artist, date=year, fetched_at=now
            )
        SeededRelease.objects.create(release_mbid=mbid("release", n))
        Announcement.objects.create(
            release_mbid=mbid("release", n), slot=n, announced_at=now if n % 4 else None, stored_at=8 if n % 4 else 0
        )
    Claim.objects.create(
        peer=peers[0],
        recording_mbid=mbid("r"),
        payload_format="flac",
        payload_root=digest("c"),
        profile="flac-16-44100-2",
        payload_bytes=1,
        heard_at=now,
        verdict="refuted",
    )


def learn(peers: list) -> None:
    """Metrics of every temper for peers; the last of a long list was never asked for anything."""
    from django.utils import timezone

    from apps.domain.contracts.peer_work import PeerMetricsReport
    from apps.domain.peers.metrics import PeerMetricsSnapshot
    from apps.peers.services_metrics import peer_metrics_record

    tempers = [
        {"successful": 900.0, "rtt_s": 0.031, "throughput_bps": 7_300_000.0, "throughput_var": 2e11},
        {"successful": 40.0, "timeouts": 26.0, "rtt_s": 1.4, "throughput_bps": 31_000.0, "timeout_rate": 0.31},
        {"successful": 6.0, "corrupt": 9.0, "rtt_s": 0.05, "throughput_bps": 4_100_000.0, "error_rate": 0.58},
        {"successful": 3.0, "rtt_s": 0.22, "throughput_bps": 880_000.0},
        {"not_delivered": 14.0, "cancelled_by_peer": 3.0, "error_rate": 0.77},
        {"successful": 300.0, "wrong_claims": 4.0, "failed": (("io_error", 11.0), ("other", 2.0)), "rtt_s": 0.4},
    ]
    now = timezone.now()
    peer_metrics_record(
        [
            PeerMetricsReport(
                peer=peer.key,
                metrics=PeerMetricsSnapshot(
                    **{
                        "at": now,
                        "idle_s": 86_400.0 * (n % 5) * (n % 3),
                        "samples": 10.0,
                        "verified_bytes": 1e6 * (n % 97),
                        "busy": float(n % 4),
                        **tempers[n % len(tempers)],
                    }
                ),
            )
            for n, peer in enumerate(peers)
        ]
    )


STATES = ["running", "completed", "paused", "partial", "failed", "resolving", "pending", "cancelled"]


def make_job(n: int, *, peers: list, now: object) -> None:
    """One job in the n-th state, with tracks to match."""
    from django.contrib.auth.models import User

    from apps.jobs.models import Job

    state, (title, artist, year) = STATES[n % 8], NAMES[n % len(NAMES)]
    named = state not in {"pending", "resolving", "failed"}
    code, params = {
        "partial": ("tracks_failed", {"failed": 2, "total": 8}),
        "failed": ("release_not_found", {}),
        "resolving": ("musicbrainz_unavailable", {}),
        "cancelled": ("cancelled_by_person", {}),
    }.get(state, ("", {}))
    job = Job.objects.create(
        kind="mb_release",
        target_mbid=mbid("release", n),
        state=state,
        code=code,
        params=params,
        title=title[:1000] if named else "",
        artist=artist if named else "",
        year=year if named else "",
        requested_by=User.objects.filter(username="admin").first(),
        constraints={"version": 1, "allow_lossy": False} if n % 5 == 2 else {"version": 1},
    )
    Job.objects.filter(id=job.id).update(created_at=now)
    if named and n < FULL_JOBS:
        for index, name in enumerate(TITLES):
            make_track(job, index, name, state=state, peers=peers, seed=n)


TRACKS = {
    "running": ["completed", "completed", "downloading", "downloading", "verifying", "wanted", "no_source", "wanted"],
    "completed": ["completed"] * 8,
    "paused": ["completed", "paused"] + ["wanted"] * 6,
    "partial": ["completed"] * 6 + ["failed"] * 2,
    "cancelled": [
        "completed",
        "cancelled",
        "cancelled",
        "cancelled",
        "cancelled",
        "cancelled",
        "cancelled",
        "cancelled",
    ],
}


def make_track(job: object, index: int, name: str, *, state: str, peers: list, seed: int) -> None:
    """One track with want, progress, transfer and sources."""
    from django.utils import timezone

    from apps.jobs.models import JobTrack
    from apps.transfers.models import Transfer, TransferSource, TransferVerdict, Want, WantProgress

    kind, now = TRACKS[state][index], timezone.now()
    recording = mbid("recording", seed, index)
    want = Want.objects.create(recording_mbid=recording, release_mbids=[])
    track_state = {"no_source": "wanted", "paused": "downloading"}.get(kind, kind)
    phase = {
        "wanted": "seeking",
        "no_source": "no_source",
        "downloading": "fetching",
        "verifying": "verifying",
        "paused": "paused",
    }.get(kind, "done")
    WantProgress.objects.create(
        want=want,
        phase=phase,
        code="no_source" if kind == "no_source" else "",
        sources_known=3,
        since=now,
        next_look_at=now + timedelta(minutes=2) if kind == "no_source" else None,
    )
    JobTrack.objects.create(
        job=job,
        position=index + 1,
        title=name if seed % 8 != 6 else name + "\u202e\u0000"[:1] + " with a very long tail " * 12,
        artist=job.artist,
        recording_mbid=recording,
        length_ms=200_000 + 31_000 * index,
        want=want,
        state=track_state,
        verification={"completed": "unconfirmed" if index == 1 else "fingerprint"}.get(kind, ""),
        code="decode_failed" if kind == "failed" else "",
        params={"reason": "frame 812 is damaged"} if kind == "failed" else {},
        placed_path=f"/music/{job.artist}/{index + 1:02} {name}.flac" if kind == "completed" else "",
    )
    size = 24_000_000 + 1_700_000 * index
    if index == 3 and state in {"running", "completed"}:
        refused = Transfer.objects.create(
            want=want,
            payload_format="flac",
            payload_root=digest("x", seed, index),
            profile="flac-16-44100-2",
            payload_bytes=size,
            leaf_bytes=262144,
            verified_bytes=size,
            state="rejected",
            ended_at=now,
        )
        TransferVerdict.objects.create(
            transfer=refused,
            accepted=False,
            code="wrong_recording",
            params={"title": "Nardis", "artist": "Bill Evans", "recording": str(mbid("nardis"))},
        )
        TransferSource.objects.create(
            transfer=refused, peer=peers[3], payload_root=refused.payload_root, state="completed", verified_bytes=size
        )
    if kind not in {"completed", "downloading", "verifying", "paused"}:
        return
    share = {"downloading": 0.3 + 0.11 * index, "paused": 0.42}.get(kind, 1.0)
    live = {"completed": "accepted", "verifying": "assembled"}.get(kind, "fetching")
    speed = 1_400_000 if kind == "downloading" else 0
    transfer = Transfer.objects.create(
        want=want,
        payload_format="flac",
        payload_root=digest("p", seed, index),
        profile="flac-16-44100-2",
        payload_bytes=size,
        leaf_bytes=262144,
        verified_bytes=int(size * share),
        speed_bps=speed,
        state=live,
    )
    for peer, part in zip(peers, (0.55, 0.3, 0.1, 0.05), strict=False):
        TransferSource.objects.create(
            transfer=transfer,
            peer=peer,
            payload_root=transfer.payload_root,
            state="requesting" if speed else "completed",
            verified_bytes=int(size * share * part),
            speed_bps=int(speed * part),
            bad_leaves=peer.bad_leaves,
            code="bad_leaf" if peer.bad_leaves else "",
        )


def main() -> None:
    """Make Vera, fill."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    from django.contrib.auth.models import Group, User

    viewer = User.objects.create_user("vera", password="only-looking")
    viewer.groups.add(Group.objects.get(name="viewer"))
    fill(int(sys.argv[1]))


if __name__ == "__main__":
    main()
