"""The short way of the two chunk messages writes and accepts exactly what the general way does."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from overlay_node.protocol import chunk_codec, envelope, limits
from overlay_node.protocol.chunk_codec import quick_message, quick_text, stamped
from overlay_node.protocol.envelope import AnyFrame, Frame, FrameDecoder, encode_frame
from overlay_node.protocol.errors import RemoteProtocolError
from overlay_node.protocol.messages import ChunkError, ChunkRequest, ChunkResponse, Message
from tests.overlay_node.protocol.pair import SAMPLES, uuid

uuids = st.uuids().map(str)
counts = st.integers(0, limits.MAX_WIRE_INTEGER) | st.sampled_from([0, 1, limits.MAX_WIRE_INTEGER])
requests = st.builds(
    ChunkRequest,
    message_id=uuids,
    in_reply_to=st.none() | uuids,
    transfer_id=uuids,
    payload_root=st.binary(min_size=32, max_size=32),
    offset=counts,
    length=st.integers(1, limits.MAX_CHUNK_BYTES),
    priority=st.integers(0, limits.MAX_PRIORITY),
    deadline_ms=st.integers(1, limits.MAX_DEADLINE_MS),
    admission_token=st.none() | st.binary(min_size=16, max_size=16),
)
responses = st.builds(
    ChunkResponse,
    message_id=uuids,
    in_reply_to=uuids,
    transfer_id=uuids,
    offset=counts,
    length=st.integers(1, 300),
    eof=st.booleans(),
    retry_after_s=st.none() | st.integers(0, 5),
) | st.builds(
    ChunkResponse,
    message_id=uuids,
    in_reply_to=uuids,
    transfer_id=uuids,
    offset=counts,
    error_code=st.sampled_from(ChunkError),
)
REQUEST = ChunkRequest(
    message_id=uuid(1),
    transfer_id=uuid(2),
    payload_root=bytes(range(32)),
    offset=1 << 20,
    length=1 << 19,
    admission_token=bytes(range(16)),
)
RESPONSE = ChunkResponse(message_id=uuid(1), in_reply_to=uuid(2), transfer_id=uuid(3), offset=0, length=5, eof=True)


def data_of(message: Message) -> bytes:
    return bytes(message.length) if isinstance(message, ChunkResponse) else b""


def general_text(message: Message, size: int) -> bytes:
    """As `encode_frame` writes what no short way exists for."""
    fields = message.to_json()
    if size:
        fields["attachment_bytes"] = size
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


@given(requests | responses)
def test_both_ways_write_the_same_bytes(message: Message) -> None:
    size = len(data_of(message))
    quick = quick_text(message, size)
    assert quick is None or quick == general_text(message, size)


def test_what_every_transfer_consists_of_takes_the_short_way() -> None:
    for message in (REQUEST, RESPONSE):
        text = quick_text(message, len(data_of(message)))
        assert text is not None
        assert quick_message(text) == (message, len(data_of(message)))


@given(requests | responses)
def test_a_message_comes_back_as_it_was_sent(message: Message) -> None:
    head, body = encode_frame(message, data_of(message))
    outcome = decoded(head[4:], bytes(body))
    assert isinstance(outcome, Frame)
    assert outcome.message == message
    assert outcome.attachment == data_of(message)


def decoded(text: bytes, attachment: bytes = b"") -> AnyFrame | str | None:
    """A frame, the code of the error, or None when bytes are missing."""
    machine = FrameDecoder(lambda _message, _spec, _size: True)
    stream = len(text).to_bytes(4, "big") + text + attachment
    frame = None
    try:
        while stream and frame is None:
            target = machine.get_buffer()
            count = min(len(target), len(stream))
            target[:count] = stream[:count]
            stream = stream[count:]
            frame = machine.buffer_updated(count)
    except RemoteProtocolError as error:
        return error.code
    return frame


def decoded_without(text: bytes, attachment: bytes = b"") -> AnyFrame | str | None:
    """As `decoded`, by the general way alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envelope, "quick_message", lambda _envelope: None)
        return decoded(text, attachment)


NUMBERS = st.sampled_from(
    [
        *(
            "0",
            "-1",
            "00",
            "01",
            "1.0",
            "1e3",
            "true",
            "null",
            '"1"',
            "10",
            "11",
            "524288",
            "524289",
            "600000",
            "600001",
        ),
        *("9007199254740991", "9007199254740992", "99999999999999999999", "999999999999999999999"),
    ]
)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """The text of a good message, changed somewhere."""
    message = draw(requests | responses | st.sampled_from([REQUEST, RESPONSE]))
    text = general_text(message, len(data_of(message)))
    match draw(st.integers(0, 5)):
        case 0:  # any byte
            at = draw(st.integers(0, len(text) - 1))
            text = text[:at] + draw(st.binary(max_size=2)) + text[at + 1 :]
        case 1:  # a number
            places = list(re.finditer(rb'(?<=[a-z_]":)[0-9]+', text))
            place = draw(st.sampled_from(places))
            text = text[: place.start()] + draw(NUMBERS).encode() + text[place.end() :]
        case 2:  # order, an unknown field, a field less
            fields = list(json.loads(text).items())
            fields = draw(st.permutations(fields))[draw(st.integers(0, 1)) :]
            text = json.dumps(
                dict(fields) | draw(st.dictionaries(st.text(max_size=3), st.integers(), max_size=1))
            ).encode()
        case 3:  # letters
            text = text.upper() if draw(st.booleans()) else text.replace(b"a", b"A", 1)
        case 4:  # a field twice
            text = text[:-1] + b',"offset":1}'
        case _:
            pass
    return text


@given(bent(), st.integers(0, 400))
@example(general_text(RESPONSE, 5) + b"\n", 5)
@example(general_text(REQUEST, 0).replace(b'"version":1', b'"version":2'), 0)
@example(general_text(RESPONSE, 5).replace(b'"length":5', b'"length":0'), 5)
@example(general_text(REQUEST, 0)[:-1] + b',"attachment_bytes":5}', 5)
def test_both_ways_accept_and_refuse_the_same(text: bytes, attachment_bytes: int) -> None:
    attachment = bytes(attachment_bytes)
    assert decoded(text, attachment) == decoded_without(text, attachment)


def test_the_templates_know_every_field_of_the_two_messages() -> None:
    # A field that is added to a message must be added to its template, or the short way would lose it.
    for message in (REQUEST, RESPONSE):
        text = quick_text(message, len(data_of(message)))
        assert text is not None
        written = set(json.loads(text)) - {"type", "version", "attachment_bytes"}
        left_out = {field.name for field in dataclasses.fields(message)} - written
        assert left_out == ({"in_reply_to"} if message is REQUEST else {"error_code", "retry_after_s"})


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: message.TYPE)
def test_a_stamped_message_is_the_same_but_for_its_stamp(message: Message) -> None:
    before = dataclasses.replace(message)
    assert stamped(message, message_id=uuid(9)) == dataclasses.replace(message, message_id=uuid(9))
    assert message == before


def test_other_messages_are_left_to_the_general_way() -> None:
    for message in SAMPLES:
        if not isinstance(message, ChunkRequest | ChunkResponse):
            assert quick_text(message, 0) is None
            assert chunk_codec.quick_message(general_text(message, 0)) is None
