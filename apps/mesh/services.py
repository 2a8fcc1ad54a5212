"""The only writers of claims, seeded releases and announcements."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.doorbell import NODE_CHANNEL, ring
from apps.domain.contracts.node_work import AnnouncedRelease, ClaimReport, DeliveryReport
from apps.domain.errors import DomainError
from apps.domain.mesh.claims import contradicts
from apps.domain.mesh.policy import MAX_ANNOUNCED
from apps.mesh.models import Announcement, Claim, ClaimVerdict, SeededRelease

MAX_OPEN_CLAIMS = 16
"""Of one peer about one recording: nobody holds more encodes of a track, and making up roots is free."""


class SeedLimit(DomainError):
    """More releases than one node may announce."""

    default_code = "seed_limit_reached"


def release_seed(release_mbid: uuid.UUID, *, requested_by: User | None = None) -> bool:
    """Announce and serve a release even when nothing is fetched; False if it was seeded already. Raises SeedLimit at 100 releases."""
    with transaction.atomic():
        if SeededRelease.objects.filter(release_mbid=release_mbid).exists():
            return False
        if SeededRelease.objects.count() >= MAX_ANNOUNCED:
            raise SeedLimit(f"At most {MAX_ANNOUNCED} releases can be seeded.", limit=MAX_ANNOUNCED)
        _, created = SeededRelease.objects.get_or_create(
            release_mbid=release_mbid, defaults={"requested_by": requested_by}
        )
        ring(NODE_CHANNEL, f"seed {release_mbid}")
    return created


def release_unseed(release_mbid: uuid.UUID) -> bool:
    """Stop seeding a release; False if it was not seeded by hand."""
    deleted, _ = SeededRelease.objects.filter(release_mbid=release_mbid).delete()
    if deleted:
        ring(NODE_CHANNEL, f"unseed {release_mbid}")
    return deleted > 0


def claims_record(claims: Sequence[ClaimReport], *, peer_ids: Mapping[str, int]) -> None:
    """Keep what peers said. `peer_ids`: row ids of the peers by key. A verdict that was reached stays."""
    heard_at = timezone.now()
    rows = {
        (one.peer, one.recording_mbid, one.payload_format, one.payload_root): Claim(
            peer_id=peer_ids[one.peer],
            group=one.group,
            recording_mbid=one.recording_mbid,
            payload_format=one.payload_format,
            payload_root=one.payload_root,
            profile=one.profile,
            payload_bytes=one.payload_bytes,
            complete=one.complete,
            facts=dict(one.facts),
            heard_at=heard_at,
        )
        for one in claims
    }
    Claim.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["peer", "recording_mbid", "payload_format", "payload_root"],
        update_fields=["group", "profile", "payload_bytes", "complete", "facts", "heard_at"],
    )
    _drop_surplus({row.peer_id for row in rows.values()}, {row.recording_mbid for row in rows.values()})


def _drop_surplus(peer_ids: Collection[int], recordings: Collection[uuid.UUID]) -> None:
    """The first MAX_OPEN_CLAIMS stay: a peer must not be able to push a claim away that it may yet have to answer for."""
    rows = Claim.objects.filter(peer_id__in=peer_ids, recording_mbid__in=recordings, verdict=ClaimVerdict.OPEN)
    seen: Counter[tuple[int, uuid.UUID]] = Counter()
    surplus = []
    for key, peer_id, recording in rows.order_by("id").values_list("id", "peer_id", "recording_mbid"):
        seen[peer_id, recording] += 1
        if seen[peer_id, recording] > MAX_OPEN_CLAIMS:
            surplus.append(key)
    if surplus:
        Claim.objects.filter(id__in=surplus).delete()


def claims_judge(
    recording_mbid: uuid.UUID, *, payload_format: str, payload_root: bytes, confirmed: bool, again: bool = False
) -> list[str]:
    """A payload was analysed: its open claims are confirmed or refuted. Returns the keys of the peers that answer for them.

    Who only held a part of it could not have analysed it either, and answers for nothing. `again`: an earlier confirmation was wrong, its claims
    are refuted too.
    """
    rows = Claim.objects.filter(
        recording_mbid=recording_mbid,
        payload_format=payload_format,
        payload_root=payload_root,
        verdict__in=[ClaimVerdict.OPEN, ClaimVerdict.CONFIRMED] if again else [ClaimVerdict.OPEN],
    )
    keys = sorted(rows.filter(complete=True).values_list("peer__key", flat=True))
    rows.update(verdict=ClaimVerdict.CONFIRMED if confirmed else ClaimVerdict.REFUTED)
    return keys


def claims_compare(*, payload_format: str, payload_root: bytes, measured: Mapping[str, int]) -> list[str]:
    """A payload was measured: who stated facts of it that it does not have? Returns the keys of those peers, each once, ever."""
    rows = Claim.objects.filter(
        payload_format=payload_format, payload_root=payload_root, complete=True, facts_wrong=False
    ).select_related("peer")
    wrong = [row for row in rows if contradicts(_numbers(row.facts), measured)]
    Claim.objects.filter(id__in=[row.id for row in wrong]).update(facts_wrong=True)
    return sorted({row.peer.key for row in wrong})


def claims_delivery(reports: Sequence[DeliveryReport]) -> None:
    """Peers had, or had not, what they claim to have. A delivery takes back what was counted before: the claim was true."""
    for report in reports:
        rows = Claim.objects.filter(
            peer__plane="overlay",
            peer__key=report.peer,
            payload_format=report.payload_format,
            payload_root=report.payload_root,
        )
        if report.delivered:
            rows.update(delivered_at=Now(), undelivered=0, undelivered_at=None)
        else:
            rows.update(undelivered=F("undelivered") + 1, undelivered_at=Now())


def _numbers(facts: Mapping[str, object]) -> dict[str, int]:
    return {name: value for name, value in facts.items() if isinstance(value, int)}


def announcements_sync(releases: Sequence[uuid.UUID]) -> list[AnnouncedRelease]:
    """Make the announced set that of `releases` (most wanted first): those that stay keep their slot, new ones take the lowest free ones."""
    wanted = list(dict.fromkeys(releases))[:MAX_ANNOUNCED]
    Announcement.objects.exclude(release_mbid__in=wanted).delete()
    known = set(Announcement.objects.values_list("release_mbid", flat=True))
    used = set(Announcement.objects.values_list("slot", flat=True))
    free = (slot for slot in range(MAX_ANNOUNCED) if slot not in used)
    fresh = [Announcement(release_mbid=mbid, slot=next(free)) for mbid in wanted if mbid not in known]
    Announcement.objects.bulk_create(fresh)
    return [
        AnnouncedRelease(
            release_mbid=row.release_mbid, slot=row.slot, announced_at=row.announced_at, stored_at=row.stored_at
        )
        for row in Announcement.objects.all()
    ]


def announcement_done(release_mbid: uuid.UUID, *, stored_at: int) -> None:
    """A release was announced; `stored_at` DHT nodes said that they keep it."""
    Announcement.objects.filter(release_mbid=release_mbid).update(announced_at=Now(), stored_at=stored_at)
