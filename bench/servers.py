"""Starts gunicorn for a measurement and loads it over keep-alive connections."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

#: Seconds of load before the figures count.
WARM_UP = 2.0

JSON = {"Content-Type": "application/json"}

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def gunicorn(target: str, environment: dict[str, str]) -> Iterator[int]:
    """The application under the product's own gunicorn configuration; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "webapp/gunicorn_config.py", target]
    values = {**os.environ, **environment, "PORT": str(port), "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(command, cwd=ROOT, env=values, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    """Until a worker answers: the port is open long before the workers have read the application."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            for _each_worker in range(8):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                connection.close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("gunicorn did not start")


def load(
    port: int,
    path: str,
    bodies: Callable[[int], bytes],
    clients: int,
    seconds: float,
    headers: Mapping[str, str] = JSON,
) -> tuple[float, float, float]:
    """POST for so long from so many connections. Gives requests per second, median and 99th percentile in ms."""
    queue: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_clients, args=(queue, port, path, bodies, clients, seconds, headers))
    process.start()
    times = sorted(queue.get())
    process.join()
    return len(times) / seconds, statistics.median(times) * 1000, times[int(len(times) * 0.99)] * 1000


def _clients(
    queue: multiprocessing.Queue[list[float]],
    port: int,
    path: str,
    bodies: Callable[[int], bytes],
    clients: int,
    seconds: float,
    headers: Mapping[str, str],
) -> None:
    times: list[float] = []
    warm = time.perf_counter() + WARM_UP
    deadline = warm + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        count = 0
        while True:
            body = bodies(number * 1_000_000 + count)
            started = time.perf_counter()
            if started > deadline:
                break
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (200, 204):
                raise RuntimeError(f"{path}: {answer.status}")
            if started > warm:
                times.append(time.perf_counter() - started)
            count += 1
        connection.close()

    threads = [Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put(times)


def chat(number: int) -> bytes:
    """A finished chat as Jivo sends it, each one another."""
    return json.dumps(
        {
            "event_name": "chat_finished",
            "widget_id": "AbCdEf1234",
            "chat_id": number,
            "visitor": {"name": "Мария", "phone": "8 (900) 000-12-34", "number": number % 5000, "chats_count": 1},
            "agents": [{"id": 7, "name": "Анна", "email": "anna@shop.example"}],
            "session": {"utm_json": {"source": "yandex", "medium": "cpc", "campaign": f"campaign-{number % 200}"}},
            "page": {"url": "https://shop.example/curtains?utm_source=yandex&utm_medium=cpc", "title": "Шторы"},
            "chat": {
                "messages": [
                    {
                        "timestamp": 1790000000 + number % 1_000_000,
                        "type": "visitor",
                        "message": "Есть шторы на кухню?",
                    },
                    {
                        "timestamp": 1790000030 + number % 1_000_000,
                        "type": "agent",
                        "agent_id": 7,
                        "message": "Есть, какой размер?",
                    },
                ]
            },
        },
        ensure_ascii=False,
    ).encode()
