"""Sharing over HTTP: the tree of what is shared and with whom, uploads, rules of users."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import cast

from django.http import Http404
from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.pagination import Page, keyset_page
from apps.common.sentences import sentence
from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.user_rules import Effect, MatchBy
from apps.domain.soulseek.virtual_paths import Audience
from apps.soulseek.selectors_sharing import (
    UPLOAD_ORDER,
    VIEWS,
    UploadRow,
    rules_query,
    share_status,
    share_tree,
    upload_places,
    upload_sums,
    uploads_query,
)
from apps.soulseek.services_sharing import (
    ShareRefused,
    folder_checked,
    rule_add,
    rule_remove,
    share_set,
    share_unset,
    upload_cancel,
    uploads_cancel_of,
)


class TreeQuery(serializers.Serializer[object]):
    """Which folder, with whose eyes."""

    root_id = serializers.IntegerField(required=False, allow_null=True, default=None, help_text="None: the roots.")
    path = serializers.RegexField(
        r"^([0-9a-f]{2})*$", required=False, default="", max_length=8192, help_text="Relative path, as hex."
    )
    view = serializers.ChoiceField(
        choices=sorted(VIEWS), required=False, default="", help_text="everyone or buddies: as they see it."
    )


class AmountOut(serializers.Serializer[object]):
    """How much."""

    files = serializers.IntegerField()
    folders = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class ShareBranchOut(serializers.Serializer[object]):
    """A folder with everything below it."""

    root_id = serializers.IntegerField()
    path = serializers.CharField(source="key", help_text="Relative path, as hex.")
    name = serializers.CharField()
    audience = serializers.CharField(help_text="everyone, buddies or nobody.")
    own = serializers.BooleanField(help_text="It has a rule of its own; else it goes by what is above it.")
    mixed = serializers.BooleanField(help_text="Something below is for others.")
    amount = AmountOut()


class ShareFileOut(serializers.Serializer[object]):
    """A file, as the network calls it."""

    path = serializers.CharField()
    size_bytes = serializers.IntegerField()


class TreeOut(serializers.Serializer[object]):
    """A folder and what is in it."""

    here = ShareBranchOut(allow_null=True)
    folders = ShareBranchOut(many=True)
    files = ShareFileOut(many=True)
    totals = serializers.DictField(child=AmountOut(), help_text="Of everything, by audience.")


class ShareIn(serializers.Serializer[object]):
    """Who may see a folder. `inherit`: it goes by what is above it."""

    root_id = serializers.IntegerField()
    path = serializers.RegexField(r"^([0-9a-f]{2})*$", required=False, default="", allow_blank=True, max_length=8192)
    audience = serializers.ChoiceField(choices=[*(one.value for one in Audience), "inherit"])


class ShareStatusOut(serializers.Serializer[object]):
    """What the node has in its index."""

    told = serializers.BooleanField(help_text="False: no node says anything.")
    enabled = serializers.BooleanField()
    files = serializers.IntegerField()
    folders = serializers.IntegerField()
    reading = serializers.BooleanField()
    read = serializers.IntegerField(help_text="Files read of a reading under way.")
    read_s = serializers.FloatField(allow_null=True)
    changes = serializers.IntegerField(help_text="Files that changed since the node began.")


class Shares(ApiView):
    """What is shared."""

    @extend_schema(operation_id="shares_tree", parameters=[TreeQuery], responses={200: TreeOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One folder of the tree, or the roots; also as everybody or buddies see it."""
        query = query_of(request, TreeQuery)
        return Response(_tree(cast("int | None", query["root_id"]), str(query["path"]), str(query["view"])))

    @extend_schema(operation_id="shares_set", request=ShareIn, responses={200: TreeOut, **REFUSALS})
    def put(self, request: Request) -> Response:
        """Say who may see a folder and what is below it; the folder is the answer."""
        body = body_of(request, ShareIn)
        root, path_hex = cast("int", body["root_id"]), str(body["path"])
        folder = bytes.fromhex(path_hex)
        if body["audience"] == "inherit":
            share_unset(root, folder)
        else:
            share_set(root, folder, audience=Audience(str(body["audience"])))
        return Response(_tree(root, path_hex, ""))


class SharesStatus(ApiView):
    """The node's index."""

    @extend_schema(operation_id="shares_status", responses={200: ShareStatusOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """As it said last."""
        del request
        return Response(ShareStatusOut(share_status()).data)


def _tree(root: int | None, path_hex: str, view: str) -> dict[str, object]:
    tree = share_tree(root_id=root, path=folder_checked(bytes.fromhex(path_hex)), seen_by=view)
    if root is not None and not tree.known:
        raise ShareRefused("The library has no such folder.", code="share_root_unknown")
    return dict(TreeOut(tree).data)


# ---- uploads


class UploadQuery(PageQuery):
    """Filters."""

    show = serializers.ChoiceField(choices=["live", "ended", "all"], required=False, default="all")
    user = serializers.CharField(required=False, default="", max_length=120)


class UploadWaitOut(serializers.Serializer[object]):
    """How an upload waits."""

    place = serializers.IntegerField(help_text="1: next. What its user is told, too.")
    code = serializers.CharField(help_text="Why it does not begin; empty: it does in a moment.")
    message = serializers.CharField()
    low_s = serializers.IntegerField(
        allow_null=True, help_text="It is likely to begin in so many seconds at the least."
    )
    high_s = serializers.IntegerField(allow_null=True)


class SoulseekUploadOut(serializers.Serializer[object]):
    """A file that somebody asked of us."""

    id = serializers.UUIDField()
    user = serializers.CharField()
    remote_path = serializers.CharField()
    size_bytes = serializers.IntegerField()
    state = serializers.CharField()
    code = serializers.CharField()
    params = serializers.JSONField()
    message = serializers.SerializerMethodField()
    wait = serializers.SerializerMethodField()
    group = serializers.CharField()
    offset = serializers.IntegerField(help_text="Where the user wanted it to begin.")
    sent_bytes = serializers.IntegerField()
    speed_bps = serializers.IntegerField()
    asked_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, row: UploadRow) -> str:
        """The code as a sentence."""
        return str(sentence(row.code, row.params)) if row.code else ""

    @extend_schema_field(UploadWaitOut(allow_null=True))
    def get_wait(self, row: UploadRow) -> dict[str, object] | None:
        """Of one that waits among the next hundred."""
        told = self.context.get("places", {}).get(row.id) if row.state == UploadState.QUEUED else None
        return dict(UploadWaitOut(told).data) if told is not None else None


class UploadPageOut(serializers.Serializer[object]):
    """A page of uploads."""

    items = SoulseekUploadOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class UploadSumsOut(serializers.Serializer[object]):
    """At a glance."""

    running = serializers.IntegerField()
    waiting = serializers.IntegerField()
    speed_bps = serializers.IntegerField()


class CancelIn(serializers.Serializer[object]):
    """Whose uploads."""

    user = serializers.CharField(max_length=120)


class CancelledOut(serializers.Serializer[object]):
    """How many."""

    cancelled = serializers.IntegerField()


class Uploads(ApiView):
    """Uploads."""

    @extend_schema(operation_id="upload_list", parameters=[UploadQuery], responses={200: UploadPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = query_of(request, UploadQuery)
        page = keyset_page(
            uploads_query(show=str(query["show"]), user=str(query["user"])),
            order=UPLOAD_ORDER,
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(cast("Page[object]", page), _uploads(page.items)))


def _uploads(rows: Sequence[UploadRow]) -> object:
    return SoulseekUploadOut(rows, many=True, context={"places": upload_places()}).data


class UploadsNow(ApiView):
    """Uploads at a glance."""

    @extend_schema(operation_id="upload_sums", responses={200: UploadSumsOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Running, waiting, speed."""
        del request
        return Response(UploadSumsOut(upload_sums()).data)


class UploadCancel(ApiView):
    """The end of an upload."""

    @extend_schema(
        operation_id="upload_cancel", request=None, responses={200: CancelledOut, 409: ErrorBody, **REFUSALS}
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Its user is told that it was cancelled."""
        upload_cancel(upload_id, user=person_of(request))
        return Response({"cancelled": 1})


class UploadsCancel(ApiView):
    """The end of all uploads of a user."""

    @extend_schema(operation_id="uploads_cancel", request=CancelIn, responses={200: CancelledOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """They may ask again."""
        return Response(
            {"cancelled": uploads_cancel_of(str(body_of(request, CancelIn)["user"]), user=person_of(request))}
        )


# ---- rules of users


class RuleIn(serializers.Serializer[object]):
    """A rule."""

    effect = serializers.ChoiceField(choices=[one.value for one in Effect])
    match = serializers.ChoiceField(choices=[one.value for one in MatchBy], required=False, default="user")
    pattern = serializers.CharField(max_length=200, trim_whitespace=False)
    group = serializers.CharField(required=False, default="", allow_blank=True, max_length=40)
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    replace = serializers.BooleanField(
        required=False, default=False, help_text="Other effects of the same match go; no error when it is there."
    )


class RuleOut(serializers.Serializer[object]):
    """A rule."""

    id = serializers.IntegerField()
    effect = serializers.CharField()
    match = serializers.CharField()
    pattern = serializers.CharField()
    group = serializers.CharField()
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


class RulePageOut(serializers.Serializer[object]):
    """A page of rules."""

    items = RuleOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class RuleQuery(PageQuery):
    """Filters."""

    effect = serializers.ChoiceField(choices=[one.value for one in Effect], required=False, default="")


class UserRules(ApiView):
    """Buddies, the ignored, the banned, groups."""

    @extend_schema(operation_id="user_rule_list", parameters=[RuleQuery], responses={200: RulePageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = query_of(request, RuleQuery)
        page = keyset_page(
            rules_query(effect=str(query["effect"])),
            order=("-id",),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(cast("Page[object]", page), RuleOut(page.items, many=True).data))

    @extend_schema(operation_id="user_rule_add", request=RuleIn, responses={201: RuleOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request) -> Response:
        """The node goes by it within seconds."""
        body = body_of(request, RuleIn)
        rule = rule_add(
            effect=str(body["effect"]),
            match=str(body["match"]),
            pattern=str(body["pattern"]),
            group=str(body["group"]),
            note=str(body["note"]),
            replace=bool(body["replace"]),
        )
        return Response(RuleOut(rule).data, status=201)


class OneUserRule(ApiView):
    """One rule."""

    @extend_schema(operation_id="user_rule_remove", responses={204: None, **REFUSALS})
    def delete(self, request: Request, rule_id: int) -> Response:
        """Take it away."""
        del request
        if not rule_remove(rule_id):
            raise Http404
        return Response(status=204)


urlpatterns = [
    path("soulseek/shares", Shares.as_view(), name="api-shares"),
    path("soulseek/shares/status", SharesStatus.as_view(), name="api-shares-status"),
    path("soulseek/uploads", Uploads.as_view(), name="api-uploads"),
    path("soulseek/uploads/now", UploadsNow.as_view(), name="api-uploads-now"),
    path("soulseek/uploads/cancel", UploadsCancel.as_view(), name="api-uploads-cancel"),
    path("soulseek/uploads/<uuid:upload_id>/cancel", UploadCancel.as_view(), name="api-upload-cancel"),
    path("soulseek/users/rules", UserRules.as_view(), name="api-user-rules"),
    path("soulseek/users/rules/<int:rule_id>", OneUserRule.as_view(), name="api-user-rule"),
]
