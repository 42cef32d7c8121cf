"""A server for one request whose line breaks, or never ends: over TLS where its plan says so."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Broken:
    """Listens on loopback. Plans: ``drip head|body|chunks|tls|endless`` sends a byte now and then for ever;
    ``slow but whole`` ends well; ``tls garbage|reset|close before answer|in head|in body`` reads the whole request, and
    breaks the line there; ``tls no handshake`` hangs up at once. ``heard`` is set when a request was read."""

    def __init__(self, plan: str) -> None:
        self._plan = plan
        self._over = threading.Event()
        self.heard = threading.Event()
        self.certificate = Path(tempfile.mkdtemp(prefix="broken-")) / "server.pem"

    def __enter__(self) -> Broken:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.url = f"{'https' if 'tls' in self._plan else 'http'}://{self.address}/v2.0"
        if "tls" in self._plan:
            make_certificate(self.certificate)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join(10)
        self._listening.close()
        self.certificate.unlink(missing_ok=True)
        self.certificate.parent.rmdir()

    def _serve(self) -> None:
        self._listening.settimeout(10)
        with contextlib.suppress(OSError):
            plain, _address = self._listening.accept()
            plain.settimeout(10)
            with plain, plain.dup() as raw:
                if "no handshake" in self._plan:
                    return
                if "tls" not in self._plan:
                    self._converse(plain, raw)
                    return
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.certificate)
                with context.wrap_socket(plain, server_side=True) as line:
                    self._converse(line, raw)

    def _converse(self, line: socket.socket, raw: socket.socket) -> None:
        """``raw`` is the line below TLS."""
        asked = b""
        while not asked.endswith(b"}"):
            asked += line.recv(4096) or b"}"
        self.heard.set()
        if self._plan.startswith("tls"):
            self._break(line, raw)
            return
        if "chunks" in self._plan:
            line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        elif "head" not in self._plan:
            length = (
                b"" if "endless" in self._plan else b"Content-Length: %d\r\n" % (4 if "whole" in self._plan else 99)
            )
            line.sendall(HEAD + length + b"\r\n")
        else:
            line.sendall(HEAD + b"X-Padding: ")
        if "whole" in self._plan:
            for letter in b"okay":
                self._over.wait(0.3)
                line.sendall(bytes([letter]))
            return
        while not self._over.wait(0.1):
            line.sendall(b"1\r\nx\r\n" if "chunks" in self._plan else b"x")

    def _break(self, line: socket.socket, raw: socket.socket) -> None:
        if "in head" in self._plan:
            line.sendall(HEAD[:30])
        elif "in body" in self._plan:
            line.sendall(HEAD + b'Content-Length: 99\r\n\r\n{"jsonrpc"')
        if "garbage" in self._plan:
            raw.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)
            self._over.wait(0.3)
        elif "reset" in self._plan:
            # Sent when the last of its files is closed.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            raw.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def trusting(monkeypatch: Any, vendor: Broken) -> Iterator[None]:
    """Let its certificate be known to whoever calls it."""
    with monkeypatch.context() as patch:
        if vendor.url.startswith("https"):
            patch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(vendor.certificate))
        yield


def make_certificate(path: Path) -> None:
    """A certificate of 127.0.0.1 that is its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
