"""Every number of the wire protocol, with its unit and its reason.

Only numbers live here. Sources: PROTOCOL.md states them normatively; "spec" below means a number that both sides must agree on, "ours" a
local choice that another implementation may make differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# ---- identity of the protocol -------------------------------------------------------------------------------------------------------
MAGIC: Final = "slskdn-overlay"  # spec. Our own: we do not join the network of any other project by accident
PROTOCOL_MIN: Final = 1  # spec. Oldest dialect we speak
PROTOCOL_MAX: Final = 1  # spec. Newest dialect we speak
ALPN_OVERLAY: Final = "slskdn/1"  # spec. ALPN of this protocol; any other name is closed without penalty

# ---- envelope -----------------------------------------------------------------------------------------------------------------------
LENGTH_PREFIX_BYTES: Final = 4  # spec. u32 big-endian
MAX_ENVELOPE_BYTES: Final = 64 * KIB  # spec. Control envelope; a list that does not fit is split, never enlarged
MAX_ATTACHMENT_BYTES: Final = 512 * KIB  # spec. The largest range a seeder serves, and 16,384 leaf hashes of 32 bytes
MAX_DECODED_ATTACHMENT_BYTES: Final = (
    2 * MIB
)  # spec. Inflating stops here whatever is declared: a 512 KiB zlib bomb holds 500 MiB
MAX_JSON_DEPTH: Final = 16  # spec. Our deepest message needs 5; a recursive parser dies at about 1000
MAX_WIRE_INTEGER: Final = (
    2**53 - 1
)  # spec. Largest integer that every JSON implementation keeps exact (RFC 8259 section 6)
SKIP_BUFFER_BYTES: Final = 64 * KIB  # ours. Scratch into which a skipped attachment is read; never grows

# ---- handshake ----------------------------------------------------------------------------------------------------------------------
CONNECT_TIMEOUT_S: Final = 10.0  # ours. TCP connect; three SYN retransmissions
TLS_TIMEOUT_S: Final = 5.0  # spec. TCP accepted to TLS finished
HANDSHAKE_TIMEOUT_S: Final = 5.0  # spec. TLS finished to hello and hello_ack exchanged
NONCE_BYTES: Final = 16  # spec. 128 random bits, echoed: an ack cannot be replayed from another link
MAX_FEATURES: Final = 64  # spec
MAX_FEATURE_CHARS: Final = 32  # spec. `name/major`, an optional trailing `!` included
MAX_FEATURE_PARAMS_BYTES: Final = 2 * KIB  # spec. Compact JSON
MAX_AGENT_CHARS: Final = 64  # ours. `slskdn/0.1.0` and room for a platform
MAX_NETWORK_CHARS: Final = 32  # ours. `public`, `lab`, or a name of the operator's
MAX_HELLO_LIMITS: Final = 32  # ours. Entries of the optional `limits` map
ADMISSION_TOKEN_BYTES: Final = 16  # spec. Truncated HMAC-SHA-256; 2^-128 to guess
ADMISSION_EPOCH_S: Final = 1800.0  # spec. Rotated every 30 min
ADMISSION_GRACE_S: Final = 600.0  # spec. The previous token stays good for 10 min after a rotation
MAX_REFUSED_TOKENS: Final = (
    8  # ours. Requests in a row with a bad token before it counts as a violation (8 = one full pipeline)
)

# ---- keep-alive ---------------------------------------------------------------------------------------------------------------------
PING_INTERVAL_S: Final = 120.0  # spec. Of silence from the peer; below the 5 min of common NAT TCP timeouts
PONG_TIMEOUT_S: Final = 30.0  # spec. A link whose pong is late is dead
IDLE_TIMEOUT_S: Final = 300.0  # spec. No message but ping and pong in either direction
FRAME_TIMEOUT_S: Final = (
    30.0  # ours. From the first byte of a frame to its last, and the time of its bytes at the rate below
)
FRAME_MIN_BYTES_PER_S: Final = 4 * KIB  # ours. A peer that sends a byte a second holds a link and a buffer for nothing
WRITE_STALL_S: Final = 60.0  # ours. A peer that takes nothing of what waits for it for so long is cut off
CLOSE_LINGER_S: Final = 5.0  # ours. How long a `bye` may sit in the socket before the connection is cut

# ---- rates --------------------------------------------------------------------------------------------------------------------------
CONTROL_MESSAGES_PER_S: Final = 10.0  # spec. Accepted from a peer; chunk_* and payload_have are exempt
CONTROL_BURST: Final = 40.0  # ours. A queue that TCP held back arrives at once; 4 s worth
CONTROL_SEND_PER_S: Final = (
    8.0  # ours. We stay 20 % below what we accept, so that clock differences never make us an offender
)
CONTROL_SEND_BURST: Final = 20.0  # ours. Half of what we accept, for the same reason
MAX_SEND_QUEUE: Final = 256  # ours. Control messages that wait for the sending rate; then LocalProtocolError
HAVE_PER_S: Final = (
    10.0  # ours. payload_have: spec says at most 1/s per payload; ten payloads at once. More are dropped, not punished
)
HAVE_BURST: Final = 40.0  # ours
CANCEL_PER_S: Final = 50.0  # ours. chunk_cancel is exempt from the control rate, not from every rate
CANCEL_BURST: Final = 200.0  # ours

# ---- queries and descriptors --------------------------------------------------------------------------------------------------------
MAX_RELEASES_PER_QUERY: Final = 8  # ours. Editions of one release group that a job considers
MAX_RECORDINGS_PER_QUERY: Final = 64  # ours. A long album; 64 x 39 bytes of JSON
MAX_VARIANTS_PER_RESPONSE: Final = 64  # ours. 64 x about 700 bytes fit one envelope; `more` says that there are others
MAX_TRACKS_PER_DESCRIPTOR: Final = 96  # ours. A 4-CD set, facts included, fits one envelope
MAX_TITLE_CHARS: Final = 256  # ours. Longest titles of MusicBrainz that matter; display only
MAX_PROFILE_CHARS: Final = 40  # ours. `flac-24-192000-8` is 16
MAX_FACTS: Final = 16  # ours. Six are known today
MAX_FACT_NAME_CHARS: Final = 24  # ours
MAX_SAMPLE_RATE_HZ: Final = 1_048_575  # spec. 20 bits of FLAC's STREAMINFO
MAX_CHANNELS: Final = 255  # spec. One byte of the root hash's input is enough for every known format
MAX_BITS_PER_SAMPLE: Final = 64  # spec

# ---- adverts and cache jobs ----------------------------------------------------------------------------------------------------------
MAX_ADVERT_PART_BYTES: Final = 16 * KIB  # ours. An attachment is parsed on the reactor's thread: 16 KiB cost some 4 ms
MAX_ADVERT_PARTS: Final = 160  # ours. 160 x 16 KiB tell 100 announced releases of 40 tracks
MAX_RECORDINGS_PER_PART: Final = 64  # ours. As many as fit 16 KiB in practice
MAX_WITHDRAWN_PER_PART: Final = 256  # ours. 256 x 35 bytes of JSON
MAX_VARIANTS_PER_RECORDING: Final = 16  # ours. Nobody holds more encodes of a track (as for claims)
MAX_VARIANT_ID_CHARS: Final = 40  # ours. We use 32
MAX_ADVERT_FINGERPRINT_BYTES: Final = 4 * KIB  # ours. 120 s of Chromaprint take 2 to 3 KiB compressed
MAX_VARIANTS_PER_ADVERT: Final = 4000  # ours. What a sender tells in all, and what is kept of one peer
ADVERT_TTL_S: Final = 21_600  # ours. 6 h: a node that is off overnight need not be believed in the morning
MIN_TTL_S: Final = 60  # ours. Shorter is no knowledge
MAX_TTL_S: Final = 86_400  # ours. A day: who was not met for so long must be asked again
CACHE_JOB_TTL_S: Final = 600  # spec. An offer, and the asker's patience with it
MAX_TRACKS_PER_CACHE_JOB: Final = 64  # ours. As recordings of a query; a longer release asks twice
ADVERT_PER_S: Final = 2.0  # ours. Parts accepted: a whole snapshot each 80 s
ADVERT_BURST: Final = 400.0  # ours. Two whole snapshots and the deltas between them

# ---- payload and chunks -------------------------------------------------------------------------------------------------------------
ROOT_BYTES: Final = 32  # spec. BLAKE3
LEAF_HASH_BYTES: Final = 32  # spec. BLAKE3
DEFAULT_LEAF_BYTES: Final = 256 * KIB  # spec of today's payload format. Nothing assumes it: it comes from the manifest
MIN_LEAF_BYTES: Final = 16 * KIB  # ours. Below, hashes and requests cost more than they protect
MAX_LEAF_BYTES: Final = 16 * MIB  # ours. Above, one bad leaf wastes too much
MAX_LEAVES: Final = 16_384  # spec. 512 KiB of hashes: one attachment, 4 GiB of payload at 256 KiB
MAX_PREAMBLE_BYTES: Final = 2 * KIB  # spec. FLAC 42 bytes; one MP3 frame is at most 1441 bytes
MAX_HAVE_RANGES: Final = 1024  # ours. 1024 x about 14 bytes of JSON; a sparser map is sent as its largest ranges
MAX_CHUNK_BYTES: Final = 512 * KIB  # spec. The longest range of one chunk_request
MAX_CANCEL_RANGES: Final = 64  # ours. Eight times what can be in flight
CHUNKS_IN_FLIGHT_DEFAULT: Final = 4  # spec. What a downloader asks for at once (measured flat from 1 to 16 on loopback)
CHUNKS_IN_FLIGHT_ACCEPTED: Final = 8  # spec. What a seeder accepts at once; more are answered rate_limited
MAX_OUTSTANDING_CHUNKS: Final = (
    64  # ours. Requests we remember per link, cancelled ones (whose chunk may still come) included
)
CHUNK_DEADLINE_MS: Final = 5000  # spec. Advice to the seeder; the reply timeout is twice as long
MAX_DEADLINE_MS: Final = 600_000  # ours. Ten minutes: more is not a deadline
MAX_PRIORITY: Final = 10  # spec. 0-10
NEGOTIATING_TIMEOUT_S: Final = 30.0  # spec. Downloader: payload_request to payload_manifest
TRANSFER_IDLE_S: Final = 30.0  # spec. Downloader: no chunk although asked
OFFER_TTL_S: Final = 600.0  # spec. Seeder: manifest sent, nothing asked
DONE_KEPT_S: Final = 300.0  # spec. Seeder: late duplicates of a finished transfer are answered for 5 min
MAX_RETRY_AFTER_S: Final = 86_400  # ours. A day; a peer cannot silence us for longer

# ---- links (enforced by overlay_node.net) -------------------------------------------------------------------------------------------
MAX_CONNECTIONS: Final = 128  # ours
MAX_INBOUND_CONNECTIONS: Final = (
    96  # ours. The rest is kept for our own dials: strangers must not be able to use up all
)
MAX_CONNECTIONS_PER_IP: Final = 3  # spec. For public addresses; test peers use 127.0.0.N
NEW_CONNECTIONS_PER_MIN: Final = 30  # spec (10-30). Inbound, over all addresses, refilled evenly
NEW_CONNECTIONS_PER_MIN_PER_GROUP: Final = 10  # spec (10-30). Inbound, per /24 or /56
VIOLATIONS_BEFORE_BAN: Final = 3  # spec
GROUP_VIOLATIONS_BEFORE_BAN: Final = 12
"""of all peers in one /24 or /56: keys are free, but behind one address (CGNAT, a VPN) there are honest neighbours of a vandal"""
BAN_S: Final = 300.0  # spec. First ban; doubles with each further one
MAX_BAN_S: Final = 86_400.0  # ours. A day, so that a shared address is not lost for ever
MAX_KNOWN_OFFENDERS: Final = 1000  # spec's "known peers"; the oldest record is dropped first
WRITE_BUFFER_HIGH_BYTES: Final = 1 * MIB  # ours. Two full chunks: above, producers pause
WRITE_BUFFER_MAX_BYTES: Final = (
    8 * MIB
)  # ours. 8 accepted requests of 512 KiB, twice over: a peer that asks and reads nothing is cut off


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits one connection enforces. Defaults are the constants above; tests and the lab pass their own."""

    max_envelope_bytes: int = MAX_ENVELOPE_BYTES
    """bytes; never above MAX_ENVELOPE_BYTES on the wire"""
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    ping_interval_s: float = PING_INTERVAL_S
    pong_timeout_s: float = PONG_TIMEOUT_S
    idle_timeout_s: float = IDLE_TIMEOUT_S
    frame_timeout_s: float = FRAME_TIMEOUT_S
    write_stall_s: float = WRITE_STALL_S
    control_messages_per_s: float = CONTROL_MESSAGES_PER_S
    control_burst: float = CONTROL_BURST
    control_send_per_s: float = CONTROL_SEND_PER_S
    control_send_burst: float = CONTROL_SEND_BURST
    max_send_queue: int = MAX_SEND_QUEUE
    chunks_in_flight_accepted: int = CHUNKS_IN_FLIGHT_ACCEPTED
    max_outstanding_chunks: int = MAX_OUTSTANDING_CHUNKS
