"""Requests have an end, and what is told of one that broke is whether it may have arrived."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
import requests

from tests.doubles.broken import Broken, trusting
from webapp.http import ANYBODY, Client, was_never_sent


class TestTime:
    """However much is heard now and then, a request has an end."""

    @pytest.mark.parametrize("where", ["head", "body", "chunks", "tls"])
    def test_a_vendor_that_sends_a_byte_now_and_then_is_left_in_time(
        self, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        monkeypatch.setattr("webapp.http.LONGEST_SECONDS", 1.0)
        with Broken(f"drip {where}") as vendor, trusting(monkeypatch, vendor):
            began = time.monotonic()
            with pytest.raises(requests.ReadTimeout) as failed:
                Client((), [vendor.address]).post(vendor.url, b"{}", timeout=(1, 0.5))

        assert 0.9 < time.monotonic() - began < 5
        assert not was_never_sent(failed.value)

    def test_an_end_that_comes_from_us_is_not_taken_for_the_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a length whatever came before the line was closed is the whole answer."""
        monkeypatch.setattr("webapp.http.LONGEST_SECONDS", 0.5)
        with Broken("drip endless") as vendor, pytest.raises(requests.ReadTimeout):
            Client((), [vendor.address]).post(vendor.url, b"{}", timeout=(1, 0.4))

    def test_a_name_that_leads_to_many_dead_addresses_has_one_time_for_all(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("webapp.http.LONGEST_SECONDS", 0.5)
        tried: list[Any] = []

        class Dead(socket.socket):
            def connect(self, address: Any) -> None:
                tried.append(address)
                time.sleep(min(self.gettimeout() or 9, 0.2))
                raise TimeoutError

        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 443)) for last in range(100)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(socket, "socket", Dead)

        with pytest.raises(requests.ConnectTimeout) as failed:
            Client((ANYBODY,)).post("https://hooks.example/", b"")

        assert len(tried) < 10
        assert was_never_sent(failed.value)

    def test_what_comes_in_time_has_all_the_time_between(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("webapp.http.LONGEST_SECONDS", 5.0)
        with Broken("slow but whole") as vendor:
            assert Client((), [vendor.address]).post(vendor.url, b"{}", timeout=(1, 1)).content == b"okay"


class TestNeverSent:
    """Only what had no connection yet may be sent again without a look."""

    @pytest.mark.parametrize(
        "plan",
        [
            *("garbage before answer", "garbage in head", "garbage in body"),
            *("reset before answer", "reset in body", "close before answer", "close in body"),
        ],
    )
    def test_tls_that_breaks_after_the_request_may_have_been_heard(
        self, monkeypatch: pytest.MonkeyPatch, plan: str
    ) -> None:
        """Whichever error it is told by: a broken line is now one of TLS and now one of the connection."""
        with Broken(f"tls {plan}") as vendor, trusting(monkeypatch, vendor):
            with pytest.raises(requests.RequestException) as failed:
                Client((), [vendor.address]).post(vendor.url, b"{}")
            assert vendor.heard.wait(5)

        assert not was_never_sent(failed.value)

    def test_tls_that_was_never_agreed_on_carried_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Broken("tls close before answer") as vendor, pytest.raises(requests.exceptions.SSLError) as failed:
            Client((), [vendor.address]).post(vendor.url, b"{}")

        assert was_never_sent(failed.value), "nobody knows its certificate"

    def test_nor_did_a_line_that_hung_up_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Broken("tls no handshake") as vendor, pytest.raises(requests.ConnectionError) as failed:
            Client((), [vendor.address]).post(vendor.url, b"{}")

        assert was_never_sent(failed.value)

    def test_nobody_listens(self) -> None:
        with pytest.raises(requests.ConnectionError) as failed:
            Client((), ["127.0.0.1:9"]).post("http://127.0.0.1:9/", b"{}")

        assert was_never_sent(failed.value)
