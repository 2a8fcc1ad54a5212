"""Folders and their releases over HTTP."""

from __future__ import annotations

import uuid
from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, query_of
from apps.common.pagination import keyset_page
from apps.domain.matching.states import FolderState
from apps.library.match_view import folder_view
from apps.library.match_words import decision_says
from apps.library.selectors_match import FOLDER_ORDER, folder_one, folder_query
from apps.library.services_match import folder_again, folder_choose, folder_ignore, folder_refuse

STATES = [state.value for state in FolderState]
ACTIONS = ("choose", "refuse", "ignore", "again")


class FolderQueryIn(PageQuery):
    """Filters."""

    state = serializers.ChoiceField(choices=STATES, required=False)
    text = serializers.CharField(required=False, max_length=200, help_text="How words of the folder's path begin.")


class FolderOut(serializers.Serializer[object]):
    """A folder and which release it is. `folder` is text for people."""

    id = serializers.IntegerField()
    root = serializers.CharField(source="root.path")  # type: ignore[assignment]  # the name of the field, not of the serializer
    folder = serializers.CharField(source="display")
    state = serializers.ChoiceField(choices=STATES)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    release_mbid = serializers.UUIDField(allow_null=True)
    distance = serializers.FloatField(allow_null=True, help_text="0: the same; 1: nothing in common.")
    files = serializers.IntegerField()
    updated_at = serializers.DateTimeField()

    def get_message(self, row: object) -> str:
        """Why it is in its state."""
        return decision_says(getattr(row, "code", ""), getattr(row, "params", {}))


class FolderPageOut(serializers.Serializer[object]):
    """A page of folders."""

    items = FolderOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class PenaltyOut(serializers.Serializer[object]):
    """One reason of a distance."""

    code = serializers.CharField()
    message = serializers.CharField(source="says")
    cost = serializers.FloatField(help_text="Hundredths of the distance it belongs to.")
    params = serializers.DictField()


class FolderTrackOut(serializers.Serializer[object]):
    """A track with its file."""

    disc = serializers.IntegerField()
    track = serializers.IntegerField()
    title = serializers.CharField()
    length_ms = serializers.IntegerField()
    file_id = serializers.IntegerField(allow_null=True)
    file = serializers.CharField()
    distance = serializers.FloatField(allow_null=True)
    penalties = PenaltyOut(many=True)


class ExplainedOut(serializers.Serializer[object]):
    """One album of the folder with its tracks."""

    album = serializers.CharField(help_text="Where the folder holds several: the name its tags say.")
    release = serializers.DictField()
    message = serializers.CharField(source="says")
    distance = serializers.FloatField(allow_null=True)
    cheapest_change = serializers.CharField(source="change")
    pairs = FolderTrackOut(many=True)
    missing = FolderTrackOut(many=True)
    extra = FolderTrackOut(many=True)
    penalties = PenaltyOut(many=True)


class FolderCandidateOut(serializers.Serializer[object]):
    """A release that was compared."""

    mbid = serializers.CharField()
    title = serializers.CharField()
    artist = serializers.CharField()
    date = serializers.CharField()
    country = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    catalog_number = serializers.CharField()
    barcode = serializers.CharField()
    formats = serializers.CharField()
    tracks = serializers.IntegerField()
    distance = serializers.FloatField()
    pairs = serializers.IntegerField()
    missing = serializers.IntegerField()
    extra = serializers.IntegerField()
    same_tracklist = serializers.BooleanField()
    chosen = serializers.BooleanField()
    penalties = PenaltyOut(many=True)
    cheapest_change = serializers.CharField(source="change")


class FolderDetailOut(serializers.Serializer[object]):
    """A folder with every penalty."""

    id = serializers.IntegerField()
    root = serializers.CharField()  # type: ignore[assignment]
    folder = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField(source="says")
    release_mbid = serializers.UUIDField(allow_null=True)
    distance = serializers.FloatField(allow_null=True)
    files = serializers.IntegerField()
    refused = serializers.ListField(child=serializers.CharField())
    updated_at = serializers.DateTimeField()
    explained = ExplainedOut(many=True)
    candidates = FolderCandidateOut(many=True)


class FolderActionIn(serializers.Serializer[object]):
    """What to do: `choose` and `refuse` need a release."""

    action = serializers.ChoiceField(choices=ACTIONS)
    release_mbid = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """The release where it is needed."""
        if attrs["action"] in {"choose", "refuse"} and "release_mbid" not in attrs:
            raise serializers.ValidationError({"release_mbid": "This field is required."})
        return attrs


class Folders(ApiView):
    """Folders of the library."""

    @extend_schema(
        operation_id="library_folder_list", parameters=[FolderQueryIn], responses={200: FolderPageOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        query = query_of(request, FolderQueryIn)
        rows = folder_query(state=str(query.get("state", "")), words=str(query.get("text", "")))
        cursor = cast("str | None", query.get("cursor"))
        page = keyset_page(rows, order=FOLDER_ORDER, cursor=cursor, limit=cast("int", query["limit"]))
        return Response(page_body(page, FolderOut(page.items, many=True).data))


class Folder(ApiView):
    """One folder."""

    @extend_schema(operation_id="library_folder", responses={200: FolderDetailOut, **REFUSALS})
    def get(self, request: Request, match_id: int) -> Response:
        """With every penalty."""
        return Response(_detail(match_id))

    @extend_schema(
        operation_id="library_folder_decide", request=FolderActionIn, responses={202: FolderDetailOut, **REFUSALS}
    )
    def post(self, request: Request, match_id: int) -> Response:
        """Choose or refuse a release, ignore the folder, or look again. A worker does it; the answer is the folder as it waits."""
        body = body_of(request, FolderActionIn)
        _detail(match_id)
        match body["action"]:
            case "choose":
                folder_choose(match_id, release_mbid=cast("uuid.UUID", body["release_mbid"]))
            case "refuse":
                folder_refuse(match_id, release_mbid=cast("uuid.UUID", body["release_mbid"]))
            case "ignore":
                folder_ignore(match_id)
            case _:
                folder_again(match_id)
        return Response(_detail(match_id), status=202)


def _detail(match_id: int) -> object:
    row = folder_one(match_id)
    if row is None:
        raise NotFound("There is no such folder.", code="folder_unknown")
    return FolderDetailOut(folder_view(row)).data
