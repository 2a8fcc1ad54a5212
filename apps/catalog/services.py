"""The only writer of the catalog: what MusicBrainz told us, as rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from apps.catalog.models import Artist, Label, Medium, Recording, Release, ReleaseGroup, Track
from apps.catalog.services_graph import merged_note, relations_replace
from apps.domain.catalog.release import ArtistFacts, RecordingFacts, ReleaseFacts


def release_store(facts: ReleaseFacts, *, asked_for: uuid.UUID | None = None) -> None:
    """Write a release with all below it, replacing what was known of it. Repeating it changes nothing.

    `asked_for` is the MBID of the request: one that differs was merged into this release, and is remembered as such.
    """
    recordings = {track.recording.mbid: track.recording for _, track in facts.tracks()}
    artists = [*facts.artists, *(artist for recording in recordings.values() for artist in recording.artists)]
    with transaction.atomic():
        _artists(artists)
        _recordings(recordings.values())
        if facts.group:
            ReleaseGroup.objects.update_or_create(
                mbid=facts.group.mbid,
                defaults={
                    "title": facts.group.title,
                    "primary_type": facts.group.primary_type,
                    "secondary_types": list(facts.group.secondary_types),
                    "first_release_date": facts.group.first_release_date,
                },
            )
        if facts.label:
            Label.objects.update_or_create(mbid=facts.label.mbid, defaults={"name": facts.label.name})
        known = Release.objects.filter(mbid=facts.mbid).values_list("redirected_from", flat=True).first() or []
        merged = {*known, *([str(asked_for)] if asked_for and asked_for != facts.mbid else [])}
        Release.objects.update_or_create(
            mbid=facts.mbid,
            defaults={
                "title": facts.title,
                "artist_credit": facts.artist_credit,
                "artist_mbids": [str(artist.mbid) for artist in facts.artists],
                "artist_id": facts.artists[0].mbid if facts.artists else None,
                "release_group_id": facts.group.mbid if facts.group else None,
                "label_id": facts.label.mbid if facts.label else None,
                "catalog_number": facts.catalog_number,
                "barcode": facts.barcode,
                "date": facts.date,
                "country": facts.country,
                "status": facts.status,
                "script": facts.script,
                "labels": list(facts.labels),
                "catalog_numbers": list(facts.catalog_numbers),
                "redirected_from": sorted(merged),
                "fetched_at": timezone.now(),
            },
        )
        _tracks(facts)
        if facts.relations is not None:
            relations_replace("release", {facts.mbid: facts.relations})
        merged_note("release", asked_for, facts.mbid)


def editions_store(group_mbid: uuid.UUID, editions: Sequence[ReleaseFacts]) -> None:
    """Write all releases of a group, and that they are all. Repeating it changes nothing."""
    for facts in editions:
        release_store(facts)
    ReleaseGroup.objects.filter(mbid=group_mbid).update(editions_at=timezone.now())


def recording_store(facts: RecordingFacts, *, asked_for: uuid.UUID | None = None) -> None:
    """Write one recording with its artists. `asked_for` as in `release_store`."""
    with transaction.atomic():
        _artists(facts.artists)
        _recordings([facts])
        merged_note("recording", asked_for, facts.mbid)


def _artists(artists: Iterable[ArtistFacts]) -> None:
    # Sorted: two workers that store releases of one artist take their row locks in one order.
    unique = {artist.mbid: artist for artist in sorted(artists, key=lambda one: one.mbid)}
    Artist.objects.bulk_create(
        [Artist(mbid=one.mbid, name=one.name, sort_name=one.sort_name) for one in unique.values()],
        update_conflicts=True,
        unique_fields=["mbid"],
        update_fields=["name", "sort_name"],
        batch_size=500,
    )


def _recordings(recordings: Iterable[RecordingFacts]) -> None:
    Recording.objects.bulk_create(
        [
            Recording(
                mbid=one.mbid,
                title=one.title,
                artist_credit=one.artist_credit,
                length_ms=one.length_ms,
                isrcs=list(one.isrcs),
                artist_mbids=[str(artist.mbid) for artist in one.artists],
            )
            for one in sorted(recordings, key=lambda one: one.mbid)
        ],
        update_conflicts=True,
        unique_fields=["mbid"],
        update_fields=["title", "artist_credit", "length_ms", "isrcs", "artist_mbids"],
        batch_size=500,
    )


def _tracks(facts: ReleaseFacts) -> None:
    """Media and tracks are replaced whole: MusicBrainz moves and renumbers them, and nothing of ours points at these rows."""
    Medium.objects.filter(release_id=facts.mbid).delete()
    Track.objects.filter(mbid__in=[track.mbid for _, track in facts.tracks()]).delete()
    for medium in facts.media:
        row = Medium.objects.create(
            release_id=facts.mbid, position=medium.position, title=medium.title, format=medium.format
        )
        Track.objects.bulk_create(
            [
                Track(
                    mbid=track.mbid,
                    medium=row,
                    recording_id=track.recording.mbid,
                    position=track.position,
                    number=track.number,
                    title=track.title,
                    artist_credit=track.artist_credit,
                    length_ms=track.length_ms,
                )
                for track in medium.tracks
            ],
            batch_size=500,
        )
