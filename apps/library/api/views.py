"""The library over HTTP."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, page_body, query_of
from apps.library.selectors_list import SHOWS, file_page


class FileQueryIn(PageQuery):
    """Filters."""

    text = serializers.CharField(required=False, max_length=200, help_text="How artist and album begin.")
    unverified = serializers.BooleanField(required=False, default=False, help_text="The same as show=unconfirmed.")
    show = serializers.ChoiceField([one for one in SHOWS if one], required=False, default="", allow_blank=True)


@extend_schema_field(str)
class HexField(serializers.Field[bytes, str, str, object]):
    """32 bytes as hex digits."""

    def to_representation(self, value: bytes) -> str:
        """Lower-case hex."""
        return bytes(value).hex()


class FileOut(serializers.Serializer[object]):
    """One file. `path` is text for people: bytes that are no UTF-8 are shown as escapes."""

    id = serializers.IntegerField()
    path = serializers.CharField(source="display")
    size_bytes = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    album = serializers.CharField()
    release_mbid = serializers.UUIDField(allow_null=True)
    medium_position = serializers.IntegerField(allow_null=True)
    track_position = serializers.IntegerField(allow_null=True)
    read_state = serializers.CharField(help_text="pending, read or unreadable.")
    read_code = serializers.CharField(help_text="Why it could not be read.")
    variant_id = serializers.IntegerField(allow_null=True, help_text="Null: it was never read.")
    recording_mbid = serializers.UUIDField(source="variant.recording_mbid", allow_null=True, default=None)
    verified = serializers.BooleanField(
        source="variant.verified", default=False, help_text="A fingerprint confirmed the recording."
    )
    identity = serializers.CharField(source="variant.identification.state", allow_null=True, default=None)
    profile = serializers.CharField(source="variant.profile", allow_null=True, default=None)
    codec = serializers.CharField(source="variant.codec", allow_null=True, default=None)
    lossless = serializers.BooleanField(source="variant.lossless", allow_null=True, default=None)
    duration_ms = serializers.IntegerField(source="variant.duration_ms", allow_null=True, default=None)
    quality_score = serializers.FloatField(source="variant.quality_score", allow_null=True, default=None)
    transcode_suspect = serializers.BooleanField(source="variant.transcode_suspect", allow_null=True, default=None)
    payload_format = serializers.CharField(source="variant.payload_format", allow_null=True, default=None)
    payload_root = HexField(source="variant.payload_root", read_only=True, allow_null=True, default=None)
    missing_since = serializers.DateTimeField(allow_null=True)
    added_at = serializers.DateTimeField()


class FilePageOut(serializers.Serializer[object]):
    """A page of files."""

    items = FileOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class Files(ApiView):
    """What is on disk here."""

    @extend_schema(operation_id="library_file_list", parameters=[FileQueryIn], responses={200: FilePageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, newest first; with a text in the order of artist and album."""
        query = query_of(request, FileQueryIn)
        show = str(query["show"]) or ("unconfirmed" if query["unverified"] else "")
        cursor = cast("str | None", query.get("cursor"))
        page = file_page(text=str(query.get("text", "")), show=show, cursor=cursor, limit=cast("int", query["limit"]))
        return Response(page_body(page, FileOut(page.items, many=True).data))
