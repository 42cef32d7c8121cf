"""The supervisor with dummy programs, and gunicorn under the product's configuration."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.processes

#: Notes its process number and what it is told; a stubborn one stays. Its child notes itself too.
PROGRAM = """
import os, signal, subprocess, sys, time
journal, stubborn = sys.argv[1], len(sys.argv) > 2
def note(word):
    with open(journal, "a") as file:
        file.write(f"{word} {os.getpid()}\\n")
def told(number, frame):
    note("told")
    if not stubborn:
        sys.exit(0)
signal.signal(signal.SIGTERM, told)
if stubborn:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    with open(journal, "a") as file:
        file.write(f"child {child.pid}\\n")
note("started")
while True:
    time.sleep(0.05)
"""

SUPERVISOR = """
import json, sys
from webapp.supervisor import Program, run
programs, options = json.loads(sys.argv[1])
sys.exit(run([Program(*program) for program in programs], **options))
"""


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-S", "-c", PROGRAM, str(self.path), *arguments]

    def pids(self, word: str) -> list[int]:
        entries = [line.split() for line in self.path.read_text().splitlines()]
        return [int(pid) for noted, pid in entries if noted == word]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@contextmanager
def supervised(*programs: tuple, **options: float) -> Iterator[subprocess.Popen]:
    """A supervisor in a process of its own; kills it and what it started at the end."""
    options = {"first_pause": 0.2, "start_seconds": 1, "grace_seconds": 5, **options}
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, json.dumps([programs, options])], cwd=ROOT)
    try:
        yield supervisor
    finally:
        supervisor.kill()
        supervisor.wait()


def wait_until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def zombies(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if not runs(int(pid))]


def test_a_program_that_dies_is_started_again(journal: Journal) -> None:
    with supervised(("web", journal.command(), True)) as supervisor:
        wait_until(lambda: journal.pids("started"))
        for number in (1, 2):
            os.kill(journal.pids("started")[-1], signal.SIGKILL)
            wait_until(lambda number=number: len(journal.pids("started")) > number)
        assert supervisor.poll() is None
        assert zombies(supervisor.pid) == []
        supervisor.terminate()
        assert supervisor.wait(5) == 0
    assert not any(runs(pid) for pid in journal.pids("started"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_programs_are_asked_to_end(journal: Journal, number: signal.Signals) -> None:
    with supervised(("web", journal.command(), True), ("worker", journal.command())) as supervisor:
        wait_until(lambda: len(journal.pids("started")) == 2)
        supervisor.send_signal(number)
        assert supervisor.wait(5) == 0
    assert sorted(journal.pids("told")) == sorted(journal.pids("started"))
    assert not any(runs(pid) for pid in journal.pids("started"))


@pytest.mark.parametrize("how", ["patience ends", "SIGINT twice"])
def test_a_stubborn_program_and_its_children_are_killed(journal: Journal, how: str) -> None:
    grace_seconds = 0.5 if how == "patience ends" else 60
    with supervised(("worker", journal.command("stubborn")), grace_seconds=grace_seconds) as supervisor:
        wait_until(lambda: journal.pids("started"))
        supervisor.send_signal(signal.SIGINT)
        wait_until(lambda: journal.pids("told"))
        assert supervisor.poll() is None
        if how == "SIGINT twice":
            supervisor.send_signal(signal.SIGINT)
        assert supervisor.wait(5) == 0
    wait_until(lambda: not any(runs(pid) for pid in journal.pids("started") + journal.pids("child")), seconds=2)


def test_it_gives_up_when_the_web_cannot_start(journal: Journal) -> None:
    """As with a port that is taken: an error and an end, not a server that never answers."""
    failing = [sys.executable, "-S", "-c", "import time; time.sleep(0.3); raise SystemExit(1)"]
    with supervised(("web", failing, True), ("worker", journal.command())) as supervisor:
        assert supervisor.wait(10) == 1
    assert journal.pids("started")
    assert not any(runs(pid) for pid in journal.pids("started"))


def test_a_worker_that_cannot_start_is_tried_again_and_again(journal: Journal) -> None:
    failing = [*journal.command()[:3], "import sys; open(sys.argv[1], 'a').write('tried 0\\n'); sys.exit(3)"]
    with supervised(("web", journal.command(), True), ("worker", [*failing, str(journal.path)])) as supervisor:
        wait_until(lambda: len(journal.pids("tried")) == 3)
        assert supervisor.poll() is None
        supervisor.terminate()
        assert supervisor.wait(5) == 0


def test_programs_end_when_the_supervisor_is_killed(journal: Journal) -> None:
    with supervised(("web", journal.command(), True), ("worker", journal.command())) as supervisor:
        wait_until(lambda: len(journal.pids("started")) == 2)
        supervisor.kill()
        supervisor.wait()
        wait_until(lambda: not any(runs(pid) for pid in journal.pids("started")), seconds=3)
    assert len(journal.pids("told")) == 2


def test_gunicorn_serves_under_the_products_configuration(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [str(environ['wsgi.multithread']).encode()]\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    settings = {
        "PYTHONPATH": str(ROOT),
        "PORT": str(port),
        "WEB_WORKERS": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
    web = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "webapp" / "gunicorn_config.py"), "tiny:app"],
        cwd=tmp_path,
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
    )

    def answer() -> bytes:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                return response.read()
        except OSError:
            return b""

    try:
        wait_until(answer)
        assert answer() == b"True"
        web.terminate()
        assert web.wait(10) == 0
    finally:
        web.kill()
        errors = web.communicate()[1]
    assert "Using worker: gthread" in errors
    assert "Traceback" not in errors
