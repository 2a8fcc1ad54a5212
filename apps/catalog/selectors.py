"""Reads of the catalog as values, so that a fresh answer and a cached one look the same to whoever uses them."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.utils import timezone

from apps.catalog.models import Artist, MergedMbid, Recording, Release, Track
from apps.domain.catalog.release import (
    ArtistFacts,
    GroupFacts,
    LabelFacts,
    MediumFacts,
    RecordingFacts,
    ReleaseFacts,
    ReleaseRef,
    TrackFacts,
    best_first,
)

RELEASE_FRESH = timedelta(days=30)
"""After this long MusicBrainz is asked again (PROTOCOL-FACTS: release graph TTL)."""


def release_facts(mbid: uuid.UUID, *, fresh_for: timedelta | None = RELEASE_FRESH) -> ReleaseFacts | None:
    """A cached release with media and tracks; None if unknown, older than `fresh_for`, or without tracks. Five queries, two more for one that was
    merged into another: that one is told then, under its own MBID.

    `fresh_for=None`: of any age.
    """
    found = _release(mbid, fresh_for=fresh_for)
    # Also where a row is here: one that was kept before the merge grows old, and is never renewed.
    if found is None and (merged := _merged_into("release", mbid)) is not None:
        return _release(merged, fresh_for=fresh_for)
    return found


def _release(mbid: uuid.UUID, *, fresh_for: timedelta | None) -> ReleaseFacts | None:
    row = Release.objects.select_related("release_group", "label").filter(mbid=mbid).first()
    if row is None or row.fetched_at is None or (fresh_for is not None and row.fetched_at < timezone.now() - fresh_for):
        return None
    tracks = list(
        Track.objects.filter(medium__release_id=mbid)
        .select_related("recording")
        .order_by("medium__position", "position")
    )
    if not tracks:
        return None
    wanted = {*row.artist_mbids, *(one for track in tracks for one in track.recording.artist_mbids)}
    artists = {str(one.mbid): _artist(one) for one in Artist.objects.filter(mbid__in=wanted)}
    by_medium: dict[int, list[TrackFacts]] = {}
    for track in tracks:
        by_medium.setdefault(track.medium_id, []).append(_track(track, artists))
    group, label = row.release_group, row.label
    return ReleaseFacts(
        mbid=row.mbid,
        title=row.title,
        artist_credit=row.artist_credit,
        artists=tuple(artists[one] for one in row.artist_mbids if one in artists),
        group=GroupFacts(
            mbid=group.mbid,
            title=group.title,
            primary_type=group.primary_type,
            secondary_types=tuple(group.secondary_types),
            first_release_date=group.first_release_date,
        )
        if group
        else None,
        label=LabelFacts(mbid=label.mbid, name=label.name) if label else None,
        catalog_number=row.catalog_number,
        barcode=row.barcode,
        date=row.date,
        country=row.country,
        status=row.status,
        script=row.script,
        labels=tuple(row.labels),
        catalog_numbers=tuple(row.catalog_numbers),
        media=tuple(
            MediumFacts(
                position=medium.position,
                title=medium.title,
                format=medium.format,
                tracks=tuple(by_medium.get(medium.id, ())),
            )
            for medium in row.media.order_by("position")
        ),
    )


def recording_facts(mbid: uuid.UUID) -> RecordingFacts | None:
    """A cached recording, of any age; for one that was merged into another that other one."""
    row = Recording.objects.filter(mbid=mbid).first()
    if row is None and (merged := _merged_into("recording", mbid)) is not None:
        row = Recording.objects.filter(mbid=merged).first()
    if row is None:
        return None
    artists = {str(one.mbid): _artist(one) for one in Artist.objects.filter(mbid__in=row.artist_mbids)}
    return _recording(row, artists)


def recording_known(mbid: uuid.UUID) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]] | None:
    """A cached recording and the known releases it stands on, best first, as MusicBrainz would tell them; None: it is on none that is known."""
    facts = recording_facts(mbid)
    if facts is None:
        return None
    rows = Release.objects.filter(media__tracks__recording_id=facts.mbid, fetched_at__isnull=False)
    refs = {
        row.mbid: ReleaseRef(
            mbid=row.mbid,
            status=row.status,
            date=row.date,
            primary_type=row.release_group.primary_type if row.release_group else "",
            secondary_types=tuple(row.release_group.secondary_types) if row.release_group else (),
        )
        for row in rows.select_related("release_group")
    }
    return (facts, best_first(refs.values())) if refs else None


def _merged_into(kind: str, mbid: uuid.UUID) -> uuid.UUID | None:
    return MergedMbid.objects.filter(kind=kind, old=mbid).values_list("mbid", flat=True).first()


def _artist(row: Artist) -> ArtistFacts:
    return ArtistFacts(mbid=row.mbid, name=row.name, sort_name=row.sort_name)


def _recording(row: Recording, artists: dict[str, ArtistFacts]) -> RecordingFacts:
    return RecordingFacts(
        mbid=row.mbid,
        title=row.title,
        artist_credit=row.artist_credit,
        artists=tuple(artists[one] for one in row.artist_mbids if one in artists),
        length_ms=row.length_ms,
        isrcs=tuple(row.isrcs),
    )


def _track(row: Track, artists: dict[str, ArtistFacts]) -> TrackFacts:
    return TrackFacts(
        mbid=row.mbid,
        position=row.position,
        number=row.number,
        title=row.title,
        artist_credit=row.artist_credit,
        length_ms=row.length_ms,
        recording=_recording(row.recording, artists),
    )
