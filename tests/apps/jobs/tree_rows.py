"""Rows of trees for tests: graphs in the catalog, children at any point of their life."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from apps.catalog.models import Walk
from apps.catalog.services import release_store
from apps.catalog.services_graph import artist_store, briefs_store, groups_store, label_store
from apps.domain.catalog.graph import ArtistDetail, GroupDetail, LabelDetail, LabelNumber, ReleaseBrief
from apps.domain.catalog.release import (
    ArtistFacts,
    GroupFacts,
    LabelFacts,
    MediumFacts,
    RecordingFacts,
    ReleaseFacts,
    TrackFacts,
)
from apps.domain.catalog.walks import WalkKind, WalkState
from apps.domain.jobs.lifecycle import JobState, TrackState, WantDesired
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_create
from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.transfers.models import Want

ARTIST = ArtistFacts(mbid=uuid.UUID("5b11f4ce-a62d-471e-81fc-a69a8278c7da"), name="Nirvana")
LABEL = LabelFacts(mbid=uuid.UUID("38dc88de-7720-4100-9d5b-3cdc41b0c474"), name="Sub Pop")


def an_id(*parts: object) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, parts)))


def group_of(at: int, *, kind: str = "Album", secondary: Sequence[str] = ()) -> GroupDetail:
    facts = GroupFacts(
        mbid=an_id("group", at),
        title=f"Album {at:04}",
        primary_type=kind,
        secondary_types=tuple(secondary),
        first_release_date=f"{1950 + at % 70}",
    )
    return GroupDetail(facts=facts, artist_credit=ARTIST.name, artists=(ARTIST,))


def editions_of(group: GroupDetail, at: int, *, count: int = 2, tracks: int = 10) -> list[ReleaseBrief]:
    return [
        ReleaseBrief(
            mbid=an_id("release", at, edition),
            title=group.facts.title,
            artist_credit=ARTIST.name,
            artists=(ARTIST,),
            group=group.facts,
            labels=(LabelNumber(label=LABEL, catalog_number=f"SP{at}"),),
            date=group.facts.first_release_date,
            country="US" if edition else "GB",
            status="Official",
            formats=("CD",),
            track_count=tracks,
        )
        for edition in range(count)
    ]


def walked(kind: WalkKind, mbid: uuid.UUID) -> None:
    now = timezone.now()
    Walk.objects.update_or_create(
        kind=kind,
        mbid=mbid,
        defaults={
            "state": WalkState.DONE, "read_at": now, "ended_at": now, "started_at": now - timedelta(seconds=9),
            "taken": 1, "total": 1, "next_step_at": None, "lease_until": None,
        },
    )  # fmt: skip


def graph_store(groups: Sequence[GroupDetail], *, editions: int = 2, read: bool = True) -> None:
    """The artist's graph, and the label's, as walks leave it."""
    artist_store(ArtistDetail(mbid=ARTIST.mbid, name=ARTIST.name))
    label_store(LabelDetail(mbid=LABEL.mbid, name=LABEL.name))
    groups_store(groups)
    briefs_store([one for at, group in enumerate(groups) for one in editions_of(group, at, count=editions)])
    if read:
        for kind in (WalkKind.ARTIST_GROUPS, WalkKind.ARTIST_RELEASES):
            walked(kind, ARTIST.mbid)
        walked(WalkKind.LABEL_RELEASES, LABEL.mbid)


def ask_discography(**given: object) -> uuid.UUID:
    return job_create(kind="discography", target_mbid=ARTIST.mbid, **given).id  # type: ignore[arg-type]


def tree_of(*states: JobState, expanded: bool = True, state: JobState = JobState.RUNNING) -> tuple[Job, list[Job]]:
    """A tree with children in these states; those that run have two tracks."""
    parent = Job.objects.get(id=ask_discography())
    now = timezone.now()
    Job.objects.filter(id=parent.id).update(
        state=state, next_step_at=None, expanded_at=now if expanded else None, code=""
    )
    children = [
        Job.objects.create(kind="mb_release", target_mbid=an_id("release", at, 0), parent=parent, state=one)
        for at, one in enumerate(states)
    ]
    for child in children:
        if child.state in (JobState.RUNNING, JobState.PARTIAL, JobState.COMPLETED):
            tracks_of(child)
    parent.refresh_from_db()
    return parent, children


def tracks_of(job: Job, *, count: int = 2) -> None:
    """Tracks as they are where the job is."""
    job.release_mbid = job.target_mbid
    job.save()
    for position in range(1, count + 1):
        done = job.state == JobState.COMPLETED or (job.state == JobState.PARTIAL and position == 1)
        failed = job.state == JobState.PARTIAL and not done
        want = Want.objects.create(
            recording_mbid=an_id("recording", job.id, position),
            desired=WantDesired.SATISFIED if done else WantDesired.CANCELLED if failed else WantDesired.ACTIVE,
        )
        JobTrack.objects.create(
            job=job,
            position=position,
            title=f"Song {position}",
            recording_mbid=want.recording_mbid,
            want=want,
            state=TrackState.COMPLETED if done else TrackState.FAILED if failed else TrackState.WANTED,
        )


def state_of(job: Job) -> tuple[str, str]:
    row = Job.objects.get(id=job.id)
    return row.state, row.code


def hold(release_mbid: uuid.UUID, *, tracks: int, lossless: bool = True) -> None:
    """A good file in every place of a release."""
    root, _ = LibraryRoot.objects.get_or_create(path=b"/music")
    for position in range(1, tracks + 1):
        mark = an_id("variant", release_mbid, position).bytes
        variant = AudioVariant.objects.create(
            payload_format="flac-frames" if lossless else "mp3-frames",
            payload_root=mark * 2,
            profile="flac-16-44100-2" if lossless else "mp3-cbr-320-44100-2",
            codec="flac" if lossless else "mp3",
            lossless=lossless,
            quality_score=0.95,
            transcode_suspect=False,
            recording_mbid=an_id("recording", release_mbid, position),
            verified=True,
            payload_bytes=1,
        )
        AudioFile.objects.create(
            root=root, rel_path=mark, rel_path_hash=mark * 2, display=str(position), size_bytes=1, mtime_ns=1,
            variant=variant, release_mbid=release_mbid, medium_position=1, track_position=position,
        )  # fmt: skip


def tracklist_store(group: GroupDetail, release_mbid: uuid.UUID, *, tracks: int = 10) -> None:
    """A release's tracklist, as a lookup tells it."""
    release_store(
        ReleaseFacts(
            mbid=release_mbid,
            title=group.facts.title,
            artist_credit=ARTIST.name,
            artists=(ARTIST,),
            group=group.facts,
            label=LABEL,
            catalog_number="",
            barcode="",
            date=group.facts.first_release_date,
            country="US",
            status="Official",
            media=(
                MediumFacts(
                    position=1,
                    title="",
                    format="CD",
                    tracks=tuple(
                        TrackFacts(
                            mbid=an_id("track", release_mbid, position),
                            position=position,
                            number=str(position),
                            title=f"Song {position}",
                            artist_credit=ARTIST.name,
                            length_ms=200_000,
                            recording=RecordingFacts(
                                mbid=an_id("recording", release_mbid, position),
                                title=f"Song {position}",
                                artist_credit=ARTIST.name,
                                artists=(ARTIST,),
                                length_ms=200_000,
                            ),
                        )
                        for position in range(1, tracks + 1)
                    ),
                ),
            ),
        )
    )
