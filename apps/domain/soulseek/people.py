"""What people may say on Soulseek, how much of what others say is kept, and what counts as a picture. Pure.

Text of others is kept nearly as it came (rows hold no NUL and no surrogates) and made harmless where it is shown, by `apps.common.text.display_text`;
our own goes out as one line without control characters.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from apps.domain.errors import DomainError

MAX_SAID: Final = 1000
"""Characters of a message of ours. Clients show one line; the server drops what is much longer."""
MAX_HEARD: Final = 4000
"""Characters of others' messages that are kept."""
MAX_NAME: Final = 120
"""Characters of names of users and rooms; the server takes fewer."""
MAX_DESCRIPTION: Final = 20_000
MAX_PICTURE_BYTES: Final = 2 << 20
KEPT_LINES: Final = 1000
"""Lines of a room."""
MAX_MEMBERS: Final = 5000
"""Names of a room that are kept; the number is right beyond that."""
MAX_ROOMS: Final = 10_000
"""Rooms of the server's list."""
MAX_JOINED: Final = 50


class ChatInvalid(DomainError):
    """Something that can't be said, or a name that nobody has."""

    default_code = "chat_invalid"


def said(text: str) -> str:
    """What goes out: one line, no control characters, at most MAX_SAID characters. Raises ChatInvalid."""
    calm = "".join(" " if one in "\t\n\r\v\f\x85\u2028\u2029" else one for one in text)
    calm = "".join(one for one in calm if unicodedata.category(one) not in ("Cc", "Cs")).strip()
    if not calm:
        raise ChatInvalid("An empty message is not sent.", code="chat_empty")
    if len(calm) > MAX_SAID:
        raise ChatInvalid("A message is too long.", code="chat_too_long", most=MAX_SAID, has=len(calm))
    return calm


def heard(text: str, *, most: int = MAX_HEARD) -> str:
    """What came, as a row can hold it: without NUL and surrogates, cut."""
    kept = text[:most]
    return "".join(one for one in kept if one != "\0" and not "\ud800" <= one <= "\udfff")


def user_name(name: str) -> str:
    """A name that a user may have. Raises ChatInvalid."""
    return _name(name, code="user_invalid")


def room_name(name: str) -> str:
    """A name that a room may have. Raises ChatInvalid."""
    return _name(name.strip(), code="room_invalid")


def _name(name: str, *, code: str) -> str:
    if not name.strip() or len(name) > MAX_NAME or any(unicodedata.category(one) in ("Cc", "Cs") for one in name):
        raise ChatInvalid("This is no name.", code=code, most=MAX_NAME)
    return name


@dataclass(slots=True)
class Pace:
    """A token bucket: `burst` at once, then `per_s`. Mutable; seconds are monotonic and given."""

    burst: float
    per_s: float
    left: float = -1.0
    at: float = 0.0

    def take(self, now: float) -> float:
        """0: it may be done, and counts; else the seconds until it may."""
        self.left = self.burst if self.left < 0 else min(self.burst, self.left + (now - self.at) * self.per_s)
        self.at = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.per_s


def picture_type(data: bytes) -> str:
    """The media type of a picture by its first bytes; "": none that is shown (SVG and everything else that can hold a script is not)."""
    if not 8 < len(data) <= MAX_PICTURE_BYTES:
        return ""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return ""
