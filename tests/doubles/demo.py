"""`make demo`: the product with an example cabinet, stand-ins for Jivo and amoCRM beside it, and people who write.

The first start prepares DATA_DIR (./data/demo), takes in a year of chats at once (demo_year) and sends the last 30 days
through the real webhook; then a chat comes every 20 seconds. Ctrl-C ends everything. Environment: DATA_DIR,
PORT (8000), DEMO_YEAR (chats, 4000), DEMO_CHATS (300), DEMO_PAUSE (seconds, 20), DEMO_JIVO_PORT (9100), DEMO_SITE_PORT
(9200), DEMO_AMO_PORT (9300), DEMO_DATABASE_URL (SQLite in DATA_DIR). DATABASE_URL is not looked at: invented chats must
never get into a real cabinet.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from webapp import logs
from webapp.supervisor import Program, run

from . import demo_amocrm, demo_dataapi, demo_year
from .demo_chats import DemoChat, chat, past_moments
from .demo_commands import Failed, flask
from .demo_site import advertised, open_site
from .demo_year import session_of, with_session
from .jivo import JivoDouble

ROOT = Path(__file__).parents[2]
EMAIL, ACCOUNT, INTEGRATION = "demo@leadtrail.example", "romashka", "jivo"

#: How long the product may take to begin to answer.
START_SECONDS = 120

#: Between the acceptance of a chat and its end, where both are told while one watches.
CHAT_SECONDS = 5

BANNER = """
  Пример готов: {url}

    Почта   {email}
    Пароль  {password}

  Пройдите весь путь сами
    Сайт-пример       {advertised}
        Откройте его как посетитель из рекламы, напишите в чат и найдите обращение: сессия найдена, кампания по правилу.

  Что посмотреть
    Обращения и цели  {url}/a/{account}/communications
        Год обращений: фильтры, графики, колонки, виды, выгрузка. Откройте любое обращение: видно, почему оно
        отнесено к этой кампании, правило за правилом.
    Интеграция Jivo   {url}/a/{account}/integrations/{integration}
        Viber и Avito уже пишут, но не сопоставлены: страница сама их предложит. Отправьте проверочный чат.
    Интеграция amoCRM {url}/a/{account}/integrations/amo
        Авторизация уже подключена. Нажмите «Подключить заново», чтобы увидеть окно согласия.
    События           {url}/a/{account}/events
        Каждый вебхук, как он пришёл.
    Справочники       {url}/a/{account}/directory/campaigns
        Правила по UTM-меткам. Измените правило: следующие чаты пойдут по новому.

  Вместо Jivo отвечает {double}, вместо amoCRM — {amocrm}. Новый чат — каждые {pause:g} с.
  Остановить: Ctrl-C. Начать заново: удалите {data_dir}
"""


def main() -> int:
    """Prepare, then run the product and the traffic until Ctrl-C; gives the exit status."""
    data_dir = Path(os.environ.setdefault("DATA_DIR", str(ROOT / "data" / "demo"))).resolve()
    os.environ["DATA_DIR"] = str(data_dir)
    os.environ.pop("DATABASE_URL_FILE", None)
    os.environ["DATABASE_URL"] = os.environ.get("DEMO_DATABASE_URL", "")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    logs.configure("text", os.environ["LOG_LEVEL"])
    os.chdir(ROOT)
    state = State(data_dir)
    if not state.exists and (data_dir / "leadtrail.db").exists():
        print(f"{data_dir} belongs to another installation: give the demo a DATA_DIR of its own", file=sys.stderr)
        return 2
    print("  Готовим пример…", flush=True)
    amocrm = demo_amocrm.prepare()
    demo_dataapi.allow(state)
    _prepare(state)
    demo_dataapi.prepare(state, EMAIL, _flask)
    cabinet = (sys.executable, "-m", "tests.doubles.demo_dataapi", str(state.kept["dataapi_port"]))
    return run(
        (
            Program("product", (sys.executable, "-m", "webapp.supervisor"), essential=True),
            Program("chats", (sys.executable, "-m", "tests.doubles.demo", "chats")),
            Program("cabinet", cabinet),
            Program("amocrm", amocrm),
        )
    )


class State:
    """What the demo keeps between two starts: ``demo.json`` in DATA_DIR."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._path = data_dir / "demo.json"
        self.exists = self._path.exists()
        self.kept: dict[str, Any] = json.loads(self._path.read_text()) if self.exists else {}

    def keep(self, **values: Any) -> None:
        """Write it down, whole or not at all."""
        self.kept |= values
        self.data_dir.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(self.kept))
        draft.replace(self._path)


def _prepare(state: State) -> None:
    """Tables always; the cabinet and its user at the first start only, so that what was changed by hand stays."""
    _flask("database", "prepare")
    if state.kept.get("prepared"):
        return
    state.keep(password=secrets.token_urlsafe(9), started=int(time.time()), sent=0)
    _flask("config", "apply", "docs/demo.yaml")
    _flask("user", "create", EMAIL, "--account", ACCOUNT, "--role", "owner", typed=state.kept["password"])
    year, volume = int(os.environ.get("DEMO_YEAR") or 4000), int(os.environ.get("DEMO_CHATS") or 300)
    demo_year.main(ACCOUNT, INTEGRATION, year, volume, state.kept["started"])
    state.keep(prepared=True, year=year, volume=volume)


def _flask(*arguments: str, typed: str = "") -> str:
    """Run one of the product's commands; gives what it prints. Ends the demo when it fails."""
    try:
        return flask(*arguments, typed=typed + "\n")
    except Failed as failed:
        sys.exit(str(failed))


def send_chats() -> None:
    """The second program: tell where to look, send what is missing of the past, then one chat after the other."""
    state = State(Path(os.environ["DATA_DIR"]))
    port = int(os.environ.get("PORT") or 8000)
    pause = float(os.environ.get("DEMO_PAUSE") or 20)
    shown = f"http://localhost:{port}"
    os.environ.setdefault("PUBLIC_URL", shown)
    _wait_for(port)
    with _double() as double:
        feed = Feed(double, f"http://127.0.0.1:{port}")
        with open_site(double, feed.address, _lines()) as site:
            words = {"email": EMAIL, "account": ACCOUNT, "integration": INTEGRATION, "password": state.kept["password"]}
            told = {"url": shown, "advertised": advertised(site), "double": double.url, "data_dir": state.data_dir}
            told["amocrm"] = f"http://127.0.0.1:{os.environ['DEMO_AMO_PORT']}"
            print(BANNER.format(pause=pause, **told, **words), flush=True)
            print(demo_dataapi.TOLD.format(url=shown), flush=True)
            _send(state, feed, pause)


def _send(state: State, feed: Feed, pause: float) -> None:
    """What is missing of the past, then one chat after the other."""
    volume, year = state.kept["volume"], state.kept.get("year", 0)
    moments = past_moments(volume, state.kept["started"])
    if state.kept["sent"] < volume:
        print(f"  Присылаем чаты за последние 30 дней ({volume})…", flush=True)
    while state.kept["sent"] < volume:
        number = state.kept["sent"] + 1
        told, at = chat(year + number, moments[number - 1]), moments[number - 1]
        feed.send(with_session(told, session_of(told, at, state.kept["started"])), seconds_between=0)
        state.keep(sent=number)
    print("  Прошлое на месте. Дальше — по одному.", flush=True)
    while True:
        number = state.kept["sent"] + 1
        feed.send(chat(year + number, int(time.time())), seconds_between=min(CHAT_SECONDS, pause))
        state.keep(sent=number)
        time.sleep(pause)


class Feed:
    """Sends chats to the example's webhook address, which is asked for again when it has changed."""

    def __init__(self, double: JivoDouble, server: str) -> None:
        self._double, self._server = double, server
        self._path = _hook_path()

    @property
    def address(self) -> str:
        """The whole webhook address."""
        return self._server + self._path

    def send(self, told: DemoChat, seconds_between: float) -> None:
        """Send the events of one chat; waits as long as the product does not take them."""
        for place, order in enumerate(told.orders):
            if place:
                time.sleep(seconds_between)
            while not self._taken(order, told.channel):
                time.sleep(3)

    def _taken(self, order: dict[str, Any], channel: str | None) -> bool:
        url = self.address + (f"/{channel}" if channel else "")
        status = self._double.send({**order, "url": url, "switches": {"timeout_s": 10}})["status"]
        if status == 404:
            self._path = _hook_path()
        return status == 200


def _hook_path() -> str:
    return _flask("hook-url", "--account", ACCOUNT, "--integration", INTEGRATION)


def _lines() -> tuple[str, str]:
    """What the example site has on its pages: the counter's line and the script's, with our address in them."""
    counter = _flask("script-tag", "--account", ACCOUNT, "--site", "example")
    return counter, _flask("script-tag", "--account", ACCOUNT, "--integration", INTEGRATION)


def _double() -> JivoDouble:
    """On its usual port, or on a free one where that is taken."""
    try:
        return JivoDouble(int(os.environ.get("DEMO_JIVO_PORT") or 9100))
    except OSError:
        return JivoDouble()


def _wait_for(port: int) -> None:
    """Until the product answers. Ends the program when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"nothing answers on port {port}")


if __name__ == "__main__":
    sys.exit(send_chats() if sys.argv[1:] == ["chats"] else main())
