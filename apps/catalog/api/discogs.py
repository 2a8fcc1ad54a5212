"""What Discogs told, over HTTP."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.catalog.discogs_view import discogs_view
from apps.catalog.services_discogs import discogs_ask
from apps.common.api_base import REFUSALS, ApiView
from apps.domain.catalog.links import DiscogsKind


class DiscogsTrackOut(serializers.Serializer[object]):
    """A track. `id` is derived and nobody's MBID."""

    id = serializers.UUIDField()
    position = serializers.IntegerField()
    number = serializers.CharField(help_text="As printed: A1, 1-02 …")
    title = serializers.CharField()
    artist = serializers.CharField()
    length_ms = serializers.IntegerField(allow_null=True)


class DiscogsMediumOut(serializers.Serializer[object]):
    """A disc, tape or set of files."""

    position = serializers.IntegerField()
    format = serializers.CharField()
    tracks = DiscogsTrackOut(many=True)


class DiscogsLinkedOut(serializers.Serializer[object]):
    """Something at MusicBrainz that links to it."""

    kind = serializers.CharField()
    mbid = serializers.UUIDField()


class DiscogsOut(serializers.Serializer[object]):
    """A release, master, label or artist of Discogs as it is kept."""

    kind = serializers.ChoiceField(choices=[one.value for one in DiscogsKind])
    id = serializers.IntegerField()
    name = serializers.CharField()
    artist = serializers.CharField()
    derived_id = serializers.UUIDField(help_text="What a job or a target of it goes by; nobody's MBID.")
    address = serializers.CharField()
    facts = serializers.SerializerMethodField()
    media = DiscogsMediumOut(many=True)
    linked = DiscogsLinkedOut(many=True)
    fetched_at = serializers.DateTimeField()
    fresh = serializers.BooleanField(help_text="Asked for within 30 days.")

    @extend_schema_field(serializers.DictField())
    def get_facts(self, view: object) -> dict[str, object]:
        """A subset of what Discogs' own API says, bounded and cleaned."""
        facts = getattr(view, "facts", None)
        told: dict[str, object] = facts.to_json() if facts is not None else {}
        return told


def _kind(text: str) -> DiscogsKind:
    try:
        return DiscogsKind(text)
    except ValueError as error:
        raise NotFound from error


class DiscogsThing(ApiView):
    """What is kept of something at Discogs."""

    @extend_schema(operation_id="catalog_discogs", responses={200: DiscogsOut, **REFUSALS})
    def get(self, request: Request, kind: str, number: int) -> Response:
        """From the rows alone; 404 for what nobody asked for: the find box asks, `refresh` does."""
        view = discogs_view(_kind(kind), number)
        if view is None:
            raise NotFound
        return Response(DiscogsOut(view).data)


class DiscogsRefresh(ApiView):
    """Asking Discogs again."""

    @extend_schema(operation_id="catalog_discogs_refresh", request=None, responses={202: None, **REFUSALS})
    def post(self, request: Request, kind: str, number: int) -> Response:
        """However fresh it is; a worker asks, within Discogs' limit."""
        discogs_ask(_kind(kind), number)
        return Response(status=202)
