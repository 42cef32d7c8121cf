"""A stand-in for the Data API of CoMagic, UIS and CallGear: JSON-RPC at ``/v2.0``, as strict as the contract.

In Python::

    with DataApiDouble() as double:            # journal="file" keeps what is loaded over a restart
        double.endpoint, double.key            # http://127.0.0.1:…/v2.0 and the key of the example account
        double.switch(repeated_ext_id="update")             # dataapi_switches
        double.fault("timeout", "upload.*", stage="after")  # dataapi_faults.Fault; times=None until heal()
        double.chaos(seed=7, probability=0.3, seconds=0.2)  # every recoverable fault, by chance
        double.clock.move({"advance": 3600})
        double.set_key(double.key, state="revoked")         # or expired, blocked, valid
        double.set_account(minute=60, lacking=["upload_chats"], ips=["198.51.100.7"], state="blocked")
        double.add_session(site_id=…, marks={"utm_source": "yandex"}, at=…)["id"]
        double.change_directory(put={"campaigns": [{"id": 268101, "status": "inactive"}]})
        double.holdings("chats")               # {ext_id: {"count", "ids", "deleted", "uploads"}}
        double.stored("chats", ext_id)         # the entities, whole
        double.calls("upload.chats")           # what came, as bytes, with time and outcome
        double.metrics()                       # counts, points, calls at once, refusals for the limits
        double.add_host("callgear")            # one more port, of this project alone

The same over HTTP, in the same words, under ``/_control/``: POST ``config`` (switches, clock, seen_ip, hold_s,
latency_s, hosts), ``reset``, ``clock``, ``faults`` ({"faults": […], "chaos": {…}, "heal": true}), ``keys``,
``accounts``, ``sessions``, ``directory``; GET ``calls`` (?method=&since=), ``faults``, ``metrics``, ``holdings`` and
``stored`` (?app_id=).

The example account (dataapi_example) has every component and right, takes calls from anywhere, and has points enough.
By itself: ``python -m tests.doubles.dataapi --port 9200``; DATAAPI_JOURNAL names the journal.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import dataapi_edits, dataapi_reads, dataapi_reports, dataapi_sessions, dataapi_uploads
from . import dataapi_example as example
from .dataapi_control import Controlled, Received
from .dataapi_errors import STATUSES, ApiError, ip_not_whitelisted, missed
from .dataapi_faults import ANSWERS, Fault
from .dataapi_methods import Asked, Method
from .dataapi_shapes import Reader, is_number
from .dataapi_wire import Reply, handler, of_json
from .dataapi_world import Account
from .server import Call, serve_alone

METHODS: dict[str, Method] = {
    **dataapi_reads.METHODS,
    **dataapi_reports.METHODS,
    **dataapi_uploads.METHODS,
    **dataapi_sessions.METHODS,
    **dataapi_edits.METHODS,
}

PROJECTS = ("comagic", "uiscom", "callgear")

_VERSION = re.compile(r"/v\d+\.\d+")
_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params"})

#: The published sample of this method has the key beside the parameters.
_KEY_OUTSIDE = "set.communications_tags"


class DataApiDouble(Controlled):
    """The server; see the module for what can be done with it."""

    def __init__(self, port: int = 0, journal: Path | str | None = None) -> None:
        super().__init__(port, journal)
        self._handler = handler(self._respond, self._done, lambda: self._released)
        self._server.RequestHandlerClass = self._handler
        self._open: dict[int, Received] = {}
        self._own_hosts: dict[str, str] = {}
        self._more: list[tuple[Any, threading.Thread]] = []

    @property
    def endpoint(self) -> str:
        """The address of the API."""
        return f"{self.url}/v2.0"

    @property
    def key(self) -> str:
        """The key of the example account."""
        return example.KEY

    def add_host(self, project: str) -> str:
        """Serve one project on a port of its own; gives the address of the API there."""
        server = type(self._server)(("127.0.0.1", 0), self._handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self._more.append((server, thread))
        host = f"127.0.0.1:{server.server_port}"
        self._own_hosts[host] = project
        return f"http://{host}/v2.0"

    def stop(self) -> None:
        """See Double."""
        self._released.set()
        super().stop()
        for server, thread in self._more:
            _close(server, thread)
        self._more = []

    def _respond(self, call: Call) -> Reply:
        if not _VERSION.fullmatch(call.path):
            status, value = self.answer(call)
            return of_json(value, status)
        with self._counting:
            self._running += 1
            self._most_running = max(self._most_running, self._running)
            self._number += 1
            received = Received(self._number, self.clock.now(), call.path, call.headers, call.body, self._running)
            self.received.append(received)
            self._open[id(call)] = received
        with self._lock:
            try:
                reply = self._rpc(call, received)
            except Exception as error:
                # A mistake of the stand-in itself must not look like one of its faults.
                received.outcome = f"broken: {type(error).__name__}: {error}"
                reply = Reply(501, received.outcome.encode(), "text/plain; charset=utf-8")
            received.status, received.answer = reply.status, reply.content
            return replace(reply, wait_s=reply.wait_s + self.latency_s)

    def _done(self, call: Call) -> None:
        with self._counting:
            received = self._open.pop(id(call), None)
            if received is not None:
                received.ended_at = self.clock.now()
                self._running = max(0, self._running - 1)

    def _rpc(self, call: Call, received: Received) -> Reply:
        """The answer to a call, with the fault that it gets."""
        number: Any = None
        params: Mapping[str, Any] = {}
        try:
            if call.method != "POST":
                raise ApiError("invalid_request", "Only POST is allowed")
            asked = _envelope(call)
            number, received.method, params = asked["id"], asked["method"], asked.get("params", {})
            broken = None
        except ApiError as error:
            broken = error
        fault = self.faults.deal(received.method, call.body)
        received.fault = None if fault is None else f"{fault.fault} {fault.stage}"
        if fault is not None and fault.stage == "before" and not fault.is_error:
            return fault.reply(Reply(), self.hold_s)
        account = self._owner(params)
        try:
            if broken is not None:
                raise broken
            if fault is not None and fault.is_error and fault.stage == "before":
                raise fault.error(account.budget.told(received.at) if account else {})
            result = self._carry_out(call, received, fault.params(params) if fault else params)
            if fault is not None and fault.is_error:
                raise fault.error(account.budget.told(received.at) if account else {})
            received.outcome = "ok"
            body, status = self._success(result, account, received.at), 200
        except ApiError as error:
            received.outcome = error.mnemonic
            told = error.told(self._error_metadata(fault, account, received.at))
            body, status = {"error": told}, self._status(error.code)
        body = {"jsonrpc": "2.0", "id": self._echo(number), **body}
        if fault is not None and fault.fault in ANSWERS:
            body = fault.answer(body)
        reply = of_json(body, status)
        return fault.reply(reply, self.hold_s) if fault is not None else reply

    def _carry_out(self, call: Call, received: Received, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of the method. Raises ApiError."""
        now = received.at
        method = METHODS.get(received.method)
        if method is None:
            raise ApiError("method_not_found", f'Method "{received.method}" not found')
        token = params.get("access_token")
        if "access_token" in method.common:
            if token is None:
                raise missed("access_token")
            account = self._allowed(str(token), params, method, call, now)
        else:
            account = self._with_login(params.get("login"))
        received.app_id = account.app_id
        account.budget.spend(now, received.parallel)
        try:
            method.check(account)
            read = Reader(self.switches).read(params, {**method.common, **method.shapes})
            size = len(call.body)
            result = method.run(Asked(self.world, account, read, self.switches, now, size, str(token)))
        except ApiError:
            account.budget.give_back(now)
            raise
        received.done = True
        return result

    def _allowed(self, token: str, params: Mapping[str, Any], method: Method, call: Call, now: float) -> Account:
        """The account that a key may work with. Raises ApiError."""
        key = self.world.behind(token, now)
        account = self.world.accounts[key.app_id]
        project = self._project(call)
        if account.project and project and account.project != project:
            raise ApiError("access_token_invalid")
        if key.customers:
            if method.clients_only:
                raise ApiError("forbidden")
            if params.get("user_id") is None:
                raise missed("user_id")
            customer = key.customers.get(params["user_id"]) if is_number(params["user_id"]) else None
            if customer not in self.world.accounts:
                raise ApiError("entity_not_found", field="user_id", value=params["user_id"])
            account = self.world.accounts[customer]
        if not any(ipaddress.ip_address(self.seen_ip) in ipaddress.ip_network(one) for one in account.ips):
            raise ip_not_whitelisted(self.seen_ip)
        if account.state != "active":
            raise ApiError("account_inactive")
        return account

    def _with_login(self, login: Any) -> Account:
        for account in self.world.accounts.values():
            if login in account.users:
                return account
        raise ApiError("auth_error")

    def _project(self, call: Call) -> str | None:
        """The project behind the host that was asked, None where that host serves all."""
        host = call.headers.get("Host", "")
        name = urlsplit(f"//{host}").hostname or ""
        hosts = self._own_hosts | self.hosts
        return hosts.get(host) or hosts.get(name) or next((one for one in PROJECTS if one in name), None)

    def _owner(self, params: Mapping[str, Any]) -> Account | None:
        """Whose limits an answer tells, as far as a key names somebody."""
        token = params.get("access_token")
        key = self.world.keys.get(token) if isinstance(token, str) else None
        return self.world.accounts.get(key.app_id) if key else None

    def _success(self, result: dict[str, Any], account: Account | None, now: float) -> dict[str, Any]:
        """The result with its metadata, where it has any."""
        switch = self.switches["metadata_key"]
        own = result.pop("metadata", {})
        if "data" not in result or switch == "absent" or account is None:
            return {"result": result}
        told: dict[str, Any] = {"version": None, "limits": {} if switch == "no limits" else account.budget.told(now)}
        if self.switches["deprecated_version"] == "on":
            told["api_version"] = {
                "current_version_deprecated": True,
                "current_version": "v2.0",
                "latest_version": "v2.1",
            }
        return {"result": {**result, "meta_data" if switch == "meta_data" else "metadata": {**told, **own}}}

    def _error_metadata(self, fault: Fault | None, account: Account | None, now: float) -> dict[str, Any] | None:
        if self.switches["error_metadata"] == "absent" or (fault is not None and not fault.metadata):
            return None
        if account is None or self.switches["metadata_key"] in ("absent", "no limits"):
            return {"limits": {}}
        limits = account.budget.told(now)
        if fault is not None and fault.fault == "limit_exceeded" and f"{fault.limit}_remaining" in limits:
            limits[f"{fault.limit}_remaining"] = 0
        return {"limits": limits}

    def _status(self, code: int) -> int:
        switch = self.switches["error_http_status"]
        return STATUSES.get(code, 400) if switch == "by kind" else int(switch)

    def _echo(self, number: Any) -> Any:
        other = str(number) if is_number(number) else int(number) if str(number).isdecimal() else number
        echoes = {"same": number, "other type": other, "null": None, "foreign": "somebody-else"}
        return echoes[self.switches["id_echo"]]


def _close(server: ThreadingHTTPServer, thread: threading.Thread) -> None:
    server.shutdown()
    thread.join()
    server.server_close()


def _envelope(call: Call) -> dict[str, Any]:
    """The request as an object that may be carried out. Raises ApiError."""
    kind = re.sub(r"\s", "", {name.lower(): text for name, text in call.headers.items()}.get("content-type", ""))
    if kind.lower() != "application/json;charset=utf-8":
        raise ApiError("invalid_request", "Content-Type must be application/json; charset=UTF-8")
    try:
        body = json.loads(call.body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError("parse_error") from error
    if isinstance(body, list):
        raise ApiError("batch_opreations_not_supported")
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0" or not isinstance(body.get("method"), str):
        raise ApiError("invalid_request")
    if "id" not in body:
        raise ApiError("notifications_not_supported")
    if not isinstance(body["id"], str) and not is_number(body["id"]):
        raise ApiError("invalid_request", "id must be a string or a number")
    outside = {"access_token", "user_id"} if body["method"] == _KEY_OUTSIDE else set()
    unknown = body.keys() - _ENVELOPE - outside
    params = body.get("params", {})
    if unknown or not isinstance(params, dict):
        raise ApiError("invalid_request", f"Unexpected: {', '.join(sorted(unknown)) or 'params'}")
    return {**body, "params": {**{name: body[name] for name in outside if name in body}, **params}}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _alone(port: int) -> DataApiDouble:
    return DataApiDouble(port, os.environ.get("DATAAPI_JOURNAL") or None)


if __name__ == "__main__":
    serve_alone(_alone, "Data API stand-in", 9200)
