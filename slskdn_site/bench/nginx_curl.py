"""The contender to measure oneself by: nginx serves the file, curl fetches it in one stream over TLS 1.3. Neither verifies anything.

One stream, because it is the cheapest that the two can do (three ranges at once cost some 10 % more CPU). nginx's start is left out of the
account where the kernel tells what it cost; curl's (some 10 ms) is in it.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from slskdn_site.bench.children import Child, cpu_s_so_far
from slskdn_site.bench.contender import BenchFailed, Round, Workload

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


class NginxCurl:
    """See the module."""

    name: Final = "nginx_curl"

    def missing(self) -> str | None:
        """nginx or curl."""
        return next((name for name in ("nginx", "curl") if _found(name) is None), None)

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        """See Contender."""
        nginx, curl = _found("nginx"), _found("curl")
        if nginx is None or curl is None:
            raise BenchFailed("nginx and curl are not both installed.")
        _write_certificate(folder)
        port = _free_port()
        configuration = folder / "nginx.conf"
        text = CONFIGURATION.format(folder=folder, host=HOST, port=port, root=work.path.parent)
        configuration.write_text(text, encoding="utf-8")
        arrived = folder / "arrived.bin"
        with Child([nginx, "-p", str(folder), "-c", str(configuration)], log=folder / "nginx.log") as server:
            _await_listening(server, port)
            before = cpu_s_so_far(server.pid)
            began = time.monotonic()
            # -q first: no curlrc. No proxy is asked for what is on this machine.
            command = [curl, "-q", "--silent", "--show-error", "--fail", "--http1.1", "--noproxy", "*", "--tlsv1.3"]
            command += ["--cacert", str(folder / "cert.pem"), "--output", str(arrived)]
            command += [f"https://{HOST}:{port}/{work.path.name}"]
            with Child(command, log=folder / "curl.log", leash=False) as client:
                download_cpu_s = client.wait(within_s=work.deadline_s)
            seconds = time.monotonic() - began
            seed_cpu_s = server.stop() - before
        return Round(download_cpu_s=download_cpu_s, seed_cpu_s=seed_cpu_s, seconds=seconds), arrived


def _found(name: str) -> str | None:
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
