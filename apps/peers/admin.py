"""Peers, addresses and traffic for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin, ReadOnlyInline
from apps.peers import admin_metrics  # noqa: F401  (registers its models)
from apps.peers.models import Peer, PeerAddress, TrafficLedger


class PeerAddressInline(ReadOnlyInline):
    """Where it was heard."""

    model = PeerAddress
    fields = ["kind", "host", "port", "via", "source", "group", "first_seen", "last_ok", "last_try"]


@admin.register(Peer)
class PeerAdmin(ReadOnlyAdmin):
    """Whom this node met."""

    list_display = [
        "key",
        "plane",
        "agent",
        "bad_leaves",
        "wrong_claims",
        "violations",
        "banned_until",
        "first_seen",
        "last_seen",
    ]
    list_filter = ["plane", ("banned_until", admin.EmptyFieldListFilter)]
    search_fields = ["key", "agent"]
    inlines = [PeerAddressInline]


@admin.register(PeerAddress)
class PeerAddressAdmin(ReadOnlyAdmin):
    """Where peers were heard and tried."""

    list_display = ["peer", "kind", "host", "port", "source", "group", "last_ok", "last_try"]
    list_filter = ["kind", "source"]
    list_select_related = ["peer"]
    search_fields = ["host", "peer__key", "group"]


@admin.register(TrafficLedger)
class TrafficLedgerAdmin(ReadOnlyAdmin):
    """Bytes."""

    list_display = ["peer", "plane", "direction", "purpose", "path", "total_bytes", "updated_at"]
    list_filter = ["plane", "direction", "purpose", "path"]
    list_select_related = ["peer"]
    search_fields = ["peer__key"]
