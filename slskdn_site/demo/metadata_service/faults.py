"""Faults that a test or a person orders for the next answers: kept, counted down and applied to a reply's bytes. No sockets."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from slskdn_site.demo.answer_shapes import Json, JsonObject
from slskdn_site.demo.metadata_service.catalogue import NOT_FOUND, Reply, json_reply

Kind = Literal["status", "not_found", "garbage", "html", "truncated", "hang", "close"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_MAX_COUNT = 1_000_000
_MAX_SECONDS = 600.0
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr>nginx</body></html>\n"
# Starts like JSON and is none; with bytes that are not UTF-8.
_GARBAGE = b'{"id": "\xff\xfe\x00", "title": [[[[ not json'
_BUSY: JsonObject = {
    "error": "Your requests are exceeding the allowable rate limit. Please see https://musicbrainz.org/doc/MusicBrainz_API/Rate_Limiting for more information."
}

_ACOUSTID_BUSY: JsonObject = {
    "error": {"code": 13, "message": "service currently unavailable, try again later"},
    "status": "error",
}


class FaultError(ValueError):
    """An order for a fault that can't be understood; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One order: the next `count` answers whose path starts with `prefix`. `seconds` is for hang, `status`/`retry_after_s` for status."""

    kind: Kind
    prefix: str = "/"
    count: int = 1
    status: int = 503
    retry_after_s: int | None = 1
    seconds: float = 60.0


def _number(raw: Mapping[str, Json], key: str, default: float, *, low: float, high: float) -> float:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise FaultError(f"{key} must be a number from {low:g} to {high:g}")
    return float(value)


def fault_from_json(raw: Json) -> Fault:
    """Read one order, e.g. {"kind": "status", "prefix": "/ws/2/release", "count": 3, "status": 503, "retry_after_s": 2}. Raises FaultError."""
    if not isinstance(raw, dict):
        raise FaultError("a fault is an object")
    unknown = sorted(set(raw) - {"kind", "prefix", "count", "status", "retry_after_s", "seconds"})
    if unknown:
        raise FaultError(f"unknown field {unknown[0]!r}")
    kind = next((known for known in KINDS if known == raw.get("kind")), None)
    if kind is None:
        raise FaultError(f"kind must be one of {', '.join(KINDS)}")
    prefix = raw.get("prefix", "/")
    if not isinstance(prefix, str) or not prefix.startswith("/"):
        raise FaultError("prefix must be a path")
    retry_after = (
        None if raw.get("retry_after_s", 1) is None else int(_number(raw, "retry_after_s", 1, low=0, high=86_400))
    )
    return Fault(
        kind=kind,
        prefix=prefix,
        count=int(_number(raw, "count", 1, low=1, high=_MAX_COUNT)),
        status=int(_number(raw, "status", 503, low=400, high=599)),
        retry_after_s=retry_after,
        seconds=_number(raw, "seconds", 60.0, low=0, high=_MAX_SECONDS),
    )


def faults_from_json(raw: Json) -> list[Fault]:
    """One order or a list of them. Raises FaultError."""
    return [fault_from_json(one) for one in raw] if isinstance(raw, list) else [fault_from_json(raw)]


def fault_json(fault: Fault) -> JsonObject:
    """The order as it was read, with the count that is left."""
    return {
        "kind": fault.kind,
        "prefix": fault.prefix,
        "count": fault.count,
        "status": fault.status,
        "retry_after_s": fault.retry_after_s,
        "seconds": fault.seconds,
    }


class FaultPlan:
    """The orders that are still open, first come first served. Safe for threads."""

    def __init__(self) -> None:
        self._open: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, faults: list[Fault]) -> None:
        """Append orders."""
        with self._lock:
            self._open.extend(faults)

    def clear(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._open.clear()

    def listed(self) -> list[Fault]:
        """The open orders."""
        with self._lock:
            return list(self._open)

    def take(self, path: str) -> Fault | None:
        """The fault for a request on `path`, if one is ordered; counts it down."""
        with self._lock:
            for index, fault in enumerate(self._open):
                if path.startswith(fault.prefix):
                    if fault.count == 1:
                        del self._open[index]
                    else:
                        self._open[index] = replace(fault, count=fault.count - 1)
                    return fault
        return None


def faulty_reply(fault: Fault, service: str) -> Reply | None:
    """The reply in place of the true one; None for faults that act on the connection (truncated, hang, close)."""
    rule = f"fault:{fault.kind}"
    if fault.kind == "status":
        headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        busy = json_reply(fault.status, _ACOUSTID_BUSY if service == "acoustid" else _BUSY, rule=rule)
        return Reply(busy.status, busy.body, busy.content_type, headers, rule)
    if fault.kind == "not_found":
        return json_reply(404, NOT_FOUND, rule=rule)
    if fault.kind == "garbage":
        return Reply(200, _GARBAGE, rule=rule)
    if fault.kind == "html":
        return Reply(502, _HTML, "text/html", {}, rule)
    return None
