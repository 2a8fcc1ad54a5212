"""By what an HTTP answer is known again (RFC 9110 §8.8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpValidator:
    """An ETag as it was sent (with quotes and W/), and a Last-Modified date; "" where there was none. False when there is neither."""

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)
