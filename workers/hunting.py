"""One step of a hunt: ask the next question, weigh what was answered, choose, or wait. The theory stands in apps.domain.soulseek.hunting.

Comparing takes seconds for many answers, so it is done here and never in the node. Every step may be repeated or killed: rows decide what is done.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from datetime import timedelta
from typing import Final

from apps.domain.soulseek.hunting import HuntPolicy, choice, found_enough, ladder_of, weigh, wish_pause
from apps.domain.soulseek.states import HuntState
from apps.soulseek.selectors_hunt_step import HuntLook, hunt_enriched, hunt_look, results_of_round, spent_of
from apps.soulseek.services_hunt_step import (
    HuntClaim,
    candidates_write,
    hunt_ask,
    hunt_claim,
    hunt_end,
    hunt_fetch,
    hunt_renew,
    hunt_rest,
    hunt_round,
    hunt_target_note,
    hunt_wishes,
)
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

LOOK_AGAIN: Final = timedelta(seconds=60)
"""What is under way is looked at so often without a wake-up."""
WISHES_OFF: Final = timedelta(hours=6)


def step(hunt_id: uuid.UUID, *, policy: HuntPolicy) -> None:
    """Move a hunt as far as it goes now; nothing if it is somebody else's, held or over."""
    claim = hunt_claim(hunt_id, lease_s=LEASE_S)
    if claim is None:
        return
    try:
        with LeaseKeeper(lambda: hunt_renew(claim, lease_s=LEASE_S)) as lease:
            _step(claim, policy, lease)
    except LeaseLost:
        log.info("hunt_lost hunt=%s", hunt_id)


def _step(claim: HuntClaim, policy: HuntPolicy, lease: LeaseKeeper) -> None:
    target = claim.target
    if not target.enriched and target.kind != "words":
        target = hunt_enriched(target)
        hunt_target_note(claim, target)
        claim = dataclasses.replace(claim, target=target)
    look = hunt_look(claim.id, target, since=claim.searched_at)
    if _over_or_waiting(claim, look, policy):
        return
    if claim.searched_at is None or claim.state is HuntState.WISHING:
        begun = hunt_round(claim)
        if begun is None:
            raise LeaseLost
        claim = begun
        look = hunt_look(claim.id, target, since=claim.searched_at)
    wish = claim.rounds > 0
    ladder = ladder_of(target, excluded=look.excluded)
    left = (
        ()
        if wish and look.asked
        else ladder[(claim.rounds - 1) % len(ladder) :][:1]
        if wish and ladder
        else ladder[look.asked :]
    )
    if not look.asked and left:
        hunt_ask(claim, left[0], rung=_rung(claim, ladder_length=len(ladder), asked=0), wish=wish)
        return
    assert claim.searched_at is not None
    todo = target if target.kind == "words" else target.only(look.open - look.covered)
    results = results_of_round(claim.id, since=claim.searched_at)
    spent = spent_of(
        results, recordings=[one.recording for one in todo.tracks], hunt_id=claim.id, since=claim.searched_at
    )
    lease.check()
    weighed = weigh(todo, results, wishes=claim.constraints, spent=spent)
    lease.check()
    rows = candidates_write(dataclasses.replace(claim, target=todo), weighed, since=claim.searched_at)
    tired = look.tried >= policy.candidates_tried
    parts = () if tired else choice(weighed)
    if claim.target.kind == "words":
        parts = parts[:1]
    if left and not tired and not found_enough(weighed, asked=look.asked):
        hunt_ask(claim, left[0], rung=_rung(claim, ladder_length=len(ladder), asked=look.asked), wish=wish)
    elif claim.dry_run:
        hunt_end(claim, HuntState.DONE, code="hunt_dry_run" if parts else "hunt_nothing_found")
    elif parts and claim.auto_download:
        last = look.tried + len(parts) >= policy.candidates_tried
        hunt_fetch(dataclasses.replace(claim, target=todo), weighed, parts, rows=rows, patient=last)
    elif parts:
        hunt_rest(claim, HuntState.ASKING, code="hunt_asks_person", params={"candidates": len(weighed)}, pause=None)
    elif look.live:
        hunt_rest(claim, HuntState.FETCHING, code="hunt_fetches_rest", params={"files": look.live}, pause=LOOK_AGAIN)
    else:
        _wish(
            claim,
            look,
            policy,
            code="hunt_tried_enough" if tired else _why_nothing(ladder_length=len(ladder), found=bool(weighed)),
        )


def _over_or_waiting(claim: HuntClaim, look: HuntLook, policy: HuntPolicy) -> bool:
    """What needs no question: nothing is open, all is under way, an answer is awaited, a person must choose."""
    words = claim.target.kind == "words"
    if not words and not look.open:
        ended = HuntState.CANCELLED if look.cancelled else HuntState.DONE
        hunt_end(claim, ended, code="hunt_cancelled" if look.cancelled else "hunt_got_all")
    elif words and look.got and not look.live:
        hunt_end(claim, HuntState.DONE, code="hunt_got_all")
    elif look.paused:
        hunt_rest(claim, HuntState.PAUSED, code="held_with_job", pause=None)
    elif (words and look.live) or (not words and look.open <= look.covered):
        state = HuntState.FETCHING if look.live else HuntState.SEARCHING
        code = "hunt_fetches_rest" if look.live else "hunt_mesh_brings"
        params: dict[str, int] = {"files": look.live} if look.live else {}
        hunt_rest(claim, state, code=code, params=dict(params), pause=LOOK_AGAIN)
    elif look.searching:
        hunt_rest(claim, HuntState.SEARCHING, code="hunt_waits_for_answers", pause=LOOK_AGAIN)
    elif claim.state is HuntState.WISHING and not policy.wishlist:
        hunt_rest(claim, HuntState.WISHING, code="hunt_wishlist_off", pause=WISHES_OFF)
    else:
        return False
    return True


def _wish(claim: HuntClaim, look: HuntLook, policy: HuntPolicy, *, code: str) -> None:
    pause = wish_pause(claim.rounds + 1, interval_s=look.wish_interval_s)
    auto = claim.auto_download and (policy.wishlist_auto or claim.rounds > 0 or claim.origin == "wishlist")
    hunt_wishes(claim, pause=pause, code=code, auto_download=auto)


def _rung(claim: HuntClaim, *, ladder_length: int, asked: int) -> int:
    return (claim.rounds - 1) % ladder_length if claim.rounds > 0 else asked


def _why_nothing(*, ladder_length: int, found: bool) -> str:
    if not ladder_length:
        return "hunt_no_words"
    return "hunt_nothing_fits" if found else "hunt_nothing_found"
