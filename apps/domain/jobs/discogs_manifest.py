"""From a Discogs release and a job's constraints to the tracks that shall arrive. Pure."""

from __future__ import annotations

from apps.domain.catalog.discogs import DiscogsRelease
from apps.domain.catalog.discogs_tracks import tracklist
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.manifest import Manifest, ManifestImpossible, PlannedTrack


def discogs_manifest(release: DiscogsRelease, *, constraints: Constraints) -> Manifest:
    """All tracks of a release, or the subset the constraints name. Their ids are derived and no keys of anything: `release_mbids` is empty.

    Raises ManifestImpossible `discogs_without_tracks`, `track_not_on_release`.
    """
    tracks = [
        PlannedTrack(
            medium=medium.position,
            position=track.position,
            number=track.number,
            title=track.title,
            artist=track.artist,
            recording_mbid=track.id,
            track_mbid=None,
            length_ms=track.length_ms,
            release_mbids=(),
        )
        for medium in tracklist(release)
        for track in medium.tracks
    ]
    if not tracks:
        raise ManifestImpossible("Discogs tells no audio tracks of it.", code="discogs_without_tracks")
    if constraints.tracks:
        wanted = {(ref.medium, ref.position) for ref in constraints.tracks}
        if missing := sorted(wanted - {(track.medium, track.position) for track in tracks}):
            raise ManifestImpossible(
                "The release has no such track.",
                code="track_not_on_release",
                medium=missing[0][0],
                position=missing[0][1],
            )
        tracks = [track for track in tracks if (track.medium, track.position) in wanted]
    return Manifest(
        title=release.title, artist=release.credit, year=release.year, release_mbid=None, tracks=tuple(tracks)
    )
