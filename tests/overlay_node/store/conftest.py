"""The store in memory and the one over Django's rows, for tests of what both promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from overlay_node.store.memory_store import MemoryStore
from tests.overlay_node.store.store_world import DjangoRows, MemoryRows, World


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Each of them."""
    if request.param == "memory":
        memory = MemoryStore()
        made = World(memory, MemoryRows(memory))
    else:
        from overlay_node.store.django_store import DjangoStore

        made = World(DjangoStore(), DjangoRows())
    yield made
    made.run(made.store.close())
    made.loop.close()
