"""How a request says who it is: a session (pages, CSRF-protected) or an API key (programs).

A key travels as `Authorization: Bearer slk_…` or `X-API-Key: slk_…`. The row is found by its public prefix; the token's SHA-256 is compared
in constant time, also when there is no such row. Keys never come from a query string: addresses end up in logs.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.common.roles import Principal, Role, role_lower, role_of_user
from apps.common.selectors import api_key_by_prefix
from apps.common.services import api_key_touch, secret_hash

if TYPE_CHECKING:
    from drf_spectacular.openapi import AutoSchema

_TOKEN = re.compile(r"slk_([0-9a-f]{10})_[A-Za-z0-9_-]{43}", re.ASCII)
_NO_HASH = bytes(32)


class ApiKeyRefused(AuthenticationFailed):
    """The key is unknown, revoked, used from a foreign address, or its person was switched off. All look alike from outside."""

    default_detail = "This API key is not valid here."
    default_code = "api_key_refused"


def client_address(request: HttpRequest) -> str:
    """The address of the caller as the server saw it (uvicorn resolves trusted proxies)."""
    return str(request.META.get("REMOTE_ADDR") or "")


def is_loopback(address: str) -> bool:
    """True for 127.0.0.0/8 and ::1. An empty address is a unix socket or a test client without one: not loopback."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def token_of(request: HttpRequest) -> str | None:
    """The API key a request carries; None when it carries none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.headers.get("X-API-Key") or None


def key_principal(token: str, *, address: str) -> Principal:
    """Who owns `token`, used from `address`. Raises ApiKeyRefused."""
    match = _TOKEN.fullmatch(token)
    row = api_key_by_prefix(match[1]) if match else None
    same = hmac.compare_digest(bytes(row.secret_hash) if row else _NO_HASH, secret_hash(token))
    if row is None or not same or not _address_allowed(address, row.cidrs):
        raise ApiKeyRefused
    role = role_of_user(row.user)
    if role is None:
        raise ApiKeyRefused
    api_key_touch(row.id)
    return Principal(user=row.user, role=role_lower(role, Role(row.role)), key_name=row.name)


def request_principal(request: HttpRequest) -> Principal | None:
    """Who makes a request outside DRF (pages, streams, metrics); None for nobody. Raises ApiKeyRefused for a wrong key."""
    token = token_of(request)
    if token is not None:
        return key_principal(token, address=client_address(request))
    role = role_of_user(request.user)
    if role is None or not isinstance(request.user, User):
        return None
    return Principal(user=request.user, role=role)


def _address_allowed(address: str, cidrs: list[str]) -> bool:
    if not cidrs:
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in ipaddress.ip_network(cidr) for cidr in cidrs)


class ApiKeyAuthentication(BaseAuthentication):
    """DRF's view of `key_principal`: `request.user` is the person, `request.auth` the Principal."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        token = token_of(request._request)
        if token is None:
            return None
        principal = key_principal(token, address=client_address(request._request))
        return principal.user, principal

    def authenticate_header(self, request: Request) -> str:
        """Makes an anonymous request 401, not 403."""
        return 'Bearer realm="slskdn"'


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular's registering metaclass
    """How `/api/schema` names the key."""

    target_class = "apps.common.auth.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "slk_…"}
