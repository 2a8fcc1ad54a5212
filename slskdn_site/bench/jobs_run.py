"""What `./slskdn bench jobs` fills and asks for."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from slskdn_site.bench.asked import Asked
from slskdn_site.bench.jobs_requests import requests
from slskdn_site.bench.jobs_rows import FILL, Filled, fill, settle
from slskdn_site.bench.jobs_world import World, fill_world
from slskdn_site.bench.pages_run import Subject

BARS_MS: Final = {"postgresql": 300.0, "sqlite": 600.0}
BIG: Final = frozenset({
    "jobs_jobtrack", "jobs_webhookdelivery", "transfers_want", "transfers_wantprogress", "transfers_transfer",
    "transfers_transfersource", "mesh_labelsighting", "catalog_track", "catalog_recording",
})  # fmt: skip
"""Tables that must not be read from one end to the other for a request. Jobs themselves and what they planned may be: a search for words reads all
titles, and a tree's figures a sixth of what was planned; both are a few MiB."""


def many_jobs() -> Subject:
    """Jobs, trees, and what the pages around them show."""
    return Subject(bars_ms=BARS_MS, big=BIG, version=FILL, fill=_fill, settle=settle, requests=_requests)


def _fill(sizes: Mapping[str, int]) -> Mapping[str, str]:
    made = fill(jobs=sizes["jobs"], tracks=sizes["tracks"])
    world = fill_world(jobs=sizes["jobs"])
    settle()
    return {name: str(value) for name, value in {**dataclasses.asdict(made), **dataclasses.asdict(world)}.items()}


def _requests(known: Mapping[str, str]) -> Iterator[Asked]:
    ids = {name: uuid.UUID(value) for name, value in known.items()}
    filled, world = ({one.name: ids[one.name] for one in dataclasses.fields(kind)} for kind in (Filled, World))
    yield from requests(Filled(**filled), World(**world))
