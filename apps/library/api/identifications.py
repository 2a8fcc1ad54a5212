"""Identifications over HTTP: lists by state, one with its evidence, a person's answers."""

from __future__ import annotations

from typing import cast

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.pagination import MAX_INTEGER, Page, keyset_page
from apps.domain.library.identity import IdentityState
from apps.library.identity_view import ANSWERS, identification_view
from apps.library.selectors_identity import IDENTIFICATION_ORDER, identification_query, identification_show


class IdentificationQueryIn(PageQuery):
    """Filters."""

    state = serializers.ChoiceField(
        [one.value for one in IdentityState], required=False, default=IdentityState.AMBIGUOUS.value
    )


class PieceOut(serializers.Serializer[object]):
    """A piece of evidence: points are natural log-odds for (positive) or against."""

    name = serializers.CharField()
    points = serializers.FloatField()
    message = serializers.CharField(source="says")


class CandidateOut(serializers.Serializer[object]):
    """A recording it may be, with what speaks for and against it."""

    recording_mbid = serializers.UUIDField()
    title = serializers.CharField()
    artist = serializers.CharField()
    album = serializers.CharField()
    length_ms = serializers.IntegerField(allow_null=True)
    share = serializers.FloatField(help_text="0 to 1, of all candidates and “none of these”.")
    points = serializers.FloatField()
    evidence = PieceOut(source="pieces", many=True)


class IdentificationOut(serializers.Serializer[object]):
    """Which recording a variant is, and why."""

    variant_id = serializers.IntegerField()
    state = serializers.CharField()
    code = serializers.CharField()
    params = serializers.JSONField()
    message = serializers.CharField(source="says")
    recording_mbid = serializers.UUIDField(allow_null=True)
    release_mbid = serializers.UUIDField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    file_id = serializers.IntegerField(source="file.id", allow_null=True, default=None)
    path = serializers.CharField(source="file.display", allow_null=True, default=None)
    files = serializers.IntegerField()
    duration_ms = serializers.IntegerField()
    profile = serializers.CharField()
    candidates = CandidateOut(many=True)
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)
    next_step_at = serializers.DateTimeField(allow_null=True)


class IdentificationPageOut(serializers.Serializer[object]):
    """A page of identifications."""

    items = IdentificationOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class AnswerIn(serializers.Serializer[object]):
    """A person's answer. `recording_mbid`: with `confirm`, a candidate or any other recording."""

    recording_mbid = serializers.UUIDField(required=False, allow_null=True, default=None)


class Identifications(ApiView):
    """The review queue and the other states."""

    @extend_schema(
        operation_id="library_identification_list",
        parameters=[IdentificationQueryIn],
        responses={200: IdentificationPageOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """One page of one state (by default the questions), newest first."""
        query = query_of(request, IdentificationQueryIn)
        rows = identification_query(states=[str(query["state"])])
        cursor, limit = cast("str | None", query.get("cursor")), cast("int", query["limit"])
        page = keyset_page(rows, order=IDENTIFICATION_ORDER, cursor=cursor, limit=limit)
        views = [identification_view(row) for row in page.items]
        shown: Page[object] = Page(items=views, next_cursor=page.next_cursor, previous_cursor=page.previous_cursor)
        return Response(page_body(shown, IdentificationOut(views, many=True).data))


class OneIdentification(ApiView):
    """One identification."""

    @extend_schema(operation_id="library_identification_show", responses={200: IdentificationOut, **REFUSALS})
    def get(self, request: Request, variant_id: int) -> Response:
        """With every candidate and its evidence."""
        row = identification_show(variant_id) if variant_id <= MAX_INTEGER else None
        if row is None:
            raise Http404
        return Response(IdentificationOut(identification_view(row)).data)


class Answer(ApiView):
    """A person's answer: confirm, reject (none of these), leave (do not ask), ask (hand it back)."""

    @extend_schema(
        operation_id="library_identification_answer",
        request=AnswerIn,
        responses={200: IdentificationOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request, variant_id: int, answer: str) -> Response:
        """The identification as it is then."""
        if answer not in ANSWERS or variant_id > MAX_INTEGER or identification_show(variant_id) is None:
            raise Http404
        given = body_of(request, AnswerIn)
        ANSWERS[answer](variant_id, given["recording_mbid"], person_of(request))  # type: ignore[arg-type]
        row = identification_show(variant_id)
        if row is None:
            raise Http404
        return Response(IdentificationOut(identification_view(row)).data)
