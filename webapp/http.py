"""The one way out: every request to somebody else's server goes through here.

Only listed hosts, https unless a host is listed by EXTRA_VENDOR_HOSTS or is this server itself, no redirects, always
a timeout. Private addresses are refused when the connection is made, so a name that resolves elsewhere does not help.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

#: Seconds to connect to one address, and between two bytes of the answer.
TIMEOUT = (3.05, 10)

#: No answer that we ask for is larger, and no request takes longer from its beginning to the last byte of its answer,
#: however much is heard meanwhile. (Only the system's own looking up of a name is not counted.)
LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
LONGEST_SECONDS = 25.0


class Refused(requests.RequestException):
    """We do not speak to that address."""


class PrivateAddress(requests.ConnectionError):
    """The name led to a private address; nothing was sent there."""


def was_never_sent(error: requests.RequestException) -> bool:
    """True when no byte of the request can have left: there was no connection yet, or not all of its TLS."""
    return bool(getattr(error, "never_sent", False))


class _Deadline:
    """Ends one request's connection when its time is over, whatever it waits for then.

    Timeouts of a socket are for one wait each, so that a byte now and then would keep a caller for ever. ``connected``:
    the request may have begun to leave.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.passed = self.connected = False

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._timer.cancel()
        with self._lock:
            while self._sockets:
                self._sockets.pop().close()

    @property
    def seconds_left(self) -> float:
        return 0.0 if self.passed else max(0.0, self._at - time.monotonic())

    def watch(self, connected: socket.socket) -> None:
        """End this one, too. TLS takes the socket's place later, a duplicate stays."""
        with self._lock:
            self._sockets.append(connected.dup())
        if self.passed:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class _PrivateReached(NewConnectionError):
    pass


class _Watched:
    """A connection that keeps to a deadline, and where it may go to ``public`` addresses alone, to no other."""

    def __init__(self, *args: Any, deadline: _Deadline, public: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline, self._public = deadline, public

    def connect(self) -> None:
        super().connect()
        self._deadline.connected = True

    def _new_conn(self: Any) -> socket.socket:
        """As urllib3 does it, but the addresses that a name leads to share the time."""
        try:
            host = self._dns_host.strip("[]")
            found = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError as error:
            raise NewConnectionError(self, f"no name: {error}") from error
        problem: OSError = OSError("the name leads nowhere")
        for family, kind, protocol, _name, address in found:
            reached = None
            try:
                reached = socket.socket(family, kind, protocol)
                for option in self.socket_options or ():
                    reached.setsockopt(*option)
                reached.settimeout(max(0.001, min(self.timeout, self._deadline.seconds_left)))
                reached.connect(address)
                reached.settimeout(self.timeout)
            except OSError as error:
                problem = error
                if reached is not None:
                    reached.close()
                if not self._deadline.seconds_left:
                    break
                continue
            if self._public and not _is_public(reached.getpeername()[0]):
                reached.close()
                raise _PrivateReached(self, "a private address")
            self._deadline.watch(reached)
            return reached
        if isinstance(problem, TimeoutError):
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from problem
        raise NewConnectionError(self, f"Failed to establish a new connection: {problem}") from problem


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def __init__(self, **told: Any) -> None:
        self._told = told
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": self._pool(_Pool), "https": self._pool(_SecurePool)}

    def _pool(self, kind: type[HTTPConnectionPool]) -> Any:
        return lambda *args, **options: kind(*args, **options, **self._told)


def _whole(answer: requests.Response) -> bytes:
    """The body of an answer. Raises ChunkedEncodingError for one that is too large."""
    parts, size = [], 0
    for part in answer.iter_content(64 * 1024):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER_BYTES:
            answer.close()
            raise requests.exceptions.ChunkedEncodingError("the answer is too large")
    return b"".join(parts)


#: In the list it stands for every public host: an address that a user gave. By https at its own port or at one that no
#: system service has.
ANYBODY = "*"


def _judged(
    error: requests.RequestException, request: requests.PreparedRequest, deadline: _Deadline
) -> requests.RequestException:
    """The error as it is told, with whether the request may have arrived."""
    if error.args and isinstance(getattr(error.args[0], "reason", None), _PrivateReached):
        error = PrivateAddress(*error.args, request=request)
    elif deadline.passed and deadline.connected and not isinstance(error, requests.ReadTimeout):
        error = requests.ReadTimeout("the answer took too long", request=request)
    error.never_sent = not deadline.connected
    return error


class Client:
    """Sends requests to vendors' hosts (``*.amocrm.ru`` allows any subdomain) and to ``extra`` host:port pairs."""

    def __init__(self, hosts: Iterable[str] = (), extra: Iterable[str] = ()) -> None:
        self._hosts = tuple(host.casefold() for host in hosts)
        self._extra = {pair.casefold() for pair in extra}

    def post(
        self, url: str, data: bytes, headers: Mapping[str, str] | None = None, timeout: Any = TIMEOUT
    ) -> requests.Response:
        """POST once; see ``send``."""
        return self.send("POST", url, data, headers, timeout)

    def send(
        self,
        method: str,
        url: str,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Any = TIMEOUT,
    ) -> requests.Response:
        """Send one request, once. Raises requests.RequestException: Refused for an address that is not listed,
        PrivateAddress for one that leads into a network of our own.

        ``timeout`` is seconds to connect and between two bytes; all of it may take ``LONGEST_SECONDS`` and an answer
        have ``LARGEST_ANSWER_BYTES``, or it is given up. ``was_never_sent`` tells of an error whether the request may
        have arrived.
        """
        with requests.Session() as session, _Deadline(LONGEST_SECONDS) as deadline:
            session.trust_env = False
            request = session.prepare_request(requests.Request(method, url, data=data, headers=dict(headers or {})))
            self.check(request.url or "")
            adapter = _Adapter(deadline=deadline, public=not self._trusted(request.url or ""))
            for scheme in ("https://", "http://"):
                session.mount(scheme, adapter)
            try:
                answer = session.send(request, timeout=timeout, allow_redirects=False, stream=True)
                answer._content = _whole(answer)
                if deadline.passed:
                    # What ends with the connection looks whole.
                    raise requests.ReadTimeout("the answer took too long", request=request)
            except requests.RequestException as error:
                judged = _judged(error, request, deadline)
                if judged is error:
                    raise
                raise judged from error
            return answer

    def check(self, url: str) -> None:
        """Raise Refused when nothing may be sent to this address. Looks at what will be connected to: other readers of
        the same text may see another host in it."""
        parts = urlsplit(url)
        allowed = self._listed(parts.hostname or "") or (ANYBODY in self._hosts and self._may_be_public(parts))
        if not self._trusted(url) and not (parts.scheme == "https" and parts.hostname and allowed):
            raise Refused(f"{parts.hostname} is not a listed host")

    def _trusted(self, url: str) -> bool:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"{parts.hostname}:{port}".casefold() in self._extra

    @staticmethod
    def _may_be_public(parts: SplitResult) -> bool:
        try:
            public = _is_public(parts.hostname or "")
        except ValueError:
            # A name: where it leads is seen when it is called.
            public = True
        return public and (parts.port in (None, 443) or parts.port >= 1024)

    def _listed(self, host: str) -> bool:
        host = host.casefold()
        return any(
            host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:])) for pattern in self._hosts
        )
