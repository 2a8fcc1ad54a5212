"""An artist's coverage over HTTP."""

from __future__ import annotations

import uuid
from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, query_of
from apps.domain.catalog.coverage import GroupCover, TrackCover
from apps.domain.jobs.selection import Selection
from apps.jobs.api.trees import DiscographyFiltersIn
from apps.jobs.selectors_coverage import MAX_PAGE, PAGE, coverage_page


class CoverageQueryIn(DiscographyFiltersIn):
    """Which groups, and which page of them."""

    only_missing = serializers.BooleanField(required=False, default=False, help_text="Without what is complete.")
    cursor = serializers.CharField(required=False, max_length=6000, help_text="From `next` or `previous`.")
    limit = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=MAX_PAGE)


class CoverageTrackOut(serializers.Serializer[object]):
    """A track of the edition."""

    medium = serializers.IntegerField()
    position = serializers.IntegerField()
    number = serializers.CharField()
    title = serializers.CharField()
    length_ms = serializers.IntegerField(allow_null=True)
    recording_mbid = serializers.UUIDField()
    state = serializers.ChoiceField(choices=[one.value for one in TrackCover])


class CoverageCountsOut(serializers.Serializer[object]):
    """Tracks by state."""

    held = serializers.IntegerField()
    better = serializers.IntegerField(help_text="Held, and somebody offers a better one.")
    wanted = serializers.IntegerField()
    missing = serializers.IntegerField()


class CoverageGroupOut(serializers.Serializer[object]):
    """A release group and the edition that stands for it."""

    group_mbid = serializers.UUIDField()
    title = serializers.CharField()
    kind = serializers.CharField()
    year = serializers.CharField()
    state = serializers.ChoiceField(choices=[one.value for one in GroupCover])
    reason = serializers.CharField()
    message = serializers.CharField(source="sentence", help_text="Why this edition, or why none.")
    release_mbid = serializers.UUIDField(allow_null=True)
    edition = serializers.CharField()
    editions = serializers.IntegerField()
    track_count = serializers.IntegerField()
    counts = CoverageCountsOut()
    job_id = serializers.UUIDField(allow_null=True, help_text="The open job for one of its editions.")
    tracks = CoverageTrackOut(many=True, help_text="Empty while the tracklist was never read.")


class CoverageOut(serializers.Serializer[object]):
    """A page of groups, and figures of all of them."""

    items = CoverageGroupOut(many=True, source="groups")
    total = serializers.IntegerField()
    complete = serializers.IntegerField()
    begun = serializers.IntegerField()
    next = serializers.CharField(allow_null=True, source="next_cursor")
    previous = serializers.CharField(allow_null=True, source="previous_cursor")


class Coverage(ApiView):
    """What of an artist's work is held, wanted and missing."""

    @extend_schema(
        operation_id="artist_coverage", parameters=[CoverageQueryIn], responses={200: CoverageOut, **REFUSALS}
    )
    def get(self, request: Request, artist_mbid: uuid.UUID) -> Response:
        """One page, by the year of the first release. An artist of whom nothing is known has none."""
        query = query_of(request, CoverageQueryIn)
        only_missing, cursor = bool(query.pop("only_missing")), cast("str | None", query.pop("cursor", None))
        limit = cast("int", query.pop("limit"))
        selection = Selection.from_json(query)
        page = coverage_page(artist_mbid, selection, only_missing=only_missing, cursor=cursor, limit=limit)
        return Response(CoverageOut(page).data)
