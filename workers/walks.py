"""Reading a list of MusicBrainz page by page into rows. Every step may be repeated; the walk's row decides who works and where.

A task reads for about a minute and sends itself again, so that none runs for long and other work gets its turn in between.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable

from apps.catalog.selectors_graph import subject_name, validator_of
from apps.catalog.services_graph import artist_store, group_store, label_store, unchanged
from apps.catalog.services_walk import (
    WalkClaim,
    walk_claim,
    walk_failed,
    walk_later,
    walk_looked_up,
    walk_merged,
    walk_page,
    walk_pause,
    walk_renew,
)
from apps.domain.catalog.graph import ArtistDetail, GroupDetail, LabelDetail
from apps.domain.catalog.walks import SUBJECT, UNREADABLE, Subject
from apps.domain.errors import Param
from apps.domain.jobs.backoff import retry_delay_s
from workers.gateways.errors import Permanent, Transient
from workers.gateways.musicbrainz import BROWSE_LIMIT, MusicbrainzPort
from workers.lease import LEASE_S, LeaseKeeper

log = logging.getLogger(__name__)

BUDGET_S = 60.0
"""How long one task reads. The request that is under way when it ends takes 35 s more at most."""

Checkpoint = Callable[[str], None]
"""Called after each step with its name; tests stop the work there."""


def _pass(_step: str) -> None:
    return


def walk(
    walk_id: int,
    *,
    musicbrainz: MusicbrainzPort,
    clock: Callable[[], float],
    budget_s: float = BUDGET_S,
    checkpoint: Checkpoint = _pass,
) -> None:
    """Read on in a walk that is due; nothing happens if it is not, or somebody else has it. `clock`: monotonic seconds."""
    claim = walk_claim(walk_id, lease_s=LEASE_S)
    if claim is None:
        return
    checkpoint("claimed")
    until = clock() + budget_s
    # Renewing knows the row by id and attempt alone, which stay the same while the claim's place moves on.
    with LeaseKeeper(lambda: walk_renew(claim, lease_s=LEASE_S)):
        holder = _Holder(claim)
        try:
            _read(holder, musicbrainz, clock, until, checkpoint)
        except Transient as error:
            _again(holder.claim, error.code, error.params, retry_after_s=error.retry_after_s)
        except Permanent as error:
            log.info("walk failed: walk=%s code=%s", walk_id, error.code)
            walk_failed(holder.claim, code=error.code, params=error.params)
        except Exception as error:
            log.exception("walk failed unexpectedly: walk=%s", walk_id)
            _again(holder.claim, "unexpected", {"error": type(error).__name__})
    checkpoint("finished")


def look_up(kind: Subject, mbid: uuid.UUID, *, musicbrainz: MusicbrainzPort) -> uuid.UUID:
    """Ask for an artist, label or release group and store it, or note that it is as it was. Its MBID now, which a merge changes."""
    looked = musicbrainz.look_up(kind, mbid, known=validator_of(kind, mbid))
    match looked.detail:
        case None:
            unchanged(kind, mbid)
            return mbid
        case ArtistDetail() as artist:
            artist_store(artist, asked_for=mbid, validator=looked.validator)
            return artist.mbid
        case LabelDetail() as label:
            label_store(label, asked_for=mbid, validator=looked.validator)
            return label.mbid
        case GroupDetail() as group:
            group_store(group, asked_for=mbid, validator=looked.validator)
            return group.facts.mbid


class _Holder:
    """The claim as it is now."""

    def __init__(self, claim: WalkClaim) -> None:
        self.claim = claim


def _read(
    holder: _Holder, musicbrainz: MusicbrainzPort, clock: Callable[[], float], until: float, checkpoint: Checkpoint
) -> None:
    looked = holder.claim.look_up
    if looked and not _looked_up(holder, musicbrainz, checkpoint):
        return
    while True:
        claim = holder.claim
        try:
            page, entries = musicbrainz.browse(claim.kind, claim.mbid, offset=claim.taken, limit=BROWSE_LIMIT)
        except Permanent as error:
            if not error.code.endswith("_not_found"):
                raise
            # The list is not there. Whether its subject is, only a lookup tells: it may have been merged or removed since.
            if not looked and not _looked_up(holder, musicbrainz, checkpoint):
                return
            raise _list_missing(claim) from error
        checkpoint("asked")
        following = walk_page(claim, page, entries)
        checkpoint("stored")
        log.info("walk: kind=%s mbid=%s at=%s of=%s", claim.kind, claim.mbid, claim.taken + page.taken, page.total)
        if following is None:
            return
        holder.claim = following
        if clock() >= until:
            walk_pause(following)
            return


def _looked_up(holder: _Holder, musicbrainz: MusicbrainzPort, checkpoint: Checkpoint) -> bool:
    """Ask for the subject; False: the walk is not this worker's any more, or that of another MBID. Raises Permanent if MusicBrainz lacks it."""
    claim = holder.claim
    now_is = look_up(SUBJECT[claim.kind], claim.mbid, musicbrainz=musicbrainz)
    checkpoint("looked_up")
    if now_is != claim.mbid:
        walk_merged(claim, now_is)
        log.info("walk goes on after a merge: kind=%s old=%s mbid=%s", claim.kind, claim.mbid, now_is)
        return False
    told = walk_looked_up(claim)
    if told is not None:
        holder.claim = told
    return told is not None


def _list_missing(claim: WalkClaim) -> Permanent:
    """MusicBrainz has the subject, and no list of it."""
    return Permanent(
        "MusicBrainz answers that it has no such list.",
        code=UNREADABLE[claim.kind],
        name=subject_name(SUBJECT[claim.kind], claim.mbid),
        mbid=str(claim.mbid),
    )


def _again(claim: WalkClaim, code: str, params: dict[str, Param], *, retry_after_s: float | None = None) -> None:
    """Wait and try again, or give up where the kind of failure is bounded."""
    tries = claim.tries + 1 if claim.code == code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    delay_s = retry_delay_s(code, tries=tries, jitter=jitter, retry_after_s=retry_after_s)
    if delay_s is None:
        walk_failed(claim, code=code, params={**params, "tries": tries})
    else:
        walk_later(claim, code=code, params=params, delay_s=delay_s)
    log.info("walk waits: walk=%s code=%s tries=%s delay_s=%s", claim.id, code, tries, delay_s)
