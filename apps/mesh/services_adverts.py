"""The only writer of adverts: what peers say that they hold, within quotas, for as long as it may be believed.

Quotas keep strangers from filling the table: a peer's rows beyond its quota are not kept; when a /24 or /56 holds too many, its advert that was
heard longest ago goes, so that peers that are linked and renew theirs outlive those that are gone. When all together hold too many, the group that
holds most gives way first: whoever fills the table from a few networks pushes out its own, not the few rows of everybody else. Quotas are looked at
with every part, and a snapshot that was never finished goes when the next one begins: nobody grows by beginning again and again.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from apps.domain.contracts.node_work import AdvertReport
from apps.mesh.models_adverts import Advert, AvailableVariant

MAX_PER_PEER = 4000
"""Rows of one peer; also what a sender tells at most."""
MAX_PER_GROUP = 16_000
"""Rows of one /24 or /56: keys are free, addresses less so."""
MAX_IN_ALL = 100_000
"""Rows of everybody: some 30 MB."""
ROOM_SHARE = 20
"""When everybody's quota is full, one part in so many is cleared at once: looking for who holds most reads all rows."""
WRITE_ROWS = 500
"""Rows per statement: 11 columns, within what SQLite takes in one."""
_SAID_ANEW = (
    "recording_mbid",
    "payload_format",
    "payload_root",
    "profile",
    "payload_bytes",
    "duration_ms",
    "quality_score",
    "transcode_suspect",
    "generation",
)


def advert_record(report: AdvertReport, *, peer_id: int) -> bool:
    """Write down one part of what a peer tells. After the last part of a snapshot, what the snapshot did not name is gone.

    False when the snapshot that a step follows on is not here any more (it expired, or had to make room): then it must be asked for.
    """
    now = timezone.now()
    expires_at = now + timedelta(seconds=report.ttl_s)
    advert = Advert.objects.select_for_update().filter(peer_id=peer_id).first()
    if advert is None and not (report.full and report.first):
        return False
    if advert is None:
        advert = Advert.objects.create(
            peer_id=peer_id, bundle_id=report.bundle_id, sequence=report.sequence, heard_at=now, expires_at=expires_at
        )
    elif report.full and report.first:
        if not advert.whole:
            advert.variants.filter(generation=advert.generation).delete()
        advert.generation += 1
        advert.truncated = False
    advert.group, advert.bundle_id, advert.sequence = report.group, report.bundle_id, report.sequence
    advert.heard_at, advert.expires_at = now, expires_at
    advert.whole = report.last
    advert.truncated = advert.truncated or report.more
    rows = {
        one.variant_id: AvailableVariant(
            advert=advert,
            variant_id=one.variant_id,
            recording_mbid=one.recording_mbid,
            payload_format=one.payload_format,
            payload_root=one.payload_root,
            profile=one.profile,
            payload_bytes=one.payload_bytes,
            duration_ms=one.duration_ms,
            quality_score=one.quality_score,
            transcode_suspect=one.transcode_suspect,
            generation=advert.generation,
        )
        for one in report.variants
    }
    AvailableVariant.objects.bulk_create(
        rows.values(),
        batch_size=WRITE_ROWS,
        update_conflicts=True,
        unique_fields=["advert", "variant_id"],
        update_fields=_SAID_ANEW,
    )
    for at in range(0, len(report.withdrawn), WRITE_ROWS):
        advert.variants.filter(variant_id__in=report.withdrawn[at : at + WRITE_ROWS]).delete()
    if report.last and report.full:
        advert.variants.exclude(generation=advert.generation).delete()
    if _drop_surplus(advert):
        advert.truncated = True
    advert.save(
        update_fields=["group", "bundle_id", "sequence", "whole", "truncated", "generation", "heard_at", "expires_at"]
    )
    if rows:
        _make_room(advert)
    return True


def advert_renew(*, peer_id: int, ttl_s: int) -> bool:
    """A peer says that nothing changed. False when what it told is not here any more: then it must be asked for."""
    now = timezone.now()
    rows = Advert.objects.filter(peer_id=peer_id)
    return rows.update(heard_at=now, expires_at=now + timedelta(seconds=ttl_s)) > 0


def adverts_expire() -> int:
    """Forget what nobody renewed; the number of adverts that went."""
    _, counts = Advert.objects.filter(expires_at__lte=timezone.now()).delete()
    return counts.get("mesh.Advert", 0)


def _drop_surplus(advert: Advert) -> bool:
    """Keep what was said first; during a snapshot the rows of the one before do not count."""
    rows = advert.variants.filter(generation=advert.generation)
    surplus = list(rows.order_by("id").values_list("id", flat=True)[MAX_PER_PEER:])
    for at in range(0, len(surplus), WRITE_ROWS):
        AvailableVariant.objects.filter(id__in=surplus[at : at + WRITE_ROWS]).delete()
    return bool(surplus)


def _make_room(newest: Advert) -> None:
    """Bring the group and then everybody back within their quotas; the advert just heard stays."""
    others = Advert.objects.exclude(pk=newest.pk)
    if newest.group:
        mine = AvailableVariant.objects.filter(advert__group=newest.group)
        _evict(others.filter(group=newest.group), surplus=mine.count() - MAX_PER_GROUP)
    surplus = AvailableVariant.objects.count() - MAX_IN_ALL
    if surplus > 0:
        surplus += MAX_IN_ALL // ROOM_SHARE
    while surplus > 0:
        # By rows of the whole group, the newest advert's too: it may fill the table itself, beside others of its network.
        sizes = Advert.objects.values("group").annotate(rows=Count("variants"), heard=Min("heard_at"))
        crowded = [size["group"] for size in sizes.order_by("-rows", "heard")]
        oldest = next(
            (one for group in crowded if (one := others.filter(group=group).order_by("heard_at", "id").first())), None
        )
        if oldest is None:
            return
        surplus -= oldest.variants.count()
        oldest.delete()


def _evict(adverts: QuerySet[Advert], *, surplus: int) -> None:
    """Delete the adverts heard longest ago until `surplus` rows are gone."""
    while surplus > 0:
        oldest = adverts.order_by("heard_at", "id").first()
        if oldest is None:
            return
        surplus -= oldest.variants.count()
        oldest.delete()
