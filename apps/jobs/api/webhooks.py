"""Webhooks over HTTP: make, change, remove, test; their log; sending again. Admins only: an address may hold somebody's token."""

from __future__ import annotations

import uuid
from typing import cast

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.roles import Role
from apps.domain.jobs.webhooks import DeliveryState, Event
from apps.jobs import services_webhooks as services
from apps.jobs.selectors_webhooks import (
    DeliveryView,
    WebhookView,
    delivery_one,
    delivery_page,
    webhook_list,
    webhook_one,
)

EVENTS = [event.value for event in Event]


class WebhookIn(serializers.Serializer[object]):
    """A new hook."""

    url = serializers.CharField(max_length=2000, help_text="http(s)://host[:port]/path")
    name = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENTS), required=False, default=list, help_text="Empty: all."
    )


class WebhookChangeIn(serializers.Serializer[object]):
    """What is to be changed."""

    url = serializers.CharField(max_length=2000, required=False)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    events = serializers.ListField(child=serializers.ChoiceField(choices=EVENTS), required=False)
    enabled = serializers.BooleanField(required=False)


class WebhookOut(serializers.Serializer[object]):
    """A hook, without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField(), help_text="Empty: all.")
    enabled = serializers.BooleanField()
    waiting = serializers.IntegerField(help_text="Events that are still to be delivered.")
    failures = serializers.IntegerField(help_text="How often in a row its receiver was away.")
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField(source="sentence")
    next_step_at = serializers.DateTimeField(allow_null=True, help_text="Nothing is sent before then.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class WebhookListOut(serializers.Serializer[object]):
    """All hooks."""

    items = WebhookOut(many=True)


class WebhookMadeOut(WebhookOut):
    """A hook with its secret, which is told this once."""

    secret = serializers.CharField()


class TryOut(serializers.Serializer[object]):
    """One try."""

    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    ms = serializers.IntegerField()


class DeliveryOut(serializers.Serializer[object]):
    """A line of the log."""

    id = serializers.IntegerField()
    event_id = serializers.UUIDField(help_text="The same in every try and when it is sent again.")
    event = serializers.CharField()
    job_id = serializers.UUIDField(allow_null=True)
    track_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=[state.value for state in DeliveryState])
    by_hand = serializers.BooleanField()
    tries = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField(source="sentence")
    answer = serializers.CharField(help_text="The beginning of the last answer.")
    body = serializers.CharField(help_text="What is sent, as it is signed.")
    history = TryOut(many=True)
    next_step_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class DeliveryPageOut(serializers.Serializer[object]):
    """A page of the log."""

    items = DeliveryOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class DeliveryQueryIn(PageQuery):
    """Filters of the log."""

    state = serializers.ChoiceField(choices=[state.value for state in DeliveryState], required=False)
    event = serializers.ChoiceField(choices=[*EVENTS, "test"], required=False)
    job = serializers.UUIDField(required=False)


class AdminView(ApiView):
    """Reading and writing need an admin."""

    read_role = Role.ADMIN
    write_role = Role.ADMIN


def hook_or_unknown(hook_id: uuid.UUID) -> WebhookView:
    """Raises WebhookUnknown."""
    hook = webhook_one(hook_id)
    if hook is None:
        raise services.WebhookUnknown("There is no such webhook.", webhook=str(hook_id))
    return hook


def delivery_or_unknown(hook_id: uuid.UUID, delivery_id: int) -> DeliveryView:
    """Raises WebhookUnknown `webhook_delivery_unknown`."""
    found = delivery_one(hook_id, delivery_id)
    if found is None:
        raise services.WebhookUnknown(
            "There is no such delivery.", code="webhook_delivery_unknown", delivery=delivery_id
        )
    return found


def _made(made: services.WebhookMade, *, status: int) -> Response:
    body = {**WebhookOut(hook_or_unknown(made.id)).data, "secret": made.secret}
    return Response(body, status=status, headers={"Location": reverse("api-webhook", args=[made.id])})


class Webhooks(AdminView):
    """All hooks."""

    @extend_schema(operation_id="webhook_list", responses={200: WebhookListOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Without their secrets."""
        return Response({"items": WebhookOut(webhook_list(), many=True).data})

    @extend_schema(operation_id="webhook_add", request=WebhookIn, responses={201: WebhookMadeOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """The secret is in this answer and in no other."""
        body = body_of(request, WebhookIn)
        made = services.webhook_add(
            str(body["url"]),
            name=str(body["name"]),
            events=cast("list[str]", body["events"]),
            created_by=person_of(request),
        )
        return _made(made, status=201)


class OneWebhook(AdminView):
    """One hook."""

    @extend_schema(operation_id="webhook_get", responses={200: WebhookOut, **REFUSALS})
    def get(self, request: Request, hook_id: uuid.UUID) -> Response:
        """Without its secret."""
        return Response(WebhookOut(hook_or_unknown(hook_id)).data)

    @extend_schema(operation_id="webhook_change", request=WebhookChangeIn, responses={200: WebhookOut, **REFUSALS})
    def patch(self, request: Request, hook_id: uuid.UUID) -> Response:
        """Only what is given is changed."""
        body = body_of(request, WebhookChangeIn)
        services.webhook_change(
            hook_id,
            url=cast("str | None", body.get("url")),
            name=cast("str | None", body.get("name")),
            events=cast("list[str] | None", body.get("events")),
            enabled=cast("bool | None", body.get("enabled")),
        )
        return Response(WebhookOut(hook_or_unknown(hook_id)).data)

    @extend_schema(operation_id="webhook_remove", responses={204: None, **REFUSALS})
    def delete(self, request: Request, hook_id: uuid.UUID) -> Response:
        """With its log."""
        services.webhook_remove(hook_id)
        return Response(status=204)


class WebhookSecret(AdminView):
    """The secret."""

    @extend_schema(operation_id="webhook_secret_renew", request=None, responses={200: WebhookMadeOut, **REFUSALS})
    def post(self, request: Request, hook_id: uuid.UUID) -> Response:
        """A new one; the old one signs nothing any more."""
        return _made(services.webhook_secret_renew(hook_id), status=200)


class WebhookTest(AdminView):
    """Trying it."""

    @extend_schema(operation_id="webhook_test", request=None, responses={202: DeliveryOut, **REFUSALS})
    def post(self, request: Request, hook_id: uuid.UUID) -> Response:
        """Sends the event `test`; the log tells how it went."""
        return Response(DeliveryOut(delivery_or_unknown(hook_id, services.webhook_test(hook_id))).data, status=202)


class Deliveries(AdminView):
    """The log of a hook."""

    @extend_schema(
        operation_id="webhook_delivery_list", parameters=[DeliveryQueryIn], responses={200: DeliveryPageOut, **REFUSALS}
    )
    def get(self, request: Request, hook_id: uuid.UUID) -> Response:
        """One page, newest first."""
        hook_or_unknown(hook_id)
        query = query_of(request, DeliveryQueryIn)
        page = delivery_page(
            hook_id,
            state=str(query.get("state", "")),
            event=str(query.get("event", "")),
            job_id=cast("uuid.UUID | None", query.get("job")),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, DeliveryOut(page.items, many=True).data))


class Redeliver(AdminView):
    """Sending again."""

    @extend_schema(
        operation_id="webhook_redeliver", request=None, responses={202: DeliveryOut, 404: ErrorBody, **REFUSALS}
    )
    def post(self, request: Request, hook_id: uuid.UUID, delivery_id: int) -> Response:
        """A new line of the log with the same event id; one that waits is brought forward."""
        delivery_or_unknown(hook_id, delivery_id)
        again = services.delivery_again(delivery_id)
        return Response(DeliveryOut(delivery_or_unknown(hook_id, again)).data, status=202)
