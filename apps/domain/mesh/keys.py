"""Names under which the mesh meets in the DHT.

Owns the key derivation `sha1(domain ":" key)` and the list of domains; what is announced under a key, and when, belongs to the node.
A key says nothing about its announcers: whoever knows the MBID can compute it, and the TLS handshake decides what is believed.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import NewType
from uuid import UUID

DhtKey = NewType("DhtKey", bytes)
"""20 bytes, used as a BEP 5 info-hash."""


class KeyDomain(Enum):
    """Prefixes that keep the key spaces apart (and all of them apart from BitTorrent's). The value is hashed: never change one."""

    MB = b"slskdn-mb-v1"
    """A MusicBrainz id (release or recording)."""
    NODE = b"slskdn-node-v1"
    """A peer, by its peer id."""
    SCENE = b"slskdn-scene-v1"
    RELAY = b"slskdn-relay-v1"
    WANT = b"slskdn-want-v1"


def dht_key(domain: KeyDomain, key: bytes) -> DhtKey:
    """`sha1(domain ":" key)`, 20 bytes."""
    # SHA-1 because BEP 5 keys are 20 bytes; nothing here relies on collision resistance.
    return DhtKey(hashlib.sha1(domain.value + b":" + key, usedforsecurity=False).digest())


def mb_key(mbid: str | UUID) -> DhtKey:
    """The rendezvous key of a MusicBrainz id; any spelling of the UUID gives the key of its lower-case hyphenated form.

    Raises ValueError when `mbid` is not a UUID.
    """
    canonical = str(mbid if isinstance(mbid, UUID) else UUID(mbid))
    return dht_key(KeyDomain.MB, canonical.encode("ascii"))
