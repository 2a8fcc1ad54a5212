"""Labels between real nodes on loopback: what one seeds, its neighbour counts, a crate is planned by, and nobody sends on."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from apps.domain.contracts.node_work import HeldRelease
from overlay_node.net.link import Link
from overlay_node.protocol.messages import (
    MbidSwarmDescriptor,
    ReleaseIds,
    SwarmTrack,
    TrackState,
)
from overlay_node.services import label_news
from overlay_node.services.label_news import LabelNews, sighted_of
from overlay_node.services.root import Node
from overlay_node.store.memory_rows import LibraryEntry
from overlay_node.store.memory_store import MemoryStore
from tests.apps.jobs.tree_rows import LABEL, an_id, graph_store, group_of
from tests.overlay_node.services.mesh_world import MeshWorld, library_entry, link_between

OFTEN_S = 0.05


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_news, "FLUSH_S", 0.0)
    monkeypatch.setattr(label_news, "COUNT_S", 0.0)


def entry(path: Path, at: int, *, label: str = LABEL.name, label_mbid: uuid.UUID | None = LABEL.mbid) -> LibraryEntry:
    """A release of the label, with one track."""
    release = an_id("release", at, 0)
    words = HeldRelease(
        release_mbid=release, title=f"Album {at:04}", artist=f"Artist {at}", label=label, label_mbid=label_mbid
    )
    return dataclasses.replace(library_entry(path, recording=an_id("track", at), release=release), words=words)


async def seeding(mesh: MeshWorld, name: str, *entries: LibraryEntry) -> Node:
    releases = tuple(one.release_mbid for one in entries)
    return await mesh.start(name, MemoryStore(entries), seed_releases=releases, announce_every_s=OFTEN_S)


async def told(mesh: MeshWorld, reader: Node, store: MemoryStore, count: int) -> None:
    while len(store.sighted) < count:
        await reader.sharing.tick()
        await _turn()


async def _turn() -> None:
    await asyncio.sleep(0.01)


def test_a_seeders_label_is_heard_and_the_same_word_is_not_written_again(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        seeder = await seeding(mesh, "seeder", entry(music / "one.flac", 1))
        store = MemoryStore()
        reader = await mesh.start("reader", store)
        await link_between(mesh, reader, seeder)
        await told(mesh, reader, store, 1)
        (found,) = store.sighted.values()
        assert (found.peer, found.label, found.label_mbid, found.title) == (
            seeder.peer_id, LABEL.name, LABEL.mbid, "Album 0001",
        )  # fmt: skip
        assert (found.tracks, found.tracks_held, found.profile) == (1, 1, "flac-16-44100-2")
        await mesh.until(lambda: reader.sharing.labels.counts["known"] >= 2)
        assert reader.sharing.labels.counts["kept"] == 1

    mesh.run(scenario())


def test_nothing_of_what_was_heard_is_sent_to_others(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is told of a label and linked to a third node, which asks it for everything: it hears of no label."""

    async def scenario() -> None:
        seeder = await seeding(mesh, "seeder", entry(music / "one.flac", 1, label="Hush Hush Tapes", label_mbid=None))
        store, outsider_store = MemoryStore(), MemoryStore()
        reader = await mesh.start("reader", store, announce_every_s=OFTEN_S)
        outsider = await mesh.start("outsider", outsider_store)
        sent: Counter[str] = Counter()
        spoken: list[str] = []
        plain = Link.send

        def send(link: Any, message: Any, attachment: Any = b"") -> str:
            if link.peer_id == outsider.peer_id:
                sent[message.TYPE] += 1
                spoken.append(repr(message) + repr(bytes(attachment)))
            return plain(link, message, attachment)

        monkeypatch.setattr(Link, "send", send)
        await link_between(mesh, outsider, reader)
        await link_between(mesh, reader, seeder)
        await told(mesh, reader, store, 1)
        await reader.sharing.adverts.look()
        for _ in range(100):
            await outsider.sharing.tick()
            await _turn()
        assert sent["fingerprint_bundle_advert"], "the reader does speak to the outsider"
        assert outsider_store.sighted == {}
        assert not any("Hush Hush" in words or str(an_id("release", 1, 0)) in words for words in spoken)

    mesh.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_from_seeding_to_a_crate_planned_by_popularity(mesh: MeshWorld, music: Path) -> None:
    """Two nodes seed releases of a label, a third with real rows counts them, and its crate of two is what they have, the most popular first."""
    from apps.jobs.models import Job, PlannedRelease
    from apps.jobs.services import job_create
    from apps.mesh.models import LabelPresence
    from apps.mesh.selectors_labels import label_row, releases_heard
    from overlay_node.store.django_store import DjangoStore
    from workers.expanding import expand

    store = DjangoStore()

    async def scenario() -> None:
        both = await seeding(mesh, "both", entry(music / "one.flac", 3), entry(music / "two.flac", 1))
        one = await seeding(mesh, "one", entry(music / "one.flac", 3))
        reader = await mesh.start("reader", store)  # type: ignore[arg-type]  # any Store will do
        for seeder in (both, one):
            await link_between(mesh, reader, seeder)
        while reader.sharing.labels.counts["kept"] < 3 or await store.labels_recount(limit=8):
            await reader.sharing.tick()
            await _turn()

    mesh.run(scenario())
    row = label_row(LABEL.mbid)
    assert row is not None
    assert (row.name, row.releases, row.artists, row.peers) == (LABEL.name, 2, 2, 2)
    assert row.popularity == pytest.approx(2**0.5 + 1, rel=1e-3)
    assert not LabelPresence.objects.filter(due=True).exists()
    assert [(one.title, one.peers) for one in releases_heard(LABEL.mbid)[1]] == [("Album 0003", 2), ("Album 0001", 1)]
    graph_store([group_of(at) for at in range(6)])  # what MusicBrainz lists: four albums more
    made = job_create(kind="label_crate", target_mbid=LABEL.mbid, selection={"limit_releases": 2})
    expand(made.id, labels_found=_nobody)
    planned = PlannedRelease.objects.filter(job_id=made.id).order_by("position")
    assert [one.title for one in planned if one.state == "wanted"] == ["Album 0003", "Album 0001"]
    job = Job.objects.get(id=made.id)
    assert job.children.count() == 2
    assert job.code != "crate_from_musicbrainz"


def _nobody(words: str) -> list[Any]:
    raise AssertionError(f"nobody asks for {words}")


# ---- bounds, without a network


class _Line:
    """Of a link, what label news look at."""

    def __init__(self, peer_id: str) -> None:
        self.peer_id, self.group = peer_id, "g"


def descriptor(at: int, *, state: TrackState = TrackState.COMPLETE, **changes: Any) -> MbidSwarmDescriptor:
    track = SwarmTrack(
        number=1, recording=str(an_id("track", at)), state=state, size=1000, profile="flac-16-44100-2",
        payload_format="flac", payload_root=bytes(32), quality_score=0.5,
    )  # fmt: skip
    return MbidSwarmDescriptor(
        release=ReleaseIds(mb_release=str(an_id("release", at, 0))), tracks=(track,), label=f"Label {at}", **changes
    )


def drive(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_flood_waits_in_bounds_and_leaves_room_for_others() -> None:
    store, now = MemoryStore(), [0.0]
    news = LabelNews(store=store, clock=lambda: now[0])
    for at in range(5000):
        news.descriptor(_Line("flood"), descriptor(at))  # type: ignore[arg-type]
    news.descriptor(_Line("honest"), descriptor(1))  # type: ignore[arg-type]
    assert news.counts["dropped"] == 5000 - label_news.MAX_WAITING_PER_PEER

    async def flush() -> None:
        for _ in range(3):
            now[0] += 10
            await news.tick()

    drive(flush())
    assert Counter(peer for peer, _ in store.sighted) == {"flood": label_news.MAX_WAITING_PER_PEER, "honest": 1}


def test_a_word_is_written_again_after_an_hour_or_when_it_changes() -> None:
    store, now = MemoryStore(), [0.0]
    news = LabelNews(store=store, clock=lambda: now[0])

    async def hear(message: MbidSwarmDescriptor) -> None:
        news.descriptor(_Line("p"), message)  # type: ignore[arg-type]
        now[0] += 10
        await news.tick()

    async def scenario() -> None:
        await hear(descriptor(1))
        await hear(descriptor(1))
        assert news.counts["kept"] == 1
        await hear(descriptor(1, title="Renamed"))
        assert news.counts["kept"] == 2
        now[0] += label_news.REHEARD_S
        await hear(descriptor(1, title="Renamed"))
        assert news.counts["kept"] == 3

    drive(scenario())


def test_who_holds_no_whole_track_is_not_counted() -> None:
    news = LabelNews(store=MemoryStore(), clock=lambda: 0.0)
    news.descriptor(_Line("p"), descriptor(1, state=TrackState.PARTIAL))  # type: ignore[arg-type]
    assert not news.counts
    assert sighted_of("p", "g", descriptor(1, state=TrackState.PARTIAL)).tracks_held == 0


def test_an_unavailable_database_loses_nothing_but_time() -> None:
    from apps.domain.errors import DomainError

    class Broken(MemoryStore):
        async def labels_heard(self, reports: Any) -> None:
            raise DomainError("away", code="store_unavailable")

    news = LabelNews(store=Broken(), clock=lambda: 10.0)
    news.descriptor(_Line("p"), descriptor(1))  # type: ignore[arg-type]
    drive(news.tick())
    assert news.counts["kept"] == 0
    news.descriptor(_Line("p"), descriptor(1))  # type: ignore[arg-type]
    assert news.counts["known"] == 0  # it is taken up again when it is told again


def test_adverts_are_looked_at_once_in_a_while() -> None:
    asked: list[str] = []

    class Noting(MemoryStore):
        async def labels_advertised(self, peer: str) -> None:
            asked.append(peer)

    now = [0.0]
    news = LabelNews(store=Noting(), clock=lambda: now[0])

    async def scenario() -> None:
        for _ in range(5):
            news.advertised("p")
            now[0] += 10
            await news.tick()
        assert asked == ["p"]
        now[0] += label_news.ADVERT_EVERY_S
        await news.tick()
        assert asked == ["p", "p"]

    drive(scenario())
