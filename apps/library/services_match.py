"""The only writer of folders' matches: claims of the matching workers, what they found, and what a person says.

With a match go the places of the folder's files (release, medium, track): written where nobody placed them by hand, taken back to what the tags say when
the match is gone. A person's choice is kept beside the state and outlives every new look.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import DomainError, Param
from apps.domain.matching.edition import MATCH_VERSION
from apps.domain.matching.states import FOLDER_MOVES, FolderState
from apps.library.models import AudioFile, AudioVariant, FolderMatch
from apps.library.selectors_match import folder_whole, mbid, number
from apps.library.services import folder_pending
from apps.library.services_canonical import canonical_mark
from apps.library.services_identity import identifications_ask_placed

MAX_REFUSED = 50
WAITS_IDENTIFICATION = "waits_identification"
Params = Mapping[str, Param]


class FolderRefused(DomainError):
    """folder_unknown, folder_state."""

    default_code = "folder_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderClaim:
    """A folder that this worker matches. `choice`, `chosen_mbid`, `refused`: what a person said."""

    match_id: int
    attempt: int
    tries: int
    code: str
    root_id: int
    folder: bytes
    choice: str
    chosen_mbid: uuid.UUID | None
    refused: frozenset[uuid.UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlaced:
    """Where a file stands. `recording_mbid`: what its identification and the release agree on; None: they do not, or nobody listened."""

    file_id: int
    release_mbid: uuid.UUID
    medium: int
    track: int
    recording_mbid: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderOutcome:
    """What a look at a folder found; JSON-able where it is kept as such."""

    state: FolderState
    code: str
    params: Params = field(default_factory=dict)
    release_mbid: uuid.UUID | None = None
    distance: float | None = None
    explanation: Mapping[str, object] = field(default_factory=dict)
    candidates: tuple[Mapping[str, object], ...] = ()
    placed: tuple[FilePlaced, ...] = ()
    files: Collection[int] = ()
    """All files of this folder."""


def folder_due(root_id: int, folder: bytes) -> None:
    """A folder's files changed; cheap, for use inside the transaction of that change."""
    folder_pending(root_id, folder)


def folder_claim(match_id: int, *, lease_s: int) -> FolderClaim | None:
    """Take a folder that is due, if nobody has it."""
    rows = FolderMatch.objects.filter(folder_whole(), id=match_id, state=FolderState.PENDING, next_step_at__lte=Now())
    if not lease_claim(rows, seconds=lease_s):
        return None
    row = FolderMatch.objects.defer("explanation", "candidates").get(id=match_id)
    return FolderClaim(
        match_id=row.id,
        attempt=row.attempt,
        tries=row.tries,
        code=row.code,
        root_id=row.root_id,
        folder=bytes(row.folder),
        choice=row.choice,
        chosen_mbid=row.chosen_mbid,
        refused=frozenset(one for one in map(mbid, row.refused) if one is not None),
    )


def folders_heard(variant_ids: Collection[int]) -> int:
    """What these variants are is decided: pending folders they lie in are due now, and who looks at one begins anew. How many.

    Without it a folder that asked a moment too early would wait for its next turn, a minute.
    """
    folders = AudioFile.objects.filter(variant_id__in=variant_ids, missing_since=None)
    return sum(
        FolderMatch.objects.filter(
            Q(code=WAITS_IDENTIFICATION) | Q(lease_until__gt=Now()),
            root_id=root_id,
            folder_hash=bytes(folder_hash),
            state=FolderState.PENDING,
        ).update(attempt=F("attempt") + 1, next_step_at=Now(), lease_until=None, updated_at=Now())
        for root_id, folder_hash in folders.values_list("root_id", "folder_hash").distinct()
    )


def folder_renew(claim: FolderClaim, *, lease_s: int) -> bool:
    """Keep the lease; False: it is not this worker's any more."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def folder_later(claim: FolderClaim, *, code: str, params: Params, delay_s: float) -> bool:
    """Not now: it waits, and says why."""
    due = Now() + timedelta(seconds=delay_s)
    changed = _mine(claim).update(
        code=code,
        params=dict(params),
        tries=claim.tries + 1 if claim.code == code else 1,
        next_step_at=due,
        lease_until=None,
        updated_at=Now(),
    )
    return changed == 1


def folder_decided(claim: FolderClaim, outcome: FolderOutcome) -> bool:
    """Write what was found, and the places of the files. False: the folder changed meanwhile, and nothing was written."""
    with transaction.atomic():
        moved = advance(
            _mine(claim),
            moves=FOLDER_MOVES,
            to=outcome.state,
            code=outcome.code,
            params=dict(outcome.params),
            release_mbid=outcome.release_mbid,
            distance=outcome.distance,
            explanation=dict(outcome.explanation),
            candidates=list(outcome.candidates),
            files=len(outcome.files),
            version=MATCH_VERSION,
            tries=0,
            lease_until=None,
            next_step_at=None,
        )
        if not moved:
            return False
        _places_write(outcome)
        ring(WEB_CHANNEL, f"folder {claim.match_id}")
    return True


def folder_gone(claim: FolderClaim) -> None:
    """No file is left in the folder: its row goes, unless a person said something of it."""
    with transaction.atomic():
        if claim.choice or claim.refused:
            folder_decided(claim, FolderOutcome(state=FolderState.UNMATCHED, code="no_tracks"))
        else:
            _mine(claim).delete()


def siblings_pending(match_ids: Collection[int], *, signature: str) -> int:
    """The other discs of a set are looked at again if they were judged by another state of the set. Returns how many."""
    changed = 0
    for row in (
        FolderMatch.objects.filter(id__in=list(match_ids)).exclude(state=FolderState.PENDING).only("id", "params")
    ):
        if row.params.get("set") != signature:
            changed += _again(FolderMatch.objects.filter(id=row.id))
    return changed


def outdated_pending(match_ids: Collection[int]) -> int:
    """Folders that older rules decided are looked at again."""
    return _again(FolderMatch.objects.filter(id__in=list(match_ids)))


def folder_choose(match_id: int, *, release_mbid: uuid.UUID, by: User | None = None) -> None:
    """A person says: it is this release. The worker fetches it, pairs the tracks and confirms. Raises FolderRefused."""
    row = _row(match_id)
    refused = [one for one in row.refused if one != str(release_mbid)]
    _said(match_id, choice="release", chosen_mbid=release_mbid, refused=refused, decided_by=by)


def folder_refuse(match_id: int, *, release_mbid: uuid.UUID, by: User | None = None) -> None:
    """A person says: not this one. Raises FolderRefused."""
    row = _row(match_id)
    refused = [*dict.fromkeys([*row.refused, str(release_mbid)])][-MAX_REFUSED:]
    changes: dict[str, object] = {"refused": refused, "decided_by": by}
    if row.chosen_mbid == release_mbid:
        changes |= {"choice": "", "chosen_mbid": None}
    _said(match_id, **changes)


def folder_ignore(match_id: int, *, by: User | None = None) -> None:
    """A person says: leave this folder alone. Raises FolderRefused."""
    _row(match_id)
    _said(match_id, choice="ignored", chosen_mbid=None, decided_by=by)


def folder_again(match_id: int) -> None:
    """Look again with nothing decided before: choice and refusals are forgotten. Raises FolderRefused."""
    _row(match_id)
    _said(match_id, choice="", chosen_mbid=None, refused=[], decided_by=None)


def _row(match_id: int) -> FolderMatch:
    row = FolderMatch.objects.only("id", "refused", "chosen_mbid").filter(id=match_id).first()
    if row is None:
        raise FolderRefused("There is no such folder.", code="folder_unknown", id=match_id)
    return row


def _said(match_id: int, **changes: object) -> None:
    with transaction.atomic():
        _again(FolderMatch.objects.filter(id=match_id), **changes)
        enqueue(TaskName.MATCH_FOLDERS)
        ring(WEB_CHANNEL, f"folder {match_id}")


def _again(rows: QuerySet[FolderMatch], **changes: Any) -> int:
    """Back to pending, due now. Whoever works on it loses it: the attempt goes up."""
    return advance(
        rows,
        moves=FOLDER_MOVES,
        to=FolderState.PENDING,
        next_step_at=Now(),
        tries=0,
        code="",
        lease_until=None,
        attempt=F("attempt") + 1,
        **changes,
    )


def _mine(claim: FolderClaim) -> QuerySet[FolderMatch]:
    return FolderMatch.objects.filter(
        id=claim.match_id, attempt=claim.attempt, state=FolderState.PENDING, lease_until__isnull=False
    )


def _places_write(outcome: FolderOutcome) -> None:
    """Places of the folder's files as found; what an older match placed and this one does not goes back to what its tags say."""
    by_person = outcome.state is FolderState.CONFIRMED
    placed = {one.file_id: one for one in outcome.placed}
    rows = list(
        AudioFile.objects.filter(id__in=list(outcome.files))
        .only("id", "variant_id", "release_mbid", "medium_position", "track_position", "place_source", "tags")
        .order_by("id")
    )
    changed: list[AudioFile] = []
    settled: list[int] = []
    releases: set[uuid.UUID | None] = set()
    for row in rows:
        before = (row.release_mbid, row.medium_position, row.track_position, row.place_source)
        after: tuple[uuid.UUID | None, int | None, int | None, str]
        if (to := placed.get(row.id)) is not None and (by_person or row.place_source != "person"):
            after = (to.release_mbid, to.medium, to.track, "person" if by_person else "match")
        elif to is None and (row.place_source == "match" or (by_person and row.place_source == "person")):
            tags = row.tags if isinstance(row.tags, dict) else {}
            after = (mbid(tags.get("release_mbid")), number(tags.get("disc")) or None, number(tags.get("track")) or None, "")  # fmt: skip
        else:
            continue
        if before == after:
            continue
        row.release_mbid, row.medium_position, row.track_position, row.place_source = after
        releases |= {before[0], after[0]}
        changed.append(row)
        if to is not None and row.variant_id is not None:
            settled.append(row.variant_id)
    if changed:
        AudioFile.objects.bulk_update(
            changed, ["release_mbid", "medium_position", "track_position", "place_source"], batch_size=200
        )
    recordings = _recordings_write(rows, placed)
    identifications_ask_placed(settled)
    canonical_mark(releases=releases, recordings=recordings)


def _recordings_write(rows: Collection[AudioFile], placed: Mapping[int, FilePlaced]) -> set[uuid.UUID]:
    """A payload that nobody had named yet is the recording that its fingerprint and its place agree on."""
    named: set[uuid.UUID] = set()
    for row in rows:
        to = placed.get(row.id)
        if to is None or to.recording_mbid is None or row.variant_id is None:
            continue
        unnamed = AudioVariant.objects.filter(id=row.variant_id, recording_mbid=None)
        if unnamed.update(recording_mbid=to.recording_mbid, recording_source="fingerprint", verified=True):
            named.add(to.recording_mbid)
    return named
