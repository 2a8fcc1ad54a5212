"""Admission tokens: what a peer must show in data requests to prove that it shook hands with this node lately.

A token is a MAC over (peer id, epoch) under a secret of this node's, so nothing is stored per peer and a token is worthless to another
peer. It is never bound to an address. An epoch lasts 30 min of the node's monotonic clock; the previous token stays good for 10 min.
"""

from __future__ import annotations

import hashlib
import hmac
import math

from overlay_node.protocol import limits


class AdmissionTokens:
    """Makes and checks the tokens this node hands out. ``secret`` is at least 16 random bytes, made anew at each start."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("The admission secret needs at least 16 bytes.")
        self._secret = secret

    def token(self, peer_id: str, now: float) -> bytes:
        """The token for a peer now."""
        return self._mac(peer_id, _epoch(now))

    def is_good(self, peer_id: str, token: bytes | None, now: float) -> bool:
        """True for the token of this epoch, and for the last one's within its grace."""
        return self.good_until(peer_id, token, now) > now

    def good_until(self, peer_id: str, token: bytes | None, now: float) -> float:
        """Until when a token that is shown now is surely good; minus infinity if it is not good now."""
        if token is None:
            return -math.inf
        epoch = _epoch(now)
        if hmac.compare_digest(token, self._mac(peer_id, epoch)):
            return self.next_rotation(now)
        grace_ends = epoch * limits.ADMISSION_EPOCH_S + limits.ADMISSION_GRACE_S
        if now < grace_ends and hmac.compare_digest(token, self._mac(peer_id, epoch - 1)):
            return grace_ends
        return -math.inf

    @staticmethod
    def next_rotation(now: float) -> float:
        """The time at which the token changes next."""
        return (_epoch(now) + 1) * limits.ADMISSION_EPOCH_S

    def _mac(self, peer_id: str, epoch: int) -> bytes:
        text = f"slskdn-admission-1\0{peer_id}\0{epoch}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).digest()[: limits.ADMISSION_TOKEN_BYTES]


def _epoch(now: float) -> int:
    return math.floor(now / limits.ADMISSION_EPOCH_S)
