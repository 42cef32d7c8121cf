"""`make demo` as a person meets it: it starts, prints where to go, chats arrive, Ctrl-C ends it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from bs4 import BeautifulSoup

from tests.conftest import WORKER
from tests.databases import KINDS, drop_database, fresh_database
from tests.doubles.demo import ROOT
from tests.doubles.demo_chats import chat, past_moments
from tests.doubles.demo_site import open_site
from tests.doubles.jivo import JivoDouble
from tests.pages import lint

CHATS = 12


class Demo:
    """A running demo: what it prints, and where it is."""

    def __init__(self, process: Any, port: int) -> None:
        self.process, self.url = process, f"http://localhost:{port}"
        self.printed = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.printed += line

    def wait(self, condition: Callable[[], object], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def finish(self) -> None:
        """Read what was printed to its end, which comes when the last of its processes has gone."""
        self._reader.join(20)
        self.process.stdout.close()


@contextmanager
def demo(data_dir: Path, database: str) -> Iterator[Demo]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "WEB_WORKERS": "1",
        "DATABASE_URL": "sqlite:////nonexistent/a-real-cabinet.db",
        "DEMO_DATABASE_URL": database,
        "DEMO_JIVO_PORT": "0",
        "DEMO_SITE_PORT": "0",
        "DEMO_YEAR": "40",
        "DEMO_AMO_PORT": "0",
        "DEMO_CHATS": str(CHATS),
        "DEMO_PAUSE": "0.3",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.doubles.demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Demo(process, port)
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        running.finish()


def signed_in(running: Demo) -> requests.Session:
    """A browser that signs in with what the demo printed."""
    browser = requests.Session()
    page = BeautifulSoup(browser.get(f"{running.url}/sign-in", timeout=30).text, "html.parser")
    [email] = re.findall(r"Почта +(\S+)", running.printed)
    [password] = re.findall(r"Пароль +(\S+)", running.printed)
    form = {"csrf_token": page.find("input", attrs={"name": "csrf_token"})["value"], "email": email}
    answer = browser.post(f"{running.url}/sign-in", {**form, "password": password}, allow_redirects=False, timeout=30)
    assert answer.status_code == 303, answer.text
    return browser


def listed(browser: requests.Session, running: Demo) -> list[int]:
    """The numbers of the communications on the first page."""
    answer = browser.get(f"{running.url}/a/romashka/communications", timeout=30)
    links = lint(answer.text).select("tr.row-link a.row-title")
    return [int(link["href"].split("?")[0].rsplit("/", 1)[1]) for link in links]


def knows_a_lead(browser: requests.Session, running: Demo) -> bool:
    """True when the page of amoCRM shows a request whose contact was read from the stand-in."""
    page = lint(browser.get(f"{running.url}/a/romashka/integrations/amo", timeout=30).text)
    found = page.select_one(".test-found")
    return found is not None and "+7 900 000" in found.get_text()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a PostgreSQL database of its own; empty for the demo's own SQLite file."""
    if request.param == "sqlite":
        yield ""
        return
    url = fresh_database(request.param, f"demo_{WORKER}", tmp_path)
    yield url
    drop_database(url)


@pytest.mark.processes
def test_the_demo_starts_shows_chats_goes_on_and_ends_with_ctrl_c(database: str, tmp_path: Path):
    with demo(tmp_path / "demo", database) as running:
        running.wait(lambda: "Прошлое на месте" in running.printed)
        browser = signed_in(running)
        past = listed(browser, running)
        assert len(past) >= CHATS
        running.wait(lambda: max(listed(browser, running)) > max(past))
        running.wait(lambda: knows_a_lead(browser, running))
        for address in re.findall(rf"{running.url}/a/\S+", running.printed):
            page = browser.get(address, timeout=30)
            assert page.status_code == 200
            lint(page.text)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
    assert "Traceback" not in running.printed
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{running.url}/healthz", timeout=5)

    if database:
        return  # What is kept between two starts lies in DATA_DIR, whatever the database.
    with demo(tmp_path / "demo", database) as again:
        again.wait(lambda: "Прошлое на месте" in again.printed)
        assert max(listed(signed_in(again), again)) > max(past)
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(60) == 0


@pytest.mark.processes
def test_the_demo_leaves_the_data_of_another_installation_alone(tmp_path: Path):
    (tmp_path / "leadtrail.db").touch()
    with demo(tmp_path, "") as running:
        assert running.process.wait(60) == 2
    assert "another installation" in running.printed
    assert (tmp_path / "leadtrail.db").stat().st_size == 0


def test_every_demo_chat_is_made_only_of_invented_people():
    """No telephone number but 900 000 and 495 000, no address outside .example."""
    moments = past_moments(400, 1_790_000_000)
    assert moments == sorted(moments)
    for number, moment in enumerate(moments, 1):
        told = chat(number, moment)
        assert told == chat(number, moment)
        text = repr(told.orders)
        for phone in re.findall(r"(?:\+7|\b8|')[ (]*(\d{3})[) ]*(\d{3})[ -]?\d{2}[ -]?\d{2}\b", text):
            assert phone in (("900", "000"), ("495", "000")), phone
        for address in re.findall(r"@([\w.-]+)|https?://([^/\s'?]+)", text):
            assert "".join(address).endswith(".example"), address


def test_who_writes_on_the_example_site_is_taken_for_nobody_else(monkeypatch):
    """Neither for somebody of the invented past, nor for who wrote on the site before the demo was started again."""
    monkeypatch.setenv("DEMO_SITE_PORT", "0")
    invented = [order for number in range(1, 12_000) for order in chat(number, 1_790_000_000).orders]
    chats = {order["chat"] for order in invented}
    visitors = {order["visitor"] for order in invented}
    for _start in range(2):
        with JivoDouble() as sender, open_site(sender, "http://127.0.0.1:9/", ("counter", "own")) as site:
            order = {"widget": "w", "url": "http://shop.localhost/", "page": {}, "user_agent": "", "token": None}
            visitor = site.jivo.hello(order)["number"]
            more = {"number": visitor, "life": "page", "text": "Есть блэкаут?", "ends": "later"}
            said = site.jivo.message(order | more)["chat"]
        assert visitor not in visitors
        assert said not in chats
        visitors.add(visitor)
        chats.add(said)
        time.sleep(0.01)
