"""The one way out: every request to somebody else's server goes through here.

Only listed hosts, https unless a host is listed by EXTRA_VENDOR_HOSTS or is this server itself, no redirects, always
a timeout. Private addresses are refused when the connection is made, so a name that resolves elsewhere does not help.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

#: Seconds to connect, and between two bytes of the answer.
TIMEOUT = (3.05, 10)


#: No answer that we ask for is larger, or takes longer from its first byte to its last.
LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
LONGEST_ANSWER_SECONDS = 60


class Refused(requests.RequestException):
    """We do not speak to that address."""


class PrivateAddress(requests.ConnectionError):
    """The name led to a private address; nothing was sent there."""


class _PrivateReached(NewConnectionError):
    pass


class _PublicConnection(HTTPSConnection):
    """A connection that ends at once when it reached a private address."""

    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        if not _is_public(connection.getpeername()[0]):
            connection.close()
            raise _PrivateReached(self, "a private address")
        return connection


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}


def _whole(answer: requests.Response) -> bytes:
    """The body of an answer. Raises ChunkedEncodingError for one that is too large or never ends."""
    parts, size, started = [], 0, time.monotonic()
    for part in answer.iter_content(64 * 1024):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER_BYTES or time.monotonic() - started > LONGEST_ANSWER_SECONDS:
            answer.close()
            raise requests.exceptions.ChunkedEncodingError("the answer is too large or too slow")
    return b"".join(parts)


#: In the list it stands for every public host: an address that a user gave. By https at its own port or at one that no
#: system service has.
ANYBODY = "*"


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

        ``timeout`` is seconds to connect and between two bytes; a whole answer may take ``LONGEST_ANSWER_SECONDS`` and
        have ``LARGEST_ANSWER_BYTES``, or it is refused as unreadable.
        """
        with requests.Session() as session:
            session.trust_env = False
            request = session.prepare_request(requests.Request(method, url, data=data, headers=dict(headers or {})))
            self.check(request.url or "")
            if not self._trusted(request.url or ""):
                session.mount("https://", _PublicAdapter())
            try:
                answer = session.send(request, timeout=timeout, allow_redirects=False, stream=True)
            except requests.ConnectionError as error:
                if error.args and isinstance(getattr(error.args[0], "reason", None), _PrivateReached):
                    raise PrivateAddress(*error.args, request=request) from error
                raise
            answer._content = _whole(answer)
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
