"""The one way out: listed hosts alone, no redirects, no private addresses, always a timeout."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from webapp.http import ANYBODY, Client, PrivateAddress, Refused, was_never_sent

HOSTS = ("*.amocrm.ru", "www.amocrm.ru", "dataapi.uiscom.ru")


@dataclass
class Outside:
    """Somebody else's server on this machine, and what it was asked."""

    address: str
    asked: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def outside() -> Iterator[Outside]:
    """A server that answers /moved with a redirect, /silent never, and everything else with 200."""
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.asked.append((self.path, body, dict(self.headers)))
            if self.path == "/silent":
                done.wait(20)
                return
            self.send_response(302 if self.path == "/moved" else 200)
            if self.path == "/moved":
                self.send_header("Location", f"http://{found.address}/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Outside(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    done.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; none of them is found, so nothing leaves this machine."""
    names: list[str] = []

    def getaddrinfo(host: Any, *_: Any, **__: Any) -> Any:
        names.append(host)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


class TestList:
    @pytest.mark.parametrize(
        "url",
        [
            "https://www.amocrm.ru/oauth2/access_token",
            "https://WWW.AmoCRM.ru/",
            "https://example.amocrm.ru/api/v4/leads?page=2",
            "https://a.b.amocrm.ru/",
            "https://dataapi.uiscom.ru/v2.0",
        ],
    )
    def test_a_listed_host_is_spoken_to_by_https(self, looked_up: list[str], url: str) -> None:
        with pytest.raises(requests.ConnectionError):
            Client(HOSTS).post(url, b"{}")

        assert len(looked_up) == 1

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/",
            "https://evil.example/www.amocrm.ru",
            "https://www.amocrm.ru.evil.example/",
            "https://evilamocrm.ru/",
            "https://amocrm.ru/",
            "https://other.uiscom.ru/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest/meta-data/",
            "http://www.amocrm.ru/",
            "ftp://www.amocrm.ru/",
            "file:///etc/passwd",
            "//www.amocrm.ru/",
            "",
            "www.amocrm.ru",
            "https://",
        ],
    )
    def test_nobody_else_is(self, looked_up: list[str], url: str) -> None:
        with pytest.raises(requests.RequestException):
            Client(HOSTS).post(url, b"{}")

        assert looked_up == []

    @pytest.mark.parametrize(
        "url",
        [
            "https://www.amocrm.ru@evil.example/",
            "https://www.amocrm.ru:443@evil.example/",
            "https://evil.example#@www.amocrm.ru/",
            "https://evil.example?.amocrm.ru/",
            "https://evil.example\\@www.amocrm.ru/",
            "https://evil.example\\.amocrm.ru/",
            "https://evil.example\t.amocrm.ru/",
            "https://evil.example%2f.amocrm.ru/",
            "https://evil.example/\\.amocrm.ru",
        ],
    )
    def test_an_address_that_two_readers_read_differently_gets_nowhere(self, looked_up: list[str], url: str) -> None:
        with pytest.raises(requests.RequestException):
            Client(HOSTS).post(url, b"{}")

        assert [name for name in looked_up if not name.endswith(".amocrm.ru")] == []

    @pytest.mark.parametrize("url", ["https://www.amocrm.ru:99999/", "https://[::1", "https://www.amocrm.ru:x/"])
    def test_a_broken_address_is_an_error_of_the_request(self, looked_up: list[str], url: str) -> None:
        with pytest.raises(requests.RequestException):
            Client(HOSTS).post(url, b"{}")

        assert looked_up == []

    def test_without_a_list_nobody_is_spoken_to(self) -> None:
        with pytest.raises(Refused):
            Client().post("https://www.amocrm.ru/", b"")


class TestAnybody:
    """An address that a user gave: any public host, by https."""

    def test_any_host_may_be_called_by_https(self, looked_up: list[str]) -> None:
        for url in ("https://hooks.example/x", "https://hooks.example:8443/x"):
            with pytest.raises(requests.ConnectionError):
                Client((ANYBODY,)).post(url, b"{}")

        assert looked_up == ["hooks.example"] * 2

    @pytest.mark.parametrize(
        "url",
        [
            *("http://hooks.example/", "https://hooks.example:25/", "https://:443/", "ftp://hooks.example/"),
            *("https://10.0.0.1:8443/", "https://[::1]/"),
        ],
    )
    def test_but_not_without_it_nor_at_the_ports_of_other_services_nor_privately(
        self, looked_up: list[str], url: str
    ) -> None:
        with pytest.raises(requests.RequestException):
            Client((ANYBODY,)).post(url, b"{}")

        assert looked_up == []

    def test_private_addresses_are_refused_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", listening.getsockname())]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

            with pytest.raises(PrivateAddress, match="a private address"):
                Client((ANYBODY,)).post("https://hooks.example/", b"secret")


class TestExtra:
    """EXTRA_VENDOR_HOSTS: host:port of stand-ins, plain http allowed there alone."""

    def test_a_stand_in_is_spoken_to_by_plain_http(self, outside: Outside) -> None:
        answer = Client(HOSTS, [outside.address]).post(
            f"http://{outside.address}/x?y=1", b"\x00{}", {"Content-Type": "application/json"}
        )

        assert (answer.status_code, answer.content) == (200, b"ok")
        ((path, body, headers),) = outside.asked
        assert (path, body, headers["Content-Type"]) == ("/x?y=1", b"\x00{}", "application/json")

    def test_its_name_may_be_written_in_any_case(self, outside: Outside) -> None:
        port = outside.address.partition(":")[2]

        assert Client((), [f"LocalHost:{port}"]).post(f"http://LOCALHOST:{port}/", b"").status_code == 200

    def test_another_port_of_the_same_host_is_refused(self, outside: Outside) -> None:
        with pytest.raises(Refused):
            Client(HOSTS, ["127.0.0.1:1"]).post(f"http://{outside.address}/", b"")

        assert outside.asked == []

    def test_a_stand_in_with_a_default_port_is_meant_with_it(self, looked_up: list[str]) -> None:
        client = Client((), ["stand-in.example:80"])

        with pytest.raises(requests.ConnectionError):
            client.post("http://stand-in.example/", b"")
        with pytest.raises(Refused):
            client.post("https://stand-in.example/", b"")
        assert looked_up == ["stand-in.example"]

    def test_an_address_that_only_looks_like_a_stand_in_is_refused(self, outside: Outside) -> None:
        with pytest.raises(requests.RequestException):
            Client((), ["stand-in.example:80"]).post(f"http://{outside.address}\\@stand-in.example:80/", b"")

        assert outside.asked == []


class TestAnswer:
    def test_a_redirect_is_an_answer_and_is_not_followed(self, outside: Outside) -> None:
        answer = Client((), [outside.address]).post(f"http://{outside.address}/moved", b"secret")

        assert answer.status_code == 302
        assert [path for path, _, _ in outside.asked] == ["/moved"]

    def test_who_never_answers_is_not_waited_for(self, outside: Outside) -> None:
        with pytest.raises(requests.Timeout):
            Client((), [outside.address]).post(f"http://{outside.address}/silent", b"", timeout=(1, 0.2))

    def test_there_is_a_timeout_without_asking_for_one(self, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
        given: list[Any] = []
        send = requests.adapters.HTTPAdapter.send
        monkeypatch.setattr(
            requests.adapters.HTTPAdapter,
            "send",
            lambda self, request, **options: given.append(options["timeout"]) or send(self, request, **options),
        )

        Client((), [outside.address]).post(f"http://{outside.address}/", b"")

        ((connect, read),) = given
        assert 0 < connect <= 10
        assert 0 < read <= 30

    def test_it_is_asked_once_even_if_it_hangs_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            address = f"127.0.0.1:{listening.getsockname()[1]}"
            taken: list[Any] = []

            def hang_up() -> None:
                connection, _ = listening.accept()
                taken.append(connection.recv(10))
                connection.close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            with pytest.raises(requests.ConnectionError):
                Client((), [address]).post(f"http://{address}/", b"")
            thread.join()
            listening.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listening.accept()

        assert len(taken) == 1

    def test_the_environments_proxies_and_passwords_are_not_used(
        self, outside: Outside, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")

        assert Client((), [outside.address]).post(f"http://{outside.address}/", b"").status_code == 200


class TestPrivateAddresses:
    """A listed name that leads into our own network is refused when the connection is made."""

    def test_nothing_is_sent_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            there = listening.getsockname()
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", there)]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

            with pytest.raises(requests.ConnectionError, match="a private address"):
                Client(HOSTS).post("https://example.amocrm.ru/", b"secret")

            connection, _ = listening.accept()
            connection.settimeout(5)
            assert connection.recv(1) == b"", "hung up without a word"
            connection.close()

    @pytest.mark.parametrize(
        ("address", "refused"),
        [
            ("127.0.0.1", True),
            ("10.1.2.3", True),
            ("172.16.0.1", True),
            ("192.168.1.1", True),
            ("169.254.169.254", True),
            ("100.64.0.1", True),
            ("0.0.0.0", True),
            ("::1", True),
            ("fe80::1%eth0", True),
            ("fc00::1", True),
            ("::ffff:127.0.0.1", True),
            ("::ffff:10.0.0.1", True),
            ("95.213.0.1", False),
            ("2a02:6b8::1", False),
        ],
    )
    def test_which_they_are(self, monkeypatch: pytest.MonkeyPatch, address: str, refused: bool) -> None:
        closed: list[bool] = []

        class Reached(socket.socket):
            def connect(self, _address: Any) -> None:
                """Reach it without leaving this machine."""

            def getpeername(self) -> tuple[Any, ...]:
                return address, 443

            def close(self) -> None:
                closed.append(True)
                super().close()

        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(socket, "socket", Reached)

        with pytest.raises(requests.ConnectionError) as failed:
            Client(HOSTS).post("https://example.amocrm.ru/", b"secret")

        assert isinstance(failed.value, PrivateAddress) is refused
        assert was_never_sent(failed.value) or not refused
        assert closed


def test_an_answer_without_an_end_is_given_up(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.http.LARGEST_ANSWER_BYTES", 1)

    with pytest.raises(requests.RequestException):
        Client(extra=[outside.address]).send("GET", f"http://{outside.address}/")


def test_any_method_is_sent_once_with_its_body(outside: Outside) -> None:
    answer = Client(extra=[outside.address]).send("GET", f"http://{outside.address}/path", headers={"X-One": "1"})

    assert (answer.status_code, answer.content, answer.text) == (200, b"ok", "ok")
    assert [(path, headers["X-One"]) for path, _body, headers in outside.asked] == [("/path", "1")]
