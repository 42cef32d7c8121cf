"""Web and worker in the foreground of one terminal or container: `python -m webapp.supervisor`.

Starts both, starts one again that died, ends both when asked to, and leaves nobody behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from webapp import logs

log = structlog.get_logger(__name__)

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """A command to keep running. An `essential` one that fails soon after its first start ends the supervisor."""

    name: str
    command: Sequence[str]
    essential: bool = False


def run(
    programs: Sequence[Program],
    *,
    start_seconds: float = 15,
    grace_seconds: float = 40,
    first_pause: float = 1,
    longest_pause: float = 30,
) -> int:
    """Keep the programs running until SIGTERM, SIGINT or SIGHUP, and return the exit status for this process.

    A program that ends is started again after `first_pause` seconds, twice as long each time, until it has run for
    `start_seconds`. Every end is a SIGTERM to the programs, `grace_seconds` of patience, then a kill; SIGINT a second
    time ends the patience. 0 means ended by a signal, 1 that an essential program could not start. Call it in the main
    thread: the programs end with the thread that started them.
    """
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received_number, _frame: received.append(received_number))
    children = [_Child(program, first_pause, longest_pause, start_seconds) for program in programs]
    status = 0
    # Sleeping in short steps: a handler only notes its signal, and the children are looked at anyway.
    while not received and status == 0:
        for child in children:
            child.keep_running()
            if child.failed_to_start:
                log.error("program_did_not_start", program=child.program.name, seconds=start_seconds)
                status = 1
        _reap_adopted({child.process.pid for child in children if child.process is not None})
        time.sleep(0.1)
    log.info("supervisor_stopping")
    processes = [child.process for child in children if child.process is not None]
    for process in processes:
        process.ask_to_end()
    deadline = time.monotonic() + grace_seconds
    while left := [process.pid for process in processes if process.is_alive()]:
        if time.monotonic() > deadline or received.count(signal.SIGINT) > 1:
            log.warning("programs_killed", processes=left)
            break
        time.sleep(0.05)
    for process in processes:
        process.bury()
    return status


class _Process(subprocess.Popen):
    """A started program, in a process group of its own: a terminal's Ctrl-C reaches the supervisor alone."""

    def __init__(self, program: Program) -> None:
        parent = os.getpid()
        super().__init__(
            program.command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=lambda: _end_with(parent)
        )

    def is_alive(self) -> bool:
        """Looks without collecting the status: until `bury` no other process can get this one's number."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def ask_to_end(self) -> None:
        """Not by `terminate`, which would collect the status of a process that has just ended."""
        os.kill(self.pid, signal.SIGTERM)

    def bury(self) -> int:
        """Kill what is left of the process and of its children, and collect its status."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait()


class _Child:
    """A program and, most of the time, its process."""

    def __init__(self, program: Program, first_pause: float, longest_pause: float, start_seconds: float) -> None:
        self.program = program
        self.process: _Process | None = None
        self.failed_to_start = False
        self._first_pause, self._longest_pause, self._start_seconds = first_pause, longest_pause, start_seconds
        self._pause = first_pause
        self._starts = 0
        self._started = self._start_at = 0.0

    def keep_running(self) -> None:
        """Start what is due, notice what has ended."""
        now = time.monotonic()
        if self.process is None:
            if now >= self._start_at:
                self.process = _Process(self.program)
                self._starts += 1
                self._started = now
                log.info("program_started", program=self.program.name, pid=self.process.pid)
        elif not self.process.is_alive():
            code = self.process.bury()
            self.process = None
            was_short = now - self._started < self._start_seconds
            # A negative code is a signal: somebody killed it, which says nothing about whether it can run.
            self.failed_to_start = self.program.essential and was_short and self._starts == 1 and code > 0
            pause = self._pause if was_short else self._first_pause
            self._pause = min(pause * 2, self._longest_pause)
            self._start_at = now + pause
            log.error("program_ended", program=self.program.name, code=code, again_in_seconds=pause)


def _end_with(parent: int) -> None:
    """Runs in the new process: have the kernel send SIGTERM when the parent ends, however it ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _reap_adopted(own: set[int]) -> None:
    """As process 1 of a container, collect the status of processes whose parents are gone."""
    if os.getpid() != 1:
        return
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in own:
            os.waitpid(ended.si_pid, 0)


def main() -> int:
    """Run the product's own two programs."""
    logs.configure(os.environ.get("LOG_FORMAT") or "text", os.environ.get("LOG_LEVEL") or "INFO")
    metrics = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if metrics:
        Path(metrics).mkdir(parents=True, exist_ok=True)
        for left_over in Path(metrics).glob("*.db"):
            left_over.unlink()
    configuration = str(Path(__file__).with_name("gunicorn_config.py"))
    return run(
        (
            Program("web", (sys.executable, "-m", "gunicorn", "-c", configuration, "wsgi:app"), essential=True),
            Program("worker", (sys.executable, "-m", "flask", "--app", "wsgi", "worker")),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
