"""Rooms over HTTP."""

from __future__ import annotations

import dataclasses
from typing import cast

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

import apps.soulseek.name_paths  # noqa: F401  (the converter)
from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.sentences import message_of
from apps.common.text import searched
from apps.soulseek.api.messages import ChatMessageListOut, ChatTextIn
from apps.soulseek.selectors_people import RoomRow, line_page, room_find, room_list, room_members, rooms_joined
from apps.soulseek.services_people import room_join, room_leave, room_say, rooms_refresh


class RoomOut(serializers.Serializer[object]):
    """A room."""

    name = serializers.CharField()
    members = serializers.IntegerField()
    private = serializers.BooleanField()
    here = serializers.BooleanField(help_text="We are in it now.")
    wanted = serializers.BooleanField(help_text="Somebody wants to be in it.")
    code = serializers.CharField(help_text="Why we are not in it though wanted; empty: nothing to say.")
    says = serializers.SerializerMethodField(help_text="The code in words.")
    unread = serializers.IntegerField(help_text="At most 100 are counted.")

    def get_says(self, row: RoomRow) -> str:
        """The code in words."""
        return message_of(row.code, {}, fallback=row.code) if row.code else ""


class RoomMemberOut(serializers.Serializer[object]):
    """Somebody in a room."""

    name = serializers.CharField()
    status = serializers.CharField()
    ignored = serializers.BooleanField()
    buddy = serializers.BooleanField()


class RoomListOut(serializers.Serializer[object]):
    """Rooms we want to be in, and a page of the server's list, the fullest first."""

    joined = RoomOut(many=True)
    items = RoomOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class RoomWholeOut(RoomOut):
    """A room with those who are in it."""

    users = RoomMemberOut(many=True, help_text="At most 500.")


class RoomsQuery(PageQuery):
    """What the list is looked through for."""

    q = serializers.CharField(required=False, default="", max_length=200, help_text="Part of a room's name.")


class RoomIn(serializers.Serializer[object]):
    """A room to be in."""

    name = serializers.CharField(max_length=120)


class RoomCountOut(serializers.Serializer[object]):
    """How many rooms there are."""

    rooms = serializers.IntegerField()


class Rooms(ApiView):
    """All rooms."""

    @extend_schema(operation_id="soulseek_rooms", parameters=[RoomsQuery], responses={200: RoomListOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """The server's list as it was told last."""
        query = query_of(request, RoomsQuery)
        page = room_list(
            text=searched(str(query["q"])),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(RoomListOut({"joined": rooms_joined(), **page_body(page, page.items)}).data)

    @extend_schema(operation_id="soulseek_room_join", request=RoomIn, responses={202: RoomOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Be in a room from now on, after restarts too. The node joins in a moment; whether it may, the room's `code` tells."""
        return Response(RoomOut(room_find(room_join(str(body_of(request, RoomIn)["name"])))).data, status=202)


class RoomsRefresh(ApiView):
    """Ask for the list anew."""

    @extend_schema(operation_id="soulseek_rooms_refresh", request=None, responses={200: RoomCountOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Waits for the server, 5 s at most."""
        return Response({"rooms": rooms_refresh(by=person_of(request))})


class RoomOne(ApiView):
    """One room."""

    @extend_schema(operation_id="soulseek_room", responses={200: RoomWholeOut, **REFUSALS})
    def get(self, request: Request, name: str) -> Response:
        """How it stands, and who is in it."""
        row = room_find(name)
        users = [dataclasses.asdict(one) for one in room_members(name)]
        return Response({**RoomOut(row).data, "users": RoomMemberOut(users, many=True).data})

    @extend_schema(operation_id="soulseek_room_leave", responses={204: None, **REFUSALS})
    def delete(self, request: Request, name: str) -> Response:
        """Leave. Its lines stay."""
        if not room_leave(name):
            raise NotFound
        return Response(status=204)


class RoomLines(ApiView):
    """Lines of a room."""

    @extend_schema(
        operation_id="soulseek_room_lines", parameters=[PageQuery], responses={200: ChatMessageListOut, **REFUSALS}
    )
    def get(self, request: Request, name: str) -> Response:
        """The newest first; the last thousand are kept."""
        query = query_of(request, PageQuery)
        page = line_page(name, cursor=cast("str | None", query.get("cursor")), limit=cast("int", query["limit"]))
        return Response(ChatMessageListOut(page_body(page, [dataclasses.asdict(row) for row in page.items])).data)

    @extend_schema(operation_id="soulseek_room_say", request=ChatTextIn, responses={204: None, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """Say a line, and wait (5 s at most) until the room heard it."""
        room_say(name, text=str(body_of(request, ChatTextIn)["text"]), by=person_of(request))
        return Response(status=204)


urlpatterns = [
    path("soulseek/rooms", Rooms.as_view(), name="api-soulseek-rooms"),
    path("soulseek/rooms-list", RoomsRefresh.as_view(), name="api-soulseek-rooms-refresh"),
    path("soulseek/rooms/<name:name>", RoomOne.as_view(), name="api-soulseek-room"),
    path("soulseek/rooms/<name:name>/lines", RoomLines.as_view(), name="api-soulseek-room-lines"),
]
