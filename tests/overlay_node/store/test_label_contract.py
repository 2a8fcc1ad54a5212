"""What every store promises of labels that peers tell of."""

from __future__ import annotations

import uuid

from tests.apps.mesh.label_rows import sighted
from tests.overlay_node.store.store_world import World


def test_what_is_told_is_counted_until_nothing_is_due(world: World) -> None:
    store, run = world.store, world.run
    assert run(store.labels_recount(limit=8)) == 0
    run(store.labels_heard([]))
    run(store.labels_heard([sighted(n, label=f"L{n}", label_mbid=None) for n in range(10)]))
    assert run(store.labels_recount(limit=8)) == 8
    assert run(store.labels_recount(limit=8)) == 2
    assert run(store.labels_recount(limit=8)) == 0


def test_a_peer_that_advertises_nothing_known_changes_nothing(world: World) -> None:
    world.run(world.store.labels_advertised(f"never met {uuid.UUID(int=1)}"))
    assert world.run(world.store.labels_recount(limit=8)) == 0
    assert world.run(world.store.labels_expire()) == 0
