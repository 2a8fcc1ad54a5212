"""Jobs that ask their neighbours, and answers to neighbours' jobs.

A job that is short of sources tells each linked neighbour which tracks of its release it lacks, once per offer's time, and new neighbours at once; what
they offer becomes claims. A neighbour's job is answered from what may be offered of the library and from running transfers, within the caps it names. We
neither relay nor fetch for others: offers say so. Ids of jobs are pseudonyms, different for each neighbour, so that no two can compare notes.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import uuid
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.contracts.node_work import ClaimReport, WantWork
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import WantDesired
from apps.domain.mesh.policy import FEATURE_SERVE, MeshPolicy
from overlay_node.net.errors import RequestFailed
from overlay_node.net.link import Link
from overlay_node.protocol import limits
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.messages import ErrorReply, MbidQuery, VariantOffer
from overlay_node.protocol.registry import FEATURE_CACHE_JOBS
from overlay_node.protocol.sharing import CacheConstraints, CacheJobRole, MeshCacheJob, RequestedTrack
from overlay_node.protocol.states import (
    CACHE_ASKER,
    CACHE_OFFERER,
    CacheAskerEvent,
    CacheAskerState,
    CacheOffererEvent,
    CacheOffererState,
    advance,
)
from overlay_node.services.background import Background
from overlay_node.services.claims import claim_of_offer
from overlay_node.services.offers import Offers

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 15.0
MAX_PEERS_PER_JOB: Final = 16  # neighbours drawn into one job at once; more sources speed nothing up
ASKS_PER_LINK: Final = 4  # jobs that one link is asked for per tick: queries and manifests share its sending rate
REPEAT_S: Final = 30.0  # the same job of the same neighbour is answered no more often
MAX_JOBS_PER_LINK: Final = 128  # remembered of one neighbour; the oldest is forgotten

JobKey = tuple[uuid.UUID, uuid.UUID]
"""(job or, without one, want; release)"""


@dataclass(slots=True)
class _Asked:
    """One job at one neighbour."""

    state: CacheAskerState = CacheAskerState.NEW
    until: float = float("inf")


@dataclass(slots=True)
class _Answered:
    """A neighbour's job that was answered."""

    state: CacheOffererState
    again_at: float
    until: float


class CacheJobs:
    """`wants` are those of now; `short` tells of a want whether it needs more sources; `heard` takes the claims of an offer."""

    def __init__(
        self,
        policy: MeshPolicy,
        *,
        offers: Offers,
        background: Background,
        clock: Callable[[], float],
        links: Callable[[], Iterable[Link]],
        wants: Callable[[], Iterable[WantWork]],
        short: Callable[[uuid.UUID], bool],
        heard: Callable[[Link, Sequence[ClaimReport]], Awaitable[None]],
        pseudonym_key: bytes,
    ) -> None:
        self._policy: Final = policy
        self._offers: Final = offers
        self._background: Final = background
        self._clock: Final = clock
        self._links: Final = links
        self._wants: Final = wants
        self._short: Final = short
        self._heard: Final = heard
        self._key: Final = pseudonym_key
        self._asked: Final[dict[JobKey, dict[Link, _Asked]]] = {}
        self._answered: Final[dict[Link, OrderedDict[str, _Answered]]] = {}
        self.counts: Final[Counter[str]] = Counter()
        """asked, offers, empty, refused, mismatched; answered, repeated"""

    # ---- asking

    def tick(self) -> None:
        """Ask whom it is time to ask. To be called every second or two."""
        self._expire()
        jobs = self._jobs()
        for job in [one for one in self._asked if one not in jobs]:
            del self._asked[job]
        for link in self._links():
            self._ask_all(link, jobs)

    def link_ready(self, link: Link) -> None:
        """A new neighbour is asked at once."""
        self._ask_all(link, self._jobs())

    def link_closed(self, link: Link) -> None:
        """Its offers are gone with it."""
        for asked in self._asked.values():
            one = asked.pop(link, None)
            if one is not None and one.state is not CacheAskerState.EXPIRED:
                one.state = advance(CACHE_ASKER, one.state, CacheAskerEvent.DISCONNECTED)
        self._answered.pop(link, None)

    def _jobs(self) -> dict[JobKey, list[WantWork]]:
        """What is lacking, by job and release. A want without a release is asked for by queries alone."""
        jobs: dict[JobKey, list[WantWork]] = {}
        for want in self._wants():
            if want.desired is WantDesired.ACTIVE and want.release_mbids and self._short(want.id):
                jobs.setdefault((want.group_id or want.id, want.release_mbids[0]), []).append(want)
        return jobs

    def _ask_all(self, link: Link, jobs: dict[JobKey, list[WantWork]]) -> None:
        if not self._may_ask(link):
            return
        asked = 0
        for job, wants in jobs.items():
            at = self._asked.setdefault(job, {})
            live = sum(1 for one in at.values() if one.state is not CacheAskerState.EXPIRED)
            if link in at or live >= MAX_PEERS_PER_JOB:
                continue
            at[link] = one = _Asked()
            self._background.spawn(self._ask(link, job, wants, one), "cache_job")
            asked += 1
            if asked >= ASKS_PER_LINK:
                return

    @staticmethod
    def _may_ask(link: Link) -> bool:
        hello = link.hello
        names = {name.rstrip("!") for name in hello.features} if hello is not None else set()
        return link.is_open and FEATURE_CACHE_JOBS in link.features and FEATURE_SERVE in names

    async def _ask(self, link: Link, job: JobKey, wants: Sequence[WantWork], one: _Asked) -> None:
        tracks = {
            str(want.recording_mbid): RequestedTrack(
                recording=str(want.recording_mbid), priority=max(0, min(want.priority, limits.MAX_PRIORITY))
            )
            for want in wants
        }
        listed = sorted(tracks.values(), key=lambda track: -track.priority)
        request = MeshCacheJob(
            job_id=self._pseudonym(job, link.peer_id),
            role=CacheJobRole.REQUEST,
            release=str(job[1]),
            requested_tracks=tuple(listed[: limits.MAX_TRACKS_PER_CACHE_JOB]),
            constraints=CacheConstraints(max_peers=MAX_PEERS_PER_JOB),
        )
        one.state = advance(CACHE_ASKER, one.state, CacheAskerEvent.REQUEST_SENT)
        self.counts["asked"] += 1
        event, ttl_s, claims = CacheAskerEvent.REFUSED, float(limits.CACHE_JOB_TTL_S), list[ClaimReport]()
        try:
            reply = await link.request(request, ANSWER_TIMEOUT_S).asFuture(asyncio.get_running_loop())
            offer = reply.message
            if isinstance(offer, MeshCacheJob) and (offer.job_id, offer.release) == (request.job_id, request.release):
                ttl_s = min(ttl_s, offer.constraints.ttl_s)
                claims = [claim_of_offer(link, track) for track in offer.offered_tracks if track.recording in tracks]
                event = CacheAskerEvent.TRACKS_OFFERED if claims else CacheAskerEvent.NOTHING_OFFERED
            else:
                self.counts["mismatched"] += 1
        except RequestFailed as error:
            ttl_s = max(ttl_s, float(error.retry_after_s or 0))
            log.debug("cache_job_refused peer=%s code=%s", link.peer_id[:8], error.code)
        except LocalProtocolError as error:
            log.debug("cache_job_not_asked code=%s", error.code)
        self.counts[event.value] += 1
        if one.state is CacheAskerState.ASKED:  # otherwise the link closed meanwhile
            one.state = advance(CACHE_ASKER, one.state, event)
            one.until = self._clock() + ttl_s
        if claims and link.is_open:
            await self._heard(link, claims)

    def _expire(self) -> None:
        now = self._clock()
        for job, asked in list(self._asked.items()):
            for link, one in list(asked.items()):
                if one.until <= now:
                    one.state = advance(CACHE_ASKER, one.state, CacheAskerEvent.TTL_OVER)
                    del asked[link]
            if not asked:
                del self._asked[job]
        for known in self._answered.values():
            for job_id in [job_id for job_id, answered in known.items() if answered.until <= now]:
                known[job_id].state = advance(CACHE_OFFERER, known[job_id].state, CacheOffererEvent.TTL_OVER)
                del known[job_id]

    def _pseudonym(self, job: JobKey, peer: str) -> str:
        data = job[0].bytes + job[1].bytes + peer.encode()
        return str(uuid.UUID(bytes=hmac.new(self._key, data, hashlib.sha256).digest()[:16], version=4))

    # ---- answering

    async def requested(self, link: Link, message: MeshCacheJob) -> None:
        """A neighbour's job asks."""
        if message.role is not CacheJobRole.REQUEST:
            return  # an offer that came too late
        if not self._policy.may_serve:
            self._refuse(link, message, "policy", None)
            return
        known = self._answered.setdefault(link, OrderedDict())
        before = known.get(message.job_id)
        now = self._clock()
        if before is not None and now < before.again_at:
            before.state = advance(CACHE_OFFERER, before.state, CacheOffererEvent.REPEATED)
            self.counts["repeated"] += 1
            self._refuse(link, message, "rate_limited", int(before.again_at - now) + 1)
            return
        ttl_s = min(message.constraints.ttl_s, limits.CACHE_JOB_TTL_S)
        while len(known) >= MAX_JOBS_PER_LINK:
            known.popitem(last=False)
        state = CacheOffererState.IDLE if before is None else before.state
        event = CacheOffererEvent.OFFER_SENT if before is None else CacheOffererEvent.REPEATED
        known[message.job_id] = _Answered(advance(CACHE_OFFERER, state, event), now + REPEAT_S, now + ttl_s)
        try:
            offered = await self._offered(message)
        except DomainError as error:
            log.info("cache_job_not_answered code=%s", error.code)
            known.pop(message.job_id, None)
            self._refuse(link, message, error.code, None)
            return
        if not link.is_open:
            self._answered.pop(link, None)
            return
        link.send(
            MeshCacheJob(
                job_id=message.job_id,
                role=CacheJobRole.OFFER,
                release=message.release,
                offered_tracks=offered,
                constraints=CacheConstraints(ttl_s=ttl_s, max_bytes=message.constraints.max_bytes),
                in_reply_to=message.message_id,
            )
        )
        self.counts["answered"] += 1

    async def _offered(self, message: MeshCacheJob) -> tuple[VariantOffer, ...]:
        """What we may offer of the requested tracks, the most urgent first, within the asker's cap of bytes."""
        wanted = {track.recording: track for track in message.requested_tracks}
        query = MbidQuery(recordings=tuple(wanted), message_id=message.message_id)
        found = [one for one in (await self._offers.answer(query)).variants if one.recording in wanted]
        found.sort(
            key=lambda one: (-wanted[one.recording].priority, wanted[one.recording].desired_profile != one.profile)
        )
        cap, used, offered = message.constraints.max_bytes, 0, list[VariantOffer]()
        for one in found:
            if cap is None or used + one.size <= cap:
                used += one.size
                offered.append(one)
        return tuple(offered)

    def _refuse(self, link: Link, message: MeshCacheJob, code: str, retry_after_s: int | None) -> None:
        if link.is_open:
            link.send(ErrorReply(in_reply_to=message.message_id, code=code, retry_after_s=retry_after_s))
