"""Coverage-guided fuzzing of the protocol core: bytes of a peer into a connection, whatever they are.

    ./slskdn lab fuzz --seconds 600 [--seed N] [--keep]

A case is a head of four bytes (role, open or not, how the stream is cut, how time passes) and the peer's stream. It is run on a connection that
also speaks by itself, so that there is something to answer. What may come out is a RemoteProtocolError, and then the connection is over and has
said bye; everything else is a finding. So are tables that outgrow their limits, a buffer larger than a frame may be, and a stream that means something
else when it is cut elsewhere.

The loop keeps a case when it reaches an edge (two lines of the core run one after the other) that no kept case reached. Mutations know frames and
JSON, since random bytes seldom are either. Deterministic from its seed. A library (atheris) was looked at: its wheels are for Linux on x86-64 only and it
repeats nothing from a seed; the harness (`run_case`) would serve it as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import overlay_node.protocol
from overlay_node.protocol import limits
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.advert_flow import AdvertIntake
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.envelope import Encoding, encode_frame
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.events import MessageReceived
from overlay_node.protocol.messages import (
    CancelReason,
    ChunkCancel,
    ChunkError,
    ChunkRequest,
    ChunkResponse,
    Hello,
    HelloAck,
    MbidQuery,
    Message,
    PayloadRequest,
    with_id,
)
from overlay_node.protocol.sharing import (
    CacheJobRole,
    FingerprintBundleAdvert,
    FingerprintBundleRequest,
    MeshCacheJob,
    RequestedTrack,
)
from overlay_node.protocol.states import ConnectionState
from tests.overlay_node.protocol.pair import ATTACHMENTS, NONCE, ROOT, SAMPLES, Ids, uuid

CORPUS: Final = Path(__file__).parent / "corpus"
CORE: Final = str(Path(overlay_node.protocol.__file__).parent)
FEATURES: Final = ("swarm/1", "adverts/1", "cache_jobs/1")
HEAD_BYTES: Final = 4
MAX_CASE_BYTES: Final = 64 * 1024
START: Final = 1000.0
OPENED: Final = 1
SERVER: Final = 2
SECRET: Final = b"a secret of 16 b"


class Finding(AssertionError):
    """The core did what it must not do."""


# ---- one case -----------------------------------------------------------------------------------------------------------------------


def fresh(role: Role) -> Connection:
    return Connection(
        role,
        local=LocalHello(features=FEATURES),
        peer_id="peer",
        now=START,
        admission=AdmissionTokens(SECRET),
        new_id=Ids(0x1000),
        new_nonce=lambda: NONCE,
    )


def greeting() -> bytes:
    """What a peer says until the connection is open, in either role."""
    hello = Hello(message_id=uuid(1), nonce=NONCE, features=FEATURES)
    ack = HelloAck(message_id=uuid(2), protocol=1, nonce=NONCE, admission_token=b"t" * 16, in_reply_to=uuid(0x1000))
    return encode_frame(hello)[0] + encode_frame(ack)[0]


def speak(connection: Connection) -> list[str]:
    """Our own questions, so that answers have something to answer; their ids are always the same."""
    said: tuple[Message, ...] = (
        MbidQuery(recordings=(uuid(71),)),
        PayloadRequest(transfer_id=uuid(100), payload_format="flac", payload_root=ROOT),
        ChunkRequest(transfer_id=uuid(100), payload_root=ROOT, offset=0, length=5),
        ChunkRequest(transfer_id=uuid(100), payload_root=ROOT, offset=5, length=5),
        FingerprintBundleRequest(),
        MeshCacheJob(
            job_id=uuid(90),
            role=CacheJobRole.REQUEST,
            release=uuid(70),
            requested_tracks=(RequestedTrack(recording=uuid(71)),),
        ),
    )
    ids = [connection.send(message, now=START) for message in said]
    connection.send(ChunkCancel(transfer_id=uuid(100), ranges=((5, 6),), reason_code=CancelReason.TIMEOUT), now=START)
    return ids


@dataclass
class Outcome:
    """What a case led to: the code it was closed with, and what was told of it."""

    code: str | None
    events: list[str] = field(default_factory=list)


def run_case(
    case: bytes, *, cut: Callable[[int], int] | None = None, begin: Callable[[], object] = lambda: None
) -> Outcome:
    """Run one case; raises Finding. `cut` overrides how the stream is cut: it is given the bytes left. `begin` is called when the peer begins."""
    head, stream = case[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0"), case[HEAD_BYTES:MAX_CASE_BYTES]
    role = Role.SERVER if head[0] & SERVER else Role.CLIENT
    connection = fresh(role)
    intake = AdvertIntake()
    cuts = random.Random(head[1])
    step = head[2] / 16
    outcome = Outcome(None)
    now = START
    if head[0] & OPENED:
        connection.receive_data(greeting(), now)
        assert connection.state is ConnectionState.OPEN
        speak(connection)
        intake.asked()
    at = 0
    begin()
    while at < len(stream):
        size = cut(len(stream) - at) if cut is not None else cuts.choice((1, 2, 3, 7, 64, 1000, 65536))
        piece, at = stream[at : at + size], at + size
        try:
            connection.receive_data(piece, now)
        except RemoteProtocolError as error:
            outcome.code = error.code
            if connection.state is not ConnectionState.CLOSED or not connection.has_data_to_send:
                raise Finding(f"{error.code}: the connection is not over, or says no bye") from error
        except BaseException as error:
            raise Finding(f"{type(error).__name__}: {error}") from error
        try:
            _react(connection, intake, outcome, now, answers=cut is None)
            if cut is None and step:
                now += step
                connection.handle_timer(now)
        except Finding:
            raise
        except BaseException as error:
            raise Finding(f"while reacting, {type(error).__name__}: {error}") from error
        _check_bounds(connection)
        if outcome.code is not None:
            break
    return outcome


def _react(connection: Connection, intake: AdvertIntake, outcome: Outcome, now: float, *, answers: bool) -> None:
    """What a node does with what it hears: answer, as far as it may. (Not where cuts are compared: an answer changes what a replay means.)"""
    while (event := connection.next_event()) is not None:
        if not isinstance(event, MessageReceived):
            outcome.events.append(type(event).__name__)
            continue
        message = event.message
        outcome.events.append(f"{message.TYPE}:{message.message_id}:{len(event.attachment)}")
        if isinstance(message, FingerprintBundleAdvert):
            outcome.events.append(intake.take(message))
        if answers and isinstance(message, ChunkRequest) and connection.state is ConnectionState.OPEN:
            refusal = ChunkResponse(
                in_reply_to=message.message_id,
                transfer_id=message.transfer_id,
                offset=message.offset,
                error_code=ChunkError.NOT_FOUND,
            )
            if message.length % 2:  # the others stay open, and fill their table
                try:
                    connection.send(refusal, now=now)
                except LocalProtocolError as error:
                    if error.code != "answers_nothing":
                        raise
    connection.data_to_send() if connection.state is not ConnectionState.CLOSED else None


def _check_bounds(connection: Connection) -> None:
    if not 0 < len(connection.get_buffer()) <= limits.MAX_ATTACHMENT_BYTES:
        raise Finding("the buffer is empty, or larger than any frame")
    if connection.chunks_served > limits.CHUNKS_IN_FLIGHT_ACCEPTED or connection.chunks_in_flight > 8:
        raise Finding("more chunks are in flight than are accepted")
    for name in ("_asked", "_cancelled_wants", "_taken_back", "_held_back"):
        if len(getattr(connection, name)) > 256:
            raise Finding(f"{name} outgrew its limit")


def check_cuts(case: bytes) -> None:
    """The same stream whole and byte by byte must mean the same. Time stands still: rates are about time, not about cuts."""
    whole, bitten = run_case(case, cut=lambda left: left), run_case(case, cut=lambda _left: 1)
    if (whole.code, whole.events) != (bitten.code, bitten.events):
        raise Finding(f"cut elsewhere it means something else: {whole} {bitten}")


# ---- coverage -----------------------------------------------------------------------------------------------------------------------


class Coverage:
    """Edges of the core: pairs of lines of one function that ran one after the other."""

    def __init__(self) -> None:
        self.edges: set[tuple[Any, int, int]] = set()

    def of(self, run: Callable[[Callable[[], object]], object]) -> int:
        """Run, and return how many edges were new. `run` is given what begins the watching."""
        before = len(self.edges)
        edges = self.edges

        def enter(frame: FrameType, event: str, _arg: object) -> Any:
            if event != "call" or not frame.f_code.co_filename.startswith(CORE):
                return None
            code, last = frame.f_code, 0

            def line(inner: FrameType, kind: str, _arg: object) -> Any:
                nonlocal last
                if kind == "line":
                    edges.add((code, last, inner.f_lineno))
                    last = inner.f_lineno
                return line

            return line

        previous = sys.gettrace()
        try:
            run(lambda: sys.settrace(enter))
        finally:
            sys.settrace(previous)
        return len(edges) - before


# ---- mutations ----------------------------------------------------------------------------------------------------------------------

INTERESTING: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**64, 1.5, -0.0, 1e308, "", "x", "\u0000", "\ud800", "é" * 300, [], {}, [[]], [{}],
    [0, 1], [[0, 1]], [[1, 0]], uuid(71), uuid(0x1001), "flac", "flac-16-44100-2", "zlib", "request", "offer", ROOT.hex(), "a" * 5000,
)  # fmt: skip


def sample_frames() -> list[bytes]:
    """One frame of every type, and answers to what `speak` asks."""
    frames = [_whole(message, ATTACHMENTS.get(message.TYPE, b"")) for message in SAMPLES]
    asked = [uuid(0x1000 + number) for number in range(12)]
    for message in SAMPLES:
        if message.in_reply_to is not None:
            frames += [_reply(message, one) for one in asked]
    offer = MeshCacheJob(
        message_id=uuid(20), job_id=uuid(90), role=CacheJobRole.OFFER, release=uuid(70), in_reply_to=uuid(0x1007)
    )
    frames.append(_whole(offer, b""))
    token = AdmissionTokens(SECRET).token("peer", START)
    for number, length in enumerate((5, 6, 2)):
        request = ChunkRequest(
            message_id=uuid(30 + number),
            transfer_id=uuid(100),
            payload_root=ROOT,
            offset=0,
            length=length,
            admission_token=token,
        )
        frames.append(_whole(request, b""))
    return frames


def zipped_frames() -> list[bytes]:
    """Frames whose attachment travels compressed: one honest, one that inflates to more than it says, one cut short."""
    advert = FingerprintBundleAdvert(message_id=uuid(50), bundle_id=uuid(80), sequence=1, full_snapshot=True)
    head, body = encode_frame(advert, ATTACHMENTS[advert.TYPE], encoding=Encoding.ZLIB)
    envelope = json.loads(head[4:])
    frames = [head + bytes(body)]
    for change in ({"attachment_decoded_bytes": 10}, {"attachment_bytes": len(body) - 4}):
        text = json.dumps({**envelope, **change}).encode()
        frames.append(len(text).to_bytes(4, "big") + text + bytes(body)[: change.get("attachment_bytes", len(body))])
    return frames


def _reply(message: Message, asked: str) -> bytes:
    import dataclasses

    return _whole(
        dataclasses.replace(with_id(message, uuid(40)), in_reply_to=asked), ATTACHMENTS.get(message.TYPE, b"")
    )


def _whole(message: Message, attachment: bytes) -> bytes:
    head, body = encode_frame(message, attachment)
    return head + bytes(body)


def split_frames(stream: bytes) -> list[bytes]:
    """The stream as frames, as far as it is made of any; the rest is one piece."""
    frames = []
    while len(stream) > 4:
        length = int.from_bytes(stream[:4], "big")
        if not 2 <= length <= len(stream) - 4:
            break
        end = 4 + length
        try:
            envelope = json.loads(stream[4:end])
            extra = envelope.get("attachment_bytes", 0) if isinstance(envelope, dict) else 0
        except (ValueError, RecursionError):
            extra = 0
        end += extra if type(extra) is int and 0 <= extra <= len(stream) - end else 0
        frames.append(stream[:end])
        stream = stream[end:]
    return [*frames, stream] if stream else frames


class Mutator:
    """Makes neighbours of cases."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        frames = sample_frames() + zipped_frames()
        self.asking = [frame for frame in frames if b'"in_reply_to"' not in frame]
        self.answering = [frame for frame in frames if b'"in_reply_to"' in frame]

    def mutate(self, case: bytes, other: bytes) -> bytes:
        """A neighbour of `case`; `other` is spliced in at times."""
        rng = self.rng
        head, frames = bytearray(case[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0")), split_frames(case[HEAD_BYTES:])
        for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
            match rng.randrange(10):
                case 0:
                    head[rng.randrange(HEAD_BYTES)] = rng.randrange(256)
                case 1 | 2:
                    samples = self.asking if rng.random() < 0.6 else self.answering
                    frames.insert(rng.randrange(len(frames) + 1), rng.choice(samples))
                case 3 if frames:
                    frames.insert(rng.randrange(len(frames) + 1), rng.choice(frames))
                case 4 if frames:
                    del frames[rng.randrange(len(frames))]
                case 5:
                    theirs = split_frames(other[HEAD_BYTES:])
                    frames[rng.randrange(len(frames) + 1) :] = theirs[rng.randrange(len(theirs) + 1) :]
                case 6 if frames:
                    at = rng.randrange(len(frames))
                    frames[at] = self._flip(frames[at])
                case _ if frames:
                    at = rng.randrange(len(frames))
                    frames[at] = self._json(frames[at])
        return (bytes(head) + b"".join(frames))[:MAX_CASE_BYTES]

    def _flip(self, data: bytes) -> bytes:
        raw = bytearray(data)
        for _ in range(self.rng.choice((1, 1, 4, 16))):
            if not raw:
                break
            at = self.rng.randrange(len(raw))
            match self.rng.randrange(4):
                case 0:
                    raw[at] ^= 1 << self.rng.randrange(8)
                case 1:
                    raw[at] = self.rng.randrange(256)
                case 2:
                    del raw[at : at + self.rng.choice((1, 2, 30))]
                case _:
                    raw[at:at] = self.rng.choice(
                        (b"[", b"{", b'"', b"\\u0000", b"\\ud800", b"\xff", b"[" * 40, b"9" * 30)
                    )
        return bytes(raw)

    def _json(self, data: bytes) -> bytes:
        """Change the envelope, or the attachment when it is JSON itself, and keep the frame a frame."""
        length = int.from_bytes(data[:4], "big")
        try:
            envelope, body = json.loads(data[4 : 4 + length]), data[4 + length :]
        except (ValueError, RecursionError):
            return self._flip(data)
        if not isinstance(envelope, dict):
            return self._flip(data)
        inside = body[:1] == b"{" and self.rng.random() < 0.5
        if inside:
            try:
                body = self._dump(self._change(json.loads(body)))
            except (ValueError, RecursionError):
                body = self._flip(body)
            envelope["attachment_bytes"] = len(body)
        else:
            envelope = self._change(envelope)
        text = self._dump(envelope)
        if self.rng.random() < 0.02:
            length = self.rng.choice((0, 1, len(text) - 1, len(text) + 1, 65536, 65537, 2**32 - 1))
            return length.to_bytes(4, "big", signed=False) + text + body if length >= 0 else text
        return len(text).to_bytes(4, "big") + text + body

    def _dump(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=self.rng.random() < 0.5, separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )

    def _change(self, value: Any) -> Any:
        rng = self.rng
        if isinstance(value, dict) and value and rng.random() < 0.9:
            key = rng.choice(list(value))
            match rng.randrange(6):
                case 0:
                    return {name: item for name, item in value.items() if name != key}
                case 1:
                    return {**value, key: rng.choice(INTERESTING)}
                case 2:
                    return {
                        **value,
                        rng.choice(("in_reply_to", "attachment_bytes", "version", "x")): rng.choice(INTERESTING),
                    }
                case 3:
                    return {**value, "in_reply_to": uuid(0x1000 + rng.randrange(14))}
                case _:
                    return {**value, key: self._change(value[key])}
        if isinstance(value, list) and value and rng.random() < 0.9:
            at = rng.randrange(len(value))
            match rng.randrange(4):
                case 0:
                    return value[:at] + value[at + 1 :]
                case 1:
                    return value + value[at : at + 1] * rng.choice((1, 2, 70))
                case _:
                    return [*value[:at], self._change(value[at]), *value[at + 1 :]]
        if type(value) is int and rng.random() < 0.7:
            return value + rng.choice((-1, 1, 5, -value, 2**20))
        if type(value) is str and value and rng.random() < 0.5:
            return value[:-1] + rng.choice(("", "0", "é", value))
        return rng.choice(INTERESTING)


# ---- the loop -----------------------------------------------------------------------------------------------------------------------


def first_cases() -> list[bytes]:
    """Where fuzzing begins without a corpus: each type in each role, and a long talk."""
    frames = sample_frames() + zipped_frames()
    cases = [bytes((flags, 3, 0, 0)) + frame for frame in frames for flags in (OPENED, OPENED | SERVER)]
    cases += [bytes((flags, 1, 8, 0)) + greeting() + b"".join(frames[6:]) for flags in (0, SERVER)]
    return cases


def corpus() -> list[tuple[str, bytes]]:
    """Kept cases with their names, in a settled order."""
    return [(path.name, path.read_bytes()) for path in sorted(CORPUS.glob("*.bin"))]


@dataclass
class Session:
    """What a run of the loop came to."""

    executions: int = 0
    kept: list[bytes] = field(default_factory=list)
    """beyond the cases it began with"""
    findings: list[tuple[bytes, str]] = field(default_factory=list)
    edges: int = 0


def fuzz(
    cases: Iterable[bytes],
    *,
    seed: int,
    more: Callable[[int], bool],
    keep: Callable[[bytes], None] = lambda _case: None,
) -> Session:
    """Run the cases, then their mutations while `more(executions)`."""
    rng = random.Random(seed)
    mutator, coverage, session = Mutator(rng), Coverage(), Session()
    pool: list[bytes] = []

    def attempt(case: bytes) -> bool:
        session.executions += 1

        fresh_ground = False
        try:
            fresh_ground = coverage.of(lambda begin: run_case(case, begin=begin)) > 0
            if session.executions % 16 == 0:
                check_cuts(case[:4000])
        except Finding as finding:
            session.findings.append((case, str(finding)))
        return fresh_ground

    for case in cases:
        attempt(case)
        pool.append(case)
    while more(session.executions):
        # half of the time what was found last: new ground is where more of it is
        parent = rng.choice(pool[-32:] if rng.random() < 0.5 else pool)
        case = mutator.mutate(parent, rng.choice(pool))
        if attempt(case):
            pool.append(case)
            session.kept.append(case)
            keep(case)
    session.edges = len(coverage.edges)
    return session


def minimal(cases: Iterable[bytes]) -> list[bytes]:
    """The fewest of these cases, smallest first, that reach every edge that all of them reach."""
    coverage = Coverage()
    found = []
    for case in sorted(set(cases), key=len):

        def run(begin: Callable[[], object], case: bytes = case) -> None:
            with contextlib.suppress(Finding):
                run_case(case, begin=begin)

        if coverage.of(run):
            found.append(case)
    return found


def fuzz_for(seconds: float, *, seed: int, keep: bool) -> dict[str, Any]:
    """Fuzz for some time from the corpus on; with `keep` the corpus is written anew from everything that reached new ground."""
    until = time.monotonic() + seconds
    begun = [case for _, case in corpus()] + first_cases()
    session = fuzz(begun, seed=seed, more=lambda _count: time.monotonic() < until)
    if keep:
        CORPUS.mkdir(exist_ok=True)
        for path in CORPUS.glob("*.bin"):
            path.unlink()
        for case in minimal([*begun, *session.kept, *(case for case, _ in session.findings)]):
            (CORPUS / f"{hashlib.sha256(case).hexdigest()[:16]}.bin").write_bytes(case)
    return {
        "seed": seed,
        "executions": session.executions,
        "edges": session.edges,
        "new_ground": len(session.kept),
        "findings": [{"case": case.hex(), "what": what} for case, what in session.findings[:20]],
    }
