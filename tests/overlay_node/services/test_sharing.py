"""Neighbours that tell each other what they hold: adverts and cache jobs between real nodes."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.domain.contracts.node_work import AdvertisedVariant, AdvertReport
from apps.domain.mesh.policy import FEATURE_ADVERTS, FEATURE_CACHE_JOBS
from overlay_node.net.errors import RequestFailed
from overlay_node.net.link import Link
from overlay_node.protocol import registry
from overlay_node.protocol.messages import MbidQuery, Message
from overlay_node.protocol.sharing import (
    CacheConstraints,
    CacheJobRole,
    FingerprintBundleAdvert,
    FingerprintBundleRequest,
    MeshCacheJob,
    RequestedTrack,
)
from overlay_node.services import adverts, availability, cache_jobs
from overlay_node.services.root import Node
from overlay_node.store.memory_store import MemoryStore
from tests.overlay_node.services.mesh_world import (
    RECORDING,
    RELEASE,
    MeshWorld,
    assembled,
    library_entry,
    link_between,
    want,
)

OTHER = uuid.UUID("33333333-3333-4333-8333-333333333333")


class Overheard:
    """Counts the messages a node sends, by type."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: Counter[tuple[str, str]] = Counter()
        plain_send, plain_request = Link.send, Link.request

        def send(link: Link, message: Message, attachment: Any = b"") -> str:
            self.sent[link._connection._local.agent, message.TYPE] += 1
            return plain_send(link, message, attachment)

        def request(link: Link, message: Message, timeout_s: float) -> Any:
            self.sent[link._connection._local.agent, message.TYPE] += 1
            return plain_request(link, message, timeout_s)

        monkeypatch.setattr(Link, "send", send)
        monkeypatch.setattr(Link, "request", request)


def silence(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """The node answers no query: what is known of it was told unasked."""

    async def nothing(_query: MbidQuery) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(node.offers, "answer", nothing)


async def told(mesh: MeshWorld, store: MemoryStore, peer: str, variants: int) -> None:
    await mesh.until(lambda: peer in store.adverts and store.adverts[peer].whole)
    await mesh.until(lambda: len(store.adverts[peer].variants) == variants)


def test_the_features_of_the_policy_are_those_of_the_registry() -> None:
    assert (FEATURE_ADVERTS, FEATURE_CACHE_JOBS) == (registry.FEATURE_ADVERTS, registry.FEATURE_CACHE_JOBS)


def test_what_a_neighbour_seeds_is_known_before_anybody_wants_it(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        hidden = library_entry(music / "two.flac", recording=OTHER, release=OTHER)
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"), hidden)
        store = MemoryStore()
        await link_between(mesh, await mesh.start("reader", store), seeder)
        await told(mesh, store, seeder.peer_id, 1)
        found = await store.sources_advertised([RECORDING, OTHER])
        assert [(one.peer, one.recording_mbid) for one in found.claims] == [(seeder.peer_id, RECORDING)]
        assert store.claims == {}

    mesh.run(scenario())


def test_changes_are_told_as_they_happen_and_what_is_unseeded_is_withdrawn(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        held = MemoryStore([library_entry(music / "one.flac")])
        seeder = await mesh.start("seeder", held, seed_releases=(RELEASE,))
        store = MemoryStore()
        await link_between(mesh, await mesh.start("reader", store), seeder)
        await told(mesh, store, seeder.peer_id, 1)
        first = store.adverts[seeder.peer_id].held
        held.library.append(library_entry(music / "two.flac", recording=OTHER))
        seeder.sharing.adverts.wake()
        await told(mesh, store, seeder.peer_id, 2)
        held.library.clear()
        await seeder.sharing.adverts.look()
        await told(mesh, store, seeder.peer_id, 0)
        last = store.adverts[seeder.peer_id].held
        assert first is not None and last is not None
        assert (last.bundle_id, last.sequence) == (first.bundle_id, first.sequence + 2)
        assert store.adverts[seeder.peer_id].generation == 1  # one snapshot, two steps

    mesh.run(scenario())


def test_a_want_with_an_advertised_source_is_dialled_and_fetched_without_a_query(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DHT finds nobody and the seeder answers no query: only the advert of an earlier link says who holds it, and where."""

    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        reader = await mesh.start("reader", store)
        link = await link_between(mesh, reader, seeder)
        await told(mesh, store, seeder.peer_id, 1)
        link.close("shutdown")
        await mesh.until(lambda: not list(reader.overlay.links) and not list(seeder.overlay.links))
        silence(monkeypatch, seeder)
        store.peers[seeder.peer_id].address = (seeder.config.overlay_host, seeder.overlay_port)

        async def nobody(_key: bytes) -> list[tuple[str, int]]:
            return []

        monkeypatch.setattr(reader.dht, "get_peers", nobody)
        store.want_put(want())
        reader.reconciler.wake()
        await mesh.until(lambda: assembled(store))

    mesh.run(scenario())


def test_a_linked_neighbour_that_advertised_is_a_source_at_once(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        reader = await mesh.start("reader", store)
        await link_between(mesh, reader, seeder)
        await told(mesh, store, seeder.peer_id, 1)
        silence(monkeypatch, seeder)
        store.want_put(want())
        reader.reconciler.wake()
        await mesh.until(lambda: assembled(store))

    mesh.run(scenario())


def test_a_neighbour_met_again_with_nothing_new_says_so_in_one_empty_message(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        reader = await mesh.start("reader", store)
        link = await link_between(mesh, reader, seeder)
        await told(mesh, store, seeder.peer_id, 1)
        link.close("shutdown")
        await mesh.until(lambda: not list(seeder.overlay.links))
        await link_between(mesh, reader, seeder)
        await mesh.until(lambda: reader.sharing.availability.counts["renewals"])
        assert store.adverts[seeder.peer_id].generation == 1

    mesh.run(scenario())


def test_an_advert_that_had_to_make_room_is_asked_for_anew_although_the_link_lives(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overlay_node.services.availability.ASK_EVERY_S", 0.2)
    monkeypatch.setattr("overlay_node.services.availability.ASK_AGAIN_S", 0.1)

    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        reader = await mesh.start("reader", store)
        await link_between(mesh, reader, seeder)
        await told(mesh, store, seeder.peer_id, 1)
        del store.adverts[seeder.peer_id]
        await told(mesh, store, seeder.peer_id, 1)

    mesh.run(scenario())


def test_a_passive_node_reads_adverts_and_tells_none(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overheard = Overheard(monkeypatch)

    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store, own = MemoryStore(), library_entry(music / "two.flac", recording=OTHER)
        store.library.append(own)
        passive = await mesh.start("passive", store, passive=True, seed_releases=(RELEASE,), version="passive")
        link = await link_between(mesh, passive, seeder)
        await told(mesh, store, seeder.peer_id, 1)
        back = seeder.overlay.links.get(passive.peer_id)
        assert back is not None
        with pytest.raises(RequestFailed) as caught:
            await back.request(FingerprintBundleRequest(), 10.0).asFuture(mesh.loop)
        assert caught.value.code == "policy"
        assert passive.peer_id not in seeder.store.adverts  # type: ignore[attr-defined]
        assert overheard.sent["slskdn/passive", "fingerprint_bundle_advert"] == 0
        assert link.is_open

    mesh.run(scenario())


def test_peers_that_speak_neither_are_sent_neither(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overheard = Overheard(monkeypatch)

    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        store.want_put(want())
        node = await mesh.start("plain", store)
        monkeypatch.setattr(node.overlay, "local", _without(node.overlay.local, {FEATURE_ADVERTS, FEATURE_CACHE_JOBS}))
        await link_between(mesh, node, seeder)
        await mesh.until(lambda: assembled(store))
        names = {name for _, name in overheard.sent}
        assert not names & {"fingerprint_bundle_request", "fingerprint_bundle_advert", "mesh_cache_job"}

    mesh.run(scenario())


def _without(local: Any, features: set[str]) -> Any:
    import dataclasses

    return dataclasses.replace(local, features=tuple(one for one in local.features if one not in features))


def test_a_false_advert_is_charged_to_who_told_it(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The advert becomes a claim, the claim is refuted by our own ears, and what is refuted is believed no more."""

    async def scenario() -> None:
        liar = await mesh.seeder("liar", library_entry(music / "two.flac"))
        store = MemoryStore()
        reader = await mesh.start("reader", store)
        await link_between(mesh, reader, liar)
        await told(mesh, store, liar.peer_id, 1)
        silence(monkeypatch, liar)
        store.want_put(want())
        reader.reconciler.wake()
        await mesh.until(lambda: assembled(store))
        store.verdict_put(assembled(store)[0].work.id, accepted=False, code="wrong_recording")
        reader.reconciler.wake()
        await mesh.until(lambda: store.peers[liar.peer_id].wrong_claims)
        assert (await store.sources_advertised([RECORDING])).claims == ()

    mesh.run(scenario())


def test_a_gap_is_asked_about_after_a_pause_and_lost_parts_do_no_harm(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "ASK_AGAIN_S", 0.0)

    class Forgetful(MemoryStore):
        """Refuses one advert, as a database does that had to make room."""

        refused = False

        async def advert_record(self, report: AdvertReport) -> bool:
            if not self.refused:
                self.refused = True
                return False
            return await super().advert_record(report)

    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = Forgetful()
        reader = await mesh.start("reader", store)
        await link_between(mesh, reader, seeder)
        await mesh.until(lambda: store.refused)
        await mesh.until(lambda: _ticked(reader) and seeder.peer_id in store.adverts)
        await told(mesh, store, seeder.peer_id, 1)

    def _ticked(node: Node) -> bool:
        node._background.spawn(node.sharing.availability.tick(), "tick")
        return True

    mesh.run(scenario())


# ---- cache jobs ---------------------------------------------------------------------------------------------------------------------


def request(*recordings: uuid.UUID, **changes: Any) -> MeshCacheJob:
    whole: dict[str, Any] = {
        "job_id": str(uuid.uuid4()),
        "role": CacheJobRole.REQUEST,
        "release": str(RELEASE),
        "requested_tracks": tuple(RequestedTrack(recording=str(one)) for one in recordings),
    }
    return MeshCacheJob(**{**whole, **changes})


def test_a_job_asks_its_neighbours_under_a_pseudonym_and_what_they_offer_becomes_claims(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, MeshCacheJob]] = []

    async def scenario() -> None:
        job = uuid.uuid4()
        seeders = [await mesh.seeder(name, library_entry(music / "one.flac")) for name in ("one", "two")]
        for seeder in seeders:
            answer: Callable[..., Any] = seeder.sharing.cache_jobs.requested

            def listen(link: Link, message: MeshCacheJob, at: str = seeder.peer_id, then: Any = answer) -> Any:
                heard.append((at, message))
                return then(link, message)

            monkeypatch.setattr(seeder.sharing.cache_jobs, "requested", listen)
        store = MemoryStore()
        mine = want(group_id=job)
        store.want_put(mine)
        reader = await mesh.start("reader", store)
        for seeder in seeders:
            await link_between(mesh, reader, seeder)
        await mesh.until(lambda: reader.sharing.cache_jobs.counts["tracks_offered"] >= 2)
        await mesh.until(lambda: {key[0] for key in store.claims} == {one.peer_id for one in seeders})
        names = {(at, message.job_id) for at, message in heard}
        assert len(names) == 2
        assert len({name for _, name in names}) == 2
        assert not {name for _, name in names} & {str(job), str(mine.id)}
        assert {one.constraints.allow_transitive_relay for _, one in heard} == {False}

    mesh.run(scenario())


def test_an_offer_keeps_to_the_caps_and_says_what_we_never_do(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entries = library_entry(music / "one.flac"), library_entry(music / "two.flac", recording=OTHER)
        seeder = await mesh.seeder("seeder", *entries)
        link = await link_between(mesh, await mesh.start("asker", MemoryStore()), seeder)
        tracks = (
            RequestedTrack(recording=str(RECORDING), priority=1),
            RequestedTrack(recording=str(OTHER), priority=9),
        )
        caps = CacheConstraints(
            ttl_s=3600,
            max_bytes=entries[1].variant.payload_bytes,
            allow_transitive_relay=True,
            allow_new_soulseek_fetch=True,
        )
        asked = request(requested_tracks=tracks, constraints=caps)
        offer = (await link.request(asked, 10.0).asFuture(mesh.loop)).message
        assert isinstance(offer, MeshCacheJob)
        assert [one.recording for one in offer.offered_tracks] == [str(OTHER)]
        assert (offer.job_id, offer.release, offer.role) == (asked.job_id, asked.release, CacheJobRole.OFFER)
        assert offer.constraints == CacheConstraints(ttl_s=600, max_bytes=caps.max_bytes)
        nothing = (await link.request(request(uuid.uuid4()), 10.0).asFuture(mesh.loop)).message
        assert isinstance(nothing, MeshCacheJob)
        assert nothing.offered_tracks == ()

    mesh.run(scenario())


def test_the_same_job_is_answered_again_only_after_a_pause_and_a_passive_node_offers_nothing(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        link = await link_between(mesh, await mesh.start("asker", MemoryStore()), seeder)
        asked = request(RECORDING)
        await link.request(asked, 10.0).asFuture(mesh.loop)
        with pytest.raises(RequestFailed) as caught:
            await link.request(asked, 10.0).asFuture(mesh.loop)
        assert caught.value.code == "rate_limited"
        assert caught.value.retry_after_s is not None and 0 < caught.value.retry_after_s <= cache_jobs.REPEAT_S + 1
        passive = await mesh.start("passive", MemoryStore([library_entry(music / "one.flac")]), passive=True)
        to_passive = await link_between(mesh, seeder, passive)
        with pytest.raises(RequestFailed) as caught:
            await to_passive.request(request(RECORDING), 10.0).asFuture(mesh.loop)
        assert caught.value.code == "policy"

    mesh.run(scenario())


def test_a_job_with_enough_sources_or_none_to_ask_for_asks_nobody_and_everything_is_forgotten_with_the_link(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        reader = await mesh.start("reader", store)
        link = await link_between(mesh, reader, seeder)
        await told(mesh, store, seeder.peer_id, 1)
        jobs = reader.sharing.cache_jobs
        jobs.tick()
        assert (jobs.counts["asked"], jobs._asked) == (0, {})
        store.want_put(want(RECORDING, constraints=want().constraints))
        await mesh.until(lambda: assembled(store))
        link.close("shutdown")
        await mesh.until(lambda: not list(seeder.overlay.links) and not list(reader.overlay.links))
        for node in (seeder, reader):
            sharing = node.sharing
            assert sharing.adverts._readers == {}
            assert sharing.availability._tellers == {}
            assert sharing.availability._queued == 0
            assert sharing.cache_jobs._answered == {}
            assert not any(sharing.cache_jobs._asked.values())
            assert node.publisher._told == {}

    mesh.run(scenario())


# ---- limits -------------------------------------------------------------------------------------------------------------------------


def test_a_peer_that_tells_faster_than_rows_are_written_fills_no_memory(
    mesh: MeshWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(MemoryStore):
        """A database that takes its time."""

        def __init__(self) -> None:
            super().__init__()
            self.may = asyncio.Event()

        async def advert_record(self, report: AdvertReport) -> bool:
            await self.may.wait()
            return await super().advert_record(report)

    monkeypatch.setattr(availability, "MAX_QUEUED_PER_LINK", 4)

    async def scenario() -> None:
        store = Stuck()
        reader = await mesh.start("reader", store)
        vandal = await mesh.seeder("vandal")
        monkeypatch.setattr(vandal.sharing.adverts, "requested", lambda _link, _message: None)
        await link_between(mesh, reader, vandal)
        await mesh.until(lambda: vandal.overlay.links.get(reader.peer_id) is not None)
        back = vandal.overlay.links.get(reader.peer_id)
        assert back is not None
        heard = reader.sharing.availability
        await mesh.until(lambda: any(one.ask_at != float("inf") for one in heard._tellers.values()))
        for sequence in range(1, 20):
            back.send(FingerprintBundleAdvert(bundle_id=str(OTHER), sequence=sequence, full_snapshot=True))
        await mesh.until(lambda: heard.counts["ignored"] > 5)
        assert heard.counts["dropped"] == 1
        assert heard._queued <= 4
        store.may.set()
        await mesh.until(lambda: not any(one.writing for one in heard._tellers.values()))
        assert heard._queued == 0

    mesh.run(scenario())


def test_a_snapshot_of_many_parts_is_paced_and_arrives_whole(mesh: MeshWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adverts, "SEND_BURST", 2.0)
    monkeypatch.setattr(adverts, "SEND_PER_S", 50.0)

    async def scenario() -> None:
        seeder = await mesh.seeder("seeder")
        from apps.domain.contracts.node_work import HeldVariant

        many = [
            HeldVariant(
                recording_mbid=uuid.UUID(int=number),
                profile="flac-16-44100-2",
                payload_format="flac",
                payload_root=number.to_bytes(32, "big"),
                payload_bytes=1000,
                duration_ms=1000,
                verified=True,
                pcm_md5=bytes(16),
                container="flac",
            )
            for number in range(1500)
        ]

        async def held(**_asked: Any) -> list[HeldVariant]:
            return many

        monkeypatch.setattr(seeder.store, "variants_offered", held)
        store = MemoryStore()
        await link_between(mesh, await mesh.start("reader", store), seeder)
        await told(mesh, store, seeder.peer_id, 1500)
        one = next(iter(store.adverts[seeder.peer_id].variants.values()))[1]
        assert isinstance(one, AdvertisedVariant)

    mesh.run(scenario())
