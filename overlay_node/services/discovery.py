"""Finding sources: peers known to claim it, DHT keys of releases, dials, mbid_query, and what others tell by themselves.

`look` makes one round for some wants, everything at once and nothing waiting for anything else: linked peers are asked; known claimers are dialled
(from the claims' rows and from adverts), then other peers met before; the DHT is asked for the releases' keys, and whoever it names is dialled as soon as
it does. A claimer that is known already is a source from the moment its link opens, before any query. Every new link is asked, whoever dialled. What
peers say becomes claims (rows) and `holders` (who, of those met since the start, claims which payload).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.contracts.node_work import AddressTried, ClaimReport, PeerReport, WantWork
from apps.domain.errors import DomainError
from apps.domain.mesh.keys import mb_key
from overlay_node.config import NodeConfig
from overlay_node.net.errors import DialError, RequestFailed
from overlay_node.net.link import Link
from overlay_node.net.overlay import Overlay
from overlay_node.ports import Rendezvous, Store
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.limits import MAX_RELEASES_PER_QUERY
from overlay_node.protocol.messages import MbidQuery, MbidResponse, MbidSwarmDescriptor
from overlay_node.services.background import Background
from overlay_node.services.claims import claim_of_offer, claim_of_track, is_storable
from overlay_node.services.deliveries import Deliveries
from overlay_node.services.holders import Holders
from overlay_node.swarm.choice import PayloadKey

log = logging.getLogger(__name__)

QUERY_TIMEOUT_S: Final = 15.0
RECORDINGS_PER_QUERY: Final = 16  # 64 variants fit one answer: four of each
MAX_DIALS: Final = 16  # at once
MAX_ADDRESSES_PER_LOOK: Final = 64  # of those that the DHT names for one release
MAX_CLAIMERS_PER_LOOK: Final = 32  # addresses of peers known to claim what is wanted, from rows and from adverts each
KNOWN_ADDRESSES: Final = 32  # of peers met before, tried when the DHT finds nobody new
REDIAL_S: Final = 10.0  # after a failed dial; doubles, at most 10 min
MAX_REDIAL_S: Final = 600.0
MAX_REMEMBERED: Final = 4096  # addresses and recalled claims; the oldest go first

Address = tuple[str, int]


@dataclass(slots=True)
class _Tried:
    """What came of an address."""

    peer: str | None = None
    again_at: float = 0.0
    pause: float = REDIAL_S
    dialling: bool = False


class Discovery:
    """`claimed` is told which peer claims which payloads, and of which recordings (none: that is not known any more)."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        store: Store,
        overlay: Overlay,
        rendezvous: Rendezvous,
        deliveries: Deliveries,
        background: Background,
        clock: Callable[[], float],
        claimed: Callable[[str, Iterable[PayloadKey], Collection[uuid.UUID]], None],
    ) -> None:
        self._config: Final = config
        self._store: Final = store
        self._overlay: Final = overlay
        self._rendezvous: Final = rendezvous
        self._deliveries: Final = deliveries
        self._background: Final = background
        self._clock: Final = clock
        self._claimed: Final = claimed
        self._wanted: dict[uuid.UUID, WantWork] = {}
        self._holders: Final = Holders()
        self._tried: Final[dict[Address, _Tried]] = {}
        self._dials: Final = asyncio.Semaphore(MAX_DIALS)
        self._claimer_dials: Final = asyncio.Semaphore(MAX_DIALS)
        """apart from the others: addresses of strangers that time out must not keep known claimers waiting"""
        self._outcomes: list[AddressTried] = []
        self._recalled: Final[set[tuple[str, uuid.UUID, PayloadKey]]] = set()
        """advertised claims that are rows already"""

    # ---- what the reconciler uses

    def set_wanted(self, wants: Iterable[WantWork]) -> None:
        """What new links are asked for, and which claims of descriptors are kept. A new want is asked of every link by its first look."""
        self._wanted = {want.recording_mbid: want for want in wants}

    def holders(self, key: PayloadKey) -> list[str]:
        """Linked peers that claim a payload, but for those that failed to deliver it a short while ago."""
        return [peer for peer in self._holders.of(key) if self.linked(peer) and not self._deliveries.cooling(peer, key)]

    def linked(self, peer: str) -> bool:
        """True while there is a link to a peer."""
        return self._overlay.links.get(peer) is not None

    def note_holders(self, claims: Mapping[PayloadKey, Iterable[str]]) -> None:
        """Claims of earlier runs, from the rows."""
        for key, peers in claims.items():
            for peer in peers:
                self._holders.add(key, peer)

    async def look(self, wants: Sequence[WantWork]) -> None:
        """One round for these wants; returns when everybody found so far has answered or failed, the DHT included."""
        asked = {link.peer_id for link in self._overlay.links}
        keys = {mb_key(mbid) for want in wants for mbid in (want.release_mbids or (want.recording_mbid,))}
        await asyncio.gather(
            *(self._ask(link, wants) for link in list(self._overlay.links)),
            self._dial_known(wants, asked),
            *(self._dial_found(key, wants, asked) for key in sorted(keys)),
        )
        await self._note_outcomes()

    # ---- what links tell

    def link_ready(self, link: Link) -> None:
        """Somebody new: what it is known to hold can be fetched at once; note where it is, and ask for everything wanted."""
        self._tell_claimed(link.peer_id, self._holders.claimed_by(link.peer_id))
        self._background.spawn(self._meet(link), "meet")

    async def descriptor(self, link: Link, message: MbidSwarmDescriptor) -> None:
        """A peer tells what it holds of a release."""
        claims = [claim_of_track(link, track) for track in message.tracks]
        await self.heard_claims(link, [claim for claim in claims if claim is not None])

    async def heard_claims(self, link: Link, claims: Sequence[ClaimReport]) -> None:
        """A peer advertises or offers: what is wanted of it becomes claims now, the rest when it is wanted."""
        await self._keep(link, [claim for claim in claims if claim.recording_mbid in self._wanted])

    # ---- private

    async def _recall(self, wants: Sequence[WantWork]) -> list[Address]:
        """Take up what adverts said of these wants before anybody is asked; returns where claimers that are not linked may be."""
        try:
            found = await self._store.sources_advertised({want.recording_mbid for want in wants})
            named = [
                (one.peer, one.recording_mbid, PayloadKey(one.payload_format, one.payload_root)) for one in found.claims
            ]
            fresh = [one for one, name in zip(found.claims, named, strict=True) if name not in self._recalled]
            if fresh:
                await self._store.claims_record(fresh)
        except DomainError as error:
            log.warning("adverts_unavailable code=%s", error.code)
            return []
        if len(self._recalled) > MAX_REMEMBERED:
            self._recalled.clear()
        self._recalled.update(named)
        keys: dict[str, set[PayloadKey]] = {}
        for peer, _, key in named:
            self._holders.add(key, peer)
            keys.setdefault(peer, set()).add(key)
        recordings = {recording for _, recording, _ in named}
        for peer, held in keys.items():
            if self._overlay.links.get(peer) is not None:
                self._tell_claimed(peer, held, recordings)
        return [(one.host, one.port) for one in found.addresses if self._overlay.links.get(one.peer) is None]

    async def _meet(self, link: Link) -> None:
        hello = link.hello
        port = hello.listen_port if hello is not None else 0
        host = link.remote_addr[0] if link.remote_addr is not None else ""
        if host and port:
            self._remember((host, port)).peer = link.peer_id
        report = PeerReport(
            key=link.peer_id,
            agent=hello.agent if hello is not None else "",
            host=host,
            port=port,
            group=link.group,
            # The port we reached it at; one that came to us names a port that nobody has tried.
            answered=link.dialled_by_me and link.remote_addr == (host, port),
        )
        try:
            await self._store.peer_met(report)
        except DomainError as error:
            log.warning("peer_not_noted code=%s", error.code)
        await self._ask(link, list(self._wanted.values()))

    async def _dial_known(self, wants: Sequence[WantWork], asked: set[str]) -> None:
        """Claimers first: of the claims' rows, and of adverts. Then others who were met before."""
        told = await self._recall(wants)
        try:
            absent = [peer for peer in await self._claimers(wants) if not self.linked(peer)]
            places = await self._store.addresses_of(absent, limit=MAX_CLAIMERS_PER_LOOK)
            strangers = await self._store.known_addresses(limit=KNOWN_ADDRESSES)
        except DomainError as error:
            log.warning("known_addresses_unavailable code=%s", error.code)
            return
        claimers = list(dict.fromkeys([*((one.host, one.port) for one in places), *told[:MAX_CLAIMERS_PER_LOOK]]))
        others = [(one.host, one.port) for one in strangers if one.peer not in asked]
        await asyncio.gather(
            *(self._dial_and_ask(one, wants, asked, slots=self._claimer_dials) for one in claimers),
            *(self._dial_and_ask(one, wants, asked, slots=self._dials) for one in others if one not in claimers),
        )

    async def _claimers(self, wants: Sequence[WantWork]) -> list[str]:
        """Peers that claim something of what is wanted and may be asked for it, those that delivered before first."""
        found: dict[str, bool] = {}
        for recording in dict.fromkeys(want.recording_mbid for want in wants):
            denied = self._wanted[recording].denied if recording in self._wanted else frozenset()
            for one in await self._store.claims_of(recording):
                key = PayloadKey(one.claim.payload_format, one.claim.payload_root)
                self._deliveries.restore(one.claim.peer, key, cooling_s=one.cooling_s)
                if one.refuted or (key.payload_format, key.payload_root) in denied:
                    continue
                self._holders.add(key, one.claim.peer)
                if not self._deliveries.cooling(one.claim.peer, key):
                    found[one.claim.peer] = found.get(one.claim.peer, False) or one.delivered
        return sorted(found, key=lambda peer: not found[peer])

    async def _dial_found(self, key: bytes, wants: Sequence[WantWork], asked: set[str]) -> None:
        try:
            addresses = await self._rendezvous.get_peers(key)
        except DomainError as error:
            log.info("dht_lookup_failed code=%s", error.code)
            return
        fresh = list(dict.fromkeys(addresses))[:MAX_ADDRESSES_PER_LOOK]
        await asyncio.gather(*(self._dial_and_ask(one, wants, asked, slots=self._dials) for one in fresh))

    async def _dial_and_ask(
        self, address: Address, wants: Sequence[WantWork], asked: set[str], *, slots: asyncio.Semaphore
    ) -> None:
        """Dial unless it is known to be pointless now; a new link is asked by `_meet` for everything, and here again for these wants."""
        tried = self._remember(address)
        if tried.dialling or tried.again_at > self._clock() or (tried.peer is not None and self.linked(tried.peer)):
            return
        wildcard = self._config.overlay_host in {"0.0.0.0", "::", ""}  # noqa: S104
        tried.dialling = True
        try:
            async with slots:
                link = await self._overlay.dial(
                    *address, bind_host=None if wildcard else self._config.overlay_host
                ).asFuture(asyncio.get_running_loop())
        except DialError as error:
            tried.again_at = float("inf") if error.code == "self_connection" else self._clock() + tried.pause
            tried.pause = min(tried.pause * 2, MAX_REDIAL_S)
            self._outcomes.append(AddressTried(host=address[0], port=address[1], answered=False))
            log.debug("dial_failed code=%s", error.code)
            return
        finally:
            tried.dialling = False
        tried.peer, tried.pause = link.peer_id, REDIAL_S
        self._outcomes.append(AddressTried(host=address[0], port=address[1], answered=True))
        if link.peer_id not in asked:
            asked.add(link.peer_id)
            await self._ask(link, wants)

    async def _note_outcomes(self) -> None:
        """When addresses were tried: what was only heard of is told from what answered."""
        outcomes, self._outcomes = self._outcomes[-MAX_REMEMBERED:], []
        try:
            await self._store.addresses_tried(outcomes)
        except DomainError as error:
            log.warning("addresses_not_noted code=%s", error.code)

    async def _ask(self, link: Link, wants: Sequence[WantWork]) -> None:
        """Ask one peer about some wants, a few recordings at a time."""
        recordings = list(dict.fromkeys(want.recording_mbid for want in wants))
        releases: dict[uuid.UUID, list[uuid.UUID]] = {}
        for want in wants:
            releases.setdefault(want.recording_mbid, []).extend(want.release_mbids)
        parts = [recordings[at : at + RECORDINGS_PER_QUERY] for at in range(0, len(recordings), RECORDINGS_PER_QUERY)]
        while parts:
            part = parts.pop(0)
            of_part = dict.fromkeys(str(mbid) for recording in part for mbid in releases[recording])
            query = MbidQuery(
                recordings=tuple(str(mbid) for mbid in part), releases=tuple(of_part)[:MAX_RELEASES_PER_QUERY]
            )
            try:
                reply = await link.request(query, QUERY_TIMEOUT_S).asFuture(asyncio.get_running_loop())
            except (RequestFailed, LocalProtocolError) as error:
                log.debug("query_failed peer=%s code=%s", link.peer_id[:8], error.code)
                return
            if isinstance(reply.message, MbidResponse):
                await self._heard(link, reply.message, set(recordings))
                if reply.message.more and len(part) > 1:
                    parts += [part[: len(part) // 2], part[len(part) // 2 :]]

    async def _heard(self, link: Link, response: MbidResponse, recordings: set[uuid.UUID]) -> None:
        claims = [claim_of_offer(link, offer) for offer in response.variants]
        await self._keep(link, [claim for claim in claims if claim.recording_mbid in recordings])

    async def _keep(self, link: Link, claims: list[ClaimReport]) -> None:
        sane = [claim for claim in claims if is_storable(claim.payload_format, claim.payload_bytes)]
        if not sane:
            return
        try:
            await self._store.claims_record(sane)
        except DomainError as error:
            log.warning("claims_not_kept code=%s", error.code)
            return
        keys = {PayloadKey(claim.payload_format, claim.payload_root) for claim in sane}
        for key in keys:
            self._holders.add(key, link.peer_id)
        if link.is_open:
            self._tell_claimed(link.peer_id, keys, {claim.recording_mbid for claim in sane})

    def _tell_claimed(
        self, peer: str, keys: Iterable[PayloadKey], recordings: Collection[uuid.UUID] = frozenset()
    ) -> None:
        """Only of what it may be asked for now: a pause after a failure to deliver is not ended by claiming again."""
        fresh = [key for key in keys if not self._deliveries.cooling(peer, key)]
        if fresh:
            self._claimed(peer, fresh, recordings)

    def _remember(self, address: Address) -> _Tried:
        while len(self._tried) >= MAX_REMEMBERED and address not in self._tried:
            del self._tried[next(iter(self._tried))]
        return self._tried.setdefault(address, _Tried())
