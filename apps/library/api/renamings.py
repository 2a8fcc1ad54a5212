"""Renamings over HTTP: have new names worked out, look at them, do it, stop it, take it back."""

from __future__ import annotations

import os
import uuid
from typing import cast

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.sentences import sentence
from apps.library.rename_actions import RENAME_ACTIONS, default_template
from apps.library.selectors_rename import SHOWS, MoveView, RenamingView, move_list, renaming_list, renaming_view
from apps.library.services_rename import rename_ask


class RenamingIn(serializers.Serializer[object]):
    """What to rename: a folder or file of the library, or all of it; and how."""

    path = serializers.CharField(required=False, default="", allow_blank=True, max_length=4096)
    template = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=512, help_text="Absent: library.template."
    )


class RenamingOut(serializers.Serializer[object]):
    """A renaming. Nothing moves before it is applied."""

    id = serializers.UUIDField()
    template = serializers.CharField()
    path = serializers.CharField(help_text="What was asked for; empty: the whole library.")
    state = serializers.CharField(help_text="planning, planned, applying, done, undoing, undone or failed.")
    code = serializers.CharField()
    params = serializers.JSONField()
    message = serializers.SerializerMethodField()
    looked = serializers.IntegerField(help_text="Files that the plan looked at.")
    named = serializers.IntegerField(help_text="Of those: have their name already.")
    planned = serializers.IntegerField(help_text="Music to be moved.")
    beside = serializers.IntegerField(help_text="Covers, logs, lyrics … that go along.")
    blocked = serializers.IntegerField(help_text="Stay; their lines say why.")
    moved = serializers.IntegerField()
    failed = serializers.IntegerField()
    returned = serializers.IntegerField()
    stuck = serializers.IntegerField()
    eta_s = serializers.FloatField(allow_null=True)
    requested_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    applied_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, view: RenamingView) -> str:
        """The code as a sentence."""
        return str(sentence(view.code, view.params)) if view.code else ""


class RenamingPageOut(serializers.Serializer[object]):
    """A page of renamings."""

    items = RenamingOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class LineQueryIn(PageQuery):
    """Filters."""

    show = serializers.ChoiceField([one for one in SHOWS if one], required=False, default="", allow_blank=True)


class LineOut(serializers.Serializer[object]):
    """A file's old and new name, below `folder`. Text for people: bytes that are no UTF-8 are shown as escapes."""

    position = serializers.IntegerField(help_text="Order in which lines are done.")
    folder = serializers.CharField(source="root", help_text="The library's folder.")
    old = serializers.CharField()
    new = serializers.CharField(help_text="Empty: none could be made.")
    sidecar = serializers.BooleanField(help_text="No music: it goes along.")
    file_id = serializers.IntegerField(allow_null=True)
    state = serializers.CharField(help_text="planned, blocked, moving, moved, failed, returning, returned or stuck.")
    code = serializers.CharField(help_text="Why it stays.")
    params = serializers.JSONField()
    message = serializers.SerializerMethodField()

    def get_message(self, line: MoveView) -> str:
        """The code as a sentence."""
        return str(sentence(line.code, line.params)) if line.code else ""


class LinePageOut(serializers.Serializer[object]):
    """A page of lines."""

    items = LineOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class Renamings(ApiView):
    """Renamings, newest first."""

    @extend_schema(
        operation_id="library_renaming_list", parameters=[PageQuery], responses={200: RenamingPageOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One page."""
        query = query_of(request, PageQuery)
        page = renaming_list(cursor=cast("str | None", query.get("cursor")), limit=cast("int", query["limit"]))
        return Response(page_body(page, RenamingOut(page.items, many=True).data))

    @extend_schema(operation_id="library_renaming_create", request=RenamingIn, responses={202: RenamingOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Have names worked out; a worker does it, nothing on disk changes."""
        given = body_of(request, RenamingIn)
        person = person_of(request)
        renaming_id = rename_ask(
            template=str(given["template"]) or default_template(),
            path=os.fsencode(str(given["path"])),
            requested_by=person.username if person is not None else "",
        )
        return Response(RenamingOut(_known(renaming_id)).data, status=202)


class OneRenaming(ApiView):
    """One renaming."""

    @extend_schema(operation_id="library_renaming_show", responses={200: RenamingOut, **REFUSALS})
    def get(self, request: Request, renaming_id: uuid.UUID) -> Response:
        """With its sums."""
        return Response(RenamingOut(_known(renaming_id)).data)


class Lines(ApiView):
    """A renaming's lines."""

    @extend_schema(
        operation_id="library_renaming_lines", parameters=[LineQueryIn], responses={200: LinePageOut, **REFUSALS}
    )
    def get(self, request: Request, renaming_id: uuid.UUID) -> Response:
        """One page, in the order in which they are done."""
        _known(renaming_id)
        query = query_of(request, LineQueryIn)
        page = move_list(
            renaming_id,
            show=str(query["show"]),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, LineOut(page.items, many=True).data))


class RenamingAct(ApiView):
    """Apply, stop, undo."""

    @extend_schema(
        operation_id="library_renaming_act", request=None, responses={202: RenamingOut, 409: ErrorBody, **REFUSALS}
    )
    def post(self, request: Request, renaming_id: uuid.UUID, name: str) -> Response:
        """The renaming as it is then; a worker does the rest."""
        if name not in RENAME_ACTIONS:
            raise Http404
        _known(renaming_id)
        RENAME_ACTIONS[name](renaming_id)
        return Response(RenamingOut(_known(renaming_id)).data, status=202)


def _known(renaming_id: uuid.UUID) -> RenamingView:
    view = renaming_view(renaming_id)
    if view is None:
        raise Http404
    return view
