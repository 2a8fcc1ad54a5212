"""A release of the catalog as something to be matched."""

from __future__ import annotations

from apps.domain.catalog.release import ReleaseFacts
from apps.domain.matching.values import VARIOUS_ARTISTS, TargetRelease, TargetTrack


def target_of(facts: ReleaseFacts) -> TargetRelease:
    """Everything that matching compares; a track without a length of its own has its recording's."""
    return TargetRelease(
        mbid=facts.mbid,
        title=facts.title,
        artist=facts.artist_credit,
        group_mbid=facts.group.mbid if facts.group else None,
        various=any(artist.mbid == VARIOUS_ARTISTS for artist in facts.artists),
        date=facts.date,
        country=facts.country,
        label=facts.label.name if facts.label else "",
        catalog_number=facts.catalog_number,
        barcode=facts.barcode,
        status=facts.status,
        formats=tuple(medium.format for medium in facts.media if medium.tracks),
        tracks=tuple(
            TargetTrack(
                disc=medium.position,
                position=track.position,
                title=track.title,
                artist=track.artist_credit,
                length_ms=track.length_ms,
                recording_mbid=track.recording.mbid,
            )
            for medium, track in facts.tracks()
        ),
    )
