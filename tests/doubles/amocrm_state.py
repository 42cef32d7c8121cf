"""What the amoCRM stand-in remembers: accounts, integrations, codes and tokens."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .server import Refused

CODE_SECONDS = 20 * 60
ACCESS_SECONDS = 86_400
REFRESH_SECONDS = 90 * 86_400

#: The first id of each kind.
FIRST = {
    **{"tenant": 17029541, "user": 581651, "lead": 9276001, "contact": 11018001, "talk": 191, "field": 316901},
    **{"hook": 839656, "source": 29181, "button": 401034, "note": 42743871, "tag": 100667, "pipeline": 3177727},
    **{
        "status": 32392156,
        "customer": 134923,
        "enum": 3778801,
        "unsorted": 1,
        "event": 1,
        "token": 1,
        "integration": 1,
    },
}

#: Fields of amoCRM's own making: of leads (tracking) and of contacts.
TRACKING = ("UTM_CONTENT", "UTM_MEDIUM", "UTM_CAMPAIGN", "UTM_SOURCE", "UTM_TERM", "UTM_REFERRER")
PHONE_KINDS = ("WORK", "WORKDD", "MOB", "FAX", "HOME", "OTHER")
EMAIL_KINDS = ("WORK", "PRIV", "OTHER")


@dataclass
class User:
    """Somebody of an account."""

    id: int
    name: str
    email: str
    is_admin: bool = True
    is_active: bool = True
    is_free: bool = False


@dataclass
class Hook:
    """A subscription. ``failures`` are the times of invalid answers."""

    id: int
    destination: str
    settings: list[str]
    sort: int
    created_by: int
    created_at: int
    updated_at: int
    integration: str
    disabled: bool = False
    failures: list[float] = field(default_factory=list)


@dataclass
class Value:
    """What one custom field holds: ``[{"value": …, "enum_id": …}]``, and from when it is seen."""

    values: list[dict[str, Any]]
    after_talk: int | None = None


@dataclass
class Lead:
    """A lead. ``unsorted`` is its incoming lead's id until that is accepted, ``meta_since`` begins the 24 hours."""

    id: int
    name: str
    status_id: int
    pipeline_id: int
    created_at: int
    updated_at: int
    price: int = 0
    values: dict[int, Value] = field(default_factory=dict)
    contacts: list[int] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)
    source: dict[str, Any] | None = None
    loss_reason: dict[str, Any] | None = None
    closed_at: int | None = None
    is_deleted: bool = False
    unsorted: str | None = None
    visitor_uid: str | None = None
    meta_since: float | None = None


@dataclass
class Contact:
    """A contact; ``unsorted`` as of a lead."""

    id: int
    name: str
    created_at: int
    updated_at: int
    values: dict[int, Value] = field(default_factory=dict)
    is_deleted: bool = False
    unsorted: str | None = None
    denied: bool = False


@dataclass
class Talk:
    """A conversation, as the API tells it."""

    talk_id: int
    created_at: int
    updated_at: int
    contact_id: int | None
    chat_id: str
    entity_id: int | None
    entity_type: str | None
    origin: str
    rate: int = 0
    is_in_work: bool = True
    is_read: bool = False
    missed_at: int | None = None
    status: str = "in_work"
    source_id: int | None = None
    closed_at: float | None = None


@dataclass
class Tenant:
    """An account. ``link`` is its address as it names itself."""

    id: int
    subdomain: str
    port: int
    link: str
    name: str
    plan: str = "advanced"
    paid: bool = True
    exists: bool = True
    ip_filter: bool = False
    timezone: tuple[str, str] = ("Europe/Moscow", "+03:00")
    users: dict[int, User] = field(default_factory=dict)
    fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    contact_fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    leads: dict[int, Lead] = field(default_factory=dict)
    contacts: dict[int, Contact] = field(default_factory=dict)
    talks: dict[int, Talk] = field(default_factory=dict)
    messages: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    unsorted: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    hooks: dict[int, Hook] = field(default_factory=dict)
    sources: list[dict[str, Any]] = field(default_factory=list)
    buttons: dict[int, dict[str, Any]] = field(default_factory=dict)
    chats: list[dict[str, Any]] = field(default_factory=list)
    visitors: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        """Where its API is, without a scheme."""
        return f"127.0.0.1:{self.port}"

    @property
    def admin(self) -> User:
        """Who connects integrations."""
        return next(user for user in self.users.values() if user.is_admin)


@dataclass
class Integration:
    """``kind``: private (of its ``owner`` account alone), public or external."""

    id: str
    secret: str
    redirect_uri: str
    kind: str
    owner: int
    name: str
    scopes: list[str]
    disabled_hook_uri: str | None = None
    installed: set[int] = field(default_factory=set)


@dataclass
class Code:
    """An authorization code."""

    text: str
    tenant: int
    integration: str
    user: int
    created_at: float
    used: bool = False


@dataclass
class Grant:
    """An access token with its refresh token; a long-lived token has none. ``as_admin`` is what it was granted with."""

    number: int
    access: str
    refresh: str | None
    tenant: int
    integration: str
    user: int
    as_admin: bool
    created_at: float
    access_until: float
    refresh_until: float
    scopes: list[str]
    revoked: bool = False
    access_revoked: bool = False
    used: bool = False
    exchanged_for: Grant | None = None


class State:
    """Everything, in memory."""

    def __init__(self) -> None:
        self.tenants: dict[int, Tenant] = {}
        self.integrations: dict[str, Integration] = {}
        self.codes: dict[str, Code] = {}
        self.by_access: dict[str, Grant] = {}
        self.by_refresh: dict[str, Grant] = {}
        self._numbers: dict[str, Iterator[int]] = {kind: itertools.count(first) for kind, first in FIRST.items()}
        self._texts = itertools.count(1)

    def next(self, kind: str) -> int:
        """The next id of a kind."""
        return next(self._numbers[kind])

    def text(self, kind: str, length: int = 64) -> str:
        """A text that nobody guesses and every run repeats."""
        number = next(self._texts)
        parts = (hashlib.sha256(f"{kind} {number} {part}".encode()).hexdigest() for part in range(1 + length // 64))
        return "".join(parts)[:length]

    def uuid(self, kind: str) -> str:
        """The same in the form of a UUID."""
        return str(uuid.UUID(self.text(kind, 32), version=4))

    def tenant(self, tenant: int | None = None) -> Tenant:
        """An account by its id, the first one by default. Raises Refused."""
        if tenant is None:
            return next(iter(self.tenants.values()))
        return found(self.tenants, tenant, "account")

    def integration(self, integration: str | None = None) -> Integration:
        """An integration by its client id, the first one by default. Raises Refused."""
        if integration is None:
            return next(iter(self.integrations.values()))
        return found(self.integrations, integration, "integration")

    def make_tenant(self, port: int, subdomain: str, tenant: int | None, link: str | None, name: str | None) -> Tenant:
        """An account with an admin, a funnel and the fields that every account has. Raises Refused."""
        number = self.next("tenant") if tenant is None else tenant
        if number in self.tenants:
            raise Refused(f"there is an account {number}")
        made = Tenant(number, subdomain, port, link or f"http://127.0.0.1:{port}", name or subdomain)
        self.tenants[number] = made
        self.make_user(made, "Анна Администратор", is_admin=True)
        made.pipelines.append(self._pipeline("Воронка"))
        for code in TRACKING:
            shape = {"type": "tracking_data", "code": code, "group_id": "statistic", "is_predefined": True}
            self.make_field(made, {"name": code.lower(), **shape, "is_deletable": False})
        for code, name_, kinds in (("PHONE", "Телефон", PHONE_KINDS), ("EMAIL", "Email", EMAIL_KINDS)):
            enums = [{"value": kind, "sort": 2 * place} for place, kind in enumerate(kinds, 1)]
            shape = {"type": "multitext", "code": code, "is_predefined": True, "enums": enums, "is_deletable": False}
            self.make_field(made, {"name": name_, **shape}, "contacts")
        return made

    def make_user(self, tenant: Tenant, name: str, **rights: bool) -> User:
        """One more user."""
        number = self.next("user")
        tenant.users[number] = User(number, name, f"user{number}@shop.example", **rights)
        return tenant.users[number]

    def make_field(self, tenant: Tenant, order: dict[str, Any], entity: str = "leads") -> dict[str, Any]:
        """A custom field as the API tells it; the order's keys are the API's."""
        fields = tenant.fields if entity == "leads" else tenant.contact_fields
        enums = [
            {"id": self.next("enum"), "value": one["value"], "sort": one.get("sort", 500), "code": one.get("code")}
            for one in order.get("enums") or []
        ]
        number = self.next("field")
        fields[number] = {
            **{"id": number, "name": order["name"], "type": order["type"], "account_id": tenant.id},
            **{"code": order.get("code"), "sort": order.get("sort", 500 + len(fields)), "is_computed": False},
            **{"is_api_only": order.get("is_api_only", False), "enums": enums or None},
            **{"group_id": order.get("group_id"), "required_statuses": order.get("required_statuses") or []},
            **{"hidden_statuses": [], "is_deletable": order.get("is_deletable", True)},
            **{"is_predefined": order.get("is_predefined", False), "entity_type": entity, "remind": None},
            **{"tracking_callback": order.get("tracking_callback", ""), "settings": None, "currency": None},
        }
        return fields[number]

    def _pipeline(self, name: str) -> dict[str, Any]:
        statuses = [
            {"id": self.next("status"), "name": title, "sort": 10 * place, "type": 1 if place == 1 else 0}
            for place, title in enumerate(("Неразобранное", "Первичный контакт", "Принимают решение"), 1)
        ]
        statuses.append({"id": 142, "name": "Успешно реализовано", "sort": 10_000, "type": 0})
        statuses.append({"id": 143, "name": "Закрыто и не реализовано", "sort": 11_000, "type": 0})
        return {"id": self.next("pipeline"), "name": name, "statuses": statuses}


def found(shelf: dict[Any, Any], key: Any, what: str) -> Any:
    """What a control order names. Raises Refused."""
    if key not in shelf:
        raise Refused(f"no {what} {key!r}")
    return shelf[key]
