from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay_node.dht import bencode, krpc
from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.errors import RemoteProtocolError
from overlay_node.dht.ids import Contact, NodeId
from overlay_node.dht.krpc import AnnouncePeer, FindNode, GetPeers, Ping, Query, Refusal, Response, UnknownQuery
from tests.overlay_node.dht.unhurried import unhurried

ASKER = NodeId(b"abcdefghij0123456789")
OTHER = NodeId(b"mnopqrstuvwxyz123456")
V4 = Endpoint.parse("1.2.3.4", 6881)
V6 = Endpoint.parse("2600:1f18::1", 6882)

# The examples of BEP 5, letter by letter.
STANDARD = [
    (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", Query(b"aa", ASKER, Ping())),
    (b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", Response(b"aa", OTHER)),
    (
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        Query(b"aa", ASKER, FindNode(OTHER)),
    ),
    (
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
        Query(b"aa", ASKER, GetPeers(OTHER)),
    ),
    (
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
        Response(
            b"aa",
            ASKER,
            peers=(Endpoint.from_compact(b"axje.u"), Endpoint.from_compact(b"idhtnm")),
            token=b"aoeusnth",
        ),
    ),
    (
        (
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e"
            b"5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe"
        ),
        Query(b"aa", ASKER, AnnouncePeer(OTHER, None, b"aoeusnth")),
    ),
    (b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee", Refusal(b"aa", 201, b"A Generic Error Ocurred")),
]

questions = st.one_of(
    st.just(Ping()),
    st.builds(FindNode, st.binary(min_size=20, max_size=20), st.frozensets(st.sampled_from(Family))),
    st.builds(GetPeers, st.binary(min_size=20, max_size=20), st.frozensets(st.sampled_from(Family))),
    st.builds(
        AnnouncePeer, st.binary(min_size=20, max_size=20), st.none() | st.integers(1, 65535), st.binary(max_size=64)
    ),
    st.builds(UnknownQuery, st.sampled_from([b"get", b"put", b"vote", b"sample_infohashes"])),
)


@pytest.mark.parametrize(("datagram", "message"), STANDARD)
def test_the_examples_of_bep_5_are_understood(datagram: bytes, message: krpc.Message) -> None:
    assert krpc.parse(datagram) == message


@unhurried
@given(questions, st.booleans(), st.binary(min_size=1, max_size=32))
def test_a_query_reads_back_as_it_was_written(question: krpc.Question, read_only: bool, transaction_id: bytes) -> None:
    datagram = krpc.encode_query(transaction_id, ASKER, question, read_only=read_only)
    sender = None if isinstance(question, UnknownQuery) else ASKER
    assert krpc.parse(datagram) == Query(transaction_id, sender, question, read_only)


def test_a_response_with_everything_reads_back_as_it_was_written() -> None:
    response = Response(
        b"t",
        ASKER,
        nodes={Family.V4: (Contact(OTHER, V4),), Family.V6: (Contact(OTHER, V6),)},
        peers=(V4, V6),
        token=b"tok",
        observed=V4,
    )
    assert krpc.parse(krpc.encode_response(response)) == response


def test_an_answer_without_nodes_still_says_so() -> None:
    parsed = krpc.parse(krpc.encode_response(Response(b"t", ASKER, nodes={Family.V4: ()})))
    assert isinstance(parsed, Response)
    assert dict(parsed.nodes) == {Family.V4: ()}


@pytest.mark.parametrize("index", range(len(STANDARD)))
def test_every_truncation_is_refused(index: int) -> None:
    datagram = STANDARD[index][0]
    for end in range(len(datagram)):
        with pytest.raises(RemoteProtocolError):
            krpc.parse(datagram[:end])


def query(method: bytes, **arguments: bencode.Bencoded) -> bytes:
    a: dict[bytes, bencode.Bencoded] = {b"id": bytes(ASKER)}
    a.update({key.encode(): value for key, value in arguments.items()})
    return bencode.encode({b"a": a, b"q": method, b"t": b"aa", b"y": b"q"})


def response(**values: bencode.Bencoded) -> bytes:
    r: dict[bytes, bencode.Bencoded] = {b"id": bytes(ASKER)}
    r.update({key.encode(): value for key, value in values.items()})
    return bencode.encode({b"r": r, b"t": b"aa", b"y": b"r"})


@pytest.mark.parametrize(
    ("datagram", "code", "refusable"),
    [
        (b"le", "message_not_a_dictionary", False),
        (b"de", "bad_transaction_id", False),
        (b"d1:t0:1:y1:qe", "bad_transaction_id", False),
        (b"d1:t33:" + b"x" * 33 + b"1:y1:qe", "bad_transaction_id", False),
        (b"d1:t2:aae", "bad_message_type", False),
        (b"d1:t2:aa1:y1:ze", "bad_message_type", False),
        (b"d1:t2:aa1:y1:qe", "bad_method", True),
        (b"d1:q4:ping1:t2:aa1:y1:qe", "bad_arguments", True),
        (b"d1:ade1:q4:ping1:t2:aa1:y1:qe", "bad_id", True),
        (query(b"ping", id=b"short"), "bad_id", True),
        (query(b"find_node"), "bad_id", True),
        (query(b"find_node", target=b"x" * 21), "bad_id", True),
        (query(b"find_node", target=b"x" * 20, want=b"n4"), "bad_want", True),
        (query(b"get_peers", info_hash=7), "bad_id", True),
        (query(b"announce_peer", info_hash=b"x" * 20, port=1), "bad_token_field", True),
        (query(b"announce_peer", info_hash=b"x" * 20, port=0, token=b"t"), "bad_port", True),
        (query(b"announce_peer", info_hash=b"x" * 20, port=65536, token=b"t"), "bad_port", True),
        (query(b"announce_peer", info_hash=b"x" * 20, port=1, token=b"t" * 65), "bad_token_field", True),
        (query(b"q" * 65), "bad_method", True),
        (b"d1:t2:aa1:y1:re", "bad_response", False),
        (response(id=b"short"), "bad_id", False),
        (response(nodes=b"x" * 27), "bad_nodes", False),
        (response(nodes6=[b"x" * 38]), "bad_nodes", False),
        (response(values=b"x" * 6), "bad_values", False),
        (response(values=[b"x" * 7]), "bad_values", False),
        (response(token=7), "bad_token_field", False),
        (b"d1:eli201ee1:t2:aa1:y1:ee", "bad_error", False),
        (b"d" + b"x" * 3000, "datagram_too_long", False),
    ],
)
def test_each_broken_rule_has_a_name_and_only_queries_can_be_refused(
    datagram: bytes, code: str, refusable: bool
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        krpc.parse(datagram)
    assert caught.value.code == code
    assert (caught.value.transaction_id is not None) is refusable


def test_an_answer_full_of_nodes_is_cut_not_refused() -> None:
    parsed = krpc.parse(response(nodes=(bytes(OTHER) + V4.compact) * 60))
    assert isinstance(parsed, Response)
    assert len(parsed.nodes[Family.V4]) == krpc.MAX_NODES_PER_FAMILY


@unhurried
@given(st.binary(max_size=300))
def test_noise_raises_nothing_but_a_remote_error(noise: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        krpc.parse(noise)
