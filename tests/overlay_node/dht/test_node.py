"""One node, with its peers played by hand."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay_node.dht import bencode, krpc
from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.config import DhtConfig, SavedState, StorageLimits
from overlay_node.dht.errors import LocalProtocolError
from overlay_node.dht.events import (
    AnnounceFinished,
    BootstrapFinished,
    ExternalAddressLearned,
    GetPeersFinished,
    PeersFound,
)
from overlay_node.dht.ids import Contact, NodeId, is_bep42_id
from overlay_node.dht.intake import Rate
from overlay_node.dht.krpc import AnnouncePeer, FindNode, GetPeers, Ping, Query, Refusal, Response, UnknownQuery
from overlay_node.dht.node import MAINTENANCE_S, DhtNode
from tests.overlay_node.dht.unhurried import unhurried

KEY = b"k" * 20
ALICE = Contact(NodeId(b"a" * 20), Endpoint.parse("10.0.0.1", 1))
BOB = Contact(NodeId(b"b" * 20), Endpoint.parse("10.0.0.2", 2))
PRIVATE = DhtConfig().for_private_network()
BOTH = replace(PRIVATE, families=frozenset(Family))


def make(config: DhtConfig = PRIVATE, now: float = 0.0) -> DhtNode:
    return DhtNode(config, now, random.Random(7).randbytes)


def sent(node: DhtNode) -> list[tuple[krpc.Message, Endpoint]]:
    return [(krpc.parse(datagram), to) for datagram, to in node.datagrams_to_send()]


def ask(
    node: DhtNode, who: Contact, question: krpc.Question, now: float = 0.0, *, read_only: bool = False
) -> krpc.Message:
    """Put a question to the node; its answer."""
    node.receive_datagram(krpc.encode_query(b"tt", who.node_id, question, read_only=read_only), who.endpoint, now)
    return next(message for message, to in sent(node) if to == who.endpoint and message.transaction_id == b"tt")


def answer(
    node: DhtNode,
    who: Contact | Iterable[Contact],
    now: float,
    *,
    peers: Iterable[Endpoint] = (),
    nodes: tuple[Contact, ...] = (),
    token: bytes | None = b"token",
    observed: Endpoint | None = None,
) -> list[krpc.Question]:
    """Answer everything the node asks these nodes, until it asks them no more; the questions. What others are asked is lost."""
    playing = {contact.endpoint: contact for contact in ([who] if isinstance(who, Contact) else who)}
    questions: list[krpc.Question] = []
    while True:
        pending = [(m, to) for m, to in sent(node) if to in playing and isinstance(m, Query)]
        if not pending:
            return questions
        for query, to in pending:
            questions.append(query.question)
            sender = playing[to].node_id
            body = Response(query.transaction_id, sender, {Family.V4: nodes}, tuple(peers), token, observed)
            node.receive_datagram(krpc.encode_response(body), to, now)


def knowing(*contacts: Contact, config: DhtConfig = PRIVATE) -> DhtNode:
    """A node that has joined through these and has nothing under way."""
    node = make(config)
    node.start_bootstrap([contact.endpoint for contact in contacts], 0.0)
    answer(node, contacts, 0.1)
    assert [type(event) for event in drain(node)] == [BootstrapFinished]
    assert node.stats(0.1).in_flight == 0
    return node


def drain(node: DhtNode) -> list[object]:
    events: list[object] = []
    while (event := node.next_event()) is not None:
        events.append(event)
    return events


def test_a_ping_is_answered_with_our_id_and_the_askers_address() -> None:
    node = make()
    assert ask(node, ALICE, Ping()) == Response(b"tt", node.node_id(Family.V4), observed=ALICE.endpoint)


def test_an_asker_is_told_to_others_only_after_it_has_answered() -> None:
    node = make()
    ask(node, ALICE, Ping())
    reply = ask(node, BOB, FindNode(KEY))
    assert isinstance(reply, Response)
    assert dict(reply.nodes) == {Family.V4: ()}
    node = make()
    node.receive_datagram(krpc.encode_query(b"tt", ALICE.node_id, Ping(), read_only=False), ALICE.endpoint, 0.0)
    assert answer(node, ALICE, 0.1) == [Ping()]
    reply = ask(node, BOB, FindNode(KEY), 0.2)
    assert isinstance(reply, Response)
    assert dict(reply.nodes) == {Family.V4: (ALICE,)}


def test_a_read_only_asker_is_answered_but_never_pinged() -> None:
    node = make()
    node.receive_datagram(krpc.encode_query(b"tt", ALICE.node_id, Ping(), read_only=True), ALICE.endpoint, 0.0)
    assert [type(message) for message, _ in sent(node)] == [Response]


def test_a_read_only_node_asks_with_its_mark_answers_nothing_and_announces_nothing() -> None:
    node = make(replace(PRIVATE, read_only=True))
    node.receive_datagram(krpc.encode_query(b"tt", ALICE.node_id, Ping(), read_only=False), ALICE.endpoint, 0.0)
    assert sent(node) == []
    node.start_bootstrap([ALICE.endpoint], 0.0)
    ((query, _),) = sent(node)
    assert isinstance(query, Query)
    assert query.read_only
    with pytest.raises(LocalProtocolError) as caught:
        node.start_announce(KEY, 1, 0.0)
    assert caught.value.code == "read_only"


def test_an_announcement_needs_a_token_of_ours_and_is_then_told() -> None:
    node = make()
    refused = ask(node, ALICE, AnnouncePeer(KEY, 5000, b"forged"))
    assert refused == Refusal(b"tt", krpc.ERROR_PROTOCOL, b"invalid token")
    first = ask(node, ALICE, GetPeers(KEY))
    assert isinstance(first, Response)
    assert first.peers == ()
    assert first.token is not None
    elsewhere = ask(node, BOB, AnnouncePeer(KEY, 5000, first.token))
    assert isinstance(elsewhere, Refusal)
    assert isinstance(ask(node, ALICE, AnnouncePeer(KEY, 5000, first.token)), Response)
    assert isinstance(ask(node, ALICE, AnnouncePeer(KEY, None, first.token)), Response)
    told = ask(node, BOB, GetPeers(KEY))
    assert isinstance(told, Response)
    assert set(told.peers) == {Endpoint(ALICE.endpoint.packed, 5000), ALICE.endpoint}
    late = ask(node, BOB, GetPeers(KEY), 45 * 60.0 + 1)
    assert isinstance(late, Response)
    assert late.peers == ()


def test_a_token_of_ours_is_refused_when_it_is_old() -> None:
    node = make()
    first = ask(node, ALICE, GetPeers(KEY))
    assert isinstance(first, Response)
    assert isinstance(ask(node, ALICE, AnnouncePeer(KEY, 1, first.token or b""), 601.0), Refusal)


def test_over_quota_an_announcement_is_refused_with_a_server_error() -> None:
    node = make(replace(PRIVATE, storage=StorageLimits(max_per_key_and_source=1)))
    first = ask(node, ALICE, GetPeers(KEY))
    assert isinstance(first, Response)
    assert isinstance(ask(node, ALICE, AnnouncePeer(KEY, 1, first.token or b"")), Response)
    refused = ask(node, ALICE, AnnouncePeer(KEY, 2, first.token or b""))
    assert refused == Refusal(b"tt", krpc.ERROR_SERVER, b"no room")


@pytest.mark.parametrize("method", [b"get", b"put", b"sample_infohashes", b"vote", b"\xff"])
def test_a_method_we_do_not_speak_gets_error_204(method: bytes) -> None:
    node = make()
    assert ask(node, ALICE, UnknownQuery(method)) == Refusal(b"tt", krpc.ERROR_UNKNOWN_METHOD, b"method unknown")
    assert node.stats(0.0).queries_in == {"unknown": 1}


def test_a_malformed_query_gets_error_203_and_malformed_answers_get_nothing() -> None:
    node = make()
    node.receive_datagram(b"d1:ade1:q4:ping1:t2:tt1:y1:qe", ALICE.endpoint, 0.0)
    assert sent(node) == [(Refusal(b"tt", krpc.ERROR_PROTOCOL, b"malformed"), ALICE.endpoint)]
    node.receive_datagram(b"d1:rde1:t2:tt1:y1:re", ALICE.endpoint, 0.0)
    node.receive_datagram(b"garbage", ALICE.endpoint, 0.0)
    assert sent(node) == []
    assert sum(node.stats(0.0).dropped.values()) == 3


def test_the_fullest_answer_fits_ipv6s_smallest_frame() -> None:
    node = make(BOTH)
    for family, realm in node._realms.items():
        for n in range(1, 60):
            endpoint = Endpoint(n.to_bytes(4 if family is Family.V4 else 16, "big")[::-1], 65535)
            realm.table.answered(Contact(NodeId(bytes([n]) * 20), endpoint), 0.1, 0.0)
            for port in (65535, 65534):
                realm.store.add(KEY, Endpoint(endpoint.packed, port), 0.0)
    for asker in (ALICE, Contact(ALICE.node_id, Endpoint.parse("fd00::1", 65535))):
        query = krpc.encode_query(b"t" * 20, ALICE.node_id, GetPeers(KEY, frozenset(Family)), read_only=True)
        node.receive_datagram(query, asker.endpoint, 0.0)
        ((datagram, _),) = node.datagrams_to_send()
        parsed = krpc.parse(datagram)
        assert isinstance(parsed, Response)
        assert [len(nodes) for nodes in parsed.nodes.values()] == [8, 8]
        assert len(parsed.peers) > 20
        assert all(peer.family is asker.endpoint.family for peer in parsed.peers)
        assert len(datagram) <= 1280 - 48


def test_want_decides_which_families_are_told_and_the_default_is_the_askers_own() -> None:
    node = make(BOTH)
    for want, expected in [
        (frozenset(), {Family.V4}),
        (frozenset({Family.V6}), {Family.V6}),
        (frozenset(Family), set(Family)),
    ]:
        reply = ask(node, ALICE, FindNode(KEY, frozenset(want)))
        assert isinstance(reply, Response)
        assert set(reply.nodes) == expected


def test_one_host_that_asks_too_much_is_not_answered() -> None:
    node = make(replace(PRIVATE, per_source_rate=Rate(1.0, 5.0)))
    query = krpc.encode_query(b"tt", ALICE.node_id, Ping(), read_only=True)
    for _ in range(20):
        node.receive_datagram(query, ALICE.endpoint, 0.0)
    assert len(sent(node)) == 5
    assert node.stats(0.0).dropped == {"rate_limited": 15}


def test_on_the_public_network_private_addresses_are_neither_heard_nor_asked_nor_told() -> None:
    node = make(DhtConfig())
    node.receive_datagram(krpc.encode_query(b"tt", ALICE.node_id, Ping(), read_only=False), ALICE.endpoint, 0.0)
    assert sent(node) == []
    public = Contact(NodeId(b"p" * 20), Endpoint.parse("8.8.8.8", 53))
    node.start_bootstrap([public.endpoint, ALICE.endpoint], 0.0)
    assert {to for _, to in node.datagrams_to_send()} == {public.endpoint}
    node = knowing(public, config=DhtConfig())
    call = node.start_get_peers(KEY, 1.0)
    answer(node, public, 1.1, peers=[ALICE.endpoint, BOB.endpoint], nodes=(ALICE,))
    assert drain(node) == [GetPeersFinished(call, KEY, (), 1, 0)]


def test_peers_are_told_as_they_come_each_once_and_all_at_the_end() -> None:
    node = knowing(ALICE, BOB)
    call = node.start_get_peers(KEY, 1.0)
    queries = [(m, to) for m, to in sent(node) if isinstance(m, Query)]
    for (query, to), who in zip(sorted(queries, key=lambda q: q[1].host), (ALICE, BOB), strict=True):
        assert to == who.endpoint
        peers = (Endpoint.parse("10.9.9.9", 1), Endpoint.parse("10.9.9.9", who.endpoint.port))
        node.receive_datagram(
            krpc.encode_response(Response(query.transaction_id, who.node_id, {}, peers)), who.endpoint, 1.1
        )
    one, two = Endpoint.parse("10.9.9.9", 1), Endpoint.parse("10.9.9.9", 2)
    assert drain(node) == [
        PeersFound(call, (one,)),
        PeersFound(call, (two,)),
        GetPeersFinished(call, KEY, (one, two), answered=2, failed=0),
    ]


def test_what_we_store_ourselves_is_found_without_asking_anyone() -> None:
    node = make()
    first = ask(node, ALICE, GetPeers(KEY))
    assert isinstance(first, Response)
    ask(node, ALICE, AnnouncePeer(KEY, 5000, first.token or b""))
    call = node.start_get_peers(KEY, 1.0)
    assert drain(node)[-1] == GetPeersFinished(call, KEY, (Endpoint.parse("10.0.0.1", 5000),), 0, 0)


def test_an_announcement_counts_confirmations_refusals_and_silence_apart() -> None:
    carol = Contact(NodeId(b"c" * 20), Endpoint.parse("10.0.0.3", 3))
    node = knowing(ALICE, BOB, carol)
    call = node.start_announce(KEY, 5000, 1.0)
    stores: list[tuple[Query, Endpoint]] = []
    for message, to in sent(node):
        who = next(c for c in (ALICE, BOB, carol) if c.endpoint == to)
        assert isinstance(message, Query)
        assert message.question == GetPeers(KEY)
        node.receive_datagram(
            krpc.encode_response(Response(message.transaction_id, who.node_id, {}, (), b"tok-" + who.node_id[:1])),
            to,
            1.1,
        )
        stores += [(m, t) for m, t in sent(node) if isinstance(m, Query)]
    assert {(m.question, t.host) for m, t in stores} == {
        (AnnouncePeer(KEY, 5000, b"tok-a"), "10.0.0.1"),
        (AnnouncePeer(KEY, 5000, b"tok-b"), "10.0.0.2"),
        (AnnouncePeer(KEY, 5000, b"tok-c"), "10.0.0.3"),
    }
    by_host = {to.host: message.transaction_id for message, to in stores}
    node.receive_datagram(krpc.encode_response(Response(by_host["10.0.0.1"], ALICE.node_id)), ALICE.endpoint, 1.2)
    node.receive_datagram(krpc.encode_refusal(by_host["10.0.0.2"], 203, b"no"), BOB.endpoint, 1.2)
    assert drain(node) == []
    while not (events := drain(node)):
        node.handle_timer(node.next_timer())
    assert events == [AnnounceFinished(call, KEY, stored_at=1, refused=1, answered=3, failed=0)]


def test_an_answer_from_another_address_or_to_no_question_changes_nothing() -> None:
    node = make()
    node.start_bootstrap([ALICE.endpoint], 0.0)
    ((query, _),) = sent(node)
    forged = krpc.encode_response(Response(query.transaction_id, BOB.node_id))
    node.receive_datagram(forged, BOB.endpoint, 0.1)
    node.receive_datagram(krpc.encode_response(Response(b"none", ALICE.node_id)), ALICE.endpoint, 0.1)
    assert node.stats(0.1).nodes == {"v4": 0}
    assert node.stats(0.1).dropped == {"unexpected_answer": 2}


def test_a_node_that_answers_under_our_own_id_is_a_failure() -> None:
    node = make()
    node.start_bootstrap([ALICE.endpoint], 0.0)
    answer(node, Contact(node.node_id(Family.V4), ALICE.endpoint), 0.1)
    (event,) = drain(node)
    assert isinstance(event, BootstrapFinished)
    assert (event.answered, event.known_nodes) == (0, 0)


def test_a_bootstrap_node_restarted_under_a_new_id_is_known_again_at_once() -> None:
    node = knowing(ALICE)
    reborn = Contact(BOB.node_id, ALICE.endpoint)
    node.start_get_peers(KEY, 1.0)
    answer(node, reborn, 1.1)
    assert [c for c in node.saved_state().nodes if c.endpoint == ALICE.endpoint] == [reborn]


def test_when_nobody_answers_a_join_is_tried_again_ever_more_slowly_and_still_succeeds() -> None:
    node = make()
    node.start_bootstrap([ALICE.endpoint], 0.0)
    attempts: list[float] = []
    now = 0.0
    while now < 3000.0:
        if any(isinstance(m, Query) for m, _ in sent(node)):
            attempts.append(now)
        assert all(event.answered == 0 for event in drain(node) if isinstance(event, BootstrapFinished))
        now = node.next_timer()
        node.handle_timer(now)
    joins = [b - a for a, b in pairwise(attempts) if b - a > 5.0]
    assert len(attempts) < 40
    assert max(joins) > 250.0
    while not any(to == ALICE.endpoint for _, to in node._out):
        now = node.next_timer()
        node.handle_timer(now)
    answer(node, ALICE, now + 0.1)
    assert node.stats(now).nodes == {"v4": 1}


def test_a_lookup_before_anybody_answered_asks_the_seeds_itself() -> None:
    node = make()
    node.add_seeds([ALICE.endpoint])
    call = node.start_get_peers(KEY, 0.0)
    assert answer(node, ALICE, 0.1, peers=[BOB.endpoint]) == [GetPeers(KEY)]
    assert drain(node)[-1] == GetPeersFinished(call, KEY, (BOB.endpoint,), answered=1, failed=0)


def test_a_lookup_that_nobody_answers_ends_and_says_so() -> None:
    node = knowing(ALICE)
    call = node.start_get_peers(KEY, 1.0)
    while not (events := drain(node)):
        node.handle_timer(node.next_timer())
    assert events == [GetPeersFinished(call, KEY, (), answered=0, failed=1)]


def test_calls_beyond_the_limit_wait_their_turn_and_a_flood_of_them_is_refused() -> None:
    node = knowing(ALICE, config=replace(PRIVATE, max_active_calls=2, max_waiting_calls=3))
    for n in range(5):
        node.start_get_peers(bytes([n]) * 20, 1.0)
    assert (node.stats(1.0).active_calls, node.stats(1.0).waiting_calls) == (2, 3)
    with pytest.raises(LocalProtocolError) as caught:
        node.start_get_peers(KEY, 1.0)
    assert caught.value.code == "too_many_calls"
    answer(node, ALICE, 1.1)
    assert len([e for e in drain(node) if isinstance(e, GetPeersFinished)]) == 5


def test_a_thousand_waiting_calls_end_without_growing_the_stack_when_nobody_is_left() -> None:
    node = knowing(ALICE, config=replace(PRIVATE, max_active_calls=1))
    for n in range(1000):
        node.start_get_peers(n.to_bytes(20, "big"), 1.0)
    finished = 0
    now = 1.0
    while finished < 1000 and now < 1e6:
        now = node.next_timer()
        node.handle_timer(now)
        node.datagrams_to_send()
        finished += sum(isinstance(event, GetPeersFinished) for event in drain(node))
    assert finished == 1000


def test_a_cancelled_call_is_silent() -> None:
    node = knowing(ALICE)
    node.cancel(node.start_get_peers(KEY, 1.0))
    answer(node, ALICE, 1.1)
    assert drain(node) == []


@pytest.mark.parametrize(("key", "port"), [(b"short", 1), (KEY, 0), (KEY, 65536)])
def test_our_own_mistakes_are_loud(key: bytes, port: int) -> None:
    with pytest.raises(LocalProtocolError):
        make().start_announce(key, port, 0.0)


def test_saved_state_gives_the_same_id_and_asks_the_saved_nodes_first() -> None:
    node = knowing(ALICE, BOB)
    saved = node.saved_state()
    assert set(saved.nodes) == {ALICE, BOB}
    again = make(replace(PRIVATE, saved=saved))
    assert again.node_id(Family.V4) == node.node_id(Family.V4)
    assert again.stats(0.0).nodes == {"v4": 0}, "a saved node is a hint until it answers"
    again.start_bootstrap([], 0.0)
    assert {to for _, to in again.datagrams_to_send()} == {ALICE.endpoint, BOB.endpoint}
    assert set(again.saved_state().nodes) == {ALICE, BOB}, "an early stop forgets nobody"


def test_ten_networks_that_agree_on_our_address_give_us_an_id_valid_there() -> None:
    node = make(DhtConfig())
    ours = Endpoint.parse("124.31.75.21", 4444)
    before = node.node_id(Family.V4)
    voters = [Contact(NodeId(bytes([n]) * 20), Endpoint.parse(f"8.{n}.8.8", 1)) for n in range(1, 14)]
    node.start_bootstrap([voters[0].endpoint], 0.0)
    answer(node, voters[0], 0.1, observed=Endpoint.parse("9.9.9.9", 1))
    node.start_bootstrap([voter.endpoint for voter in voters], 0.0)
    answer(node, voters, 0.1, observed=ours)
    learned = [event for event in drain(node) if isinstance(event, ExternalAddressLearned)]
    assert learned == [ExternalAddressLearned(ours, id_changed=True)]
    assert node.node_id(Family.V4) != before
    assert is_bep42_id(node.node_id(Family.V4), ours.packed)
    assert node.stats(0.1).nodes["v4"] == 8, "those we knew come along"


def test_a_stale_table_is_pinged_and_refreshed_by_itself() -> None:
    node = knowing(ALICE)
    now, questions = 0.0, []
    while now < 20 * 60.0:
        now = node.next_timer()
        node.handle_timer(now)
        questions += answer(node, ALICE, now + 0.01)
    assert any(isinstance(question, FindNode) for question in questions)
    assert node.stats(now).good_nodes == {"v4": 1}
    assert len(questions) < 2 * 20 * 60 / MAINTENANCE_S


hostile_values = st.recursive(
    st.integers(-(2**40), 2**40)
    | st.binary(max_size=40)
    | st.sampled_from([bytes(20), b"x" * 26, b"n4", ALICE.node_id]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [b"id", b"target", b"info_hash", b"port", b"token", b"want", b"nodes", b"nodes6", b"values"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)
hostile = st.one_of(
    st.binary(max_size=2100),
    st.fixed_dictionaries(
        {},
        optional={
            b"t": st.sampled_from([b"tt", b"", b"x" * 40]) | hostile_values,
            b"y": st.sampled_from([b"q", b"r", b"e"]) | hostile_values,
            b"q": st.sampled_from([b"ping", b"find_node", b"get_peers", b"announce_peer", b"zap"]) | hostile_values,
            b"a": hostile_values,
            b"r": hostile_values,
            b"e": hostile_values,
            b"ro": hostile_values,
            b"ip": hostile_values,
        },
    ).map(bencode.encode),
)


@settings(unhurried, max_examples=150)
@given(st.lists(st.tuples(hostile, st.booleans(), st.booleans()), max_size=12))
def test_no_datagram_whatever_it_holds_raises_or_gets_more_than_one_answer(
    datagrams: list[tuple[bytes, bool, bool]],
) -> None:
    node = knowing(ALICE, config=BOTH)
    node.start_get_peers(KEY, 1.0)
    open_ids = [m.transaction_id for m, _ in sent(node) if isinstance(m, Query)]
    for data, as_alice, as_answer in datagrams:
        source = ALICE.endpoint if as_alice else Endpoint.parse("fd00::7", 7)
        forged = data.replace(b"2:tt", b"4:" + open_ids[0]) if as_answer else data
        node.receive_datagram(forged, source, 1.0)
        assert len([1 for m, _ in sent(node) if not isinstance(m, Query)]) <= 1
    while node.stats(1.0).active_calls:
        node.handle_timer(node.next_timer())


def test_state_values_are_checked_when_made() -> None:
    with pytest.raises(ValueError, match="20 bytes"):
        SavedState(ids=((Family.V4, NodeId(b"short")),))
    with pytest.raises(ValueError, match="20 bytes"):
        SavedState(nodes=(Contact(NodeId(b"short"), ALICE.endpoint),))
