"""Two connection cores back to back, and the sample messages that the protocol tests share."""

from __future__ import annotations

import itertools

from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.events import Event
from overlay_node.protocol.limits import Limits
from overlay_node.protocol.messages import (
    Bye,
    CancelReason,
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    EditionProfile,
    ErrorReply,
    Hello,
    HelloAck,
    MbidQuery,
    MbidResponse,
    MbidSwarmDescriptor,
    Message,
    PayloadHave,
    PayloadManifest,
    PayloadRequest,
    Ping,
    Pong,
    ReleaseIds,
    SwarmPolicies,
    SwarmTrack,
    TrackState,
    VariantOffer,
)
from overlay_node.protocol.sharing import (
    BundleRecording,
    BundleVariant,
    CacheConstraints,
    CacheJobRole,
    FingerprintBundleAdvert,
    FingerprintBundleRequest,
    MeshCacheJob,
    RequestedTrack,
    write_bundle,
)


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


ROOT = bytes(range(32))
NONCE = b"n" * 16

SAMPLES: tuple[Message, ...] = (
    Hello(message_id=uuid(1), nonce=NONCE, features=("swarm/1", "pcm1/1!"), feature_params={"swarm": {"a": [1, "é"]}}),
    HelloAck(message_id=uuid(2), protocol=1, nonce=NONCE, admission_token=b"t" * 16, in_reply_to=uuid(1)),
    Ping(message_id=uuid(3), nonce=7),
    Pong(message_id=uuid(4), nonce=7, in_reply_to=uuid(3)),
    Bye(message_id=uuid(5), reason_code="idle", retry_after_s=30),
    ErrorReply(message_id=uuid(6), in_reply_to=uuid(3), code="not_found"),
    MbidQuery(
        message_id=uuid(7), releases=(uuid(70),), recordings=(uuid(71), uuid(72)), preferred_profile="flac-16-44100-2"
    ),
    MbidResponse(
        message_id=uuid(8),
        in_reply_to=uuid(7),
        variants=(
            VariantOffer(
                recording=uuid(71),
                profile="flac-16-44100-2",
                size=1000,
                payload_format="flac",
                payload_root=ROOT,
                fingerprint_hash=ROOT[::-1],
                verified=True,
                quality_score=0.75,
                facts={"dr10": 112, "suspect": 0},
            ),
        ),
    ),
    MbidSwarmDescriptor(
        message_id=uuid(9),
        release=ReleaseIds(mb_release=uuid(70), discogs_release=12),
        title="Ágætis byrjun",
        edition=EditionProfile(country="IS", date="1999-06-12"),
        tracks=(
            SwarmTrack(number=1, recording=uuid(71), state=TrackState.MISSING, duration_ms=1000),
            SwarmTrack(
                number=2,
                recording=uuid(72),
                state=TrackState.PARTIAL,
                size=5,
                profile="mp3-v0-44100-2",
                payload_format="mp3",
                payload_root=ROOT,
            ),
        ),
        policies=SwarmPolicies(),
        capabilities=("flac", "complete"),
    ),
    PayloadRequest(message_id=uuid(10), transfer_id=uuid(100), payload_format="flac", payload_root=ROOT),
    PayloadManifest(
        message_id=uuid(11),
        in_reply_to=uuid(10),
        transfer_id=uuid(100),
        payload_format="flac",
        payload_root=ROOT,
        payload_bytes=600_000,
        leaf_bytes=262_144,
        sample_rate_hz=44100,
        channels=2,
        bits_per_sample=16,
        preamble=b"fLaC" + bytes(38),
        have=((0, 1), (2, 3)),
    ),
    PayloadHave(message_id=uuid(12), payload_root=ROOT, ranges=((1, 2),)),
    ChunkRequest(message_id=uuid(13), transfer_id=uuid(100), payload_root=ROOT, offset=0, length=5, priority=8),
    ChunkResponse(message_id=uuid(14), in_reply_to=uuid(13), transfer_id=uuid(100), offset=0, length=5),
    ChunkCancel(message_id=uuid(15), transfer_id=uuid(100), ranges=((0, 5),), reason_code=CancelReason.COMPLETE),
    FingerprintBundleRequest(message_id=uuid(16), bundle_id=uuid(80), sequence=3),
    FingerprintBundleAdvert(message_id=uuid(17), bundle_id=uuid(80), sequence=4, full_snapshot=True, more=True),
    MeshCacheJob(
        message_id=uuid(18),
        job_id=uuid(90),
        role=CacheJobRole.REQUEST,
        release=uuid(70),
        requested_tracks=(RequestedTrack(recording=uuid(71), priority=7, desired_profile="flac-16-44100-2"),),
        constraints=CacheConstraints(max_bytes=10**9, max_peers=8),
    ),
)

BUNDLE = (
    BundleRecording(
        recording=uuid(71),
        acoustid=uuid(81),
        variants=(
            BundleVariant(
                variant_id="a1",
                profile="flac-16-44100-2",
                payload_format="flac",
                payload_root=ROOT,
                size=1000,
                container="flac",
                duration_ms=5000,
                bitrate_kbps=900,
                pcm_md5=bytes(16),
                fingerprint=b"print",
                transcode_suspect=False,
                quality_score=0.5,
                verified=True,
            ),
        ),
    ),
)

ATTACHMENTS = {
    "payload_manifest": bytes(range(96)),
    "chunk_response": b"hello",
    "fingerprint_bundle_advert": write_bundle(recordings=BUNDLE, withdrawn=("b2",))[0],
}
"""type -> attachment of its sample"""


class Ids:
    """A counting source of ids; two sides never share one."""

    def __init__(self, start: int) -> None:
        self._numbers = itertools.count(start)

    def __call__(self) -> str:
        return uuid(next(self._numbers))


def make(role: Role, *, start: int, now: float = 1000.0, limits: Limits | None = None, **hello: object) -> Connection:
    return Connection(
        role,
        local=LocalHello(**hello),  # type: ignore[arg-type]
        peer_id=f"peer-of-{role}",
        now=now,
        admission=AdmissionTokens(f"secret of {role:>10}".encode()),
        new_id=Ids(start),
        new_nonce=lambda: role.encode().ljust(16, b"."),
        connection_limits=limits,
    )


class ConnectionPair:
    """A client and a server core; ``pump`` carries bytes until both are silent."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        client: dict[str, object] | None = None,
        server: dict[str, object] | None = None,
        now: float = 1000.0,
    ) -> None:
        self.now = now
        self.client = make(Role.CLIENT, start=0x100000, limits=limits, now=now, **(client or {}))
        self.server = make(Role.SERVER, start=0x200000, limits=limits, now=now, **(server or {}))

    def pump(self) -> None:
        busy = True
        while busy:
            busy = False
            for one, other in ((self.client, self.server), (self.server, self.client)):
                for data in one.data_to_send():
                    busy = True
                    other.receive_data(data, self.now)

    def opened(self) -> ConnectionPair:
        self.pump()
        events(self.client)
        events(self.server)
        return self

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for side in (self.client, self.server):
            side.handle_timer(self.now)
        self.pump()


def events(connection: Connection) -> list[Event]:
    found: list[Event] = []
    while (event := connection.next_event()) is not None:
        found.append(event)
    return found
