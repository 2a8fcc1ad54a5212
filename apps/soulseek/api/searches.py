"""Searches over HTTP."""

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
from apps.common.roles import Role
from apps.common.sentences import sentence
from apps.domain.soulseek.budget import SearchScope, Urgency
from apps.domain.soulseek.offers import MAX_SHOWN, Grouping, Offer, OfferedFile, OfferFilter, OfferSort
from apps.domain.soulseek.states import SearchState
from apps.soulseek.selectors_search import SearchView, search_offers, search_page, search_queue, search_view
from apps.soulseek.services_offers import offer_take
from apps.soulseek.services_search import MAX_STORED_CHARS, SearchUnknown, search_ask, search_withdraw

ORIGINS = ["person", "job", "wishlist", "v0"]


class SearchIn(serializers.Serializer[object]):
    """What to search for."""

    query = serializers.CharField(
        max_length=MAX_STORED_CHARS, help_text="Words; each must be in a path, -word must not."
    )
    id = serializers.UUIDField(
        required=False, help_text="Yours, if you like; the same id with the same words is one search."
    )
    scope = serializers.ChoiceField(choices=[one.value for one in SearchScope], default=SearchScope.NETWORK.value)
    whom = serializers.CharField(
        max_length=120, default="", allow_blank=True, help_text="The user or the room, for these scopes."
    )
    anew = serializers.BooleanField(default=False, help_text="Not the answers of an equal search a moment ago.")


class SearchOut(serializers.Serializer[object]):
    """A search: poll it until it is over, withdrawn or failed."""

    id = serializers.UUIDField()
    query = serializers.CharField()
    scope = serializers.CharField()
    whom = serializers.CharField()
    origin = serializers.ChoiceField(choices=ORIGINS)
    state = serializers.ChoiceField(choices=[one.value for one in SearchState])
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    hunt = serializers.UUIDField(source="hunt_id", allow_null=True)
    answers_in = serializers.UUIDField(
        allow_null=True, help_text="Where the answers are: an equal search that was sent for several."
    )
    ahead = serializers.IntegerField(help_text="Searches before it.")
    due_at = serializers.DateTimeField(allow_null=True, help_text="When its turn is expected.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    users = serializers.IntegerField()
    files = serializers.IntegerField()
    truncated = serializers.BooleanField(help_text="More was answered than is kept.")

    def get_message(self, view: SearchView) -> str:
        """The code in words."""
        return str(sentence(view.code, view.params)) if view.code else ""


class SearchPageOut(serializers.Serializer[object]):
    """A page of searches."""

    items = SearchOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class SearchListQuery(PageQuery):
    """Filters of the list."""

    origin = serializers.ChoiceField(choices=ORIGINS, required=False)
    text = serializers.CharField(required=False, max_length=MAX_STORED_CHARS, help_text="Part of the words.")


class AnswersQuery(PageQuery):
    """Filters and order of answers."""

    lossless = serializers.BooleanField(default=False)
    min_bitrate = serializers.IntegerField(default=0, min_value=0, max_value=100_000, help_text="Kilobits a second.")
    free_slot = serializers.BooleanField(default=False)
    words = serializers.CharField(
        default="", max_length=MAX_STORED_CHARS, help_text="In a file's path; -word: not in it."
    )
    sound = serializers.BooleanField(default=False, help_text="Nothing but sound.")
    min_files = serializers.IntegerField(default=0, min_value=0, max_value=2000)
    user = serializers.CharField(default="", max_length=120)
    group = serializers.ChoiceField(choices=[one.value for one in Grouping], default=Grouping.FOLDER.value)
    sort = serializers.ChoiceField(choices=[one.value for one in OfferSort], default=OfferSort.BEST.value)


class OfferedFileOut(serializers.Serializer[object]):
    """A file. `path` verbatim: so it is asked for."""

    path = serializers.CharField(source="file.path")
    name = serializers.CharField(source="file.name")
    size_bytes = serializers.IntegerField(source="file.size")
    bitrate_kbps = serializers.IntegerField(source="file.bitrate_kbps", allow_null=True)
    vbr = serializers.BooleanField(source="file.vbr")
    length_s = serializers.IntegerField(source="file.length_s", allow_null=True)
    rate = serializers.IntegerField(source="file.rate", allow_null=True)
    bits = serializers.IntegerField(source="file.bits", allow_null=True)
    profile = serializers.SerializerMethodField()

    def get_profile(self, one: OfferedFile) -> str:
        """As its attributes would make it."""
        return str(one.profile) if one.profile is not None else ""


class OfferOut(serializers.Serializer[object]):
    """A user's folder (or all of a user)."""

    user = serializers.CharField()
    folder = serializers.CharField()
    free_slot = serializers.BooleanField()
    queue = serializers.IntegerField()
    speed_bps = serializers.IntegerField()
    locked = serializers.IntegerField(help_text="Files that this user keeps for others.")
    size_bytes = serializers.IntegerField()
    length_s = serializers.IntegerField()
    profile = serializers.CharField(help_text="That most of its sound has.")
    lossless = serializers.BooleanField()
    bitrate_kbps = serializers.IntegerField()
    file_count = serializers.SerializerMethodField()
    files = serializers.SerializerMethodField()

    def get_file_count(self, one: Offer) -> int:
        """How many, also beyond those told."""
        return len(one.files)

    @extend_schema_field(OfferedFileOut(many=True))
    def get_files(self, one: Offer) -> list[object]:
        """At most 500 of them."""
        return list(OfferedFileOut(one.files[:MAX_SHOWN], many=True).data)


class AnswersOut(serializers.Serializer[object]):
    """A page of offers. `total` and `files` of all that the filter leaves."""

    items = OfferOut(many=True)
    total = serializers.IntegerField()
    files = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)


class TakeIn(serializers.Serializer[object]):
    """What to download of an answer: a folder, or files."""

    user = serializers.CharField(max_length=120)
    folder = serializers.CharField(max_length=2000, required=False, allow_blank=True, trim_whitespace=False)
    paths = serializers.ListField(
        child=serializers.CharField(max_length=4000, trim_whitespace=False),
        required=False,
        default=list,
        max_length=2000,
    )


class BatchMadeOut(serializers.Serializer[object]):
    """The batch of downloads that was made."""

    batch = serializers.UUIDField()


class SearchQueueOut(serializers.Serializer[object]):
    """The queue of all searches."""

    waiting = serializers.IntegerField()
    running = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True)
    health = serializers.CharField()
    code = serializers.CharField()


class Searches(ApiView):
    """Searches."""

    @extend_schema(operation_id="search_list", parameters=[SearchListQuery], responses={200: SearchPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        query = query_of(request, SearchListQuery)
        page = search_page(
            origin=str(query.get("origin", "")),
            text=str(query.get("text", "")),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, SearchOut(page.items, many=True).data))

    @extend_schema(
        operation_id="search_create",
        request=SearchIn,
        responses={200: SearchOut, 202: SearchOut, 409: ErrorBody, 503: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """Hand one in: 202; 200 if this id had handed it in before. It waits for its turn and says when that is."""
        body = body_of(request, SearchIn)
        asked = search_ask(
            str(body["query"]),
            search_id=cast("uuid.UUID | None", body.get("id")),
            scope=SearchScope(str(body["scope"])),
            whom=str(body["whom"]),
            urgency=Urgency.PERSON,
            anew=bool(body["anew"]),
            requested_by=person_of(request),
        )
        headers = {"Location": reverse("api-search", args=[asked.id])}
        return Response(_search(asked.id), status=202 if asked.created else 200, headers=headers)


class SearchesQueue(ApiView):
    """The governor."""

    @extend_schema(operation_id="search_queue", responses={200: SearchQueueOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """How many wait, and when the next one starts."""
        del request
        return Response(SearchQueueOut(search_queue()).data)


class OneSearch(ApiView):
    """One search."""

    @extend_schema(operation_id="search_get", responses={200: SearchOut, **REFUSALS})
    def get(self, request: Request, search_id: uuid.UUID) -> Response:
        """How it stands."""
        del request
        return Response(_search(search_id))

    @extend_schema(operation_id="search_withdraw", responses={200: SearchOut, **REFUSALS})
    def delete(self, request: Request, search_id: uuid.UUID) -> Response:
        """No more answers are wanted; those that came stay."""
        del request
        search_withdraw(search_id)
        return Response(_search(search_id))


class SearchAnswers(ApiView):
    """What was answered."""

    @extend_schema(operation_id="search_answers", parameters=[AnswersQuery], responses={200: AnswersOut, **REFUSALS})
    def get(self, request: Request, search_id: uuid.UUID) -> Response:
        """One page of offers."""
        query = query_of(request, AnswersQuery)
        view = search_view(search_id)
        if view is None:
            raise SearchUnknown("There is no such search.", search=str(search_id))
        page = search_offers(
            view,
            keep=OfferFilter(
                lossless=bool(query["lossless"]),
                min_bitrate_kbps=cast("int", query["min_bitrate"]),
                free_slot=bool(query["free_slot"]),
                words=str(query["words"]),
                sound=bool(query["sound"]),
                min_files=cast("int", query["min_files"]),
                user=str(query["user"]),
            ),
            by=Grouping(str(query["group"])),
            sort=OfferSort(str(query["sort"])),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(AnswersOut(page).data)


class SearchTake(ApiView):
    """Downloads of what was answered."""

    write_role = Role.OPERATOR

    @extend_schema(operation_id="search_take", request=TakeIn, responses={202: BatchMadeOut, **REFUSALS})
    def post(self, request: Request, search_id: uuid.UUID) -> Response:
        """A batch of a folder or of some files, delivered raw into the downloads folder."""
        body = body_of(request, TakeIn)
        batch = offer_take(
            search_id,
            user=str(body["user"]),
            folder=cast("str | None", body.get("folder")),
            paths=cast("list[str]", body["paths"]),
            requested_by=person_of(request),
        )
        return Response({"batch": str(batch)}, status=202)


def _search(search_id: uuid.UUID) -> dict[str, object]:
    view = search_view(search_id)
    if view is None:
        raise SearchUnknown("There is no such search.", search=str(search_id))
    return dict(SearchOut(view).data)


urlpatterns = [
    path("searches", Searches.as_view(), name="api-searches"),
    path("searches/queue", SearchesQueue.as_view(), name="api-searches-queue"),
    path("searches/<uuid:search_id>", OneSearch.as_view(), name="api-search"),
    path("searches/<uuid:search_id>/answers", SearchAnswers.as_view(), name="api-search-answers"),
    path("searches/<uuid:search_id>/take", SearchTake.as_view(), name="api-search-take"),
]
