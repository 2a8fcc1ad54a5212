"""Reads of one job as a tree of values for API, pages and terminal. Never inside `atomic`. The list is `selectors_list`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.jobs.lifecycle import (
    JOB_ENDED,
    TRACK_ENDED,
    TRANSFER_LIVE,
    JobState,
    TrackState,
    TransferRole,
    TransferState,
    WantPhase,
)
from apps.domain.jobs.sentences import JOB_WIDE_CODES, sentence
from apps.domain.jobs.tree import TREE_KINDS
from apps.jobs.models import Job, JobTrack
from apps.jobs.selectors_tree import TreeFigures, job_rescues, tree_figures
from apps.soulseek.selectors_rescues import RescueSum
from apps.transfers.models import Transfer, TransferSource

Params = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """What one peer gave to one track."""

    peer: str
    """Key the peer proved on its plane (overlay: base32 peer id)."""
    plane: str
    agent: str
    verified_bytes: int
    """Bytes of this peer that are in the file."""
    wasted_bytes: int
    bad_leaves: int
    """Over all transfers of the track."""
    share: float
    """0..1 of the verified bytes."""
    speed_bps: int
    """Bytes per second."""
    state: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedView:
    """A payload that was fetched whole and refused."""

    payload_root: str
    """Hex."""
    profile: str
    code: str
    params: Params
    peers: tuple[str, ...]
    """Who sent bytes of it (not who claimed it)."""

    @property
    def sentence(self) -> str:
        """The reason for a person."""
        return sentence(self.code, self.params)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUpView:
    """A payload that was on offer and not chosen."""

    payload_root: str
    """Hex."""
    profile: str
    peers: int
    term: str
    """What decided against it."""
    ours: str
    """The chosen payload's value of that term."""
    theirs: str

    @property
    def sentence(self) -> str:
        """The reason for a person."""
        return sentence(f"passed_{self.term}", {"ours": self.ours, "theirs": self.theirs})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceView:
    """Why a transfer's payload was chosen."""

    term: str
    """What set it apart from the next best; "only": there was no other."""
    ours: str
    theirs: str
    others: int
    """Payloads that were on offer besides."""
    runners_up: tuple[RunnerUpView, ...]

    @property
    def sentence(self) -> str:
        """The reason for a person."""
        return sentence(f"chosen_{self.term}", {"ours": self.ours, "theirs": self.theirs})


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferView:
    """The transfer a track shows: the live one (of two the one that is further), else the accepted one, else the latest."""

    id: uuid.UUID
    state: TransferState
    code: str
    params: Params
    profile: str
    payload_root: str
    """Hex."""
    payload_bytes: int
    verified_bytes: int
    refetched_bytes: int
    speed_bps: int
    """Bytes per second; 0 when not fetching."""
    eta_s: int | None
    """Seconds to go at this speed; None when unknown."""
    started_at: datetime
    ended_at: datetime | None
    role: TransferRole = TransferRole.PRIMARY
    choice: ChoiceView | None = None
    """None for transfers of an earlier version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """What the node says it does for a want."""

    phase: WantPhase
    code: str
    params: Params
    sources_known: int
    next_look_at: datetime | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackView:
    """One track of a job."""

    id: uuid.UUID
    medium: int
    position: int
    number: str
    title: str
    artist: str
    recording_mbid: uuid.UUID
    track_mbid: uuid.UUID | None
    length_ms: int | None
    state: TrackState
    code: str
    params: Params
    verification: str
    """"fingerprint", "unconfirmed" or ""."""
    placed_path: str
    """Absolute path of the finished file; "" before it is placed."""
    sha256: str
    """Hex; "" before it is placed."""
    payload_root: str
    """Hex of the finished file's payload; "" before."""
    next_step_at: datetime | None
    """When a verification that waits is tried again."""
    want_id: uuid.UUID | None
    desired: str
    progress: ProgressView | None
    transfer: TransferView | None
    sources: tuple[SourceView, ...]
    rejected: tuple[RejectedView, ...]
    beside: TransferView | None = None
    """The other live transfer of a track that has two: another payload, of which no byte is mixed in."""

    @property
    def sentence(self) -> str:
        """The track's code for a person; the node's word where the control plane has none."""
        if self.code:
            return sentence(self.code, self.params)
        return sentence(self.progress.code, self.progress.params) if self.progress else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentView:
    """The job of jobs above a job."""

    id: uuid.UUID
    kind: str
    title: str
    artist: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTree:
    """A job with everything below it."""

    id: uuid.UUID
    kind: str
    target_mbid: uuid.UUID
    target_source: str = "musicbrainz"
    target_ref: str = ""
    """the release's number where the source is Discogs; `target_mbid` is derived then"""
    release_mbid: uuid.UUID | None
    state: JobState
    code: str
    params: Params
    title: str
    artist: str
    year: str
    constraints: Params
    origin: str
    requested_by: str
    """User name; "" for nobody."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    next_step_at: datetime | None
    """When a job that waits (MusicBrainz away, say) tries again."""
    tracks: tuple[TrackView, ...]
    parent: ParentView | None = None
    """The job of jobs that it belongs to."""
    figures: TreeFigures | None = None
    """Of a job of jobs: how far its releases and their tracks are."""
    plan_code: str = ""
    plan_params: Params = field(default_factory=dict)
    """Of a job of jobs: what was missing in the list that it was planned from; "" for nothing."""
    rescue: RescueSum = field(default_factory=RescueSum)
    """What the mesh gives to downloads of it, and of all jobs below it, that do badly."""

    @property
    def sentence(self) -> str:
        """The job's code for a person."""
        return sentence(self.code, self.params)

    @property
    def ended(self) -> bool:
        """True when nothing more happens by itself."""
        return self.state in JOB_ENDED

    @property
    def tracks_completed(self) -> int:
        """Tracks verified, tagged and placed."""
        return sum(track.state is TrackState.COMPLETED for track in self.tracks)

    @property
    def payload_bytes(self) -> int:
        """Bytes of all payloads chosen so far."""
        return sum(track.transfer.payload_bytes for track in self.tracks if track.transfer)

    @property
    def verified_bytes(self) -> int:
        """Bytes of them that are here and verified."""
        return sum(track.transfer.verified_bytes for track in self.tracks if track.transfer)

    @property
    def speed_bps(self) -> int:
        """Bytes per second over all tracks."""
        return sum(track.transfer.speed_bps for track in self.tracks if track.transfer)


def job_tree(job_id: uuid.UUID) -> JobTree | None:
    """One job with tracks, progress, transfers, sources and rescues; None if there is none. Five queries, however large the job; a job of jobs has no
    tracks but figures, which cost three more."""
    job = Job.objects.select_related("requested_by", "parent").filter(id=job_id).first()
    if job is None:
        return None
    parent = job.parent
    tracks = list(JobTrack.objects.filter(job_id=job_id).select_related("want", "want__progress"))
    transfers: dict[uuid.UUID, list[Transfer]] = {}
    for transfer in (
        Transfer.objects.filter(want__job_track__job_id=job_id).select_related("verdict").order_by("created_at", "id")
    ):
        transfers.setdefault(transfer.want_id, []).append(transfer)
    sources: dict[uuid.UUID, list[TransferSource]] = {}
    for source in (
        TransferSource.objects.filter(transfer__want__job_track__job_id=job_id).select_related("peer").order_by("id")
    ):
        sources.setdefault(source.transfer_id, []).append(source)
    views = tuple(_track(track, transfers.get(track.want_id, []) if track.want_id else [], sources) for track in tracks)
    code, params = _shown_code(job, views)
    return JobTree(
        id=job.id,
        kind=job.kind,
        target_mbid=job.target_mbid,
        target_source=job.target_source,
        target_ref=job.target_ref,
        release_mbid=job.release_mbid,
        state=JobState(job.state),
        code=code,
        params=params,
        title=job.title,
        artist=job.artist,
        year=job.year,
        constraints=job.constraints,
        origin=job.origin,
        requested_by=job.requested_by.get_username() if job.requested_by else "",
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        next_step_at=job.next_step_at,
        tracks=views,
        parent=ParentView(id=parent.id, kind=parent.kind, title=parent.title, artist=parent.artist) if parent else None,
        figures=tree_figures([job_id])[job_id] if job.kind in TREE_KINDS else None,
        plan_code=job.plan_code,
        plan_params=job.plan_params,
        rescue=job_rescues(job_id),
    )


def _shown_code(job: Job, tracks: tuple[TrackView, ...]) -> tuple[str, Params]:
    """The job's own code; else, while it runs, what the node says stops every track (a full disk)."""
    if not job.code and job.state == JobState.RUNNING:
        for track in tracks:
            if track.progress and track.progress.code in JOB_WIDE_CODES and track.state not in TRACK_ENDED:
                return track.progress.code, track.progress.params
    return job.code, job.params


def _track(track: JobTrack, transfers: list[Transfer], sources: Mapping[uuid.UUID, list[TransferSource]]) -> TrackView:
    shown = _shown_transfer(transfers)
    want = track.want
    return TrackView(
        id=track.id,
        medium=track.medium_position,
        position=track.position,
        number=track.number,
        title=track.title,
        artist=track.artist,
        recording_mbid=track.recording_mbid,
        track_mbid=track.track_mbid,
        length_ms=track.length_ms,
        state=TrackState(track.state),
        code=track.code,
        params=track.params,
        verification=track.verification,
        placed_path=track.placed_path if track.state == TrackState.COMPLETED else "",
        sha256=bytes(track.file_sha256).hex() if track.file_sha256 and track.state == TrackState.COMPLETED else "",
        payload_root=bytes(track.payload_root).hex() if track.payload_root else "",
        next_step_at=track.next_step_at,
        want_id=track.want_id,
        desired=want.desired if want else "",
        progress=_progress(track),
        transfer=_transfer(shown) if shown else None,
        beside=next((_transfer(one) for one in transfers if one is not shown and _live(one)), None),
        sources=_sources(shown, transfers, sources),
        rejected=tuple(_rejected(one, sources.get(one.id, [])) for one in transfers if _refused(one)),
    )


def _refused(transfer: Transfer) -> bool:
    return hasattr(transfer, "verdict") and not transfer.verdict.accepted


def _live(transfer: Transfer) -> bool:
    return transfer.state in TRANSFER_LIVE and not _refused(transfer)


def _shown_transfer(transfers: list[Transfer]) -> Transfer | None:
    def rank(one: Transfer) -> tuple[bool, bool, float, bool, datetime]:
        live = _live(one)
        # An accepted one beats whatever is left over beside it, for the moment until the node has stopped that.
        return (live and not accepted, one.state == TransferState.ACCEPTED, *lead(one, live=live), one.created_at)

    def lead(one: Transfer, *, live: bool) -> tuple[float, bool]:
        return (_share(one), one.role == TransferRole.PRIMARY) if live else (0.0, False)

    accepted = any(one.state == TransferState.ACCEPTED for one in transfers)

    return max(transfers, key=rank, default=None)


def _progress(track: JobTrack) -> ProgressView | None:
    if track.want is None or not hasattr(track.want, "progress"):
        return None
    row = track.want.progress
    return ProgressView(
        phase=WantPhase(row.phase),
        code=row.code,
        params=row.params,
        sources_known=row.sources_known,
        next_look_at=row.next_look_at,
        since=row.since,
    )


def _transfer(row: Transfer) -> TransferView:
    fetching = row.state == TransferState.FETCHING
    left = row.payload_bytes - row.verified_bytes
    return TransferView(
        id=row.id,
        state=TransferState(row.state),
        code=row.code,
        params=row.params,
        profile=row.profile,
        payload_root=bytes(row.payload_root).hex(),
        payload_bytes=row.payload_bytes,
        verified_bytes=row.verified_bytes,
        refetched_bytes=row.refetched_bytes,
        speed_bps=row.speed_bps if fetching else 0,
        eta_s=-(-left // row.speed_bps) if fetching and row.speed_bps > 0 else None,
        started_at=row.created_at,
        ended_at=row.ended_at,
        role=TransferRole(row.role),
        choice=_choice(row.choice),
    )


def _share(row: Transfer) -> float:
    """0..1; an assembled file is further than any other."""
    if row.state == TransferState.ASSEMBLED:
        return 2.0
    return row.verified_bytes / row.payload_bytes if row.payload_bytes else 0.0


def _choice(stored: Mapping[str, object]) -> ChoiceView | None:
    """Version 1 of `overlay_node.swarm.choice.Explanation.to_json`."""
    listed = stored.get("runners_up")
    if stored.get("version") != 1 or not isinstance(listed, list):
        return None
    others = stored.get("others", 0)
    return ChoiceView(
        term=str(stored.get("term", "")),
        ours=str(stored.get("ours", "")),
        theirs=str(stored.get("theirs", "")),
        others=others if isinstance(others, int) else 0,
        runners_up=tuple(
            RunnerUpView(
                payload_root=str(one["root"]),
                profile=str(one["profile"]),
                peers=int(one["peers"]),
                term=str(one["term"]),
                ours=str(one["ours"]),
                theirs=str(one["theirs"]),
            )
            for one in listed
        ),
    )


def _sources(
    shown: Transfer | None, transfers: list[Transfer], sources: Mapping[uuid.UUID, list[TransferSource]]
) -> tuple[SourceView, ...]:
    """One line a peer: bytes and state from the transfer shown, bad leaves and waste summed over all transfers of the track."""
    by_peer: dict[int, list[TransferSource]] = {}
    for transfer in transfers:
        for source in sources.get(transfer.id, []):
            by_peer.setdefault(source.peer_id, []).append(source)
    in_file = {one.peer_id: one for one in sources.get(shown.id, [])} if shown else {}
    total = sum(one.verified_bytes for one in in_file.values())
    views: list[SourceView] = []
    for peer_id, rows in by_peer.items():
        here = in_file.get(peer_id)
        latest = here or rows[-1]
        verified = here.verified_bytes if here else 0
        views.append(
            SourceView(
                peer=latest.peer.key,
                plane=latest.peer.plane,
                agent=latest.peer.agent,
                verified_bytes=verified,
                wasted_bytes=sum(row.wasted_bytes for row in rows),
                bad_leaves=sum(row.bad_leaves for row in rows),
                share=verified / total if total else 0.0,
                speed_bps=here.speed_bps if here and shown and shown.state == TransferState.FETCHING else 0,
                state=latest.state,
                code=latest.code,
            )
        )
    return tuple(sorted(views, key=lambda view: (-view.verified_bytes, view.peer)))


def _rejected(transfer: Transfer, sources: list[TransferSource]) -> RejectedView:
    return RejectedView(
        payload_root=bytes(transfer.payload_root).hex(),
        profile=transfer.profile,
        code=transfer.verdict.code,
        params=transfer.verdict.params,
        peers=tuple(sorted(source.peer.key for source in sources)),
    )
