"""What all API views share: who may, how a request is read, how a page of a list looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from django.contrib.auth.models import User
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.common.api_errors import ErrorBody
from apps.common.auth import ApiKeyAuthentication
from apps.common.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page
from apps.common.permissions import RoleRequired

S = TypeVar("S", bound=serializers.Serializer[object])

REFUSALS: Mapping[int, type[ErrorBody]] = {400: ErrorBody, 401: ErrorBody, 403: ErrorBody, 404: ErrorBody}
"""For `extend_schema(responses=…)`."""


class ApiView(APIView):
    """Base of every API view. Key first, so that anonymous requests get 401."""

    authentication_classes = [ApiKeyAuthentication, SessionAuthentication]
    permission_classes = [RoleRequired]


class PageQuery(serializers.Serializer[object]):
    """Query parameters of a list."""

    cursor = serializers.CharField(
        required=False, max_length=600, help_text="From `next` or `previous` of another page."
    )
    limit = serializers.IntegerField(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)


def query_of(request: Request, serializer: type[S]) -> dict[str, object]:
    """The validated query string. Raises DRF's ValidationError."""
    reader = serializer(data=request.query_params)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def body_of(request: Request, serializer: type[S]) -> dict[str, object]:
    """The validated body. Raises DRF's ValidationError."""
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def person_of(request: Request) -> User | None:
    """The person behind a request (a key's person for a key)."""
    return request.user if isinstance(request.user, User) else None


def page_body(page: Page[object], items: object) -> dict[str, object]:
    """`{items, next, previous}`."""
    return {"items": items, "next": page.next_cursor, "previous": page.previous_cursor}
