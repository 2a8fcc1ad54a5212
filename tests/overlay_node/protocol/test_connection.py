from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay_node.protocol import limits
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, Role
from overlay_node.protocol.envelope import encode_frame
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.events import ConnectionClosed, HandshakeCompleted, MessageReceived
from overlay_node.protocol.limits import Limits
from overlay_node.protocol.messages import (
    Bye,
    CancelReason,
    ChunkCancel,
    ChunkError,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    Hello,
    HelloAck,
    MbidQuery,
    MbidResponse,
    Message,
    PayloadHave,
    PayloadManifest,
    PayloadRequest,
    Ping,
    Purpose,
)
from overlay_node.protocol.states import ConnectionState
from tests.overlay_node.protocol.pair import NONCE, ROOT, ConnectionPair, events, make, uuid


def raw(message: Message, attachment: bytes = b"") -> bytes:
    head, body = encode_frame(message, attachment)
    return head + bytes(body)


def strange(name: str, attachment: bytes = b"", **fields: Any) -> bytes:
    text = json.dumps(
        {"type": name, "version": 1, "message_id": uuid(9), "attachment_bytes": len(attachment), **fields}
    ).encode()
    return len(text).to_bytes(4, "big") + text + attachment


def chunk_request(number: int = 0, **fields: Any) -> ChunkRequest:
    return ChunkRequest(transfer_id=uuid(1), payload_root=ROOT, offset=number * 10, length=10, **fields)


def response(request: ChunkRequest, **fields: Any) -> ChunkResponse:
    values: dict[str, Any] = {"in_reply_to": request.message_id, "transfer_id": uuid(1), "offset": request.offset}
    return ChunkResponse(**{**values, "length": 10, **fields})


def received(connection: Connection) -> list[Message]:
    return [event.message for event in events(connection) if isinstance(event, MessageReceived)]


def code_of(connection: Connection, data: bytes, now: float = 1000.0) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        connection.receive_data(data, now)
    assert connection.state is ConnectionState.CLOSED
    last = b"".join(bytes(piece) for piece in connection.data_to_send())
    assert b'"type":"bye"' in last
    assert caught.value.code.encode() in last
    return caught.value.code


# ---- handshake ----------------------------------------------------------------------------------------------------------------------


def test_both_sides_open_with_the_features_they_share() -> None:
    pair = ConnectionPair(
        client={"features": ("swarm/1!", "only_mine/1"), "listen_port": 5},
        server={"features": ("swarm/1", "other/2"), "listen_port": 6},
    )
    pair.pump()
    (mine,) = events(pair.client)
    (theirs,) = events(pair.server)
    assert isinstance(mine, HandshakeCompleted)
    assert isinstance(theirs, HandshakeCompleted)
    assert mine.features == theirs.features == {"swarm/1"}
    assert (mine.hello.listen_port, theirs.hello.listen_port) == (6, 5)
    assert mine.protocol == 1


def test_the_server_is_silent_until_the_client_has_spoken() -> None:
    server = make(Role.SERVER, start=1)
    assert server.data_to_send() == []


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        ({"network": "lab"}, "other_network"),
        ({"features": ("future/9!",)}, "feature_unsupported"),
    ],
)
def test_peers_that_cannot_talk_part_with_a_reason_and_without_blame(client: dict[str, object], reason: str) -> None:
    pair = ConnectionPair(client=client)
    pair.pump()
    assert events(pair.client) == [ConnectionClosed(reason, by_peer=True)]
    assert events(pair.server) == [ConnectionClosed(reason, by_peer=False)]


def test_a_dialect_that_is_all_new_is_refused_and_one_that_reaches_back_is_spoken() -> None:
    server = make(Role.SERVER, start=1)
    server.receive_data(raw(Hello(message_id=uuid(1), nonce=NONCE, protocol_min=2, protocol_max=9)), 1000.0)
    assert events(server) == [ConnectionClosed("protocol_unsupported", by_peer=False)]
    server = make(Role.SERVER, start=1)
    server.receive_data(raw(Hello(message_id=uuid(1), nonce=NONCE, protocol_max=9)), 1000.0)
    assert b'"protocol":1' in bytes(server.data_to_send()[0])


def test_a_link_for_a_purpose_we_do_not_serve_is_refused() -> None:
    server = make(Role.SERVER, start=1)
    server.receive_data(raw(Hello(message_id=uuid(1), nonce=NONCE, purpose=Purpose.PROBE)), 1000.0)
    assert events(server) == [ConnectionClosed("purpose_unsupported", by_peer=False)]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("data", [raw(Ping(message_id=uuid(1), nonce=1)), strange("topic_x")], ids=["known", "unknown"])
def test_talking_before_hello_is_a_violation(role: Role, data: bytes) -> None:
    assert code_of(make(role, start=1), data) == "talk_before_hello"


def test_an_ack_of_another_hello_is_a_violation() -> None:
    client = make(Role.CLIENT, start=1)
    ack = HelloAck(message_id=uuid(1), protocol=1, nonce=b"x" * 16, admission_token=b"t" * 16)
    assert code_of(client, raw(ack)) == "wrong_nonce"


def test_wrong_magic_and_a_second_hello_are_violations() -> None:
    assert (
        code_of(make(Role.SERVER, start=1), raw(Hello(message_id=uuid(1), nonce=NONCE, magic="other"))) == "wrong_magic"
    )
    server = make(Role.SERVER, start=1)
    server.receive_data(raw(Hello(message_id=uuid(1), nonce=NONCE)), 1000.0)
    assert code_of(server, raw(Hello(message_id=uuid(2), nonce=NONCE))) == "second_hello"


def test_an_envelope_larger_than_any_hello_is_refused_before_the_handshake() -> None:
    server = make(Role.SERVER, start=1)
    assert code_of(server, (8 * limits.KIB + 1).to_bytes(4, "big")) == "bad_length"


def test_a_silent_peer_is_dropped_after_the_handshake_timeout() -> None:
    server = make(Role.SERVER, start=1)
    due = server.next_timer()
    assert due == 1000.0 + limits.HANDSHAKE_TIMEOUT_S
    server.handle_timer(due - 0.001)
    assert events(server) == []
    server.handle_timer(due)
    assert events(server) == [ConnectionClosed("handshake_timeout", by_peer=False)]
    assert server.next_timer() is None


def test_the_whole_handshake_works_one_byte_at_a_time() -> None:
    pair = ConnectionPair()
    for _ in range(4):
        for one, other in ((pair.client, pair.server), (pair.server, pair.client)):
            for piece in one.data_to_send():
                for byte in bytes(piece):
                    other.receive_data(bytes([byte]), pair.now)
    assert pair.client.state is pair.server.state is ConnectionState.OPEN


# ---- messages -----------------------------------------------------------------------------------------------------------------------


def test_a_query_and_its_answer_are_paired() -> None:
    pair = ConnectionPair().opened()
    asked = pair.client.send(MbidQuery(recordings=(uuid(1),)), now=pair.now)
    assert not pair.client.is_idle
    pair.pump()
    (query,) = received(pair.server)
    assert query.message_id == asked
    pair.server.send(MbidResponse(in_reply_to=asked), now=pair.now)
    pair.pump()
    (answer,) = received(pair.client)
    assert answer.in_reply_to == asked
    assert pair.client.is_idle


def test_an_answer_that_nobody_asked_for_is_ignored_and_counted() -> None:
    pair = ConnectionPair().opened()
    pair.client.receive_data(raw(MbidResponse(message_id=uuid(1), in_reply_to=uuid(2))), pair.now)
    asked = pair.client.send(MbidQuery(recordings=(uuid(1),)), now=pair.now)
    pair.client.forget(asked)
    pair.client.receive_data(raw(MbidResponse(message_id=uuid(1), in_reply_to=asked)), pair.now)
    assert received(pair.client) == []
    assert pair.client.counts["unasked_answers"] == 2


def test_a_chunk_travels_and_belongs_to_the_receiver() -> None:
    pair = ConnectionPair().opened()
    pair.client.send(chunk_request(), now=pair.now)
    pair.pump()
    (request,) = received(pair.server)
    assert isinstance(request, ChunkRequest)
    assert request.admission_token is not None
    assert pair.server.chunks_served == 1
    body = memoryview(b"0123456789")
    pair.server.send(response(request), body, now=pair.now)
    assert pair.server.data_to_send()[1] is body
    pair.client.receive_data(raw(response(request, message_id=uuid(3)), bytes(body)), pair.now)
    (event,) = events(pair.client)
    assert isinstance(event, MessageReceived)
    assert event.attachment == b"0123456789"
    assert isinstance(event.attachment, bytearray)
    assert (pair.client.chunks_in_flight, pair.server.chunks_served) == (0, 0)


@pytest.mark.parametrize(
    ("change", "size"),
    [({"offset": 1}, 10), ({"transfer_id": uuid(2)}, 10), ({"length": 9}, 9), ({}, 9), ({"length": 11}, 11)],
    ids=["offset", "transfer", "short", "lies", "long"],
)
def test_a_chunk_that_is_not_what_was_asked_for_is_a_violation(change: dict[str, Any], size: int) -> None:
    pair = ConnectionPair().opened()
    asked = pair.client.send(chunk_request(), now=pair.now)
    bad = response(chunk_request(message_id=asked), message_id=uuid(3), **change)
    assert code_of(pair.client, raw(bad, bytes(size)), pair.now) in {"wrong_chunk", "bad_attachment"}


def test_a_ninth_chunk_in_flight_is_answered_rate_limited() -> None:
    pair = ConnectionPair().opened()
    for number in range(8):
        pair.client.send(chunk_request(number), now=pair.now)
    with pytest.raises(LocalProtocolError):
        pair.client.send(chunk_request(8), now=pair.now)
    pair.pump()
    assert len(received(pair.server)) == 8
    token = pair.client._peer_token
    pair.server.receive_data(raw(chunk_request(8, message_id=uuid(3), admission_token=token)), pair.now)
    assert received(pair.server) == []
    assert ChunkError.RATE_LIMITED.value.encode() in bytes(pair.server.data_to_send()[-1])
    assert pair.server.counts["refused_chunks"] == 1


def test_a_cancelled_chunk_frees_its_slot_on_both_sides_and_may_still_arrive() -> None:
    pair = ConnectionPair().opened()
    for number in range(2):
        pair.client.send(chunk_request(number), now=pair.now)
    pair.pump()
    first, second = received(pair.server)
    assert isinstance(first, ChunkRequest)
    assert isinstance(second, ChunkRequest)
    pair.client.send(
        ChunkCancel(transfer_id=uuid(1), ranges=((0, 10),), reason_code=CancelReason.SWARM_REBALANCED), now=pair.now
    )
    assert pair.client.chunks_in_flight == 1
    pair.server.send(response(first), bytes(10), now=pair.now)  # it was on its way
    pair.pump()
    assert [m.TYPE for m in received(pair.server)] == ["chunk_cancel"]
    assert received(pair.client) == []
    pair.client.send(ChunkCancel(transfer_id=uuid(1), reason_code=CancelReason.COMPLETE), now=pair.now)
    pair.pump()
    assert (pair.client.chunks_in_flight, pair.server.chunks_served) == (0, 0)
    pair.server.send(response(second), bytes(10), now=pair.now)
    assert pair.server.data_to_send() == []  # taken back: no byte is wasted
    assert pair.client.is_idle


def test_answers_and_sizes_that_do_not_fit_are_our_own_bugs() -> None:
    pair = ConnectionPair().opened()
    for message, attachment in (
        (response(chunk_request(message_id=uuid(1))), bytes(10)),
        (response(chunk_request(message_id=uuid(1))), bytes(9)),
        (Bye(reason_code="x"), b""),
        (MbidQuery(recordings=(uuid(1),)), b"x"),
    ):
        with pytest.raises(LocalProtocolError):
            pair.client.send(message, attachment, now=pair.now)
    with pytest.raises(LocalProtocolError):
        make(Role.SERVER, start=1).send(MbidQuery(recordings=(uuid(1),)), now=0.0)


def test_a_manifest_must_be_of_the_payload_asked_for() -> None:
    pair = ConnectionPair().opened()
    asked = pair.client.send(
        PayloadRequest(transfer_id=uuid(1), payload_format="flac", payload_root=ROOT), now=pair.now
    )
    manifest = PayloadManifest(
        message_id=uuid(3),
        in_reply_to=asked,
        transfer_id=uuid(1),
        payload_format="flac",
        payload_root=ROOT[::-1],
        payload_bytes=5,
        leaf_bytes=limits.DEFAULT_LEAF_BYTES,
        have=((0, 1),),
    )
    assert code_of(pair.client, raw(manifest, bytes(32)), pair.now) == "wrong_manifest"


# ---- admission ----------------------------------------------------------------------------------------------------------------------


def test_a_data_request_without_a_good_token_is_refused_and_nine_in_a_row_are_a_violation() -> None:
    pair = ConnectionPair().opened()
    bad = raw(PayloadRequest(message_id=uuid(3), transfer_id=uuid(1), payload_format="flac", payload_root=ROOT))
    for _ in range(8):
        pair.server.receive_data(bad, pair.now)
    assert received(pair.server) == []
    assert b"admission_required" in bytes(pair.server.data_to_send()[-1])
    assert code_of(pair.server, bad, pair.now) == "admission_refused"


def test_tokens_rotate_and_the_previous_one_stays_good_for_ten_minutes() -> None:
    tokens = AdmissionTokens(b"s" * 16)
    old = tokens.token("peer", 1799.0)
    assert tokens.next_rotation(1799.0) == 1800.0
    assert tokens.token("peer", 1800.0) != old
    assert tokens.is_good("peer", old, 1800.0 + 599.0)
    assert not tokens.is_good("peer", old, 1800.0 + 600.0)
    assert not tokens.is_good("other", old, 1799.0)
    assert not tokens.is_good("peer", None, 1799.0)
    assert not AdmissionTokens(b"t" * 16).is_good("peer", old, 1799.0)


def test_a_long_link_gets_each_new_token_by_itself() -> None:
    pair = ConnectionPair().opened()
    for _ in range(40):
        pair.advance(100.0)
        pair.client.send(chunk_request(), now=pair.now)
        pair.pump()
        (request,) = received(pair.server)
        assert isinstance(request, ChunkRequest)
        pair.server.send(response(request), bytes(10), now=pair.now)
        pair.pump()
        assert len(received(pair.client)) == 1


# ---- time and rates -----------------------------------------------------------------------------------------------------------------


def test_a_quiet_link_pings_and_an_idle_one_says_bye() -> None:
    pair = ConnectionPair().opened()
    pair.advance(limits.PING_INTERVAL_S)
    assert pair.client.state is ConnectionState.OPEN
    pair.advance(limits.PING_INTERVAL_S)
    pair.advance(limits.IDLE_TIMEOUT_S - 2 * limits.PING_INTERVAL_S)
    assert [e.reason_code for e in events(pair.client) if isinstance(e, ConnectionClosed)] == ["idle"]


def test_a_peer_that_does_not_pong_is_dead() -> None:
    client = ConnectionPair().opened().client
    client.handle_timer(1000.0 + limits.PING_INTERVAL_S)
    assert b'"type":"ping"' in bytes(client.data_to_send()[-1])
    assert client.next_timer() == 1000.0 + limits.PING_INTERVAL_S + limits.PONG_TIMEOUT_S
    client.handle_timer(1000.0 + limits.PING_INTERVAL_S + limits.PONG_TIMEOUT_S)
    assert events(client) == [ConnectionClosed("pong_timeout", by_peer=False)]


def test_a_flood_of_control_messages_is_a_violation() -> None:
    server = ConnectionPair().opened().server
    data = raw(MbidQuery(message_id=uuid(3), recordings=(uuid(1),)))
    with pytest.raises(RemoteProtocolError) as caught:
        for _ in range(41):
            server.receive_data(data, 1000.0)
    assert caught.value.code == "rate_exceeded"


def test_a_busy_sender_is_paced_below_what_the_peer_accepts_and_loses_nothing() -> None:
    pair = ConnectionPair().opened()
    for _ in range(200):
        pair.client.send(MbidQuery(recordings=(uuid(1),)), now=pair.now)
    pair.pump()
    assert len(received(pair.server)) < 40
    seen = 20
    for _ in range(100):
        due = pair.client.next_timer()
        assert due is not None
        pair.advance(max(0.0, due - pair.now) + 0.5)
        seen += len(received(pair.server))
        if seen >= 200:
            break
    assert seen >= 200
    assert pair.server.state is ConnectionState.OPEN
    with pytest.raises(LocalProtocolError) as caught:
        for _ in range(400):
            pair.client.send(MbidQuery(recordings=(uuid(1),)), now=pair.now)
    assert caught.value.code == "send_queue_full"


def test_too_many_have_messages_are_dropped_not_punished() -> None:
    server = ConnectionPair().opened().server
    for _ in range(100):
        server.receive_data(raw(PayloadHave(message_id=uuid(3), payload_root=ROOT, ranges=((0, 1),))), 1000.0)
    assert len(received(server)) == 40
    assert server.counts["dropped_haves"] == 60


def test_an_error_reply_takes_the_question_back() -> None:
    pair = ConnectionPair().opened()
    asked = pair.client.send(chunk_request(), now=pair.now)
    pair.client.receive_data(raw(ErrorReply(message_id=uuid(3), in_reply_to=asked, code="busy")), pair.now)
    assert pair.client.chunks_in_flight == 0
    assert len(received(pair.client)) == 1


def test_nothing_after_bye_is_read() -> None:
    pair = ConnectionPair().opened()
    pair.client.receive_data(
        raw(Bye(message_id=uuid(3), reason_code="shutdown", retry_after_s=5)) + b"garbage" * 99, 1000.0
    )
    assert events(pair.client) == [ConnectionClosed("shutdown", by_peer=True, retry_after_s=5)]
    assert len(pair.client.get_buffer()) > 0


# ---- the future peer ----------------------------------------------------------------------------------------------------------------


def test_a_peer_from_the_future_is_understood_as_far_as_we_go() -> None:
    """Unknown features, fields, types with attachments, and a newer version of a known type: ignored, counted, never a violation."""
    server = make(Role.SERVER, start=1, features=("swarm/1",))
    hello = dict(Hello(message_id=uuid(1), nonce=NONCE, features=("swarm/1", "dream/7"), protocol_max=4).to_json())
    hello |= {"mood": {"deep": [1, 2]}, "feature_params": {"dream": {"a": 1}}, "attachment_encoding": "identity"}
    text = json.dumps(hello).encode()
    server.receive_data(len(text).to_bytes(4, "big") + text, 1000.0)
    server.receive_data(strange("gossip_hello", bytes(limits.MAX_ATTACHMENT_BYTES)), 1000.0)
    nonce = make(Role.SERVER, start=1)._nonce
    server.receive_data(raw(HelloAck(message_id=uuid(2), protocol=1, nonce=nonce, admission_token=b"t" * 16)), 1000.0)
    (opened,) = events(server)
    assert isinstance(opened, HandshakeCompleted)
    assert opened.features == {"swarm/1"}
    server.receive_data(strange("topic_news", b"zip", attachment_encoding="zlib", attachment_decoded_bytes=9), 1000.0)
    server.receive_data(strange("mbid_query", b"tail", version=2), 1000.0)
    server.receive_data(strange("mbid_query", recordings=[uuid(5)], colour="blue"), 1000.0)
    assert [m.TYPE for m in received(server)] == ["mbid_query"]
    assert server.counts["unknown_messages"] == 3
    assert server.state is ConnectionState.OPEN


@given(st.lists(st.binary(max_size=80), max_size=6))
@settings(max_examples=60)
def test_garbage_after_the_handshake_raises_nothing_but_remote_errors(pieces: list[bytes]) -> None:
    server = ConnectionPair(limits=Limits()).opened().server
    for piece in pieces:
        try:
            server.receive_data(piece, 1001.0)
        except RemoteProtocolError:
            assert server.state is ConnectionState.CLOSED
