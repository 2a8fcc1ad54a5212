"""A job's swarm over HTTP: who is asked for what, what it costs, what the node says to it."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, query_of
from apps.jobs.selectors_swarm import JobSwarm, SwarmSource, SwarmTrack, job_swarm
from apps.jobs.services import JobUnknown
from apps.peers.api.serializers import CostOut, cost_body
from apps.peers.words import reasons_in_words


class SwarmQueryIn(serializers.Serializer[object]):
    """What is told."""

    explain = serializers.BooleanField(
        required=False, default=True, help_text="Ask the living node as well (only where it runs on this machine)."
    )


class SwarmSourceOut(serializers.Serializer[object]):
    """A peer in a transfer."""

    peer = serializers.CharField()
    state = serializers.CharField()
    code = serializers.CharField()
    verified_bytes = serializers.IntegerField()
    wasted_bytes = serializers.IntegerField()
    bad_leaves = serializers.IntegerField()
    speed_bps = serializers.IntegerField()
    share = serializers.FloatField(help_text="0..1 of the verified bytes.")
    mib_s = serializers.FloatField(allow_null=True, help_text="Seconds it needs for a MiB.")
    cost = CostOut(allow_null=True)
    reputation = serializers.FloatField(allow_null=True)
    standing = serializers.CharField(allow_blank=True)
    reasons = serializers.CharField(allow_blank=True)
    now = serializers.DictField(help_text="The node's word on it at this moment.")


class SwarmTrackOut(serializers.Serializer[object]):
    """A track with a transfer."""

    transfer = serializers.UUIDField()
    title = serializers.CharField()
    number = serializers.CharField()
    state = serializers.CharField()
    live = serializers.BooleanField()
    payload_bytes = serializers.IntegerField()
    verified_bytes = serializers.IntegerField()
    speed_bps = serializers.IntegerField()
    eta_s = serializers.IntegerField(allow_null=True)
    sources = SwarmSourceOut(many=True)
    explanation = serializers.DictField()
    code = serializers.CharField(allow_blank=True, help_text="Why there is no explanation of a live transfer.")


class JobSwarmOut(serializers.Serializer[object]):
    """A job as the scheduler sees it."""

    job = serializers.UUIDField()
    state = serializers.CharField()
    title = serializers.CharField()
    peers = serializers.IntegerField()
    quarantined = serializers.IntegerField()
    tracks = SwarmTrackOut(many=True)


class OneJobSwarm(ApiView):
    """Who is asked for what in a job."""

    @extend_schema(operation_id="swarm_job", parameters=[SwarmQueryIn], responses={200: JobSwarmOut, **REFUSALS})
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """Tracks with transfers; those under way first."""
        swarm = job_swarm(job_id, explain=bool(query_of(request, SwarmQueryIn)["explain"]))
        if swarm is None:
            raise JobUnknown("There is no such job.", job=str(job_id))
        return Response(swarm_body(swarm))


def swarm_body(swarm: JobSwarm) -> dict[str, object]:
    """As the API and `./slskdn swarm show --json` say it."""
    return {
        "job": str(swarm.job.id),
        "state": swarm.job.state.value,
        "title": swarm.job.title,
        "peers": swarm.peers,
        "quarantined": swarm.quarantined,
        "tracks": [_track(one) for one in swarm.tracks],
    }


def _track(one: SwarmTrack) -> dict[str, object]:
    transfer = one.transfer
    return {
        "transfer": str(transfer.id),
        "title": one.track.title,
        "number": one.track.number,
        "state": transfer.state.value,
        "live": one.live,
        "payload_bytes": transfer.payload_bytes,
        "verified_bytes": transfer.verified_bytes,
        "speed_bps": transfer.speed_bps,
        "eta_s": transfer.eta_s,
        "sources": [_source(source) for source in one.sources],
        "explanation": dict(one.explanation),
        "code": one.code,
    }


def _source(one: SwarmSource) -> dict[str, object]:
    source, peer = one.source, one.peer
    return {
        "peer": source.peer,
        "state": source.state,
        "code": source.code,
        "verified_bytes": source.verified_bytes,
        "wasted_bytes": source.wasted_bytes,
        "bad_leaves": source.bad_leaves,
        "speed_bps": source.speed_bps,
        "share": round(source.share, 4),
        "mib_s": None if one.mib_s is None else round(one.mib_s, 3),
        "cost": cost_body(peer.cost) if peer is not None else None,
        "reputation": round(peer.reputation.score, 3) if peer is not None else None,
        "standing": peer.standing.value if peer is not None else "",
        "reasons": reasons_in_words(peer.reputation) if peer is not None else "",
        "now": dict(one.now),
    }
