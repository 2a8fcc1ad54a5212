"""The mesh over HTTP: how it is, and what is seeded."""

from __future__ import annotations

import uuid
from typing import cast

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, body_of, person_of
from apps.common.api_errors import ErrorBody
from apps.mesh.selectors_list import announcement_list, claims_by_verdict, seed_list
from apps.mesh.services import release_seed, release_unseed
from apps.nodelink.selectors_status import node_glance


class AnnouncementOut(serializers.Serializer[object]):
    """A release announced in the DHT."""

    release_mbid = serializers.UUIDField()
    title = serializers.CharField()
    artist = serializers.CharField()
    slot = serializers.IntegerField()
    since = serializers.DateTimeField()
    announced_at = serializers.DateTimeField(allow_null=True)
    stored_at = serializers.IntegerField(help_text="DHT nodes that took it.")


class MeshOut(serializers.Serializer[object]):
    """How the mesh is."""

    mode = serializers.CharField()
    enabled = serializers.BooleanField()
    passive = serializers.BooleanField()
    presence = serializers.CharField(help_text="alive, silent or absent.")
    peer_id = serializers.CharField()
    links = serializers.IntegerField()
    dht_nodes = serializers.IntegerField()
    down_bps = serializers.IntegerField()
    up_bps = serializers.IntegerField()
    announcements = AnnouncementOut(many=True)
    claims = serializers.DictField(child=serializers.IntegerField())


class SeedIn(serializers.Serializer[object]):
    """A release to seed."""

    mb_release_id = serializers.UUIDField()


class SeedOut(serializers.Serializer[object]):
    """A seeded release."""

    release_mbid = serializers.UUIDField()
    title = serializers.CharField()
    artist = serializers.CharField()
    year = serializers.CharField()
    requested_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class SeedListOut(serializers.Serializer[object]):
    """All seeds (at most a hundred)."""

    items = SeedOut(many=True)


class MeshStatus(ApiView):
    """The node's view of the mesh."""

    @extend_schema(operation_id="mesh_status", responses={200: MeshOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """At a glance."""
        status, config = node_glance(), settings.CONFIG
        known = {
            name: getattr(status, name) for name in ("presence", "peer_id", "links", "dht_nodes", "down_bps", "up_bps")
        }
        chosen = {"mode": config.mode, "enabled": config.mesh.enabled, "passive": config.mesh.passive}
        listed = {"announcements": announcement_list(), "claims": claims_by_verdict()}
        return Response(MeshOut({**known, **chosen, **listed}).data)


class Seeds(ApiView):
    """What this node offers of its own accord."""

    @extend_schema(operation_id="mesh_seed_list", responses={200: SeedListOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"items": SeedOut(seed_list(), many=True).data})

    @extend_schema(
        operation_id="mesh_seed_add",
        request=SeedIn,
        responses={201: SeedListOut, 200: SeedListOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """201 when it is new, 200 when it was seeded already."""
        release = cast("uuid.UUID", body_of(request, SeedIn)["mb_release_id"])
        added = release_seed(release, requested_by=person_of(request))
        return Response({"items": SeedOut(seed_list(), many=True).data}, status=201 if added else 200)


class OneSeed(ApiView):
    """One seeded release."""

    @extend_schema(operation_id="mesh_seed_remove", responses={204: None, **REFUSALS})
    def delete(self, request: Request, release_mbid: uuid.UUID) -> Response:
        """No longer seeded."""
        if not release_unseed(release_mbid):
            raise NotFound
        return Response(status=204)
