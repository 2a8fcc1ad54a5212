"""Who this node is: an Ed25519 key and the self-signed certificate that carries it, in files only the owner can read.

``peer_id`` = lower-case base32 without padding of SHA-256 over the DER SubjectPublicKeyInfo of the key: 52 characters. The certificate
says nothing else of us, has no meaningful dates, and may be made anew from the key at any time: only the key counts.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

KEY_FILE: Final = "overlay.key.pem"
CERTIFICATE_FILE: Final = "overlay.cert.pem"


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """The key of this node, its certificate, and the name that follows from it."""

    peer_id: str
    private_key: Ed25519PrivateKey
    certificate: x509.Certificate


def peer_id_of_key(key: Ed25519PublicKey) -> str:
    """The peer id of a public key."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b32encode(hashlib.sha256(spki).digest()).decode("ascii").rstrip("=").lower()


def identity_load_or_create(folder: Path) -> NodeIdentity:
    """The identity kept in ``folder`` (the ``keys/`` of the data folder), made at the first call.

    Raises ValueError when the key file holds something else or when others may read it: an identity that leaked must not be used on.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_path = folder / KEY_FILE
    try:
        key = _read_key(key_path)
    except FileNotFoundError:
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write_once(key_path, pem)
        key = _read_key(key_path)
    certificate_path = folder / CERTIFICATE_FILE
    certificate = _read_certificate(certificate_path, key)
    if certificate is None:
        certificate = make_certificate(key)
        certificate_path.unlink(missing_ok=True)
        _write_once(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
    return NodeIdentity(peer_id_of_key(key.public_key()), key, certificate)


def identity_ephemeral() -> NodeIdentity:
    """A new identity that is kept nowhere: for the lab and for tests."""
    key = Ed25519PrivateKey.generate()
    return NodeIdentity(peer_id_of_key(key.public_key()), key, make_certificate(key))


def make_certificate(key: Ed25519PrivateKey) -> x509.Certificate:
    """A self-signed certificate that says nothing but the key. Its dates are RFC 5280's "no well-defined expiration"."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slskdn")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC))
        .sign(key, None)
    )


def _read_key(path: Path) -> Ed25519PrivateKey:
    pem = path.read_bytes()
    if path.stat().st_mode & 0o077:
        raise ValueError(
            f"The identity key {path.name} can be read by others: set its mode to 0600, or make a new one."
        )
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"The identity key {path.name} is not an Ed25519 key.")
    return key


def _read_certificate(path: Path, key: Ed25519PrivateKey) -> x509.Certificate | None:
    """The kept certificate when it is of this key; None when it has to be made."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    public = certificate.public_key()
    if not isinstance(public, Ed25519PublicKey) or public != key.public_key():
        return None
    return certificate


def _write_once(path: Path, data: bytes) -> None:
    """Create ``path`` whole and with mode 0600, or leave alone what another process has put there first."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
