"""A second account for `make demo`: its cabinet is a stand-in for the Data API, and people write there too.

``allow`` and ``prepare`` are called by demo.py before the product starts; as a program it is the stand-in itself. Some
chats name a session of the cabinet, some come from Telegram, some have no contact and are held, some are refused once.
DEMO_DATAAPI_PORT (9400) is its port.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import yaml

from .dataapi import DataApiDouble

ACCOUNT, INTEGRATION = "vasilek", "jivo"

#: Opens nothing but this example.
SECRET = "example-secret-of-the-second-account-1234"

TOLD = """
    Кабинет UIS       {url}/a/vasilek/deliveries
        Второй личный кабинет передаёт обращения в стенд вместо UIS. Видно, что передано, что задержано и почему.
        Подключение и справочники: {url}/a/vasilek/settings/cabinet
"""

SAID = ("Подскажите, есть ли блэкаут?", "Сколько стоит карниз для эркера?", "Можно вызвать замерщика на субботу?")


def allow(state: Any) -> None:
    """Choose the port once and let the product speak to it."""
    port = int(state.kept.get("dataapi_port") or os.environ.get("DEMO_DATAAPI_PORT") or 9400)
    if not state.kept.get("dataapi_port"):
        port = port if _is_free(port) else _free_port()
        state.keep(dataapi_port=port)
    known = os.environ.get("EXTRA_VENDOR_HOSTS", "")
    os.environ["EXTRA_VENDOR_HOSTS"] = ",".join(filter(None, (known, f"127.0.0.1:{port}")))


def prepare(state: Any, email: str, flask: Callable[..., str]) -> None:
    """Make the account, at the first start only."""
    if state.kept.get("dataapi_prepared"):
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(_config(state.kept["dataapi_port"]), file, allow_unicode=True)
        file.flush()
        flask("config", "apply", file.name)
    flask("user", "create", email, "--account", ACCOUNT, "--role", "owner", typed=state.kept["password"])
    state.keep(dataapi_prepared=True)


def _config(port: int) -> dict[str, Any]:
    cabinet = {"kind": "dataapi", "url": f"http://127.0.0.1:{port}/v2.0", "access_token": "example-key"}
    integration = {
        "key": INTEGRATION,
        "vendor": "jivo",
        "active": True,
        "webhook_secret": SECRET,
        "employee": "5505",
        "fallback": {"kind": "campaign", "campaign": "268101"},
        "channels": [{"channel": "telegram", "kind": "source", "source": "811", "site": "43501"}],
        "tag": "515101",
    }
    account = {"slug": ACCOUNT, "name": "Василёк (кабинет UIS)", "timezone": "Europe/Moscow"}
    return {"accounts": [{**account, "cabinet": cabinet, "integrations": [integration]}]}


def main() -> None:
    """The stand-in, and a chat every so often."""
    data_dir, port = Path(os.environ["DATA_DIR"]), int(sys.argv[1])
    pause = float(os.environ.get("DEMO_PAUSE") or 20)
    server = f"http://127.0.0.1:{int(os.environ.get('PORT') or 8000)}"
    with DataApiDouble(port, data_dir / "dataapi.jsonl") as double:
        number = int(time.time())
        while True:
            time.sleep(pause)
            number += 1
            _chat(double, server, number)


def _chat(double: DataApiDouble, server: str, number: int) -> None:
    """One finished chat, the same for the same number."""
    chance = random.Random(number)
    now = int(time.time())
    visitor: dict[str, Any] = {"name": chance.choice(("Вера", "Павел", "Зоя")), "number": number, "chats_count": 1}
    if chance.random() < 0.8:
        visitor["phone"] = f"7900000{number % 10000:04d}"
    messages = [
        {"timestamp": now - 60, "message": chance.choice(SAID), "type": "visitor"},
        {"timestamp": now - 20, "message": "Здравствуйте! Сейчас посмотрю.", "type": "agent", "agent_id": 1},
    ]
    agents = [{"id": 1, "name": "Анна", "email": "anna@romashka-shtory.example"}]
    body: dict[str, Any] = {"event_name": "chat_finished", "chat_id": number, "visitor": visitor, "agents": agents}
    body["chat"] = {"messages": messages}
    path = f"/hooks/jivo/{SECRET}"
    if chance.random() < 0.5:
        marks = {"utm_source": "yandex", "utm_medium": "cpc", "utm_campaign": "blackout"}
        session = double.add_session(site_id=43501, at=now - 600, marks=marks)
        body["user_token"] = f"as1.{session['id']}"
    elif chance.random() < 0.5:
        path += "/telegram"
    if chance.random() < 0.1:
        double.fault("reset", "upload.*", stage="after")
    try:
        requests.post(server + path, json=body, timeout=10)
    except requests.RequestException as error:
        print(f"  the second account's chat was not taken: {type(error).__name__}", flush=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
