"""What the lines on a customer's page cost its visitor: the main thread's time, and the time it is blocked for input.

Headless Chromium slowed down four times, as a middling phone; the stand-in shop with its chat widget, with and without
our two lines, in turns.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from bench.servers import ROOT, gunicorn
from tests.doubles.site import SiteDouble
from webapp import scripts
from webapp.views.counter import COUNTER_TEMPLATE

LOADS = 15
SLOWDOWN = 4

#: A task that is longer blocks input for what it is longer by (the definition of total blocking time).
LONG_TASK_MS = 50

CONFIGURATION = """
accounts:
  - slug: bench
    name: Bench
    sites: [{key: shop, domain: shop.localhost, name: Shop}]
    integrations: [{key: jivo, vendor: jivo, active: true, fallback: {kind: source, source: tg, site: shop}}]
    sources: [{key: tg, name: Telegram}]
"""


def measure() -> list[str]:
    """The lines of the report."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {"DATA_DIR": directory}
        _flask(environment, "database", "prepare")
        _flask(environment, "config", "apply", "-", typed=CONFIGURATION)
        with gunicorn("wsgi:app", environment) as port, SiteDouble() as site, sync_playwright() as playwright:
            environment["PUBLIC_URL"] = f"http://127.0.0.1:{port}"
            lines = [
                _flask(environment, "script-tag", "--account", "bench", *which)
                for which in (("--site", "shop"), ("--integration", "jivo"))
            ]
            path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            found: dict[bool, list[dict[str, float]]] = {True: [], False: []}
            for _load in range(LOADS):
                for ours in (False, True):
                    site.layout(head=[lines[0], "jivo", lines[1]] if ours else ["jivo"])
                    found[ours].append(_visit(browser, site.address("/", utm_source="yandex"), port))
            browser.close()
    without, with_ours = ({name: _middle(loads, name) for name in loads[0]} for loads in (found[False], found[True]))
    sizes = _sizes()
    return [
        "## Our lines on a page",
        "",
        f"Chromium slowed down {SLOWDOWN} times, median of {LOADS} loads of a page with a chat widget.",
        "",
        "| | without | with both lines |",
        "|---|--:|--:|",
        f"| total blocking time, ms | {without['blocking']:.1f} | {with_ours['blocking']:.1f} |",
        f"| main thread busy, ms | {without['busy']:.1f} | {with_ours['busy']:.1f} |",
        f"| of it our scripts, ms | 0.0 | {with_ours['ours']:.1f} |",
        f"| longest task of our scripts, ms | 0.0 | {with_ours['longest']:.1f} |",
        "",
        f"Counter {sizes['counter']} bytes and the Jivo script {sizes['jivo']} bytes, gzipped.",
        "",
    ]


def _visit(browser: Browser, address: str, port: int) -> dict[str, float]:
    """One load of a page by a new visitor, traced: milliseconds."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    browser.start_tracing(page=page, categories=["devtools.timeline", "disabled-by-default-devtools.timeline"])
    page.goto(address, wait_until="load")
    page.wait_for_timeout(1500)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    context.close()
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    here = [event for event in events if (event["pid"], event["tid"]) in main and event.get("ph") == "X"]
    tasks = [event["dur"] / 1000 for event in here if event["name"] == "RunTask"]
    ours = [event["dur"] / 1000 for event in here if _is_ours(event, port)]
    return {
        "blocking": sum(task - LONG_TASK_MS for task in tasks if task > LONG_TASK_MS),
        "busy": sum(tasks),
        "ours": sum(ours),
        "longest": max(ours, default=0.0),
    }


def _is_ours(event: dict[str, Any], port: int) -> bool:
    """Evaluating one of our files, or a callback of theirs."""
    data = event.get("args", {}).get("data", {})
    return event["name"] in ("EvaluateScript", "FunctionCall") and f":{port}/" in str(data.get("url", ""))


def _middle(loads: list[dict[str, float]], name: str) -> float:
    return statistics.median(load[name] for load in loads)


def _sizes() -> dict[str, int]:
    counter = scripts.render(COUNTER_TEMPLATE, {"domain": "shop.example", "consent": False, "quiet": True})
    jivo = scripts.render(
        "vendors/jivo/script.js.j2",
        {"id": "x", "session": "counter", "counters": [["shop.example", "/c/shop.js"]], "prefix": "as1.",
         "overwrite": False, "jwt": False},
    )  # fmt: skip
    return {name: len(gzip.compress(script.body, 9)) for name, script in (("counter", counter), ("jivo", jivo))}


def _flask(environment: dict[str, str], *arguments: str, typed: str = "") -> str:
    """One of the product's commands."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=typed,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
