from __future__ import annotations

import contextlib
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay_node.protocol import limits
from overlay_node.protocol.envelope import (
    AnyFrame,
    Encoding,
    Frame,
    FrameDecoder,
    UnknownFrame,
    encode_frame,
    inflate,
    parse_envelope,
)
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.messages import Message, Ping
from tests.overlay_node.protocol.pair import ATTACHMENTS, SAMPLES, uuid


def decoder(*, keep: bool = True) -> FrameDecoder:
    return FrameDecoder(lambda _message, _spec, _size: keep)


def feed(machine: FrameDecoder, data: bytes, step: int = 1 << 30) -> list[AnyFrame]:
    found: list[AnyFrame] = []
    position = 0
    while position < len(data):
        target = machine.get_buffer()
        assert len(target) > 0
        count = min(len(target), len(data) - position, step)
        target[:count] = data[position : position + count]
        position += count
        frame = machine.buffer_updated(count)
        if frame is not None:
            found.append(frame)
    return found


def framed(envelope: object, attachment: bytes = b"") -> bytes:
    text = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    return len(text).to_bytes(4, "big") + text + attachment


def encoded(message: Message) -> bytes:
    head, body = encode_frame(message, ATTACHMENTS.get(message.TYPE, b""))
    return head + bytes(body)


HEAD = {"version": 1, "message_id": uuid(1)}


def test_the_golden_ping_is_these_bytes() -> None:
    text = b'{"type":"ping","version":1,"message_id":"00000003-0000-4000-8000-000000000000","nonce":7}'
    assert encoded(Ping(message_id=uuid(3), nonce=7)) == b"\x00\x00\x00\x59" + text
    (frame,) = feed(decoder(), b"\x00\x00\x00\x59" + text)
    assert isinstance(frame, Frame)
    assert frame.message == Ping(message_id=uuid(3), nonce=7)


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: m.TYPE)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_every_message_survives_the_wire_in_pieces_of_any_size(message: Message, step: int) -> None:
    (frame,) = feed(decoder(), encoded(message), step)
    assert isinstance(frame, Frame)
    assert frame.message == message
    assert bytes(frame.attachment) == ATTACHMENTS.get(message.TYPE, b"")


def test_all_messages_in_one_stream_arrive_in_order() -> None:
    stream = b"".join(encoded(message) for message in SAMPLES)
    frames = feed(decoder(), stream, 13)
    assert [frame.message for frame in frames if isinstance(frame, Frame)] == list(SAMPLES)


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: m.TYPE)
def test_a_truncated_frame_is_no_frame(message: Message) -> None:
    data = encoded(message)
    for cut in range(1, len(data), 11):
        machine = decoder()
        assert feed(machine, data[:cut]) == []
        assert machine.mid_frame


@pytest.mark.parametrize("length", [0, 1, limits.MAX_ENVELOPE_BYTES + 1, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused_before_anything_is_allocated(length: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        feed(decoder(), length.to_bytes(4, "big"))
    assert caught.value.code == "bad_length"


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{]",
        b"nul",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b'{"a":["\\ud800"]}',
        b'{"a":"\x00"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"9" * 21 + b"}",
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b"[" * 60000,
        b'{"a":1} x',
    ],
)
def test_lax_json_is_refused(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_envelope(text)
    assert caught.value.code == "bad_json"


def test_sixteen_levels_and_brackets_in_strings_are_fine() -> None:
    assert parse_envelope(b'{"a":' * 16 + b"1" + b"}" * 16)
    assert parse_envelope(b'{"a":"' + b"[{" * 50 + b'\\"["}')
    assert parse_envelope(b'{"a":"\\ud83c\\udfb5"}') == {"a": "🎵"}


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Ping"},
        {"type": "p"},
        {"type": "p" * 41},
        {"type": 3},
        {"version": 0},
        {"version": True},
        {"version": "1"},
        {"message_id": "x"},
        {"message_id": uuid(1).upper().replace("0", "A")},
        {"in_reply_to": 5},
        {"nonce": -1},
        {"nonce": 1.0},
        {"nonce": None},
        {"nonce": True},
        {"attachment_bytes": -1},
        {"attachment_bytes": 1},
        {"attachment_bytes": limits.MAX_ATTACHMENT_BYTES + 1},
        {"attachment_encoding": "gzip"},
        {"attachment_decoded_bytes": limits.MAX_DECODED_ATTACHMENT_BYTES + 1},
    ],
    ids=str,
)
def test_an_envelope_that_breaks_a_rule_is_the_peers_fault(change: dict[str, object]) -> None:
    with pytest.raises(RemoteProtocolError):
        feed(decoder(), framed({"type": "ping", **HEAD, "nonce": 1, **change}))


def test_unknown_fields_are_ignored() -> None:
    (frame,) = feed(decoder(), framed({"type": "ping", **HEAD, "nonce": 1, "colour": {"deep": [1]}}))
    assert isinstance(frame, Frame)
    assert frame.message == Ping(message_id=uuid(1), nonce=1)


@pytest.mark.parametrize("name", ["topic_hello", "x_thing", "ping"])
def test_an_unknown_type_or_version_is_skipped_with_its_attachment(name: str) -> None:
    attachment = bytes(limits.MAX_ATTACHMENT_BYTES)
    strange = framed(
        {"type": name, "version": 2, "message_id": uuid(1), "attachment_bytes": len(attachment)}, attachment
    )
    machine = decoder()
    frames = feed(machine, strange + encoded(SAMPLES[2]), 100_000)
    assert frames[0] == UnknownFrame(name, 2)
    assert isinstance(frames[1], Frame)
    assert len(machine.get_buffer()) == 4
    assert machine._scratch is not None
    assert len(machine._scratch) == limits.SKIP_BUFFER_BYTES


def test_an_attachment_that_is_not_admitted_is_never_buffered() -> None:
    chunk = next(message for message in SAMPLES if message.TYPE == "chunk_response")
    (frame,) = feed(decoder(keep=False), encoded(chunk))
    assert isinstance(frame, Frame)
    assert (frame.kept, frame.attachment) == (False, b"")


def test_a_zlib_attachment_is_inflated_to_its_declared_size() -> None:
    manifest = next(message for message in SAMPLES if message.TYPE == "payload_manifest")
    head, body = encode_frame(manifest, bytes(96), encoding=Encoding.ZLIB)
    assert len(body) < 96
    (frame,) = feed(decoder(), head + bytes(body))
    assert isinstance(frame, Frame)
    assert frame.attachment == bytes(96)


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        (zlib.compress(bytes(50_000_000)), 1000),
        (zlib.compress(bytes(10)), 11),
        (zlib.compress(bytes(10)) + b"x", 10),
        (zlib.compress(bytes(10))[:-1], 10),
        (b"garbage", 10),
    ],
    ids=["bomb", "short", "trailing", "cut", "garbage"],
)
def test_inflating_stops_at_the_declared_size(data: bytes, declared: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        inflate(data, declared)
    assert caught.value.code == "bad_attachment"


def test_what_does_not_fit_cannot_be_encoded() -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(SAMPLES[2], b"an attachment")
    chunk = next(message for message in SAMPLES if message.TYPE == "chunk_response")
    with pytest.raises(LocalProtocolError):
        encode_frame(chunk, bytes(limits.MAX_CHUNK_BYTES + 1))
    with pytest.raises(LocalProtocolError):
        encode_frame(Ping(nonce=1))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_remote_error(data: bytes) -> None:
    for stream in (data, len(data).to_bytes(4, "big") + data):
        with contextlib.suppress(RemoteProtocolError):
            feed(decoder(), stream)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20) | st.just(uuid(1)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.data())
def test_a_field_of_any_value_raises_nothing_but_a_remote_error(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(SAMPLES))
    envelope = dict(message.to_json())
    attachment = ATTACHMENTS.get(message.TYPE, b"")
    if attachment:
        envelope["attachment_bytes"] = len(attachment)
    name = data.draw(st.sampled_from(sorted(envelope)))
    envelope[name] = data.draw(json_values)
    text = json.dumps(envelope).encode()
    with contextlib.suppress(RemoteProtocolError):
        feed(decoder(), framed(text, attachment))


@given(st.data())
def test_flipped_bytes_raise_nothing_but_a_remote_error(data: st.DataObject) -> None:
    stream = bytearray(encoded(data.draw(st.sampled_from(SAMPLES))))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        feed(decoder(), bytes(stream), data.draw(st.integers(1, 64)))


def test_a_bomb_costs_no_more_memory_than_it_declares() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            inflate(bomb, 100_000)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
