"""The only writer of identifications: the identifying worker's leases and decisions, a person's answers, AcoustID's answers kept.

A row moves only by one conditional UPDATE (`MOVES` of apps.domain.library.identity). Every claim and every answer of a person raises `attempt`, so that a
worker that was overtaken by either writes nothing. With a decision go, in the same transaction, the variant's recording and what rests on it: the
statistics of both recordings, and the match of each folder the variant lies in.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.domain.errors import DomainError, Param
from apps.domain.jobs.judgement import MIN_SCORE
from apps.domain.library.identity import (
    IDENTITY_VERSION,
    MACHINE,
    Decision,
    IdentityMoveRefused,
    IdentityState,
    sources_of,
)
from apps.domain.library.identity_evidence import FileFacts
from apps.domain.library.offers import Offer, offers_to_json
from apps.library.models import AcoustidAnswer, AudioFile, AudioVariant, Identification, SameSound
from apps.library.services import folder_pending
from apps.library.services_canonical import canonical_mark

ASK_AGAIN: Final[Mapping[str, timedelta]] = {
    "acoustid_no_result": timedelta(days=7),
    "acoustid_disabled": timedelta(days=1),
    "by_tags": timedelta(days=14),
}
"""When what nobody could hear is asked for again, by code: prints are submitted every day; a key may be entered any day."""
ASK_AGAIN_DEFAULT: Final = timedelta(days=7)
MAX_BULK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyClaim:
    """A variant whose identification this worker may write until the lease ends."""

    variant_id: int
    attempt: int
    tries: int
    code: str
    """Of the last failed try."""
    fingerprint: bytes
    facts: FileFacts
    recording_mbid: uuid.UUID | None
    source: str
    verified: bool
    own: bool
    """The recording comes from an identification before this one: no evidence for the next."""
    folder: tuple[int, bytes] | None
    """(root id, folder hash) of its first file; None: it has no file left."""


class ReviewRefused(DomainError):
    """A person's answer that can't be taken: review_candidate_unknown, review_folders_differ, review_too_many."""

    default_code = "review_candidate_unknown"


def identify_claim(*, limit: int, lease_s: float) -> tuple[IdentifyClaim, ...]:
    """Take the next due identifications, with those that wait in the same folders (companions are evidence). Four queries and one UPDATE a row."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    due = Identification.objects.filter(free, state=IdentityState.PENDING.value, next_step_at__lte=now)
    first = list(due.order_by("next_step_at").values_list("variant_id", flat=True)[:limit])
    if not first:
        return ()
    wanted = list(dict.fromkeys([*first[:1], *_companions_due(first[0], free), *first]))[:limit]
    rows = {row.variant_id: row for row in due.filter(variant_id__in=wanted)}
    until = now + timedelta(seconds=lease_s)
    claimed: list[Identification] = []
    with transaction.atomic():
        for variant_id in wanted:
            row = rows.get(variant_id)
            if row is None:
                continue
            mine = due.filter(variant_id=variant_id, attempt=row.attempt)
            if mine.update(attempt=F("attempt") + 1, lease_until=until):
                row.attempt += 1
                claimed.append(row)
    return _claims(claimed)


def _companions_due(variant_id: int, free: Q) -> list[int]:
    at = (
        AudioFile.objects.filter(variant_id=variant_id, missing_since=None)
        .values_list("root_id", "folder_hash")
        .first()
    )
    if at is None:
        return []
    there = AudioFile.objects.filter(root_id=at[0], folder_hash=at[1], missing_since=None).values("variant_id")
    rows = Identification.objects.filter(free, state=IdentityState.PENDING.value, variant_id__in=there)
    return list(rows.order_by("variant_id").values_list("variant_id", flat=True)[:200])


def _claims(rows: Sequence[Identification]) -> tuple[IdentifyClaim, ...]:
    ids = [row.variant_id for row in rows]
    variants = AudioVariant.objects.only(
        "id", "fingerprint", "duration_ms", "recording_mbid", "recording_source", "verified"
    ).in_bulk(ids)
    files: dict[int, AudioFile] = {}
    listed = AudioFile.objects.filter(variant_id__in=ids).only(
        "id", "variant_id", "root_id", "folder_hash", "tags", "title", "artist", "album", "release_mbid", "medium_position",
        "track_position", "missing_since",
    )  # fmt: skip
    # Of retagged twins the one that says most speaks; of equals the first.
    for file in sorted(listed, key=lambda one: (one.missing_since is not None, not one.title, not one.album, one.id)):
        files.setdefault(file.variant_id or 0, file)
    return tuple(_claim(row, variants[row.variant_id], files.get(row.variant_id)) for row in rows)


def _claim(row: Identification, variant: AudioVariant, file: AudioFile | None) -> IdentifyClaim:
    return IdentifyClaim(
        variant_id=variant.id,
        attempt=row.attempt,
        tries=row.tries,
        code=row.code,
        fingerprint=bytes(variant.fingerprint),
        facts=_facts(variant, file),
        recording_mbid=variant.recording_mbid,
        source=variant.recording_source,
        verified=variant.verified,
        own=row.decided_at is not None and row.recording_mbid == variant.recording_mbid,
        folder=(file.root_id, bytes(file.folder_hash)) if file is not None else None,
    )


def _facts(variant: AudioVariant, file: AudioFile | None) -> FileFacts:
    tags: Mapping[str, object] = file.tags if file is not None and isinstance(file.tags, Mapping) else {}
    tagged = _mbid(tags.get("recording_mbid"))
    if tagged is None and variant.recording_source == "tag":
        tagged = variant.recording_mbid
    return FileFacts(
        duration_ms=variant.duration_ms,
        title=_said(tags, "title") or (file.title if file else ""),
        artist=_said(tags, "artist") or (file.artist if file else ""),
        album=_said(tags, "album") or (file.album if file else ""),
        medium=(file.medium_position if file else 0) or 0,
        track=(file.track_position if file else 0) or 0,
        recording_mbid=tagged,
        release_mbid=_mbid(tags.get("release_mbid")) or (file.release_mbid if file else None),
        group_mbid=_mbid(tags.get("release_group_mbid")),
    )


def _said(tags: Mapping[str, object], name: str) -> str:
    value = tags.get(name)
    if isinstance(value, list):
        value = value[0] if value else ""
    return value[:1000] if isinstance(value, str) else ""


def _mbid(value: object) -> uuid.UUID | None:
    if isinstance(value, list):
        value = value[0] if value else None
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def identify_renew(claims: Collection[IdentifyClaim], *, lease_s: float) -> frozenset[int]:
    """Keep the leases for so much longer; the variants that are still this worker's."""
    until = timezone.now() + timedelta(seconds=lease_s)
    kept: set[int] = set()
    with transaction.atomic():
        for claim in claims:
            if _mine(claim).update(lease_until=until):
                kept.add(claim.variant_id)
    return frozenset(kept)


def identify_later(claim: IdentifyClaim, *, code: str, params: Mapping[str, Param], delay_s: float) -> bool:
    """Try again after `delay_s`, and say why. False: it is no longer this worker's."""
    return bool(
        _mine(claim).update(
            code=code,
            params=dict(params),
            tries=F("tries") + 1 if claim.code == code else 1,
            lease_until=None,
            next_step_at=timezone.now() + timedelta(seconds=delay_s),
            updated_at=Now(),
        )
    )


def identify_decided(claim: IdentifyClaim, decision: Decision, *, alike: Sequence[tuple[int, float]] = ()) -> bool:
    """Write a decision and what follows from it. `alike`: (variant, bit-error rate) of variants that sound the same. False: it is no longer ours.

    A recording that a person named for the variant (an import, an answer) stays; if the fingerprint disagrees it becomes a question.
    """
    with transaction.atomic():
        variant = AudioVariant.objects.filter(id=claim.variant_id).only("id", *_RECORDING).first()
        if variant is None:
            return False
        state, code, params = decision.state, decision.code, dict(decision.params)
        named = decision.recording_mbid
        persons = variant.recording_source == "person" and variant.recording_mbid is not None
        if named is not None and persons and named != variant.recording_mbid:
            state, code = IdentityState.AMBIGUOUS, "person_disagrees"
            params["person_recording"] = str(variant.recording_mbid)
            named = None
        if not _mine(claim).update(
            state=state.value,
            code=code,
            params=params,
            recording_mbid=named,
            release_mbid=decision.release_mbid if named is not None else None,
            confidence=round(decision.confidence, 4),
            evidence=[piece.to_json() for piece in decision.pieces],
            candidates=[one.to_json() for one in decision.ranked],
            version=IDENTITY_VERSION,
            decided_by=None,
            lease_until=None,
            tries=0,
            next_step_at=_again_at(state, code, decision),
            decided_at=Now(),
            updated_at=Now(),
        ):
            return False
        _same_sound_write(claim.variant_id, alike)
        if named is not None and not (persons and not decision.proven):
            source = "person" if persons else "fingerprint" if decision.proven else "tag"
            if decision.proven or variant.recording_mbid is None:
                _recording_write(variant, named, source=source, verified=decision.proven)
    return True


_RECORDING: Final = ("recording_mbid", "recording_source", "verified")


def _again_at(state: IdentityState, code: str, decision: Decision) -> datetime | None:
    if state is IdentityState.UNKNOWN or code == "by_tags":
        reason = str(decision.params.get("silent", code))
        return timezone.now() + ASK_AGAIN.get(reason, ASK_AGAIN.get(code, ASK_AGAIN_DEFAULT))
    return None


def _mine(claim: IdentifyClaim) -> QuerySet[Identification]:
    return Identification.objects.filter(
        variant_id=claim.variant_id, state=IdentityState.PENDING.value, attempt=claim.attempt
    )


def _recording_write(variant: AudioVariant, mbid: uuid.UUID | None, *, source: str, verified: bool) -> None:
    """The variant's recording, and what rests on it. Inside a transaction; nothing happens if it is as it was."""
    before = (variant.recording_mbid, variant.recording_source, variant.verified)
    if before == (mbid, source, verified):
        return
    AudioVariant.objects.filter(id=variant.id).update(recording_mbid=mbid, recording_source=source, verified=verified)
    canonical_mark(recordings=[variant.recording_mbid, mbid])
    if variant.recording_mbid == mbid:
        return
    files = AudioFile.objects.filter(variant_id=variant.id, missing_since=None).values_list(
        "root_id", "rel_path", "release_mbid"
    )
    canonical_mark(releases=[release for _, _, release in files])
    for root_id, folder in sorted({(root, bytes(path).rpartition(b"/")[0]) for root, path, _ in files}):
        folder_pending(root_id, folder)


def _same_sound_write(variant_id: int, alike: Sequence[tuple[int, float]]) -> None:
    known = set(AudioVariant.objects.filter(id__in=[other for other, _ in alike]).values_list("id", flat=True))
    rows = [
        SameSound(variant_id=one, other_id=two, ber=ber)
        for other, ber in alike
        if other in known and other != variant_id
        for one, two in ((variant_id, other), (other, variant_id))
    ]
    SameSound.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["variant", "other"], update_fields=["ber"], batch_size=100
    )


def identifications_again(*, limit: int = 500) -> int:
    """Make pending what the machine decided and is to be looked at again: its time has come, or its rules are older. Returns how many."""
    now = timezone.now()
    machine = [state.value for state in MACHINE]
    due = Identification.objects.filter(state__in=["decided", "unknown"], next_step_at__lte=now)
    old = Identification.objects.filter(state__in=machine, version__lt=IDENTITY_VERSION)
    ids = list(due.order_by("next_step_at").values_list("variant_id", flat=True)[:limit])
    if len(ids) < limit:
        ids += old.order_by("version", "variant").values_list("variant_id", flat=True)[: limit - len(ids)]
    changed = 0
    for start in range(0, len(ids), 400):
        rows = Identification.objects.filter(variant_id__in=ids[start : start + 400], state__in=machine)
        changed += rows.update(
            state=IdentityState.PENDING.value,
            attempt=F("attempt") + 1,
            tries=0,
            lease_until=None,
            next_step_at=now,
            updated_at=Now(),
        )
    return changed


def identifications_ask_placed(variant_ids: Collection[int]) -> int:
    """Make pending the open questions about variants whose folder is known to be a release now: that is evidence they were judged without.

    Returns how many. Where a person named the recording, the question is theirs and stays. For use inside the transaction that wrote the places.
    """
    ids = sorted(set(variant_ids))
    changed = 0
    for start in range(0, len(ids), 400):
        rows = Identification.objects.filter(
            variant_id__in=ids[start : start + 400], state=IdentityState.AMBIGUOUS.value
        ).exclude(variant__recording_source="person")
        changed += rows.update(
            state=IdentityState.PENDING.value,
            attempt=F("attempt") + 1,
            tries=0,
            lease_until=None,
            next_step_at=Now(),
            updated_at=Now(),
        )
    return changed


def identification_confirm(
    variant_id: int, *, recording_mbid: uuid.UUID, person: User | None, release_mbid: uuid.UUID | None = None
) -> None:
    """A person says which recording it is: a candidate, or any other by its MBID. Raises IdentityMoveRefused.

    It counts as verified where a fingerprint names this recording too: a person's word is obeyed, but proves nothing to other people.
    """
    with transaction.atomic():
        row, variant = _answered(variant_id, IdentityState.CONFIRMED)
        proven = _named_by_sound(row.candidates, recording_mbid) or (
            variant.verified and variant.recording_mbid == recording_mbid
        )
        _answer_write(
            row,
            to=IdentityState.CONFIRMED,
            code="by_person",
            recording=recording_mbid,
            release=release_mbid,
            person=person,
        )
        _recording_write(variant, recording_mbid, source="person", verified=proven)


def identification_reject(variant_id: int, *, person: User | None) -> None:
    """A person says that it is none of the candidates: nobody knows then, and it is not offered as any. Raises IdentityMoveRefused."""
    with transaction.atomic():
        row, variant = _answered(variant_id, IdentityState.REJECTED)
        _answer_write(row, to=IdentityState.REJECTED, code="by_person", recording=None, release=None, person=person)
        _recording_write(variant, None, source="person", verified=False)


def identification_leave(variant_id: int, *, person: User | None) -> None:
    """A person does not want to be asked: all stays as it is, and is never asked again. Raises IdentityMoveRefused."""
    with transaction.atomic():
        row, variant = _answered(variant_id, IdentityState.LEFT)
        _answer_write(
            row, to=IdentityState.LEFT, code="by_person", recording=variant.recording_mbid, release=None, person=person
        )


def identification_ask(variant_id: int, *, person: User | None) -> None:
    """A person hands it back to the machine: it is looked at anew, at once. Raises IdentityMoveRefused."""
    with transaction.atomic():
        row, variant = _answered(variant_id, IdentityState.PENDING)
        _answer_write(row, to=IdentityState.PENDING, code="", recording=None, release=None, person=person)
        if variant.recording_source == "person":
            # Its own answer is taken back, so it must not weigh in the next decision.
            _recording_write(variant, variant.recording_mbid, source="tag", verified=variant.verified)


def review_confirm_best(variant_ids: Sequence[int], *, person: User | None) -> int:
    """Confirm the first candidate of each, for files of one folder only: one look at an album answers for its tracks. Returns how many.

    Raises ReviewRefused: too many, or of several folders, or one without candidates; then nothing is changed.
    """
    ids = list(dict.fromkeys(variant_ids))
    if not 1 <= len(ids) <= MAX_BULK:
        raise ReviewRefused(
            "Between 1 and 200 files can be confirmed together.", code="review_too_many", limit=MAX_BULK
        )
    with transaction.atomic():
        places: dict[int, set[tuple[int, bytes]]] = {}
        files = AudioFile.objects.filter(variant_id__in=ids, missing_since=None)
        for variant, root, folder in files.values_list("variant_id", "root_id", "folder_hash"):
            places.setdefault(variant or 0, set()).add((root, bytes(folder)))
        shared = set.intersection(*(places.get(one, set()) for one in ids))
        if not shared:
            raise ReviewRefused("Only files of one folder are confirmed together.", code="review_folders_differ")
        rows = Identification.objects.in_bulk(ids)
        for one in ids:
            row = rows.get(one)
            best = _mbid(row.candidates[0].get("recording")) if row is not None and row.candidates else None
            if best is None:
                raise ReviewRefused("One of these files has no candidate to confirm.", code="review_candidate_unknown")
            identification_confirm(one, recording_mbid=best, person=person)
    return len(ids)


def _answered(variant_id: int, to: IdentityState) -> tuple[Identification, AudioVariant]:
    row = Identification.objects.select_for_update().filter(variant_id=variant_id).first()
    variant = AudioVariant.objects.filter(id=variant_id).only("id", *_RECORDING).first()
    if row is None or variant is None:
        raise IdentityMoveRefused("There is no identification of this file.", code="not_found")
    if row.state not in {one.value for one in sources_of(to, by="person")}:
        raise IdentityMoveRefused("This answer is not open now.", state=row.state, to=to.value)
    return row, variant


def _answer_write(
    row: Identification,
    *,
    to: IdentityState,
    code: str,
    recording: uuid.UUID | None,
    release: uuid.UUID | None,
    person: User | None,
) -> None:
    allowed = [one.value for one in sources_of(to, by="person")]
    changed = Identification.objects.filter(variant_id=row.variant_id, state__in=allowed, attempt=row.attempt).update(
        state=to.value,
        code=code,
        params={},
        recording_mbid=recording,
        release_mbid=release,
        confidence=1.0 if to is IdentityState.CONFIRMED else None,
        decided_by=person,
        attempt=F("attempt") + 1,
        tries=0,
        lease_until=None,
        next_step_at=timezone.now() if to is IdentityState.PENDING else None,
        decided_at=None if to is IdentityState.PENDING else Now(),
        updated_at=Now(),
    )
    if not changed:
        raise IdentityMoveRefused("Somebody else answered at this moment.", code="identity_changed", retryable=True)


def _named_by_sound(candidates: object, mbid: uuid.UUID) -> bool:
    for one in candidates if isinstance(candidates, list) else []:
        if isinstance(one, Mapping) and one.get("recording") == str(mbid):
            score = one.get("score")
            return isinstance(score, int | float) and score >= MIN_SCORE
    return False


def answer_key(fingerprint: bytes, *, duration_s: int) -> bytes:
    """By which AcoustID's answer to a query is kept."""
    return hashlib.sha256(duration_s.to_bytes(4, "big") + fingerprint).digest()


def answers_keep(answers: Mapping[bytes, tuple[int, Sequence[Offer]]]) -> None:
    """Keep AcoustID's answers: key → (duration in seconds, offers). The same key again replaces."""
    now = timezone.now()
    AcoustidAnswer.objects.bulk_create(
        [
            AcoustidAnswer(key=key, duration_s=duration_s, matches=offers_to_json(offers), fetched_at=now)
            for key, (duration_s, offers) in answers.items()
        ],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["duration_s", "matches", "fetched_at"],
        batch_size=50,
    )


def answers_prune(*, before_days: int = 90, limit: int = 5_000) -> int:
    """Delete answers that nobody would take any more; returns how many."""
    old = AcoustidAnswer.objects.filter(fetched_at__lt=timezone.now() - timedelta(days=before_days))
    ids = list(old.values_list("id", flat=True)[:limit])
    return AcoustidAnswer.objects.filter(id__in=ids).delete()[0] if ids else 0
