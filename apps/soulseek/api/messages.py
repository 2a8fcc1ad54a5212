"""Private messages over HTTP."""

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
from apps.soulseek.selectors_people import conversation_page, message_page, unread_people
from apps.soulseek.services_people import conversation_close, conversation_delete, conversation_read, message_send


class ConversationOut(serializers.Serializer[object]):
    """A conversation."""

    user = serializers.CharField()
    text = serializers.CharField(help_text="Of the last message, as it came.")
    incoming = serializers.BooleanField(help_text="The last message came; false: it went.")
    at = serializers.DateTimeField()
    unread = serializers.IntegerField(help_text="At most 100 are counted.")
    status = serializers.CharField(help_text="online, away, offline; empty: not known.")


class ConversationListOut(serializers.Serializer[object]):
    """A page of conversations, the newest first."""

    unread_people = serializers.IntegerField()
    items = ConversationOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ChatMessageOut(serializers.Serializer[object]):
    """A private message, or a line of a room."""

    id = serializers.IntegerField()
    user = serializers.CharField()
    text = serializers.CharField(help_text="As it came: make it harmless before you show it.")
    ours = serializers.BooleanField()
    at = serializers.DateTimeField()
    while_away = serializers.BooleanField(help_text="The server kept it until we came.")
    muted = serializers.BooleanField(help_text="Its author is ignored by now.")


class ChatMessageListOut(serializers.Serializer[object]):
    """A page of messages, the newest first."""

    items = ChatMessageOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ChatTextIn(serializers.Serializer[object]):
    """Something to say."""

    text = serializers.CharField(
        trim_whitespace=False, max_length=8000, help_text="One line; at most 1,000 characters."
    )


class ChatSentOut(serializers.Serializer[object]):
    """It went out."""

    id = serializers.IntegerField()
    status = serializers.CharField(help_text="Of the receiver. offline: the server keeps it for them.")


class Conversations(ApiView):
    """All conversations."""

    @extend_schema(
        operation_id="soulseek_conversations",
        parameters=[PageQuery],
        responses={200: ConversationListOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Who wrote, and to whom was written; without those that were closed."""
        query = query_of(request, PageQuery)
        page = conversation_page(cursor=cast("str | None", query.get("cursor")), limit=cast("int", query["limit"]))
        items = [dataclasses.asdict(row) for row in page.items]
        body = {"unread_people": unread_people(), **page_body(page, items)}
        return Response(ConversationListOut(body).data)


class Messages(ApiView):
    """Messages with one user."""

    @extend_schema(
        operation_id="soulseek_messages", parameters=[PageQuery], responses={200: ChatMessageListOut, **REFUSALS}
    )
    def get(self, request: Request, name: str) -> Response:
        """The newest first. Reading them here marks nothing as read."""
        query = query_of(request, PageQuery)
        page = message_page(name, cursor=cast("str | None", query.get("cursor")), limit=cast("int", query["limit"]))
        return Response(ChatMessageListOut(page_body(page, [dataclasses.asdict(row) for row in page.items])).data)

    @extend_schema(operation_id="soulseek_message_send", request=ChatTextIn, responses={201: ChatSentOut, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """Send a message, and wait (5 s at most) for the node's word."""
        sent = message_send(name, text=str(body_of(request, ChatTextIn)["text"]), by=person_of(request))
        return Response(ChatSentOut(dataclasses.asdict(sent)).data, status=201)

    @extend_schema(operation_id="soulseek_conversation_delete", responses={204: None, **REFUSALS})
    def delete(self, request: Request, name: str) -> Response:
        """Delete the whole conversation, for good. To have it out of the list only, close it."""
        if not conversation_delete(name):
            raise NotFound
        return Response(status=204)


class MessagesRead(ApiView):
    """Mark as read."""

    @extend_schema(operation_id="soulseek_messages_read", request=None, responses={204: None, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """Everything so far."""
        conversation_read(name)
        return Response(status=204)


class ConversationClose(ApiView):
    """Close a conversation."""

    @extend_schema(operation_id="soulseek_conversation_close", request=None, responses={204: None, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """Out of the list until something new comes; nothing is deleted."""
        conversation_close(name)
        return Response(status=204)


urlpatterns = [
    path("soulseek/messages", Conversations.as_view(), name="api-soulseek-conversations"),
    path("soulseek/messages/<name:name>", Messages.as_view(), name="api-soulseek-messages"),
    path("soulseek/messages/<name:name>/read", MessagesRead.as_view(), name="api-soulseek-messages-read"),
    path("soulseek/messages/<name:name>/close", ConversationClose.as_view(), name="api-soulseek-conversation-close"),
]
