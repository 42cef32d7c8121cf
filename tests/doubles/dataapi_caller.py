"""A plain caller of the Data API stand-in over a real socket, and items that it takes; for its own tests."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import requests

from .dataapi import DataApiDouble

#: When the tests of the stand-in play: 21.09.2026 17:13:20 in Moscow.
NOW = 1_790_000_000
ZONE = ZoneInfo("Europe/Moscow")

#: A value that takes a key out of an item.
NOTHING: Any = object()

JSON = {"Content-Type": "application/json; charset=UTF-8"}


def told(seconds: float = 0, zone: ZoneInfo = ZONE) -> str:
    """A date as it is sent, so many seconds from NOW."""
    return datetime.fromtimestamp(NOW + seconds, zone).strftime("%Y-%m-%d %H:%M:%S")


def changed(item: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The item with these values, without what is NOTHING."""
    return {key: value for key, value in {**item, **changes}.items() if value is not NOTHING}


def message(at: float = -90, source: str = "visitor", **changes: Any) -> dict[str, Any]:
    """A message of a chat; an operator's is Анна's."""
    employee = {"employee_id": 5501} if source == "operator" else {}
    return changed({"date_time": told(at), "source": source, "message": "Есть блэкаут?", **employee}, changes)


def chat(**changes: Any) -> dict[str, Any]:
    """A chat of the first site that both sides wrote in, 100 seconds old."""
    item = {
        "start_date_time": told(-100),
        "name": "Мария",
        "phone": "79000000101",
        "status": "succeed",
        "initiator": "visitor",
        "site_id": 43501,
        "ext_id": "jivo:1:1",
        "messages": [message(), message(-60, "operator", message="Есть")],
    }
    return changed(item, changes)


def lead(**changes: Any) -> dict[str, Any]:
    """A request of the first site."""
    item = {
        "date_time": told(-100),
        "name": "Мария",
        "phone": "79000000101",
        "message": "Перезвоните",
        "form_name": "Замер",
        "site_id": 43501,
        "ext_id": "jivo:1:2",
    }
    return changed(item, changes)


def session(**changes: Any) -> dict[str, Any]:
    """A visit of the first site, by its marks of the campaign 268101."""
    item = {
        "ext_id": "jivo:1:1",
        "site_id": 43501,
        "date_time": told(-600),
        "is_visitor_new": True,
        "visitor_ip_address": "192.0.2.7",
        "utm_source": "yandex",
        "utm_campaign": "brand",
    }
    return changed(item, changes)


class Caller:
    """Calls with one key over one kept connection."""

    def __init__(self, double: DataApiDouble, key: str | None = None, endpoint: str | None = None) -> None:
        self.double, self.key = double, double.key if key is None else key
        self.endpoint = endpoint or double.endpoint
        self._session = requests.Session()
        self._session.trust_env = False

    def post(self, body: Any, timeout: float = 20, **headers: str) -> requests.Response:
        """Send a body, bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self._session.post(self.endpoint, data=content, headers={**JSON, **named}, timeout=timeout)

    def send(self, method: str, timeout: float = 20, **params: Any) -> requests.Response:
        """Make a call; gives the answer as it came."""
        params = changed({"access_token": self.key}, params)
        return self.post({"jsonrpc": "2.0", "id": "call-1", "method": method, "params": params}, timeout)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Make a call; gives the body of the answer."""
        return self.send(method, **params).json()

    def result(self, method: str, **params: Any) -> Any:
        """The result of a call that goes well."""
        body = self.call(method, **params)
        assert "error" not in body, body
        return body["result"]

    def data(self, method: str, **params: Any) -> Any:
        """The data of a call that goes well."""
        return self.result(method, **params)["data"]

    def error(self, method: str, **params: Any) -> dict[str, Any]:
        """The error of a call that is refused."""
        body = self.call(method, **params)
        assert "error" in body, body
        return body["error"]

    def refused(self, method: str, **params: Any) -> tuple[str, str | None]:
        """Mnemonic and field of a call that is refused."""
        data = self.error(method, **params)["data"]
        return data["mnemonic"], data.get("field")

    def upload(self, *chats: dict[str, Any]) -> list[int]:
        """Load chats that are good; gives their ids."""
        return [row["id"] for row in self.data("upload.chats", chats=list(chats))]

    def report(self, method: str, **params: Any) -> list[dict[str, Any]]:
        """A report of the last day."""
        return self.data(method, **{"date_from": told(-86_400), "date_till": told(), **params})
