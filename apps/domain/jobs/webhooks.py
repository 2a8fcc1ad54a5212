"""What is told to whoever listens: the events, the body and its signature, which addresses may be told, and when a telling is tried again.

A delivery is `waiting` until the receiver has answered with a 2xx status (`delivered`) or it is given up (`dead`), after MAX_TRIES tries or MAX_AGE_S.
It is at least once: a worker that is killed between the receiver's answer and our row sends the event again, with the same `event_id`.
Events of one job reach a hook in their order: a later one waits until the earlier one has ended.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from apps.domain.errors import DomainError

BODY_VERSION = 1
"""Of the body. Fields may be added to a version; none changes its meaning."""


class Event(StrEnum):
    """What can be told."""

    JOB_CREATED = "job.created"
    JOB_RESOLVED = "job.resolved"
    JOB_COMPLETED = "job.completed"
    JOB_PARTIAL = "job.partial"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    TRACK_COMPLETED = "track.completed"
    TRACK_FAILED = "track.failed"
    TRACK_REJECTED = "track.rejected"


TEST_EVENT = "test"
"""Sent when a person asks for it; hooks can't choose or refuse it."""


class DeliveryState(StrEnum):
    """State of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


DELIVERY_MOVES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.WAITING: frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD}),
    DeliveryState.DELIVERED: frozenset(),
    DeliveryState.DEAD: frozenset(),
}

PAUSES_S: Sequence[int] = (5, 15, 60, 300, 900, 1800, 3600, 7200, 14400)
"""Before the second, third … try. A restart of the receiver costs seconds, a night of it nothing; together about nine hours."""
MAX_TRIES = len(PAUSES_S) + 1
MAX_AGE_S = 3 * 86_400
"""An event that could not be told for three days (its hook rested, others of its job were tried before it) is told no more."""
REST_S: Sequence[int] = (5, 10, 30, 60, 120, 300, 600)
"""What a hook rests after the first, second … failure in a row to reach its receiver at all: events wait then without using up their tries."""
MAX_URL_CHARS = 2000
SECRET_PREFIX = "whsec_"  # noqa: S105  (a prefix that tells scanners what a leaked secret is)
SIGNATURE_VERSION = "v1"


class WebhookRefused(DomainError):
    """A hook that can't be made."""

    default_code = "webhook_refused"


def pause_s(tries: int) -> float | None:
    """Seconds to the next try after `tries` failed ones; None: it is given up."""
    return float(PAUSES_S[tries - 1]) if 1 <= tries < MAX_TRIES else None


def rest_s(failures: int) -> float:
    """Seconds that a hook rests after so many failures in a row."""
    return float(REST_S[min(max(failures, 1), len(REST_S)) - 1])


def url_checked(url: str) -> str:
    """The address as it is kept. Raises WebhookRefused: `webhook_url_invalid` (params: reason)."""
    text = url.strip()
    if len(text) > MAX_URL_CHARS or not text.isascii() or any(char <= " " or char == "\x7f" for char in text):
        raise _invalid("characters")
    try:
        parts: SplitResult = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _invalid("unreadable") from error
    if parts.scheme not in {"http", "https"}:
        raise _invalid("scheme")
    if not parts.hostname or port == 0:
        raise _invalid("host")
    if parts.username is not None or parts.password is not None:
        raise _invalid("credentials")
    if parts.fragment:
        raise _invalid("fragment")
    return text


def _invalid(reason: str) -> WebhookRefused:
    return WebhookRefused(
        "A webhook's address is http(s)://host[:port]/path, without a name, password or fragment.",
        code="webhook_url_invalid",
        reason=reason,
    )


def address_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address, *, private: bool) -> bool:
    """Whether a receiver may be at this address. Link-local ones (where clouds keep credentials), multicast and the like: never. `private`: also
    loopback, RFC 1918 and 6598 and unique local ones, which is where a self-hosted machine's other programs are."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    if address.is_loopback:
        return private
    return not address.is_reserved and (private or address.is_global)


def events_checked(events: Sequence[str]) -> list[str]:
    """Names in the order of `Event`; none: all. Raises WebhookRefused `webhook_event_unknown`."""
    known = [event.value for event in Event]
    for name in events:
        if name not in known:
            raise WebhookRefused(
                f"There is no event {name[:40]!r}. Known: {', '.join(known)}.",
                code="webhook_event_unknown",
                event=name[:40],
            )
    return [name for name in known if name in events]


def body_of(
    *,
    event: str,
    event_id: uuid.UUID,
    at: str,
    job: Mapping[str, object] | None,
    track: Mapping[str, object] | None = None,
) -> str:
    """The JSON text that is sent, tried again and signed as it stands. `at`: ISO 8601, when it happened."""
    told: dict[str, object] = {"version": BODY_VERSION, "event": event, "event_id": str(event_id), "at": at}
    if job is not None:
        told["job"] = dict(job)
    if track is not None:
        told["track"] = dict(track)
    return json.dumps(told, ensure_ascii=True, separators=(",", ":"), default=str)


def signature(secret: str, *, timestamp: int, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA-256, keyed by the whole secret as text, over `<timestamp>.<body>`. `timestamp`: Unix seconds of this try."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"{SIGNATURE_VERSION}={digest}"
