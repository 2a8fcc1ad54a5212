"""Write tokens (BEP 5): proof that an announcer receives datagrams at the address it announces from.

token = keyed BLAKE2s of the address under a secret that is replaced every five minutes; the previous secret stays good, so a token lives
five to ten minutes, as BEP 5 suggests. No state per asker.
"""

from __future__ import annotations

import hashlib
import hmac

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.ids import RandomBytes

ROTATE_S = 300.0
TOKEN_BYTES = 8


class TokenJar:
    """Issues and checks tokens. Time is whatever monotonic clock the caller uses, in seconds."""

    def __init__(self, now: float, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._current = random_bytes(32)
        self._previous = random_bytes(32)
        self._rotated_at = now

    def issue(self, endpoint: Endpoint, now: float) -> bytes:
        """The token for that address (the port may change: NATs)."""
        self._rotate(now)
        return _token(self._current, endpoint)

    def accepts(self, token: bytes, endpoint: Endpoint, now: float) -> bool:
        """Whether we gave this token to that address within the last five to ten minutes."""
        self._rotate(now)
        return any(hmac.compare_digest(token, _token(secret, endpoint)) for secret in (self._current, self._previous))

    def _rotate(self, now: float) -> None:
        elapsed = now - self._rotated_at
        if elapsed < ROTATE_S:
            return
        # After a long silence both secrets are too old.
        self._previous = self._current if elapsed < 2 * ROTATE_S else self._random_bytes(32)
        self._current = self._random_bytes(32)
        self._rotated_at = now


def _token(secret: bytes, endpoint: Endpoint) -> bytes:
    return hashlib.blake2s(endpoint.packed, key=secret, digest_size=TOKEN_BYTES).digest()
