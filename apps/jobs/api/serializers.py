"""Requests and answers of the jobs API. The answers' fields are those of `apps.jobs.selectors`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final, get_args

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.common.api_base import PageQuery
from apps.domain.jobs.constraints import CODECS, Constraints, DownloadMode
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.domain.jobs.tree import JOB_KINDS
from apps.jobs.selectors import JobTree, TrackView
from apps.soulseek.api.downloads import DownloadOut
from apps.soulseek.api.rescues import RescueSumOut
from apps.soulseek.selectors_download import DownloadView, streams_of_wants

SOULSEEK_ONLY = "false: from Soulseek only, the mesh is never asked; refused (`constraint_unavailable`) without a Soulseek account and in mesh mode."
STATES = [state.value for state in JobState]
STREAMS: Final = "streams"
"""In a serializer's context: downloads of Soulseek by want."""
TRACK_STATES = [state.value for state in TrackState]


class TrackRefIn(serializers.Serializer[object]):
    """A track by medium and position, both counted from 1."""

    medium = serializers.IntegerField(min_value=1, max_value=99, default=1)
    position = serializers.IntegerField(min_value=1, max_value=9999)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "preferred_codecs": {
                "type": "array",
                "items": {"type": "string", "enum": list(CODECS)},
                "default": list(Constraints().preferred_codecs),
                "description": "Best first; among payloads that are alike otherwise.",
            },
            "allow_lossy": {"type": "boolean", "default": True},
            "max_lossy_tracks_per_album": {
                "type": "integer",
                "minimum": 0,
                "nullable": True,
                "description": "null: any number.",
            },
            "prefer_canonical": {
                "type": "boolean",
                "nullable": True,
                "description": "Prefer the canonical variant; null: as configured (audio.canonical_scoring.prefer_canonical).",
            },
            "download_mode": {
                "type": "string",
                "enum": list(get_args(DownloadMode)),
                "default": "any",
                "description": "no-transcodes: nothing that is suspected to be a transcode is fetched, and what proves to be one "
                "is refused. canonical: besides, only the canonical variant or better; the job waits for it.",
            },
            "use_overlay": {"type": "boolean", "default": True, "description": SOULSEEK_ONLY},
            "overlay_bandwidth_kbps": {
                "type": "integer",
                "minimum": 1,
                "nullable": True,
                "description": "KiB/s over all tracks and peers of the job; null: no limit.",
            },
            "target_dir": {"type": "string", "nullable": True, "description": "Folder below the library root."},
            "tracks": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/TrackRefInRequest"},
                "description": "Of a release: only these; empty: all.",
            },
            "original_master": {
                "type": "boolean",
                "nullable": True,
                "description": "Prefer the earliest, not remastered edition where that is known; null: as configured.",
            },
            "better_than": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "nullable": True,
                "description": "Quality of what is to be replaced: only a payload that beats it by min_improvement is fetched.",
            },
            "min_improvement": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "nullable": True,
                "description": "null: as configured (audio.canonical_scoring.min_quality_improvement).",
            },
            "redownload": {
                "type": "boolean",
                "default": False,
                "description": "true: fetched although the library holds a good file of it.",
            },
            "target_profile": {
                "type": "string",
                "nullable": True,
                "description": "Codec profile of the canonical variant; null: found when the job is resolved.",
            },
        },
    }
)
class ConstraintsField(serializers.DictField):
    """Typed by `apps.domain.jobs.constraints`, which refuses unknown keys."""


class ReleaseJobIn(serializers.Serializer[object]):
    """A release, whole or some of its tracks."""

    mb_release_id = serializers.CharField(max_length=60, help_text="Release MBID.")
    constraints = ConstraintsField(required=False, default=dict)
    tracks = TrackRefIn(many=True, required=False, help_text="Only these tracks; absent: all.")


class RecordingJobIn(serializers.Serializer[object]):
    """One recording."""

    mb_recording_id = serializers.CharField(max_length=60, help_text="Recording MBID.")
    constraints = ConstraintsField(required=False, default=dict)


class JobQueryIn(PageQuery):
    """Filters of the list."""

    state = serializers.ListField(
        child=serializers.ChoiceField(choices=STATES), required=False, help_text="Repeatable."
    )
    kind = serializers.ListField(
        child=serializers.ChoiceField(choices=list(JOB_KINDS)), required=False, help_text="Repeatable."
    )
    origin = serializers.CharField(required=False, max_length=10, help_text="person, doctor, job, wishlist or v0.")
    person = serializers.CharField(required=False, max_length=150, help_text="Who asked, by user name.")
    code = serializers.CharField(required=False, max_length=60, help_text="The code that the job shows.")
    text = serializers.CharField(
        required=False,
        max_length=200,
        help_text="Part of title or artist, of the job or (where children are left out) of one of its children.",
    )
    parent = serializers.UUIDField(required=False, help_text="Only the children of this job.")  # type: ignore[assignment]  # declared fields are taken out of the class
    children = serializers.BooleanField(
        required=False, default=False, help_text="True: children stand in the list like other jobs."
    )


class FiguresOut(serializers.Serializer[object]):
    """How far a job of jobs is."""

    releases_total = serializers.IntegerField(help_text="Those it fetches; held and omitted ones come beside them.")
    releases_completed = serializers.IntegerField()
    releases_failed = serializers.IntegerField(help_text="Ended partial, failed or cancelled.")
    releases_running = serializers.IntegerField()
    releases_held = serializers.IntegerField()
    releases_omitted = serializers.IntegerField()
    tracks_total = serializers.IntegerField()
    tracks_completed = serializers.IntegerField()
    tracks_failed = serializers.IntegerField()


class ParentOut(serializers.Serializer[object]):
    """The job of jobs above a job."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    title = serializers.CharField()
    artist = serializers.CharField()


class JobRowOut(serializers.Serializer[object]):
    """A line of the list."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    target_mbid = serializers.UUIDField()
    parent_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=STATES)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField(source="sentence")
    title = serializers.CharField()
    artist = serializers.CharField()
    year = serializers.CharField()
    origin = serializers.CharField()
    requested_by = serializers.CharField()
    figures = FiguresOut(allow_null=True, help_text="Of a job of jobs.")
    tracks_total = serializers.IntegerField()
    tracks_completed = serializers.IntegerField()
    tracks_failed = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    next_step_at = serializers.DateTimeField(allow_null=True)


class JobPageOut(serializers.Serializer[object]):
    """A page of the list."""

    items = JobRowOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ProgressOut(serializers.Serializer[object]):
    """What the node does for a track."""

    phase = serializers.CharField()
    code = serializers.CharField()
    params = serializers.DictField()
    sources_known = serializers.IntegerField()
    next_look_at = serializers.DateTimeField(allow_null=True)
    since = serializers.DateTimeField()


class RunnerUpOut(serializers.Serializer[object]):
    """A payload that was on offer and not chosen."""

    payload_root = serializers.CharField(help_text="Hex.")
    profile = serializers.CharField()
    peers = serializers.IntegerField()
    term = serializers.CharField(help_text="What decided against it.")
    ours = serializers.CharField(help_text="The chosen payload's value of that term.")
    theirs = serializers.CharField()
    message = serializers.CharField(source="sentence")


class ChoiceOut(serializers.Serializer[object]):
    """Why the payload was chosen."""

    term = serializers.CharField(help_text="What set it apart from the next best; only: there was no other.")
    ours = serializers.CharField()
    theirs = serializers.CharField()
    message = serializers.CharField(source="sentence")
    others = serializers.IntegerField(help_text="Payloads that were on offer besides.")
    runners_up = RunnerUpOut(many=True)


class TransferOut(serializers.Serializer[object]):
    """The payload on its way, or the one that was accepted."""

    id = serializers.UUIDField()
    state = serializers.CharField()
    code = serializers.CharField()
    params = serializers.DictField()
    profile = serializers.CharField()
    payload_root = serializers.CharField(help_text="Hex.")
    payload_bytes = serializers.IntegerField()
    verified_bytes = serializers.IntegerField()
    refetched_bytes = serializers.IntegerField()
    speed_bps = serializers.IntegerField(help_text="Bytes per second.")
    eta_s = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    role = serializers.CharField(help_text="primary, or fallback: another payload beside a primary that stalls.")
    choice = ChoiceOut(allow_null=True)


class SourceOut(serializers.Serializer[object]):
    """What one peer gave."""

    peer = serializers.CharField()
    plane = serializers.CharField()
    agent = serializers.CharField()
    verified_bytes = serializers.IntegerField()
    wasted_bytes = serializers.IntegerField()
    bad_leaves = serializers.IntegerField()
    share = serializers.FloatField(help_text="0…1 of the verified bytes.")
    speed_bps = serializers.IntegerField()
    state = serializers.CharField()
    code = serializers.CharField()


class RejectedOut(serializers.Serializer[object]):
    """A payload that was fetched and refused."""

    payload_root = serializers.CharField(help_text="Hex.")
    profile = serializers.CharField()
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField(source="sentence")
    peers = serializers.ListField(child=serializers.CharField())


class TrackOut(serializers.Serializer[object]):
    """A track of a job."""

    id = serializers.UUIDField()
    medium = serializers.IntegerField()
    position = serializers.IntegerField()
    number = serializers.CharField()
    title = serializers.CharField()
    artist = serializers.CharField()
    recording_mbid = serializers.UUIDField()
    track_mbid = serializers.UUIDField(allow_null=True)
    length_ms = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(choices=TRACK_STATES)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField(source="sentence")
    verification = serializers.CharField(help_text="fingerprint, consensus, duration, unconfirmed or empty.")
    placed_path = serializers.CharField()
    sha256 = serializers.CharField()
    payload_root = serializers.CharField()
    next_step_at = serializers.DateTimeField(allow_null=True)
    want_id = serializers.UUIDField(allow_null=True)
    desired = serializers.CharField()
    progress = ProgressOut(allow_null=True)
    transfer = TransferOut(allow_null=True)
    sources = SourceOut(many=True)
    rejected = RejectedOut(many=True)
    beside = TransferOut(allow_null=True, help_text="The other payload of a track that fetches two; nothing is mixed.")
    download = serializers.SerializerMethodField(
        help_text="The Soulseek download that says most of it now, with its rescue; null: there is none."
    )

    @extend_schema_field(DownloadOut(allow_null=True))
    def get_download(self, track: TrackView) -> Mapping[str, object] | None:
        """Of the streams that the job's answer looked up for all tracks at once."""
        streams: Mapping[uuid.UUID, DownloadView] = self.context.get(STREAMS, {})
        stream = streams.get(track.want_id) if track.want_id is not None else None
        return DownloadOut(stream).data if stream is not None else None


def streams_of_tracks(tree: JobTree) -> Mapping[uuid.UUID, DownloadView]:
    """What Soulseek brings of a job's tracks, by want: for the context of `TrackOut`."""
    wants = [track.want_id for track in tree.tracks if track.want_id is not None]
    return streams_of_wants(wants) if wants else {}


class JobHeadOut(serializers.Serializer[object]):
    """A job without its tracks."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    target_mbid = serializers.UUIDField()
    target_source = serializers.CharField(
        help_text="musicbrainz; discogs and name: `target_mbid` is derived, and nobody's MBID."
    )
    target_ref = serializers.CharField(help_text="The number at Discogs, the label's name, or empty.")
    release_mbid = serializers.UUIDField(allow_null=True)
    parent = ParentOut(allow_null=True)
    figures = FiguresOut(allow_null=True, help_text="Of a job of jobs.")
    state = serializers.ChoiceField(choices=STATES)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField(source="sentence")
    title = serializers.CharField()
    artist = serializers.CharField()
    year = serializers.CharField()
    constraints = serializers.DictField()
    origin = serializers.CharField()
    requested_by = serializers.CharField()
    tracks_completed = serializers.IntegerField()
    payload_bytes = serializers.IntegerField()
    verified_bytes = serializers.IntegerField()
    speed_bps = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    next_step_at = serializers.DateTimeField(allow_null=True)


class JobTreeOut(JobHeadOut):
    """A job with everything below it."""

    tracks = TrackOut(many=True)
    rescue = RescueSumOut(help_text="Of a job of jobs: of everything below it.")
    plan_code = serializers.CharField(help_text="Of a job of jobs: what was missing in the list it was planned from.")
    plan_params = serializers.DictField()

    def to_representation(self, instance: object) -> dict[str, object]:
        """Streams of all tracks are looked up at once."""
        assert isinstance(instance, JobTree)
        self._context = {**self._context, STREAMS: streams_of_tracks(instance)}
        return super().to_representation(instance)
