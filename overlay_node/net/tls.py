"""Mutual TLS 1.3 with self-signed Ed25519 certificates: a proven key, and nothing else, names a peer.

No certificate authority, no host names, no dates, no tickets, no 0-RTT. OpenSSL proves in the handshake that the peer holds the key of
the certificate it shows; ``peer_id_of_connection`` then reads that key. Which peer ids are welcome is decided above.
"""

from __future__ import annotations

from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from zope.interface import implementer  # type: ignore[import-untyped]

from overlay_node.net.identity import NodeIdentity, peer_id_of_key
from overlay_node.protocol.limits import ALPN_OVERLAY

_ALPN: Final = ALPN_OVERLAY.encode("ascii")
_SSL_MODE_ENABLE_PARTIAL_WRITE: Final = (
    0x1  # openssl/ssl.h; pyOpenSSL sets it, and it costs a call per 16 KiB of a chunk
)


class TlsHandle(Protocol):
    """What is read of an OpenSSL connection after its handshake."""

    def get_alpn_proto_negotiated(self) -> bytes: ...
    def get_peer_certificate(self) -> object: ...


def make_context(identity: NodeIdentity) -> SSL.Context:
    """A context for both roles: TLS 1.3 only, our certificate, any Ed25519 certificate of the peer's, ALPN ``slskdn/1``."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_max_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.use_certificate(identity.certificate)  # type: ignore[arg-type]  # the stubs lag behind
    context.use_privatekey(identity.private_key)  # type: ignore[arg-type]  # the stubs lag behind
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_any_ed25519)
    context.set_alpn_protos([_ALPN])
    context.set_alpn_select_callback(_select_alpn)  # type: ignore[arg-type]  # the stubs lag behind
    clear_mode = getattr(context, "clear_mode", None)  # pyOpenSSL >= 25.1
    if clear_mode is not None:
        clear_mode(_SSL_MODE_ENABLE_PARTIAL_WRITE)
    return context


def _accept_any_ed25519(
    _connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, _ok: int
) -> bool:
    """Trust is not decided here: any leaf certificate with an Ed25519 key will do, whoever signed it and whatever its dates."""
    if depth != 0:
        return True
    return isinstance(certificate.to_cryptography().public_key(), Ed25519PublicKey)


def _select_alpn(_connection: SSL.Connection, offered: list[bytes]) -> object:
    return (
        _ALPN if _ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS
    )  # then closed after the handshake, without penalty


def speaks_overlay(handle: TlsHandle) -> bool:
    """True when both sides agreed on our ALPN."""
    return handle.get_alpn_proto_negotiated() == _ALPN


def peer_id_of_connection(handle: TlsHandle) -> str | None:
    """The peer id that the finished handshake proved; None when there is no Ed25519 key (which the verification excludes)."""
    shown = handle.get_peer_certificate()
    if not isinstance(shown, crypto.X509):
        return None
    certificate: x509.Certificate = shown.to_cryptography()
    key = certificate.public_key()
    return peer_id_of_key(key) if isinstance(key, Ed25519PublicKey) else None


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class TlsCreator:
    """Makes the OpenSSL connection of a link, for either role, from one shared context."""

    def __init__(self, identity: NodeIdentity) -> None:
        self._context: Final = make_context(identity)

    def clientConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802
        """Twisted's name."""
        return self._make()

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802
        """Twisted's name."""
        return self._make()

    def _make(self) -> SSL.Connection:
        return SSL.Connection(self._context, None)
