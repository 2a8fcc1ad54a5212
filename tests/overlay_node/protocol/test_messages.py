from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from overlay_node.protocol import fields, limits
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.messages import (
    ChunkError,
    ChunkResponse,
    Hello,
    MbidQuery,
    Message,
    PayloadManifest,
    SwarmTrack,
    TrackState,
    decode_message,
    split_leaf_hashes,
)
from overlay_node.protocol.registry import MESSAGE_CLASSES
from tests.overlay_node.protocol.pair import NONCE, ROOT, SAMPLES, uuid

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Valid values of a kind of field: so that every codec of today and tomorrow is fuzzed without a line of its own."""
    match kind:
        case fields.Integer(low=low, high=high):
            return st.integers(low, high)
        case fields.Real(low=low, high=high):
            return st.floats(low, high)
        case fields.Flag():
            return st.booleans()
        case fields.Text(max_chars=most, pattern=None, min_chars=least):
            return TEXT.map(lambda t: t[:most]).filter(lambda t: len(t) >= least)
        case fields.Text() if kind == fields.UUID_TEXT:
            return st.uuids().map(str)
        case fields.Text(max_chars=most, pattern=pattern, min_chars=least):
            return st.from_regex(pattern).filter(
                lambda t: least <= len(t) <= most and pattern.match(t) is not None and t.isascii()
            )
        case fields.Hex(size=size):
            return st.binary(min_size=size, max_size=size)
        case fields.Base64(max_bytes=most):
            return st.binary(max_size=min(most, 64))
        case fields.Choice(enumeration=enumeration):
            return st.sampled_from(list(enumeration))
        case fields.Many(kind=inner, max_items=most, unique=unique):
            return st.lists(values(inner), max_size=min(most, 3), unique=unique).map(tuple)
        case fields.Ranges(high=high):
            edges = st.lists(st.integers(0, min(high, 50)), unique=True, max_size=8).map(sorted)
            return edges.map(lambda e: tuple(zip(e[0::2], e[1::2], strict=False)))
        case fields.IntegerMap():
            return st.dictionaries(NAMES, st.integers(-(2**53) + 1, 2**53 - 1), max_size=4)
        case fields.JsonMap():
            return st.dictionaries(NAMES, JSON, max_size=3)
        case fields.Part(record=record):
            return records(record)
    raise AssertionError(kind)


def records(record: type) -> st.SearchStrategy[Any]:
    def build(drawn: dict[str, Any]) -> Any:
        try:
            return record(**drawn)
        except LocalProtocolError:
            assume(False)

    arguments = {
        name: (st.none() | values(kind)) if optional else values(kind)
        for name, kind, optional in fields.record_fields(record)
    }
    if issubclass(record, Message):
        arguments |= {"message_id": st.just(uuid(1)), "in_reply_to": st.just(uuid(2))}
    return st.fixed_dictionaries(arguments).map(build)


@pytest.mark.parametrize("message_class", MESSAGE_CLASSES, ids=lambda c: c.TYPE)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_valid_message_survives_json(message_class: type[Message], data: st.DataObject) -> None:
    message = data.draw(records(message_class))
    assert decode_message(message_class, json.loads(json.dumps(message.to_json()))) == message


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: m.TYPE)
def test_a_missing_field_takes_its_default_or_is_refused(message: Message) -> None:
    whole = message.to_json()
    for name in set(whole) - {"type", "version"}:
        cut = {key: value for key, value in whole.items() if key != name}
        try:
            decoded = decode_message(type(message), cut)
        except RemoteProtocolError as error:
            assert error.code == "bad_field"
        else:
            assert type(decoded) is type(message)


@pytest.mark.parametrize(
    "make",
    [
        MbidQuery,
        lambda: MbidQuery(recordings=(uuid(1), uuid(1))),
        lambda: MbidQuery(recordings=("ABCDEF" + uuid(1)[6:],)),
        lambda: Hello(nonce=b"short"),
        lambda: Hello(nonce=NONCE, features=("no slash",)),
        lambda: Hello(nonce=NONCE, features=("a/1",) * 2),
        lambda: Hello(nonce=NONCE, features=tuple(f"f{n}/1" for n in range(65))),
        lambda: Hello(nonce=NONCE, features=("f" * 31 + "/1",)),
        lambda: Hello(nonce=NONCE, feature_params={"a": "x" * 2048}),
        lambda: Hello(nonce=NONCE, feature_params={"a": float("nan")}),
        lambda: Hello(nonce=NONCE, protocol_min=3, protocol_max=2),
        lambda: Hello(nonce=NONCE, agent="a\0b"),
        lambda: ChunkResponse(transfer_id=uuid(1), offset=0, length=5),
        lambda: ChunkResponse(in_reply_to=uuid(1), transfer_id=uuid(1), offset=0),
        lambda: ChunkResponse(
            in_reply_to=uuid(1), transfer_id=uuid(1), offset=0, length=5, error_code=ChunkError.TIMEOUT
        ),
        lambda: SwarmTrack(number=1, recording=uuid(1), state=TrackState.COMPLETE),
        lambda: manifest(payload_bytes=(limits.MAX_LEAVES + 1) * limits.MIN_LEAF_BYTES),
        lambda: manifest(have=((0, 3),)),
        lambda: manifest(have=((1, 2), (0, 1))),
        lambda: manifest(have=((0, 1), (1, 2))),
        lambda: manifest(have=((1, 1),)),
        lambda: manifest(preamble=bytes(limits.MAX_PREAMBLE_BYTES + 1)),
        lambda: manifest(payload_root=bytearray(32)),
        lambda: manifest(payload_bytes=True),
    ],
)
def test_a_message_that_breaks_a_rule_cannot_be_made(make: Any) -> None:
    with pytest.raises(LocalProtocolError):
        make()


def manifest(**change: Any) -> PayloadManifest:
    whole: dict[str, Any] = {
        "in_reply_to": uuid(1),
        "transfer_id": uuid(2),
        "payload_format": "flac",
        "payload_root": ROOT,
        "payload_bytes": 2 * limits.MIN_LEAF_BYTES,
        "leaf_bytes": limits.MIN_LEAF_BYTES,
        "have": ((0, 2),),
    }
    return PayloadManifest(**{**whole, **change})


def test_leaf_hashes_are_split_and_their_number_is_checked() -> None:
    assert split_leaf_hashes(manifest(), bytes(32) + ROOT) == (bytes(32), ROOT)
    assert manifest(payload_bytes=2 * limits.MIN_LEAF_BYTES + 1).leaf_count == 3
    with pytest.raises(RemoteProtocolError):
        split_leaf_hashes(manifest(), bytes(63))
