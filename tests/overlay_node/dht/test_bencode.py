from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay_node.dht import bencode
from overlay_node.dht.bencode import Bencoded
from overlay_node.dht.errors import RemoteProtocolError
from tests.overlay_node.dht.unhurried import unhurried

values = st.recursive(
    st.integers(-(10**19) + 1, 10**19 - 1) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=6), inner, max_size=4),
    max_leaves=12,
)

GOLDEN: list[tuple[bytes, Bencoded]] = [
    (b"i0e", 0),
    (b"i-42e", -42),
    (b"0:", b""),
    (b"4:spam", b"spam"),
    (b"le", []),
    (b"l4:spami7ee", [b"spam", 7]),
    (b"d3:cow3:moo4:spam4:eggse", {b"cow": b"moo", b"spam": b"eggs"}),
    (b"d4:listl1:aee", {b"list": [b"a"]}),
]


@pytest.mark.parametrize(("spelling", "value"), GOLDEN)
def test_the_standards_examples_read_and_write(spelling: bytes, value: Bencoded) -> None:
    assert bencode.decode(spelling) == value
    assert bencode.encode(value) == spelling


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        (b"", "bencode_truncated"),
        (b"i42", "bencode_bad_integer"),
        (b"ie", "bencode_bad_integer"),
        (b"i-e", "bencode_bad_integer"),
        (b"i-0e", "bencode_bad_integer"),
        (b"i03e", "bencode_bad_integer"),
        (b"i+3e", "bencode_bad_integer"),
        (b"i 3e", "bencode_bad_integer"),
        (b"i1_0e", "bencode_bad_integer"),
        (b"i" + b"9" * 20 + b"e", "bencode_bad_integer"),
        (b"i" + b"9" * 5000 + b"e", "bencode_bad_integer"),
        (b"5:spam", "bencode_truncated"),
        (b"04:spam", "bencode_bad_length"),
        (b"4spam", "bencode_bad_length"),
        (b"-1:a", "bencode_unknown_type"),
        (b"999999:a", "bencode_bad_length"),
        (b"l4:spam", "bencode_truncated"),
        (b"d1:a", "bencode_truncated"),
        (b"d1:ai1e", "bencode_truncated"),
        (b"di1ei2ee", "bencode_key_not_string"),
        (b"d1:bi1e1:ai2ee", "bencode_keys_unsorted"),
        (b"d1:ai1e1:ai2ee", "bencode_keys_unsorted"),
        (b"i1ei2e", "bencode_trailing"),
        (b"4:spam\n", "bencode_trailing"),
        (b"x", "bencode_unknown_type"),
        (b"l" * 9 + b"e" * 9, "bencode_too_deep"),
        (b"l" * 100_000, "bencode_too_deep"),
        (b"l" + b"le" * 1024 + b"e", "bencode_too_many_values"),
    ],
)
def test_every_other_spelling_is_refused_with_its_reason(spelling: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        bencode.decode(spelling)
    assert caught.value.code == code


@unhurried
@given(values)
def test_what_was_written_reads_back_the_same(value: Bencoded) -> None:
    assert bencode.decode(bencode.encode(value)) == value


@unhurried
@given(st.binary(max_size=200) | values.map(bencode.encode), st.integers(0, 200), st.binary(max_size=3))
def test_what_is_accepted_has_one_spelling_and_what_is_not_raises_only_remote_errors(
    data: bytes, position: int, inserted: bytes
) -> None:
    spelling = data[:position] + inserted + data[position:]
    try:
        value = bencode.decode(spelling)
    except RemoteProtocolError:
        return
    assert bencode.encode(value) == spelling


@unhurried
@given(values)
def test_no_beginning_of_a_value_is_a_value(value: Bencoded) -> None:
    spelling = bencode.encode(value)
    for end in range(len(spelling)):
        with pytest.raises(RemoteProtocolError):
            bencode.decode(spelling[:end])
