"""Hunts and the wishlist over HTTP."""

from __future__ import annotations

import uuid
from typing import cast

from django.urls import path, reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.domain.soulseek.states import HuntState
from apps.soulseek.api.searches import BatchMadeOut, SearchOut
from apps.soulseek.hunt_words import hunt_says, reasons, refused_says
from apps.soulseek.selectors_hunts import (
    CandidateView,
    HuntDetail,
    HuntView,
    hunt_detail,
    hunt_view,
    hunts_page,
    wish_page,
)
from apps.soulseek.services_hunt import HuntUnknown, hunt_hold, hunt_pick, hunt_resume, hunt_search_now
from apps.soulseek.services_search import MAX_STORED_CHARS
from apps.soulseek.services_wishlist import wish_add, wish_edit, wish_remove

STATES = [one.value for one in HuntState]


class HuntOut(serializers.Serializer[object]):
    """Something that is looked for on Soulseek: for a job, or words of a wish."""

    id = serializers.UUIDField()
    job = serializers.UUIDField(source="job_id", allow_null=True)
    title = serializers.CharField()
    words = serializers.CharField()
    kind = serializers.ChoiceField(choices=["release", "recording", "words"])
    state = serializers.ChoiceField(choices=STATES)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    auto_download = serializers.BooleanField()
    dry_run = serializers.BooleanField()
    visits = serializers.IntegerField(help_text="Times it was looked for again as a wish.")
    tracks = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    searched_at = serializers.DateTimeField(allow_null=True)
    next_step_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, view: HuntView) -> str:
        """Its state in words."""
        return hunt_says(view)


class TermOut(serializers.Serializer[object]):
    """One reason for a score, 0..1, and what it weighs."""

    name = serializers.CharField()
    value = serializers.FloatField()
    weight = serializers.FloatField()
    code = serializers.CharField()
    params = serializers.DictField()


class CandidateFileOut(serializers.Serializer[object]):
    """A file and the track it would be. `distance` 0 (the same) … 1."""

    path = serializers.CharField()
    size = serializers.IntegerField()
    disc = serializers.IntegerField()
    position = serializers.IntegerField()
    title = serializers.CharField()
    recording = serializers.UUIDField(allow_null=True)
    profile = serializers.CharField()
    distance = serializers.FloatField()


class HuntCandidateOut(serializers.Serializer[object]):
    """A user's folder (or file) that may be it."""

    id = serializers.IntegerField()
    rank = serializers.IntegerField()
    user = serializers.CharField()
    folder = serializers.CharField()
    score = serializers.FloatField()
    whole = serializers.BooleanField()
    files = CandidateFileOut(many=True)
    missing = serializers.ListField(child=serializers.DictField())
    terms = TermOut(many=True)
    reasons = serializers.SerializerMethodField()
    payload_bytes = serializers.IntegerField()
    expected_s = serializers.FloatField()
    refused = serializers.CharField(help_text="Why it may not be asked; empty: it may.")
    refused_message = serializers.SerializerMethodField()
    chosen_by = serializers.CharField()
    tried_at = serializers.DateTimeField(allow_null=True)
    chosen = serializers.ListField(
        child=serializers.IntegerField(), help_text="Files that the rules would ask for now."
    )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_reasons(self, view: CandidateView) -> list[str]:
        """The terms in words."""
        return reasons(view)

    def get_refused_message(self, view: CandidateView) -> str:
        """In words."""
        return refused_says(view)


class HuntDetailOut(serializers.Serializer[object]):
    """A hunt with candidates and its latest questions."""

    hunt = HuntOut()
    candidates = HuntCandidateOut(many=True)
    searches = SearchOut(many=True)


class HuntPageOut(serializers.Serializer[object]):
    """A page of hunts."""

    items = HuntOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class HuntsQuery(PageQuery):
    """Filter."""

    state = serializers.ChoiceField(choices=STATES, required=False)


class WishesQuery(PageQuery):
    """Filters."""

    show = serializers.ChoiceField(choices=["jobs", "words", "asking"], required=False)
    text = serializers.CharField(required=False, max_length=MAX_STORED_CHARS)


class PickIn(serializers.Serializer[object]):
    """A candidate, or some of its files."""

    candidate = serializers.IntegerField(min_value=1)
    paths = serializers.ListField(
        child=serializers.CharField(max_length=4000, trim_whitespace=False), required=False, max_length=2000
    )


class WishIn(serializers.Serializer[object]):
    """Words to look for again and again."""

    words = serializers.CharField(max_length=MAX_STORED_CHARS)
    auto_download = serializers.BooleanField(default=False, help_text="Fetch what is found by itself.")
    lossless = serializers.BooleanField(default=False, help_text="Lossless files only.")


class WishChange(serializers.Serializer[object]):
    """What to change; what is not named stays."""

    words = serializers.CharField(max_length=MAX_STORED_CHARS, required=False)
    auto_download = serializers.BooleanField(required=False)
    lossless = serializers.BooleanField(required=False)


class Hunts(ApiView):
    """What is looked for."""

    @extend_schema(operation_id="hunt_list", parameters=[HuntsQuery], responses={200: HuntPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        query = query_of(request, HuntsQuery)
        page = hunts_page(
            state=str(query.get("state", "")),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, HuntOut(page.items, many=True).data))


class OneHunt(ApiView):
    """One hunt."""

    @extend_schema(operation_id="hunt_get", responses={200: HuntDetailOut, **REFUSALS})
    def get(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """With every candidate and its reasons."""
        del request
        return Response(HuntDetailOut(_detail(hunt_id)).data)


class HuntPick(ApiView):
    """A person's own choice."""

    @extend_schema(operation_id="hunt_pick", request=PickIn, responses={202: BatchMadeOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """Fetch this candidate, whatever the rules say of it."""
        body = body_of(request, PickIn)
        batch = hunt_pick(
            hunt_id,
            cast("int", body["candidate"]),
            paths=cast("list[str] | None", body.get("paths")),
            requested_by=person_of(request),
        )
        return Response({"batch": str(batch)}, status=202)


class HuntNow(ApiView):
    """Look at once."""

    @extend_schema(operation_id="hunt_now", request=None, responses={200: HuntOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """The whole ladder from its first question, wish or not."""
        del request
        hunt_search_now(hunt_id)
        return Response(HuntOut(_one(hunt_id)).data)


class HuntHold(ApiView):
    """Hold."""

    @extend_schema(operation_id="hunt_hold", request=None, responses={200: HuntOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """No questions and no downloads meanwhile."""
        del request
        hunt_hold(hunt_id)
        return Response(HuntOut(_one(hunt_id)).data)


class HuntResume(ApiView):
    """Go on."""

    @extend_schema(operation_id="hunt_resume", request=None, responses={200: HuntOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """What was held goes on."""
        del request
        hunt_resume(hunt_id)
        return Response(HuntOut(_one(hunt_id)).data)


class Wishlist(ApiView):
    """What waits for a source."""

    @extend_schema(operation_id="wishlist_list", parameters=[WishesQuery], responses={200: HuntPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, newest first: hunts of jobs that wait, hunts that ask a person, words."""
        query = query_of(request, WishesQuery)
        page = wish_page(
            show=str(query.get("show", "")),
            text=str(query.get("text", "")),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, HuntOut(page.items, many=True).data))

    @extend_schema(operation_id="wishlist_add", request=WishIn, responses={201: HuntOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Wish for words; the same words are the same wish."""
        body = body_of(request, WishIn)
        made = wish_add(
            str(body["words"]),
            auto_download=bool(body["auto_download"]),
            lossless=bool(body["lossless"]),
            requested_by=person_of(request),
        )
        return Response(HuntOut(_one(made)).data, status=201, headers={"Location": reverse("api-wish", args=[made])})


class OneWish(ApiView):
    """One wish."""

    @extend_schema(operation_id="wishlist_get", responses={200: HuntDetailOut, **REFUSALS})
    def get(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """With what was found."""
        del request
        return Response(HuntDetailOut(_detail(hunt_id)).data)

    @extend_schema(
        operation_id="wishlist_edit", request=WishChange, responses={200: HuntOut, 409: ErrorBody, **REFUSALS}
    )
    def patch(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """Change it; new words are looked for at once."""
        body = body_of(request, WishChange)
        wish_edit(
            hunt_id,
            words=cast("str | None", body.get("words")),
            auto_download=cast("bool | None", body.get("auto_download")),
            lossless=cast("bool | None", body.get("lossless")),
        )
        return Response(HuntOut(_one(hunt_id)).data)

    @extend_schema(operation_id="wishlist_remove", responses={204: None, 409: ErrorBody, **REFUSALS})
    def delete(self, request: Request, hunt_id: uuid.UUID) -> Response:
        """Wish no more."""
        del request
        wish_remove(hunt_id)
        return Response(status=204)


def _one(hunt_id: uuid.UUID) -> HuntView:
    view = hunt_view(hunt_id)
    if view is None:
        raise HuntUnknown("There is no such hunt.", hunt=str(hunt_id))
    return view


def _detail(hunt_id: uuid.UUID) -> HuntDetail:
    detail = hunt_detail(hunt_id)
    if detail is None:
        raise HuntUnknown("There is no such hunt.", hunt=str(hunt_id))
    return detail


urlpatterns = [
    path("wishlist", Wishlist.as_view(), name="api-wishlist"),
    path("wishlist/<uuid:hunt_id>", OneWish.as_view(), name="api-wish"),
    path("soulseek/hunts", Hunts.as_view(), name="api-hunts"),
    path("soulseek/hunts/<uuid:hunt_id>", OneHunt.as_view(), name="api-hunt"),
    path("soulseek/hunts/<uuid:hunt_id>/pick", HuntPick.as_view(), name="api-hunt-pick"),
    path("soulseek/hunts/<uuid:hunt_id>/now", HuntNow.as_view(), name="api-hunt-now"),
    path("soulseek/hunts/<uuid:hunt_id>/hold", HuntHold.as_view(), name="api-hunt-hold"),
    path("soulseek/hunts/<uuid:hunt_id>/resume", HuntResume.as_view(), name="api-hunt-resume"),
]
