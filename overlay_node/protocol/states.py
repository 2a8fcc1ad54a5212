"""The state machines of the protocol, as data. Of a transfer: one instance per transfer x payload x peer; of adverts: one per link; of a cache
job: one per job x peer.

Theory of transfers. A *downloader* (NEW) asks one peer for the manifest of a payload (NEGOTIATING, at most 30 s). With an accepted manifest it is READY:
it may ask for ranges at any time and is REQUESTING while at least one is in flight. When the scheduler has nothing more to ask of this
peer, the last requests are waited for (DRAINING); work that comes back (a peer left, a leaf was bad) returns it to REQUESTING. When the
payload is whole it is VERIFYING (leaves, root, decode, fingerprint), and then COMPLETED. A peer that is disconnected, too slow or cancelled
is ABORTED, from every active state. A failed verification that blames this peer aborts it too; one that blames another gives it new work.

A *seeder* (IDLE) that answers with a manifest has made an offer (PENDING, for 600 s). The first chunk request makes it SERVING; the
upload budget can hold it (THROTTLED) and let it go on. A cancel, the end, a disconnect or an expired offer lead to TEARDOWN, where reads
in flight end, and then DONE, kept for 5 min to answer late duplicates. A missing or changed file, or policy, make it REJECTED.
What is asked of an unknown transfer is answered not_found; that is no state.

Theory of adverts. A *reader* is SILENT until it has asked (ASKED). The parts of a snapshot or of a step follow one another (RECEIVING); after the last
one it is CURRENT. What does not follow on what it holds is a gap: it knows that it must ask again, and is SILENT until it does; a gap while it waits for
what it asked for changes nothing. A *sender* tells nothing before it is asked (UNASKED); then it is SENDING until the reader has all, and CURRENT until
something changes.

Theory of cache jobs. An *asker* (NEW) that has ASKED hears an offer (OFFERED, or NOTHING), a refusal or nothing in time (REFUSED). Each stands for the
offer's time, then it is EXPIRED and may be asked again; a lost link ends it. An *offerer* remembers an answer (ANSWERED) for the offer's time, so that
the same question is answered no more often than that (REPEATED: told to wait).

``advance`` is the only mover. Tests walk the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from overlay_node.protocol.errors import LocalProtocolError


class ConnectionState(StrEnum):
    """Of one link: hello and hello_ack still to be exchanged, in use, over."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSED = "closed"


class DownloaderState(StrEnum):
    NEW = "new"
    NEGOTIATING = "negotiating"
    READY = "ready"
    REQUESTING = "requesting"
    DRAINING = "draining"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    ABORTED = "aborted"


class DownloaderEvent(StrEnum):
    MANIFEST_REQUESTED = "manifest_requested"
    """payload_request was sent"""
    MANIFEST_ACCEPTED = "manifest_accepted"
    """payload_manifest arrived and its root was recomputed from its leaves"""
    MANIFEST_REFUSED = "manifest_refused"
    """error arrived, or a manifest that does not hash to the root"""
    CHUNK_REQUESTED = "chunk_requested"
    CHUNK_RECEIVED = "chunk_received"
    """a chunk_response arrived, others are still in flight"""
    FLIGHT_EMPTY = "flight_empty"
    """the last request in flight was answered, this peer may be asked for more"""
    NOTHING_LEFT = "nothing_left"
    """the scheduler has nothing more for this peer"""
    PAYLOAD_WHOLE = "payload_whole"
    """every leaf is on disk, from whomever"""
    VERIFIED = "verified"
    VERIFY_FAILED = "verify_failed"
    """and this peer is to blame"""
    WORK_RETURNED = "work_returned"
    """leaves were lost or refused elsewhere: this peer may be asked again"""
    DISCONNECTED = "disconnected"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class SeederState(StrEnum):
    IDLE = "idle"
    PENDING = "pending"
    SERVING = "serving"
    THROTTLED = "throttled"
    TEARDOWN = "teardown"
    DONE = "done"
    REJECTED = "rejected"


class SeederEvent(StrEnum):
    MANIFEST_SENT = "manifest_sent"
    CHUNK_REQUESTED = "chunk_requested"
    THROTTLE = "throttle"
    """the upload budget is spent"""
    RESUME = "resume"
    CANCELLED = "cancelled"
    """chunk_cancel for everything"""
    DISCONNECTED = "disconnected"
    OFFER_EXPIRED = "offer_expired"
    DRAINED = "drained"
    """the last read and write in flight ended"""
    FILE_MISSING = "file_missing"
    FILE_CHANGED = "file_changed"
    POLICY = "policy"


class AdvertReaderState(StrEnum):
    SILENT = "silent"
    ASKED = "asked"
    RECEIVING = "receiving"
    CURRENT = "current"


class AdvertReaderEvent(StrEnum):
    REQUEST_SENT = "request_sent"
    PART = "part"
    """in its place, and another one must follow"""
    LAST_PART = "last_part"
    RENEWED = "renewed"
    """nothing changed since what is held"""
    GAP = "gap"
    """it does not follow on what is held"""


class AdvertSenderState(StrEnum):
    UNASKED = "unasked"
    SENDING = "sending"
    CURRENT = "current"


class AdvertSenderEvent(StrEnum):
    REQUESTED = "requested"
    CHANGED = "changed"
    """what is told is not what is held any more"""
    TOLD = "told"
    """the last part of the newest sequence was sent"""


class CacheAskerState(StrEnum):
    NEW = "new"
    ASKED = "asked"
    OFFERED = "offered"
    NOTHING = "nothing"
    REFUSED = "refused"
    EXPIRED = "expired"


class CacheAskerEvent(StrEnum):
    REQUEST_SENT = "request_sent"
    TRACKS_OFFERED = "tracks_offered"
    NOTHING_OFFERED = "nothing_offered"
    REFUSED = "refused"
    """an error, or no answer in time"""
    TTL_OVER = "ttl_over"
    DISCONNECTED = "disconnected"


class CacheOffererState(StrEnum):
    IDLE = "idle"
    ANSWERED = "answered"
    EXPIRED = "expired"


class CacheOffererEvent(StrEnum):
    OFFER_SENT = "offer_sent"
    REPEATED = "repeated"
    """the same job again, before its offer expired"""
    TTL_OVER = "ttl_over"
    DISCONNECTED = "disconnected"


StateT = TypeVar("StateT", bound=StrEnum)
EventT = TypeVar("EventT", bound=StrEnum)

_D = DownloaderState
_DE = DownloaderEvent
_DOWNLOADER_ENDS: Final[Mapping[DownloaderEvent, DownloaderState]] = {
    _DE.DISCONNECTED: _D.ABORTED,
    _DE.TIMED_OUT: _D.ABORTED,
    _DE.CANCELLED: _D.ABORTED,
}

DOWNLOADER: Final[Mapping[DownloaderState, Mapping[DownloaderEvent, DownloaderState]]] = MappingProxyType(
    {
        _D.NEW: {**_DOWNLOADER_ENDS, _DE.MANIFEST_REQUESTED: _D.NEGOTIATING},
        _D.NEGOTIATING: {
            **_DOWNLOADER_ENDS,
            _DE.MANIFEST_ACCEPTED: _D.READY,
            _DE.MANIFEST_REFUSED: _D.ABORTED,
        },
        _D.READY: {
            **_DOWNLOADER_ENDS,
            _DE.CHUNK_REQUESTED: _D.REQUESTING,
            _DE.NOTHING_LEFT: _D.DRAINING,
            _DE.PAYLOAD_WHOLE: _D.VERIFYING,
            _DE.WORK_RETURNED: _D.READY,
        },
        _D.REQUESTING: {
            **_DOWNLOADER_ENDS,
            _DE.CHUNK_REQUESTED: _D.REQUESTING,
            _DE.CHUNK_RECEIVED: _D.REQUESTING,
            _DE.FLIGHT_EMPTY: _D.READY,
            _DE.NOTHING_LEFT: _D.DRAINING,
            _DE.PAYLOAD_WHOLE: _D.VERIFYING,
            _DE.WORK_RETURNED: _D.REQUESTING,
        },
        _D.DRAINING: {
            **_DOWNLOADER_ENDS,
            _DE.CHUNK_REQUESTED: _D.REQUESTING,
            _DE.CHUNK_RECEIVED: _D.DRAINING,
            _DE.FLIGHT_EMPTY: _D.DRAINING,
            _DE.PAYLOAD_WHOLE: _D.VERIFYING,
            _DE.WORK_RETURNED: _D.READY,
        },
        _D.VERIFYING: {
            **_DOWNLOADER_ENDS,
            _DE.CHUNK_RECEIVED: _D.VERIFYING,  # a duplicate of the end game
            _DE.FLIGHT_EMPTY: _D.VERIFYING,
            _DE.VERIFIED: _D.COMPLETED,
            _DE.VERIFY_FAILED: _D.ABORTED,
            _DE.WORK_RETURNED: _D.READY,
        },
        _D.COMPLETED: {},
        _D.ABORTED: {},
    }
)

_S = SeederState
_SE = SeederEvent
_SEEDER_ENDS: Final[Mapping[SeederEvent, SeederState]] = {
    _SE.CANCELLED: _S.TEARDOWN,
    _SE.DISCONNECTED: _S.TEARDOWN,
    _SE.FILE_MISSING: _S.REJECTED,
    _SE.FILE_CHANGED: _S.REJECTED,
    _SE.POLICY: _S.REJECTED,
}

SEEDER: Final[Mapping[SeederState, Mapping[SeederEvent, SeederState]]] = MappingProxyType(
    {
        _S.IDLE: {
            _SE.MANIFEST_SENT: _S.PENDING,
            _SE.FILE_MISSING: _S.REJECTED,
            _SE.FILE_CHANGED: _S.REJECTED,
            _SE.POLICY: _S.REJECTED,
        },
        _S.PENDING: {
            **_SEEDER_ENDS,
            _SE.MANIFEST_SENT: _S.PENDING,  # asked twice
            _SE.CHUNK_REQUESTED: _S.SERVING,
            _SE.OFFER_EXPIRED: _S.TEARDOWN,
        },
        _S.SERVING: {
            **_SEEDER_ENDS,
            _SE.MANIFEST_SENT: _S.SERVING,
            _SE.CHUNK_REQUESTED: _S.SERVING,
            _SE.THROTTLE: _S.THROTTLED,
            _SE.OFFER_EXPIRED: _S.TEARDOWN,  # served once, silent for the offer's time since
        },
        _S.THROTTLED: {
            **_SEEDER_ENDS,
            _SE.CHUNK_REQUESTED: _S.THROTTLED,
            _SE.THROTTLE: _S.THROTTLED,
            _SE.RESUME: _S.SERVING,
        },
        _S.TEARDOWN: {
            _SE.DRAINED: _S.DONE,
            _SE.DISCONNECTED: _S.TEARDOWN,
            _SE.CANCELLED: _S.TEARDOWN,
        },
        _S.DONE: {
            _SE.CHUNK_REQUESTED: _S.DONE,  # a late duplicate
            _SE.MANIFEST_SENT: _S.PENDING,  # the same peer comes back
            _SE.CANCELLED: _S.DONE,
            _SE.DISCONNECTED: _S.DONE,
        },
        _S.REJECTED: {},
    }
)

_AR = AdvertReaderState
_ARE = AdvertReaderEvent
_READING: Final[Mapping[AdvertReaderEvent, AdvertReaderState]] = {
    _ARE.REQUEST_SENT: _AR.ASKED,
    _ARE.PART: _AR.RECEIVING,
    _ARE.LAST_PART: _AR.CURRENT,
}

ADVERT_READER: Final[Mapping[AdvertReaderState, Mapping[AdvertReaderEvent, AdvertReaderState]]] = MappingProxyType(
    {
        _AR.SILENT: {_ARE.REQUEST_SENT: _AR.ASKED, _ARE.GAP: _AR.SILENT},
        _AR.ASKED: {**_READING, _ARE.RENEWED: _AR.CURRENT, _ARE.GAP: _AR.ASKED},
        _AR.RECEIVING: {**_READING, _ARE.GAP: _AR.SILENT},
        _AR.CURRENT: {**_READING, _ARE.RENEWED: _AR.CURRENT, _ARE.GAP: _AR.SILENT},
    }
)

_AS = AdvertSenderState
_ASE = AdvertSenderEvent

ADVERT_SENDER: Final[Mapping[AdvertSenderState, Mapping[AdvertSenderEvent, AdvertSenderState]]] = MappingProxyType(
    {
        _AS.UNASKED: {_ASE.REQUESTED: _AS.SENDING, _ASE.CHANGED: _AS.UNASKED},
        _AS.SENDING: {_ASE.REQUESTED: _AS.SENDING, _ASE.CHANGED: _AS.SENDING, _ASE.TOLD: _AS.CURRENT},
        _AS.CURRENT: {_ASE.REQUESTED: _AS.SENDING, _ASE.CHANGED: _AS.SENDING},
    }
)

_CA = CacheAskerState
_CAE = CacheAskerEvent

CACHE_ASKER: Final[Mapping[CacheAskerState, Mapping[CacheAskerEvent, CacheAskerState]]] = MappingProxyType(
    {
        _CA.NEW: {_CAE.REQUEST_SENT: _CA.ASKED, _CAE.DISCONNECTED: _CA.EXPIRED},
        _CA.ASKED: {
            _CAE.TRACKS_OFFERED: _CA.OFFERED,
            _CAE.NOTHING_OFFERED: _CA.NOTHING,
            _CAE.REFUSED: _CA.REFUSED,
            _CAE.DISCONNECTED: _CA.EXPIRED,
        },
        _CA.OFFERED: {_CAE.TTL_OVER: _CA.EXPIRED, _CAE.DISCONNECTED: _CA.EXPIRED},
        _CA.NOTHING: {_CAE.TTL_OVER: _CA.EXPIRED, _CAE.DISCONNECTED: _CA.EXPIRED},
        _CA.REFUSED: {_CAE.TTL_OVER: _CA.EXPIRED, _CAE.DISCONNECTED: _CA.EXPIRED},
        _CA.EXPIRED: {},
    }
)

_CO = CacheOffererState
_COE = CacheOffererEvent

CACHE_OFFERER: Final[Mapping[CacheOffererState, Mapping[CacheOffererEvent, CacheOffererState]]] = MappingProxyType(
    {
        _CO.IDLE: {_COE.OFFER_SENT: _CO.ANSWERED, _COE.DISCONNECTED: _CO.EXPIRED},
        _CO.ANSWERED: {
            _COE.REPEATED: _CO.ANSWERED,
            _COE.TTL_OVER: _CO.EXPIRED,
            _COE.DISCONNECTED: _CO.EXPIRED,
        },
        _CO.EXPIRED: {},
    }
)


def advance(table: Mapping[StateT, Mapping[EventT, StateT]], state: StateT, event: EventT) -> StateT:
    """Return the state that follows ``state`` on ``event``. An edge that is not in the table is our bug: LocalProtocolError."""
    try:
        return table[state][event]
    except KeyError:
        raise LocalProtocolError("impossible_transition", f"Event {event} cannot come while {state}.") from None


def is_final(table: Mapping[StateT, Mapping[EventT, StateT]], state: StateT) -> bool:
    """True when no event leads out of ``state``."""
    return not table[state]
