"""The session with the Soulseek server over HTTP: how it stands, connect, disconnect, away."""

from __future__ import annotations

import dataclasses

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, body_of, person_of
from apps.common.sentences import sentence
from apps.soulseek.selectors_session import SessionEventRow, session_events, session_glance
from apps.soulseek.services_session import session_away, session_connect, session_disconnect

EVENTS = 20


class BudgetOut(serializers.Serializer[object]):
    """Searches of late."""

    used = serializers.IntegerField(help_text="Sent within `window_s`.")
    most = serializers.IntegerField()
    window_s = serializers.IntegerField()
    waiting = serializers.IntegerField()
    running = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True)


class SessionEventOut(serializers.Serializer[object]):
    """Something that happened."""

    kind = serializers.CharField(
        help_text="connected, refused, kicked, lost, unreachable, disconnected, away, back, server_said, stopped."
    )
    code = serializers.CharField()
    params = serializers.DictField()
    sentence = serializers.CharField()
    at = serializers.DateTimeField()


class SessionOut(serializers.Serializer[object]):
    """The session."""

    health = serializers.CharField(help_text="healthy, degraded, unavailable or off.")
    phase = serializers.CharField(help_text="idle, connecting, online, waiting or stopped.")
    code = serializers.CharField(help_text="Why; empty: nothing is the matter.")
    params = serializers.DictField()
    sentence = serializers.CharField()
    mode = serializers.CharField(help_text="As configured.")
    acting = serializers.CharField(help_text="What it comes to: hybrid without an account acts as mesh.")
    wanted = serializers.BooleanField(help_text="What people want: online or not.")
    away_wanted = serializers.BooleanField()
    away = serializers.BooleanField(help_text="What the server was told.")
    username = serializers.CharField()
    server = serializers.CharField()
    address = serializers.CharField(help_text="Ours, as the server sees it.")
    listening_port = serializers.IntegerField(help_text="0: nobody can connect to us.")
    since = serializers.DateTimeField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True)
    wishlist_interval_s = serializers.IntegerField()
    privileged_s = serializers.IntegerField()
    excluded = serializers.ListField(
        child=serializers.CharField(), help_text="Phrases the server wants in no search reply."
    )
    budget = BudgetOut()
    shared_files = serializers.IntegerField()
    shared_folders = serializers.IntegerField()
    uploads_running = serializers.IntegerField()
    uploads_waiting = serializers.IntegerField()
    updated_at = serializers.DateTimeField(allow_null=True)
    events = SessionEventOut(many=True, help_text="The newest first.")


class AwayIn(serializers.Serializer[object]):
    """Away, or back."""

    away = serializers.BooleanField(default=True)


def session_told() -> dict[str, object]:
    """The body of every answer here."""
    glance = session_glance()
    return {
        **dataclasses.asdict(glance),
        "sentence": str(sentence(glance.code, glance.params)),
        "events": [_told(event) for event in session_events(limit=EVENTS)],
    }


def _told(event: SessionEventRow) -> dict[str, object]:
    said = event.params.get("text") if event.kind == "server_said" else None
    words = str(said) if said is not None else str(sentence(event.code, event.params))
    return {**dataclasses.asdict(event), "sentence": words}


class SessionStatus(ApiView):
    """How it stands."""

    @extend_schema(operation_id="soulseek_session", responses={200: SessionOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Health, reason, budget, what happened of late."""
        return Response(SessionOut(session_told()).data)


class SessionConnect(ApiView):
    """Connect."""

    @extend_schema(operation_id="soulseek_connect", request=None, responses={202: SessionOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Connect, or connect again: after a refusal, a kick or a new password. Done by the node in a moment."""
        session_connect(user=person_of(request))
        return Response(SessionOut(session_told()).data, status=202)


class SessionDisconnect(ApiView):
    """Disconnect."""

    @extend_schema(operation_id="soulseek_disconnect", request=None, responses={202: SessionOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """End the session; nothing connects until somebody wants it."""
        session_disconnect(user=person_of(request))
        return Response(SessionOut(session_told()).data, status=202)


class SessionAway(ApiView):
    """Away."""

    @extend_schema(operation_id="soulseek_away", request=AwayIn, responses={202: SessionOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Be shown as away, or as back."""
        session_away(away=bool(body_of(request, AwayIn)["away"]), user=person_of(request))
        return Response(SessionOut(session_told()).data, status=202)


urlpatterns = [
    path("soulseek/session", SessionStatus.as_view(), name="api-soulseek-session"),
    path("soulseek/session/connect", SessionConnect.as_view(), name="api-soulseek-connect"),
    path("soulseek/session/disconnect", SessionDisconnect.as_view(), name="api-soulseek-disconnect"),
    path("soulseek/session/away", SessionAway.as_view(), name="api-soulseek-away"),
]
