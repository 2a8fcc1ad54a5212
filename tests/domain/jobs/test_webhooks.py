"""Bodies, signatures, addresses and patience of webhooks."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import uuid

import pytest

from apps.domain.errors import DomainError
from apps.domain.jobs.webhooks import (
    MAX_TRIES,
    PAUSES_S,
    Event,
    address_allowed,
    body_of,
    events_checked,
    pause_s,
    rest_s,
    signature,
    url_checked,
)


def test_the_signature_is_what_the_documentation_says() -> None:
    body = b'{"version":1}'
    golden = "v1=177f1ed2970d42cefb557b275b3ffce1d1d4f43770c919c5225f729c1d3ed5ed"
    assert golden == "v1=" + hmac.new(b"whsec_abc", b"1700000000." + body, hashlib.sha256).hexdigest()
    assert signature("whsec_abc", timestamp=1_700_000_000, body=body) == golden


def test_a_signature_changes_with_time_body_and_secret() -> None:
    told = {
        signature(secret, timestamp=stamp, body=body)
        for secret in ("a", "b")
        for stamp in (1, 2)
        for body in (b"x", b"y")
    }
    assert len(told) == 8


def test_a_body_is_ascii_json_with_version_event_and_ids() -> None:
    key = uuid.UUID(int=7)
    body = body_of(event="job.created", event_id=key, at="2026-01-01T00:00:00+00:00", job={"title": "Björk\u2028"})
    assert body.isascii()
    assert json.loads(body) == {
        "version": 1,
        "event": "job.created",
        "event_id": str(key),
        "at": "2026-01-01T00:00:00+00:00",
        "job": {"title": "Björk\u2028"},
    }


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://host/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("http://", "host"),
        ("http://host:0/", "host"),
        ("http://host:99999/", "unreadable"),
        ("http://[::1/", "unreadable"),
        ("http://me:secret@host/", "credentials"),
        ("http://host/#part", "fragment"),
        ("http://host/a b", "characters"),
        ("http://host/\r\nX: y", "characters"),
        ("http://höst/", "characters"),
        ("http://host/" + "a" * 2000, "characters"),
    ],
)
def test_addresses_that_are_refused(url: str, reason: str) -> None:
    with pytest.raises(DomainError) as refused:
        url_checked(url)
    assert (refused.value.code, refused.value.params) == ("webhook_url_invalid", {"reason": reason})


@pytest.mark.parametrize("url", ["http://localhost:8000/x?y=z", "https://hooks.example.org", "http://[::1]:80/"])
def test_addresses_that_are_taken(url: str) -> None:
    assert url_checked(f" {url} ") == url


@pytest.mark.parametrize(
    ("address", "always", "private"),
    [
        ("127.0.0.1", False, True),
        ("192.168.1.5", False, True),
        ("100.64.0.1", False, True),
        ("::1", False, True),
        ("fd00::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("8.8.8.8", True, True),
        ("2606:4700::1", True, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("224.0.0.1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("255.255.255.255", False, False),
    ],
)
def test_where_a_receiver_may_be(address: str, *, always: bool, private: bool) -> None:
    parsed = ipaddress.ip_address(address)
    assert address_allowed(parsed, private=False) is always
    assert address_allowed(parsed, private=True) is private


def test_pauses_grow_and_end() -> None:
    assert [pause_s(tries) for tries in range(1, MAX_TRIES + 1)] == [*map(float, PAUSES_S), None]
    assert list(PAUSES_S) == sorted(PAUSES_S)
    assert rest_s(1) < rest_s(3) < rest_s(1000) == 600


def test_events_are_known_names_in_one_order() -> None:
    assert events_checked(["track.failed", "job.created", "track.failed"]) == ["job.created", "track.failed"]
    assert events_checked([]) == []
    assert len(Event) == 9
    with pytest.raises(DomainError) as refused:
        events_checked(["job.started"])
    assert refused.value.code == "webhook_event_unknown"
