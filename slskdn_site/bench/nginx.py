"""nginx serving one folder over TLS 1.3: the server that the HTTP contenders download from. Its start is left out of the account where the kernel tells
what it cost."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from slskdn_site.bench.children import Child, cpu_s_so_far
from slskdn_site.bench.contender import BenchFailed, Workload

HOST: Final = "127.0.0.2"
READY_S: Final = 20.0
SYSTEM_FOLDERS: Final = (
    "/usr/local/sbin:/usr/sbin:/sbin"  # where Debian has nginx, and a plain user's PATH doesn't look
)

CONFIGURATION: Final = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    output_buffers 2 256k;
    server {{
        listen {host}:{port} ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        root {root};
    }}
}}
"""


class Nginx:
    """One nginx, as a context manager: it listens inside and has ended after."""

    def __init__(self, work: Workload, folder: Path) -> None:
        """Raises BenchFailed when nginx is not installed."""
        binary = found("nginx")
        if binary is None:
            raise BenchFailed("nginx is not installed.")
        self.certificate: Final = folder / "cert.pem"
        self._port: Final = _free_port()
        self.url: Final = f"https://{HOST}:{self._port}/{work.path.name}"
        self._before = 0.0
        _write_certificate(folder)
        configuration = folder / "nginx.conf"
        text = CONFIGURATION.format(folder=folder, host=HOST, port=self._port, root=work.path.parent)
        configuration.write_text(text, encoding="utf-8")
        self._child: Final = Child([binary, "-p", str(folder), "-c", str(configuration)], log=folder / "nginx.log")

    def __enter__(self) -> Self:
        try:
            _await_listening(self._child, self._port)
        except BaseException:
            self._child.stop()
            raise
        self._before = cpu_s_so_far(self._child.pid)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._child.stop()

    def stop(self) -> float:
        """End it; the CPU seconds since it listened."""
        return self._child.stop() - self._before


def missing_of(*names: str) -> str | None:
    """The first of these programs that is not installed."""
    return next((name for name in names if found(name) is None), None)


def found(name: str) -> str | None:
    """Where a program is."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_FOLDERS}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _await_listening(server: Child, port: int) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            with socket.create_connection((HOST, port), timeout=1.0):
                return
        except OSError:
            if not server.alive() or time.monotonic() > deadline:
                raise server.failed("does not listen") from None
            time.sleep(0.01)


def _write_certificate(folder: Path) -> None:
    """A key (P-256, what most servers have) and a certificate of its own for HOST, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
