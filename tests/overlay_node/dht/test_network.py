"""Whole networks in virtual time: seeded, lossy, with deaths. Minutes pass in milliseconds."""

from __future__ import annotations

from dataclasses import replace

from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.config import DhtConfig
from overlay_node.dht.events import AnnounceFinished, BootstrapFinished, FindNodeFinished, GetPeersFinished
from overlay_node.dht.ids import distance
from tests.overlay_node.dht.lab import PRIVATE, Member, VirtualNetwork, grown

SEED = 20240607


def announce(network: VirtualNetwork, member: Member, key: bytes, port: int) -> AnnounceFinished:
    event = network.finish(member, member.node.start_announce(key, port, network.now))
    assert isinstance(event, AnnounceFinished)
    return event


def get_peers(network: VirtualNetwork, member: Member, key: bytes) -> GetPeersFinished:
    event = network.finish(member, member.node.start_get_peers(key, network.now))
    assert isinstance(event, GetPeersFinished)
    return event


def nearest_found(network: VirtualNetwork, living: list[Member]) -> float:
    """The share of the truly nearest 8 nodes that lookups for random targets end at."""
    found = 0
    for member in living[:10]:
        target = network.random.randbytes(20)
        event = network.finish(member, member.node.start_find_node(target, network.now))
        assert isinstance(event, FindNodeFinished)
        others = (m for m in living if m is not member)
        nearest = sorted(others, key=lambda m: distance(m.node.node_id(Family.V4), target))[:8]
        found += len({m.endpoint for m in nearest} & {c.endpoint for c in event.closest})
    return found / 80


def test_two_nodes_find_each_other_and_what_one_announces_the_other_gets() -> None:
    network, (first, second) = grown(SEED, 2)
    assert announce(network, first, b"k" * 20, 4000).stored_at == 1
    assert get_peers(network, second, b"k" * 20).peers == (Endpoint(first.endpoint.packed, 4000),)


def test_a_handful_of_nodes_that_only_know_one_bootstrap_node_all_know_each_other() -> None:
    network, members = grown(SEED, 6)
    assert [member.node.stats(network.now).good_nodes["v4"] for member in members] == [5] * 6


def test_nodes_that_start_before_their_bootstrap_node_join_once_it_is_there() -> None:
    network = VirtualNetwork(SEED)
    late = Endpoint.parse("10.7.7.7", 6881)
    early = [network.join() for _ in range(3)]
    for member in early:
        member.node.start_bootstrap([late], network.now)
        network.pump(member)
    network.run(30.0)
    network.join(host="10.7.7.7")
    network.run(60.0)
    announce(network, early[0], b"k" * 20, 4000)
    assert get_peers(network, early[2], b"k" * 20).peers == (Endpoint(early[0].endpoint.packed, 4000),)


def test_200_lossy_nodes_find_everything_announced_and_nearly_everything_after_30_percent_died() -> None:
    network, members = grown(SEED, 200, loss=0.02)
    keys: list[tuple[bytes, Endpoint]] = []
    for number in range(40):
        announcer = members[number]
        key = network.random.randbytes(20)
        stored = announce(network, announcer, key, 4000 + number)
        assert stored.stored_at + stored.refused <= 8
        assert stored.stored_at >= 6
        keys.append((key, Endpoint(announcer.endpoint.packed, 4000 + number)))

    for key, peer in keys:
        asked_at = network.now
        found = get_peers(network, network.random.choice(members), key)
        assert peer in found.peers
        assert network.now - asked_at < 10.0, "virtual seconds"

    assert nearest_found(network, members) >= 0.95

    for member in network.random.sample(members[40:], 60):
        member.alive = False
    living = [member for member in members if member.alive]
    hits = 0
    for key, peer in keys:
        asked_at = network.now
        hits += peer in get_peers(network, network.random.choice(living), key).peers
        assert network.now - asked_at < 20.0, "virtual seconds"
    assert hits >= 39

    assert nearest_found(network, living) >= 0.75


def test_the_same_seed_gives_the_same_history() -> None:
    histories = []
    for _ in range(2):
        network, members = grown(SEED, 20, loss=0.05)
        announce(network, members[3], b"k" * 20, 4000)
        found = get_peers(network, members[9], b"k" * 20)
        histories.append((network.now, network.delivered, found, members[5].node.saved_state()))
    assert histories[0] == histories[1]


def test_an_announcement_is_forgotten_unless_it_is_repeated() -> None:
    network, members = grown(SEED, 10)
    announce(network, members[0], b"k" * 20, 4000)
    announce(network, members[1], b"k" * 20, 4001)
    for _ in range(4):
        network.run(15 * 60.0)
        announce(network, members[1], b"k" * 20, 4001)
    assert get_peers(network, members[5], b"k" * 20).peers == (Endpoint(members[1].endpoint.packed, 4001),)


def test_an_idle_network_keeps_itself_alive_for_hours_at_little_cost() -> None:
    network, members = grown(SEED, 30)
    before = network.delivered
    network.run(2 * 3600.0)
    per_node_and_minute = (network.delivered - before) / len(members) / 120
    assert per_node_and_minute < 30
    for member in members:
        assert member.node.stats(network.now).good_nodes["v4"] >= 8


def test_a_node_restarted_from_its_saved_state_needs_no_bootstrap_node() -> None:
    network, members = grown(SEED, 30)
    gone = members[4]
    saved = gone.node.saved_state()
    gone.alive = False
    again = network.join(replace(PRIVATE, saved=saved), host=gone.endpoint.host)
    event = network.finish(again, again.node.start_bootstrap([], network.now))
    assert isinstance(event, BootstrapFinished)
    assert event.known_nodes >= 8
    assert again.node.node_id(Family.V4) == saved.id_for(Family.V4)


def test_a_network_of_two_families_is_joined_through_one_of_them() -> None:
    both = replace(PRIVATE, families=frozenset(Family))
    network = VirtualNetwork(SEED)
    v6 = {}
    members = []
    for number in range(1, 7):
        member = network.join(both, host=f"10.0.0.{number}")
        other = Endpoint.parse(f"fd00::{number}", 6881)
        v6[member.endpoint] = other
        member.other_endpoint = other
        network.members[other] = member
        members.append(member)
    for member in members[1:]:
        seeds = [members[0].endpoint] if member is members[5] else [members[0].endpoint, v6[members[0].endpoint]]
        network.finish(member, member.node.start_bootstrap(seeds, network.now))
    network.run(5.0)
    last = members[5]
    assert last.node.stats(network.now).nodes["v6"] >= 4, "told of by nodes6, though it knew no IPv6 node"
    announce(network, members[1], b"k" * 20, 4000)
    found = get_peers(network, last, b"k" * 20).peers
    assert set(found) == {Endpoint.parse("10.0.0.2", 4000), Endpoint.parse("fd00::2", 4000)}


def test_the_public_limits_do_not_hinder_nodes_of_many_networks() -> None:
    network = VirtualNetwork(SEED)
    members: list[Member] = []
    for number in range(40):
        member = network.join(DhtConfig(), host=f"{20 + number}.1.1.1")
        if members:
            network.finish(member, member.node.start_bootstrap([members[0].endpoint], network.now))
        members.append(member)
    network.run(20.0)
    assert announce(network, members[7], b"k" * 20, 4000).stored_at == 8
    assert Endpoint(members[7].endpoint.packed, 4000) in get_peers(network, members[31], b"k" * 20).peers


def test_one_hostile_network_cannot_capture_a_key() -> None:
    """100 nodes of one /24 outnumber the honest 40 and swallow what is stored there; honest storers are still reached."""
    network = VirtualNetwork(SEED)
    honest: list[Member] = []
    for number in range(40):
        member = network.join(DhtConfig(), host=f"{20 + number}.1.1.1")
        if honest:
            network.finish(member, member.node.start_bootstrap([honest[0].endpoint], network.now))
        honest.append(member)
    for number in range(1, 101):
        liar = network.join(DhtConfig(), host=f"99.9.9.{number}")
        liar.forgets = True
        liar.node.start_bootstrap([honest[number % 40].endpoint], network.now)
        network.pump(liar)
    network.run(60.0)
    hits = 0
    for number in range(10):
        key = network.random.randbytes(20)
        announce(network, honest[number], key, 4000)
        hits += bool(get_peers(network, honest[39 - number], key).peers)
    assert hits == 10
