"""Matching one folder: what lies there, which releases it could be, which it is. Every step may be repeated; the row's lease and attempt decide who may finish.

Where candidates come from, in this order, each only if what came before has not settled it: the person's choice; releases named by tags; editions of the
groups that tags, identifications and the catalog name; a search by artist and album. At most MAX_ASKED requests for one folder.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.catalog.selectors import release_facts
from apps.catalog.selectors_editions import group_editions, releases_with
from apps.catalog.services import editions_store, release_store
from apps.domain.catalog.release import ReleaseFacts
from apps.domain.errors import Param
from apps.domain.jobs.backoff import retry_delay_s
from apps.domain.matching.discs import without_disc
from apps.domain.matching.edition import MatchDecision, ReleaseMatch, decide, match_release, rank
from apps.domain.matching.states import FolderState
from apps.domain.matching.targets import target_of
from apps.domain.matching.words import text_distance, words_of
from apps.library.match_kept import candidate_json, explanation_json
from apps.library.offered import common, offered_set
from apps.library.selectors_match import FolderFile, FolderSet, folder_set
from apps.library.services_match import (
    WAITS_IDENTIFICATION,
    FilePlaced,
    FolderClaim,
    FolderOutcome,
    folder_claim,
    folder_decided,
    folder_gone,
    folder_later,
    folder_renew,
    siblings_pending,
)
from workers.gateways.errors import Permanent, Transient
from workers.gateways.musicbrainz import MusicbrainzPort
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

MAX_ASKED: Final = 8
"""Requests for one folder: about eight seconds of MusicBrainz' patience."""
SETTLED: Final = 0.05
"""A release that the tags name and that lies nearer than this, with every track there, needs no comparison with others."""
MAX_GROUPS: Final = 3
MAX_KEPT: Final = 15
"""Candidates kept for a person."""
WAIT_S: Final = 60.0
"""For identifications that are still under way."""
MAX_WAITS: Final = 10
PROVEN: Final = 0.8
"""Confidence from which on an identification names a payload together with its place."""
ONE_ALBUM: Final = 0.75
"""Share of the files that name one album: the rest are its odd tags, not another album."""


@dataclass(slots=True)
class Candidates:
    """Releases that the files could be. Mutable: it grows by stages. `trouble`: why something could not be asked."""

    musicbrainz: MusicbrainzPort | None
    releases: dict[uuid.UUID, ReleaseFacts] = field(default_factory=dict)
    groups: set[uuid.UUID] = field(default_factory=set)
    asked: int = 0
    trouble: Transient | None = None

    def release(self, mbid: uuid.UUID) -> ReleaseFacts | None:
        """From the catalog, else from MusicBrainz; None: nobody knows it, or nobody can be asked."""
        found = release_facts(mbid) or self._fetched(mbid) or release_facts(mbid, fresh_for=None)
        if found is not None:
            self.releases.setdefault(found.mbid, found)
        return found

    def group(self, mbid: uuid.UUID) -> None:
        """All its editions."""
        if mbid in self.groups:
            return
        self.groups.add(mbid)
        editions = group_editions(mbid)
        if editions is None and self._may_ask() and self.musicbrainz is not None:
            try:
                editions = self.musicbrainz.group_releases(mbid)
                editions_store(mbid, editions)
            except Transient as error:
                self.trouble = error
            except Permanent as error:
                log.info("a group that is none: group=%s code=%s", mbid, error.code)
        for facts in editions or group_editions(mbid, fresh_for=None) or ():
            self.releases.setdefault(facts.mbid, facts)

    def search(self, *, artist: str, album: str) -> None:
        """By words, the groups of the likeliest hits."""
        if not album or self.musicbrainz is None or not self._may_ask():
            return
        try:
            hits = self.musicbrainz.release_search(artist=artist, album=album)
        except Transient as error:
            self.trouble = error
            return
        except Permanent as error:
            log.info("not searched: code=%s", error.code)
            return
        near = [hit for hit in hits if hit.score >= 50 and text_distance(hit.title, album) < 0.7]
        for group in list(dict.fromkeys(hit.group_mbid for hit in near if hit.group_mbid is not None))[:MAX_GROUPS]:
            self.group(group)
        for hit in near[:3]:
            if hit.group_mbid is None:
                self.release(hit.mbid)

    def _fetched(self, mbid: uuid.UUID) -> ReleaseFacts | None:
        if self.musicbrainz is None or not self._may_ask():
            return None
        try:
            found = self.musicbrainz.release(mbid)
        except Transient as error:
            self.trouble = error
            return None
        except Permanent as error:
            log.info("a release that is none: release=%s code=%s", mbid, error.code)
            return None
        release_store(found, asked_for=mbid)
        return found

    def _may_ask(self) -> bool:
        """Nobody who did not answer is asked a second thing at once."""
        if self.trouble is not None or self.asked >= MAX_ASKED:
            return False
        self.asked += 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at some files of one album found."""

    files: tuple[FolderFile, ...]
    decision: MatchDecision
    ranked: tuple[ReleaseMatch, ...]
    trouble: Transient | None


def match_folder(match_id: int, *, musicbrainz: MusicbrainzPort | None) -> bool | None:
    """Match a folder that is due. True: decided; False: it waits; None: it is not due, or somebody else has it. `musicbrainz` None: the catalog must do."""
    claim = folder_claim(match_id, lease_s=LEASE_S)
    if claim is None:
        return None
    with LeaseKeeper(lambda: folder_renew(claim, lease_s=LEASE_S)) as lease:
        try:
            found = folder_set(claim.root_id, claim.folder)
            here = [one.file_id for one in found.files if one.here]
            if not here and not found.too_many:
                folder_gone(claim)
                return True
            outcome = _outcome(claim, found, musicbrainz)
            lease.check()
            if isinstance(outcome, Transient):
                _again(claim, outcome.code, outcome.params, retry_after_s=outcome.retry_after_s)
                return False
            if outcome.state is FolderState.PENDING:
                folder_later(claim, code=outcome.code, params=outcome.params, delay_s=WAIT_S)
                return False
            outcome = dataclasses.replace(outcome, files=here, params={**outcome.params, "set": found.signature})
            done = folder_decided(claim, outcome)
            if done and found.siblings:
                siblings_pending(found.siblings, signature=found.signature)
            log.info("folder: id=%s state=%s code=%s kept=%s", match_id, outcome.state, outcome.code, done)
            return done
        except LeaseLost:
            log.info("folder changed or taken over: id=%s", match_id)
        except Exception as error:
            log.exception("matching failed unexpectedly: id=%s", match_id)
            _again(claim, "unexpected", {"error": type(error).__name__})
    return False


def look_at(files: Sequence[FolderFile], *, musicbrainz: MusicbrainzPort | None, refused: frozenset[uuid.UUID]) -> Look:
    """Find out what release some files are; nothing is written but what MusicBrainz told."""
    offered = offered_set(files)
    candidates = Candidates(musicbrainz)

    def judged() -> tuple[MatchDecision, tuple[ReleaseMatch, ...]]:
        known = (target_of(one) for mbid, one in candidates.releases.items() if mbid not in refused)
        ranked = rank(offered, known)
        return decide(ranked, offered=offered), ranked

    tagged = common((one.release_mbid for one in files), 3)
    for mbid in tagged:
        candidates.release(mbid)
    decision, ranked = judged()
    best = decision.best
    if (
        decision.state is FolderState.MATCHED
        and best is not None
        and best.release.mbid in tagged
        and best.distance <= SETTLED
        and not best.missing
        and not best.extra
    ):
        return Look(files=tuple(files), decision=decision, ranked=ranked, trouble=None)
    for mbid in _groups(files, candidates):
        candidates.group(mbid)
    decision, ranked = judged()
    if decision.state is FolderState.UNMATCHED and decision.code != "no_tracks":
        candidates.search(artist=offered.artist, album=offered.album)
        decision, ranked = judged()
    return Look(files=tuple(files), decision=decision, ranked=ranked, trouble=candidates.trouble)


def _outcome(claim: FolderClaim, found: FolderSet, musicbrainz: MusicbrainzPort | None) -> FolderOutcome | Transient:
    if claim.choice == "ignored":
        return FolderOutcome(state=FolderState.IGNORED, code="ignored_by_person")
    if found.too_many:
        return FolderOutcome(state=FolderState.UNMATCHED, code="too_many_files")
    if claim.choice == "release" and claim.chosen_mbid is not None:
        return _confirmed(claim.chosen_mbid, found, musicbrainz)
    looks = [look_at(part, musicbrainz=musicbrainz, refused=claim.refused) for part in parts_of(found.files)]
    open_question = any(look.decision.state is not FolderState.MATCHED for look in looks)
    trouble = next((look.trouble for look in looks if look.trouble is not None), None)
    if open_question and trouble is not None:
        return trouble
    waited = claim.tries if claim.code == WAITS_IDENTIFICATION else 0
    if open_question and waited < MAX_WAITS and any(one.identifying for one in found.files):
        return FolderOutcome(state=FolderState.PENDING, code=WAITS_IDENTIFICATION)
    return _of_one(looks[0]) if len(looks) == 1 else _of_many(looks)


def _confirmed(mbid: uuid.UUID, found: FolderSet, musicbrainz: MusicbrainzPort | None) -> FolderOutcome | Transient:
    candidates = Candidates(musicbrainz)
    facts = candidates.release(mbid)
    if facts is None:
        if candidates.trouble is not None:
            return candidates.trouble
        return FolderOutcome(state=FolderState.UNMATCHED, code="chosen_unknown", params={"mbid": str(mbid)})
    match = match_release(offered_set(found.files), target_of(facts))
    return FolderOutcome(
        state=FolderState.CONFIRMED,
        code="chosen_by_person",
        params={"tracks": len(match.pairs), "of": len(match.release.tracks), "extra": len(match.extra)},
        release_mbid=facts.mbid,
        distance=match.distance,
        explanation=explanation_json(match),
        candidates=(candidate_json(match, best=match),),
        placed=_placed(match),
    )


def _of_one(look: Look) -> FolderOutcome:
    decision, best = look.decision, look.decision.best
    matched = decision.state is FolderState.MATCHED
    return FolderOutcome(
        state=decision.state,
        code=decision.code,
        params=decision.params,
        release_mbid=best.release.mbid if best is not None and matched else None,
        distance=best.distance if best is not None else None,
        explanation=explanation_json(best) if best is not None else {},
        candidates=tuple(candidate_json(one, best=look.ranked[0]) for one in look.ranked[:MAX_KEPT]),
        placed=_placed(best) if best is not None and matched else (),
    )


def _of_many(looks: Sequence[Look]) -> FolderOutcome:
    """A folder of several albums is no release; those of its albums that are one have their files placed all the same."""
    placed: list[FilePlaced] = []
    parts: list[dict[str, object]] = []
    for look in looks:
        best = look.decision.best
        matched = look.decision.state is FolderState.MATCHED and best is not None
        if matched and best is not None:
            placed += _placed(best)
        parts.append(
            {
                "album": look.files[0].album,
                "files": len(look.files),
                "state": look.decision.state.value,
                "code": look.decision.code,
                "params": look.decision.params,
                "match": explanation_json(best) if best is not None else {},
            }
        )
    told: dict[str, Param] = {"albums": len(looks), "matched": sum(1 for one in parts if one["state"] == "matched")}
    return FolderOutcome(
        state=FolderState.UNMATCHED,
        code="several_albums",
        params=told,
        explanation={"v": 1, "parts": parts},
        placed=tuple(placed),
    )


def parts_of(files: Sequence[FolderFile]) -> list[tuple[FolderFile, ...]]:
    """The albums that lie in one folder, by the album their tags name; one part where nearly all name one, or where no album has two tracks."""
    named: dict[str, list[FolderFile]] = {}
    for one in files:
        named.setdefault(words_of(without_disc(one.album)).core if one.album else "", []).append(one)
    unnamed = named.pop("", [])
    largest = max((len(part) for part in named.values()), default=0)
    if len(named) <= 1 or largest <= 1 or largest >= ONE_ALBUM * len(files):
        return [tuple(files)]
    return [tuple(part) for _, part in sorted(named.items())] + ([tuple(unnamed)] if unnamed else [])


def _placed(match: ReleaseMatch) -> tuple[FilePlaced, ...]:
    placed = []
    for pair in match.pairs:
        agreed = any(
            vote.mbid == pair.target.recording_mbid and vote.confidence >= PROVEN for vote in pair.offered.recordings
        )
        placed.append(
            FilePlaced(
                file_id=int(pair.offered.key),
                release_mbid=match.release.mbid,
                medium=pair.target.disc,
                track=pair.target.position,
                recording_mbid=pair.target.recording_mbid if agreed else None,
            )
        )
    return tuple(placed)


def _groups(files: Sequence[FolderFile], candidates: Candidates) -> list[uuid.UUID]:
    """Groups that tags, releases found so far, identifications and the catalog name; those that most files name first."""
    votes: Counter[uuid.UUID] = Counter()
    for one in files:
        if one.group_mbid is not None:
            votes[one.group_mbid] += 2
        for release, group in one.places:
            if group is not None:
                votes[group] += 1
            elif (facts := release_facts(release, fresh_for=None)) is not None:
                candidates.releases.setdefault(facts.mbid, facts)
    recordings = {vote.mbid for one in files for vote in one.offered.recordings}
    if recordings:
        for mbid, group in releases_with(recordings):
            facts = release_facts(mbid, fresh_for=None)
            if facts is not None:
                candidates.releases.setdefault(facts.mbid, facts)
            if group is not None:
                votes[group] += 1
    for facts in candidates.releases.values():
        if facts.group is not None:
            votes[facts.group.mbid] += len(files)
    return [mbid for mbid, _ in sorted(votes.items(), key=lambda item: (-item[1], str(item[0])))[:MAX_GROUPS]]


def _again(claim: FolderClaim, code: str, params: dict[str, Param], *, retry_after_s: float | None = None) -> None:
    """A service that is away is waited for; what fails again and again is looked at once a day."""
    tries = claim.tries + 1 if claim.code == code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    delay_s = retry_delay_s(code, tries=tries, jitter=jitter, retry_after_s=retry_after_s)
    folder_later(claim, code=code, params=params, delay_s=delay_s if delay_s is not None else 86_400.0)
