"""From the catalog's facts to a finished file's tags and its place below the library root."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from apps.catalog.selectors import recording_facts, release_facts
from apps.domain.audio.album_gain import AlbumLevels
from apps.domain.catalog.release import MediumFacts, RecordingFacts, ReleaseFacts, TrackFacts
from apps.domain.library.name_facts import OnRelease, extension_of, names_of_track
from apps.domain.library.naming import NameFacts, relative_path
from apps.domain.library.tags import VARIOUS_ARTISTS, AudioTags
from apps.jobs.services_verify import VerifyClaim
from apps.library.selectors_analysis import album_measured
from workers.acoustid_kept import acoustid_of
from workers.gateways.analysis import FileAnalysis

_REFERENCE_LUFS = -18.0
"""Of ReplayGain 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingFacts:
    """What the catalog knows of a track; parts are None where it knows nothing."""

    release: ReleaseFacts | None
    medium: MediumFacts | None
    track: TrackFacts | None
    recording: RecordingFacts | None


def filing_facts(claim: VerifyClaim) -> FilingFacts:
    """Look the track up: by its MBID, else by its position on the release."""
    release = release_facts(claim.release_mbid, fresh_for=None) if claim.release_mbid else None
    for medium, track in release.tracks() if release else ():
        if track.mbid == claim.track_mbid or (
            claim.track_mbid is None and (medium.position, track.position) == (claim.medium, claim.position)
        ):
            return FilingFacts(release=release, medium=medium, track=track, recording=track.recording)
    return FilingFacts(release=release, medium=None, track=None, recording=recording_facts(claim.recording_mbid))


def file_name(claim: VerifyClaim, facts: FilingFacts, *, container: str, template: str, codec: str = "") -> bytes:
    """The file's path below the library root, as raw bytes. Raises TemplateError, NameFactsError."""
    below = relative_path(_names(claim, facts, container=container, codec=codec), template=template)
    folder = claim.constraints.target_dir
    return b"/".join([folder.encode(), below]) if folder else below


def _names(claim: VerifyClaim, facts: FilingFacts, *, container: str, codec: str) -> NameFacts:
    """The same as a renaming gives (`workers.renaming`), with the texts of the job."""
    release, ext = facts.release, extension_of(container)
    if release is not None and facts.medium is not None and facts.track is not None:
        place = OnRelease(release=release, medium=facts.medium, track=facts.track)
        named = names_of_track(place, ext=ext, codec=codec)
        return replace(named, title=claim.title, artist=claim.artist, album=claim.album or claim.title)
    year = release.year if release else ""
    return NameFacts(
        title=claim.title,
        ext=ext,
        track=min(claim.position, 9999),
        albumartist=release.artist_credit if release else claim.artist,
        artist=claim.artist,
        album=claim.album or claim.title,
        year=int(year) if year.isdigit() and int(year) > 0 else None,
        disc=min(claim.medium, 999),
        discs=min(max(len(release.media), claim.medium), 999) if release else 1,
        label=release.label.name if release and release.label else "",
        catalog_number=release.catalog_number if release else "",
        codec=codec.upper(),
    )


def file_tags(claim: VerifyClaim, facts: FilingFacts, *, heard: FileAnalysis | None = None) -> AudioTags:
    """The file's tags, with its measured loudness, its fingerprint and every MusicBrainz id there is (Picard's names are the gateway's business).

    `heard`: what its decode has shown. AcoustID's id is taken from its kept answer to that very fingerprint.
    """
    release, medium, recording = facts.release, facts.medium, facts.recording
    tags = AudioTags(
        title=claim.title,
        artist=claim.artist,
        albumartist=release.artist_credit if release else claim.artist,
        album=claim.album,
        date=release.date if release else "",
        track=claim.position,
        tracks=len(medium.tracks) if medium else 0,
        disc=claim.medium,
        discs=len(release.media) if release else 0,
        recording_mbid=str(claim.recording_mbid),
        track_mbid=str(claim.track_mbid or ""),
        release_mbid=str(claim.release_mbid or ""),
        release_group_mbid=str(release.group.mbid) if release and release.group else "",
        artist_mbids=tuple(str(one.mbid) for one in recording.artists) if recording else (),
        albumartist_mbids=tuple(str(one.mbid) for one in release.artists) if release else (),
        isrcs=recording.isrcs if recording else (),
        artists=artist_names(recording) if recording else (),
    )
    if heard is not None and heard.print is not None:
        compressed, duration_ms = heard.print.compressed, heard.decoded.duration_ms
        named = acoustid_of(compressed, duration_ms=duration_ms, recording_mbid=claim.recording_mbid)
        tags = replace(tags, acoustid_fingerprint=compressed, acoustid_id=named)
    sound = heard.sound if heard is not None else None
    if release is not None:
        tags = with_release(tags, release, medium)
    return with_loudness(tags, lufs=sound.loudness_lufs, true_peak_dbtp=sound.true_peak_dbtp) if sound else tags


def artist_names(recording: RecordingFacts) -> tuple[str, ...]:
    """Each artist of the credit alone."""
    return tuple(one.name for one in recording.artists if one.name)


def with_release(
    tags: AudioTags, release: ReleaseFacts, medium: MediumFacts | None, *, had: AudioTags | None = None
) -> AudioTags:
    """The tags with what is told of the edition as a whole. `had`: what the file said of this release; it stays where MusicBrainz says nothing."""
    before = had or AudioTags()
    group = release.group
    types = tuple(one.lower() for one in (group.primary_type, *group.secondary_types) if one) if group else ()
    labels = release.labels or ((release.label.name,) if release.label else ())
    numbers = release.catalog_numbers or ((release.catalog_number,) if release.catalog_number else ())
    return replace(
        tags,
        label=labels or before.label,
        catalog_number=numbers or before.catalog_number,
        barcode=release.barcode or before.barcode,
        country=release.country or before.country,
        original_date=(group.first_release_date if group else "") or before.original_date,
        media=(medium.format if medium else "") or before.media,
        script=release.script or before.script,
        status=release.status.lower() or before.status,
        types=types or before.types,
        # As Picard: what players file under "Various Artists". A best-of by one artist is none, whatever its group is called.
        compilation=any(one.mbid == VARIOUS_ARTISTS for one in release.artists),
    )


def with_loudness(tags: AudioTags, *, lufs: float | None, true_peak_dbtp: float | None) -> AudioTags:
    """The tags with ReplayGain 2 of the track: what brings it to -18 LUFS, and its true peak. As they were if either is unknown."""
    if lufs is None or true_peak_dbtp is None:
        return tags
    return replace(
        tags,
        replaygain_track_gain=f"{_REFERENCE_LUFS - lufs:.2f} dB",
        replaygain_track_peak=f"{10 ** (true_peak_dbtp / 20):.6f}",
    )


def with_album(tags: AudioTags, levels: AlbumLevels | None) -> AudioTags:
    """The tags with ReplayGain 2 of the album, where all of it was measured. As they were otherwise."""
    if levels is None:
        return tags
    return replace(
        tags,
        replaygain_album_gain=f"{_REFERENCE_LUFS - levels.loudness_lufs:.2f} dB",
        replaygain_album_peak=f"{10 ** (levels.true_peak_dbtp / 20):.6f}",
    )


def album_of(tags: AudioTags, *, root_id: int, relative: bytes) -> AlbumLevels | None:
    """The tags' release as one programme, as far as it lies where the file at `relative` does; None while it is not whole, or not measured."""
    release = release_facts(uuid.UUID(tags.release_mbid), fresh_for=None) if tags.release_mbid else None
    if release is None:
        return None
    places = [(medium.position, track.position) for medium, track in release.tracks()]
    return album_measured(release.mbid, root_id=root_id, folder=relative.rpartition(b"/")[0], places=places)
