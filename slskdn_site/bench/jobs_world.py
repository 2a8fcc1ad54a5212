"""Rows for `./slskdn bench jobs` of what jobs are about: an artist of a thousand release groups and a label of five hundred releases as MusicBrainz tells
them, what the library holds of them, labels as the mesh shows them, finds and targets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from apps.catalog.models import (
    Artist,
    GroupArtist,
    Label,
    Medium,
    Recording,
    Release,
    ReleaseGroup,
    ReleaseLabel,
    Track,
    Walk,
)
from apps.domain.catalog.asked import asked_json, asked_key
from apps.domain.catalog.candidates import Candidate, CandidateKind, MediumBrief
from apps.domain.catalog.links import understand
from apps.domain.catalog.walks import WalkKind, WalkState
from apps.domain.jobs.targets import TargetState
from apps.jobs.models import AlbumTarget, Find
from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.mesh.models_labels import LabelPresence, LabelRelease, LabelSighting
from apps.peers.models import Peer
from slskdn_site.bench.jobs_rows import NOW, made_id, many

GROUPS: Final = 1000
EDITIONS: Final = 3
"""Of every fourth group; the others have one."""
TRACKS: Final = 12
ON_LABEL: Final = 500
LABELS: Final = 3000
"""Of the mesh; the first has HEARD releases, the others a few."""
HEARD: Final = 2000
SIGHTINGS: Final = 50_000
"""As many as are kept of all peers."""
PEERS: Final = 100
FINDS: Final = 500
CANDIDATES: Final = 250
"""As many as a find keeps."""
TYPES: Final = ("Album", "Single", "EP", "Album", "Album")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the requests need to know of it."""

    artist: uuid.UUID
    label: uuid.UUID
    group: uuid.UUID
    """one of several editions"""
    held: uuid.UUID
    """a release that is here in part"""
    recording: uuid.UUID
    heard: uuid.UUID
    """the label of the mesh with most releases"""
    find: uuid.UUID


def fill_world(*, jobs: int) -> World:
    """Beside so many jobs: with fewer than 10,000 everything is smaller in proportion."""
    scale = min(1.0, jobs / 10_000)
    groups = max(40, round(GROUPS * scale))
    artist = Artist.objects.create(mbid=made_id(20, 0), name="Thousand Groups", kind="Group", fetched_at=timezone.now())
    label = Label.objects.create(mbid=made_id(21, 0), name="Large Crate", fetched_at=timezone.now())
    releases = _catalog(artist, label, groups=groups, on_label=max(20, round(ON_LABEL * scale)))
    _held(releases)
    _targets(releases, count=jobs)
    heard = _mesh(scale)
    return World(
        artist=artist.mbid,
        label=label.mbid,
        group=made_id(22, 0),
        held=releases[0].mbid,
        recording=made_id(25, 0),
        heard=heard,
        find=_finds(releases),
    )


def _catalog(artist: Artist, label: Label, *, groups: int, on_label: int) -> list[Release]:
    many(ReleaseGroup, (_group(at) for at in range(groups)))
    many(GroupArtist, (GroupArtist(group_id=made_id(22, at), artist=artist, position=0) for at in range(groups)))
    releases = [
        _release(at * EDITIONS + edition, at, edition, artist)
        for at in range(groups)
        for edition in range(EDITIONS if at % 4 == 0 else 1)
    ]
    many(Release, releases)
    many(
        ReleaseLabel,
        (
            ReleaseLabel(release=one, label=label, catalog_number=f"LC-{at:04}", position=0)
            for at, one in enumerate(releases[:on_label])
        ),
    )
    many(
        Recording,
        (
            Recording(mbid=made_id(25, at * TRACKS + track), title=f"Movement {track + 1}", length_ms=200_000 + track)
            for at in range(groups)
            for track in range(TRACKS)
        ),
    )
    media = [Medium(release=one, position=1, format="CD") for one in releases]
    many(Medium, media)
    many(
        Track,
        (row for at, (one, medium) in enumerate(zip(releases, media, strict=True)) for row in _tracks(at, one, medium)),
    )
    now = timezone.now()
    for kind, mbid, total in (
        (WalkKind.ARTIST_GROUPS, artist.mbid, groups),
        (WalkKind.ARTIST_RELEASES, artist.mbid, len(releases)),
        (WalkKind.LABEL_RELEASES, label.mbid, on_label),
    ):
        Walk.objects.create(
            kind=kind, mbid=mbid, state=WalkState.DONE, taken=total, total=total, read_at=now, ended_at=now
        )
    return releases


def _group(at: int) -> ReleaseGroup:
    return ReleaseGroup(
        mbid=made_id(22, at),
        title=f"Work No. {at + 1}",
        primary_type=TYPES[at % len(TYPES)],
        secondary_types=["Live"] if at % 9 == 8 else [],
        first_release_date=f"{1960 + at % 60}-01-01",
        artist_credit="Thousand Groups",
        editions_at=timezone.now(),
        fetched_at=timezone.now(),
    )


def _release(number: int, group: int, edition: int, artist: Artist) -> Release:
    return Release(
        mbid=made_id(23, number),
        title=f"Work No. {group + 1}",
        artist_credit="Thousand Groups",
        artist=artist,
        release_group_id=made_id(22, group),
        date=str(1960 + group % 60 + edition),
        country=("US", "GB", "JP")[edition],
        status="Official",
        artist_mbids=[str(artist.mbid)],
        formats=["CD"],
        track_count=TRACKS,
        listed_at=NOW,
        fetched_at=timezone.now(),
    )


def _tracks(at: int, release: Release, medium: Medium) -> Iterator[Track]:
    group = (release.mbid.int - made_id(23, 0).int & 0xFFFF_FFFF) // EDITIONS
    for track in range(TRACKS):
        yield Track(
            mbid=made_id(24, at * TRACKS + track),
            medium=medium,
            recording_id=made_id(25, group * TRACKS + track),
            position=track + 1,
            number=str(track + 1),
            title=f"Movement {track + 1}",
            length_ms=200_000 + track,
        )


def _held(releases: list[Release]) -> None:
    """Files of every third release; the first of them lacks its last tracks."""
    root = LibraryRoot.objects.create(path="/bench-music", scanned=True, last_scan_at=NOW)
    variants: list[AudioVariant] = []
    files: list[AudioFile] = []
    for release in releases[::3]:
        group = (release.mbid.int - made_id(23, 0).int & 0xFFFF_FFFF) // EDITIONS
        for track in range(TRACKS if files else TRACKS - 3):
            key = made_id(26, len(files)).bytes
            path = f"Thousand Groups/{release.title} {release.date}/{track + 1:02} Movement.flac"
            variants.append(
                AudioVariant(
                    payload_format="flac", payload_root=key * 2, payload_bytes=30_000_000, recording_mbid=made_id(25, group * TRACKS + track),
                    recording_source="fingerprint", verified=True, profile="flac-16-44100-2", codec="flac", lossless=True, container="flac",
                    rate_hz=44_100, channels=2, bitrate_kbps=900, duration_ms=200_000 + track, quality_score=0.9, quality_version=1,
                    analyser_version=1, analysed_at=NOW,
                )
            )  # fmt: skip
            files.append(
                AudioFile(
                    root=root, rel_path=path.encode(), rel_path_hash=key * 2, display=path, size_bytes=30_000_000, mtime_ns=1, folder_hash=release.mbid.bytes * 2,
                    read_at=NOW, tags={}, sort_key=path.casefold(), release_mbid=release.mbid, medium_position=1, track_position=track + 1,
                    title=f"Movement {track + 1}", artist="Thousand Groups", album=release.title, added_at=NOW,
                )
            )  # fmt: skip
    many(AudioVariant, variants)
    for file, variant in zip(files, variants, strict=True):
        file.variant = variant
    many(AudioFile, files)


def _targets(releases: list[Release], *, count: int) -> None:
    """What jobs ask for becomes a target: as many as there are jobs."""
    states = [state.value for state in TargetState]
    many(
        AlbumTarget,
        (
            AlbumTarget(
                id=made_id(27, at),
                kind="release",
                mbid=releases[at].mbid if at < len(releases) else made_id(2, at),
                title=f"Album {at:06} of many words",
                artist=f"Artist {at % 4000:04}",
                year=str(1960 + at % 60),
                state=states[at % len(states)],
                tracks=TRACKS,
                held=at % TRACKS,
                missing=TRACKS - at % TRACKS,
                counted_at=NOW,
            )
            for at in range(count)
        ),
    )


def _mesh(scale: float) -> uuid.UUID:
    labels, heard = max(60, round(LABELS * scale)), max(60, round(HEARD * scale))
    peers = [Peer.objects.create(plane="overlay", key=f"bench-label{at}", last_seen=NOW) for at in range(PEERS)]
    rank = timezone.now().timestamp() / 604_800
    many(
        LabelPresence,
        (
            LabelPresence(
                label_key=made_id(28, at),
                label_mbid=made_id(28, at) if at % 3 else None,
                name=f"Label {at:04}",
                name_search=f"label {at:04}",
                releases=1 + at % 20,
                artists=1 + at % 7,
                peers=1 + at % 50,
                rank=rank + 1 / (1 + at),
                heard_at=NOW,
                counted_at=NOW,
                due=False,
            )
            for at in range(labels)
        ),
    )
    known = [(0, at) for at in range(heard)] + [(one, at) for one in range(1, labels) for at in range(1 + one % 20)]
    many(
        LabelRelease,
        (
            LabelRelease(
                label_key=made_id(28, one),
                release_mbid=made_id(23, at * EDITIONS) if one == 0 else made_id(29, one * 100 + at),
                title=f"Work No. {at + 1}",
                artist="Thousand Groups",
                peers=1 + at % 30,
                rank=rank + 1 / (1 + at),
                quality=0.5 + at % 5 / 10,
                profiles=["flac-16-44100-2", "mp3-cbr-320-44100-2"][: 1 + at % 2],
                tracks=TRACKS,
                tracks_held=TRACKS - at % 3,
                heard_at=NOW,
            )
            for one, at in known
        ),
    )
    count = round(SIGHTINGS * scale)
    many(
        LabelSighting,
        (
            LabelSighting(
                label_key=made_id(28, one),
                label_mbid=made_id(28, one) if one % 3 else None,
                label_name=f"Label {one:04}",
                release_mbid=made_id(23, at * EDITIONS) if one == 0 else made_id(29, one * 100 + at),
                peer=peers[turn],
                group="bench",
                title=f"Work No. {at + 1}",
                artist="Thousand Groups",
                tracks=TRACKS,
                tracks_held=TRACKS,
                profile="flac-16-44100-2",
                first_heard=NOW,
                heard_at=NOW,
            )
            for turn in range(PEERS)
            for one, at in known[: count // PEERS]
        ),
    )
    return made_id(28, 0)


def _finds(releases: list[Release]) -> uuid.UUID:
    """Answered ones; the first has as many candidates as are kept."""
    found = [
        Candidate(
            kind=CandidateKind.RELEASE,
            mbid=one.mbid,
            title=one.title,
            artist=one.artist_credit,
            date=one.date,
            country=one.country,
            labels=("Large Crate",),
            catalog_numbers=(f"LC-{at:04}",),
            media=(MediumBrief(format="CD", tracks=TRACKS, length_ms=2_400_000),),
            track_count=TRACKS,
            length_ms=2_400_000,
            status="Official",
        ).to_json()
        for at, one in enumerate(releases[:CANDIDATES])
    ]
    asked = [understand(f"work no {at} of a thousand") for at in range(FINDS)]

    many(
        Find,
        (
            Find(
                id=made_id(30, at),
                text=f"work no {at} of a thousand",
                asked=asked_json(one),
                asked_key=asked_key(one),
                state="done",
                candidates=found if at == 0 else found[:10],
                found=len(found),
                ended_at=NOW,
            )
            for at, one in enumerate(asked)
        ),
    )
    return made_id(30, 0)
