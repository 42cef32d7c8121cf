"""The amoCRM of `make demo`: a stand-in with a connected example integration, and people whose talks are closed.

A program of its own beside the product. The stand-in forgets everything when it ends, so at each start the product is
given fresh tokens through the configuration file, as a user would give them. Environment: DEMO_AMO_PORT (9300; another
one where that is taken), DEMO_PAUSE.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import threading
import time
from typing import Any

import requests

from .amocrm import AmoDouble
from .demo_commands import Failed, flask

ACCOUNT, INTEGRATION, AUTHORIZATION = "romashka", "amo", "main"

#: One talk for so many chats of Jivo's, and how many are sent at the start.
RARER, AT_START = 3, 8

NAMES = ("Марина", "Олег", "Светлана", "Игорь", "Дарья", "Руслан", "Екатерина", "Павел")
ORIGINS = ("onlinechat", "onlinechat", "telegram", "com.amocrm.amocrmwa", "viber", "vkontakte")
SAID = (
    ("Здравствуйте! Сколько стоит пошив штор на окно два метра?", "Здравствуйте! От 4 200 ₽, зависит от ткани."),
    ("Добрый день, есть ли бесплатный замер?", "Добрый день! Да, по городу замер бесплатный."),
    ("Карниз на эркер делаете?", "Делаем, гнём под размер за три дня."),
)
MARKS = (
    {"UTM_SOURCE": "yandex", "UTM_MEDIUM": "cpc", "UTM_CAMPAIGN": "blackout_msk"},
    {"UTM_SOURCE": "vk", "UTM_MEDIUM": "cpc", "UTM_CAMPAIGN": "katalog"},
    {},
)


def prepare() -> tuple[str, ...]:
    """Set what the product must know of the stand-in before it starts; gives the program to run beside it."""
    port = _free_port(int(os.environ.get("DEMO_AMO_PORT") or 9300))
    os.environ["DEMO_AMO_PORT"] = str(port)
    os.environ["EXTRA_VENDOR_HOSTS"] = f"127.0.0.1:{port}"
    os.environ["AMOCRM_OAUTH_URL"] = f"http://127.0.0.1:{port}/oauth"
    os.environ.setdefault("PUBLIC_URL", f"http://localhost:{os.environ.get('PORT') or 8000}")
    return sys.executable, "-m", "tests.doubles.demo_amocrm"


def main() -> None:
    """Serve the stand-in, connect the product to it, then let people write until the end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with AmoDouble(int(os.environ["DEMO_AMO_PORT"])) as amo:
        base = os.environ["PUBLIC_URL"]
        amo.set_redirect_uri(f"{base}/oauth/amocrm/callback")
        amo.configure({"switches": {"consent": "click", "hook_timeout_s": 10}})
        field = amo.create_field("Сессия сайта", "text")["id"]
        amo.create_field("Цвет штор", "select")
        tokens = amo.issue_tokens()
        _flask("config", "apply", "-", typed=json.dumps(_configuration(amo, tokens, field)))
        hook = base + _flask("hook-url", "--account", ACCOUNT, "--integration", INTEGRATION)
        _subscribe(amo, tokens["access_token"], hook)
        _wait_for(base)
        pause = float(os.environ.get("DEMO_PAUSE") or 20) * RARER
        for number in range(1, sys.maxsize):
            talk(amo, number)
            if stop.wait(0.2 if number < AT_START else pause):
                return


def _configuration(amo: AmoDouble, tokens: dict[str, Any], field: int) -> dict[str, Any]:
    """The part of the configuration file that connects the example; JSON is YAML too."""
    authorization = {
        "key": AUTHORIZATION,
        "vendor": "amocrm",
        "name": "Ромашка в amoCRM",
        "domain": f"http://{amo.domain}",
        "client_id": amo.client_id,
        "client_secret": amo.client_secret,
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "expires_at": tokens["expires_at"],
    }
    integration = {"key": INTEGRATION, "authorization": AUTHORIZATION, "session_field": field}
    return {"accounts": [{"slug": ACCOUNT, "authorizations": [authorization], "integrations": [integration]}]}


def _subscribe(amo: AmoDouble, access_token: str, hook: str) -> None:
    """As somebody would in amoCRM's own settings."""
    headers = {"Authorization": f"Bearer {access_token}", "User-Agent": "Leadtrail-demo/1.0"}
    order = {"destination": hook, "settings": ["update_talk", "add_message"]}
    requests.post(f"{amo.url}/api/v4/webhooks", json=order, headers=headers, timeout=10).raise_for_status()


def talk(amo: AmoDouble, number: int) -> None:
    """Somebody writes, is answered, and the talk is closed. Numbers never come again, whatever was sent before."""
    chance = random.Random(number)
    unique = int(time.time() * 10)
    contact = amo.create_contact(
        chance.choice(NAMES), [f"8 900 000-{number % 100:02}-{chance.randrange(100):02}"], [], contact=unique
    )
    fields = {code: key for key, one in amo.state.tenant().fields.items() if (code := one.get("code"))}
    marks = {str(fields[code]): value for code, value in chance.choice(MARKS).items() if code in fields}
    lead = amo.create_lead("Заявка из чата", [contact["id"]], marks, lead=unique)
    made = amo.create_talk(lead["id"], origin=chance.choice(ORIGINS), talk=unique)["id"]
    asked, answered = chance.choice(SAID)
    amo.message(made, asked)
    amo.message(made, answered, outgoing=True)
    amo.close_talk(made)


def _flask(*arguments: str, typed: str = "") -> str:
    """Run one of the product's commands; tries again while the product is still preparing its tables."""
    for _attempt in range(60):
        try:
            return flask(*arguments, typed=typed)
        except Failed as failed:
            told = str(failed)
        time.sleep(1)
    sys.exit(told)


def _wait_for(base: str) -> None:
    """Until the product answers."""
    for _attempt in range(600):
        try:
            if requests.get(f"{base}/healthz", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    sys.exit(f"nothing answers at {base}")


def _free_port(wanted: int) -> int:
    """This port, or any free one where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return trial.getsockname()[1]
    raise OSError("no port is free")


if __name__ == "__main__":
    main()
