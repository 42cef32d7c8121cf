"""What is typed about a connection: the authorization's form, and the lead field in which the session is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _

from webapp.extensions import db
from webapp.models import Authorization, AuthorizationState, Integration, fold
from webapp.vendors import registry

from .addresses import settings
from .directory import free_key
from .numbers import row_number

#: Fields that the picker offers at once.
OFFERED = 20

LONGEST = {"name": 200, "domain": 300, "url": 500, "token_url": 500, "client_id": 200, "client_secret": 500}


@dataclass
class AuthorizationInput:
    """The form of one authorization. Secrets are typed, never shown: an empty one stays as it is."""

    integration: Integration
    row: Authorization | None
    values: dict[str, str]
    long_lived_token: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, integration: Integration, row: Authorization | None) -> AuthorizationInput:
        """The form of what is stored, or of a new one."""
        connection = registry()[integration.vendor].connection
        if row is None:
            values = {"name": registry()[integration.vendor].title, "domain": "", "client_id": "", "client_secret": ""}
            values |= {"url": connection.url_template, "token_url": connection.token_url_template}
            return cls(integration, None, values)
        names = ("name", "domain", "url", "token_url", "client_id")
        return cls(integration, row, {name: getattr(row, name) for name in names} | {"client_secret": ""})

    @classmethod
    def read(cls, integration: Integration, row: Authorization | None, form: Mapping[str, str]) -> AuthorizationInput:
        """The form as typed."""
        values = {
            name: form.get(f"auth-{name}", "").replace("\0", "").strip()[: longest + 1]
            for name, longest in LONGEST.items()
        }
        return cls(integration, row, values, form.get("auth-long_lived_token", "").replace("\0", "").strip())

    @property
    def connection(self) -> Any:
        """How the vendor is spoken to."""
        return registry()[self.integration.vendor].connection

    def substitute(self) -> None:
        """Put the typed domain into the place of YOURDOMAIN in both addresses. What is no domain is said at once, and
        the addresses of the last one do not stay."""
        domain, connection = self._domain(), self.connection
        if domain:
            self.values["url"], self.values["token_url"] = connection.urls(domain)
            return
        self.values["url"], self.values["token_url"] = connection.url_template, connection.token_url_template
        if self.values["domain"]:
            self.problems["domain"] = _not_a_domain(self.integration)

    def validate(self) -> bool:
        """Find what is wrong; what can be completed is."""
        values, problems = self.values, self.problems
        for name, longest in LONGEST.items():
            if len(values[name]) > longest:
                problems[name] = _("Не длиннее %(max)d знаков.", max=longest)
        if not values["name"]:
            problems["name"] = _("Введите название авторизации.")
        domain = self._domain()
        if not domain:
            problems.setdefault("domain", _not_a_domain(self.integration))
        else:
            values["domain"] = domain
            for name, made in zip(("url", "token_url"), self.connection.urls(domain), strict=True):
                self._check_url(name, made)
        if not self.long_lived_token and not (self.row and self.row.long_lived):
            if not values["client_id"]:
                problems["client_id"] = _("Вставьте ID интеграции.")
            if not values["client_secret"] and not (self.row and self.row.client_secret):
                problems["client_secret"] = _("Вставьте секретный ключ.")
        if len(self.long_lived_token) > 10_000 or any(sign.isspace() for sign in self.long_lived_token):
            problems["long_lived_token"] = _("Токен — одна строка без пробелов.")
        return not problems

    @property
    def errors(self) -> list[tuple[str, str]]:
        """(text, id of the field), in the order of the page."""
        order = ("name", "domain", "url", "token_url", "client_id", "client_secret", "long_lived_token")
        return [(self.problems[name], f"auth-{name}") for name in order if name in self.problems]

    def save(self) -> tuple[Authorization, dict[str, Any]]:
        """Write it; gives the row and what changed, for the record. With other keys or another account it is to be
        connected anew."""
        row, values = self.row, self.values
        if row is None:
            account = self.integration.account
            row = Authorization(
                account_id=account.id,
                vendor=self.integration.vendor,
                key=free_key(Authorization, account.id, values["name"]),
                state=AuthorizationState.NEW,
                domain="",
                client_id="",
            )
            db.session.add(row)
        changes = {
            name: [getattr(row, name), values[name]]
            for name in ("name", "domain", "url", "token_url", "client_id")
            if getattr(row, name) != values[name]
        }
        is_other = row.domain not in ("", values["domain"]) or row.client_id not in ("", values["client_id"])
        for name in ("name", "domain", "url", "token_url", "client_id"):
            setattr(row, name, values[name])
        if is_other and not row.long_lived:
            row.forget_tokens(AuthorizationState.NEW)
            row.vendor_account_id = row.vendor_account_name = None
        if values["client_secret"]:
            row.client_secret = values["client_secret"]
            changes["client_secret"] = [None, values["client_secret"]]
        if self.long_lived_token:
            row.forget_tokens(AuthorizationState.CONNECTED)
            row.access_token, row.long_lived = self.long_lived_token, True
            row.vendor_account_id = row.vendor_account_name = None
            row.say_problem(None)
            changes["long_lived_token"] = [None, self.long_lived_token]
        db.session.flush()
        return row, changes

    def _domain(self) -> str:
        try:
            return self.connection.clean_domain(self.values["domain"], settings().EXTRA_VENDOR_HOSTS)
        except ValueError:
            return ""

    def _check_url(self, name: str, made: str) -> None:
        """An address that still has its placeholder is made of the domain; any other is checked."""
        placeholders = {"", self.connection.url_template, self.connection.token_url_template}
        if self.values[name] in placeholders:
            self.values[name] = made
            return
        try:
            self.values[name] = self.connection.check_url(self.values[name], settings().EXTRA_VENDOR_HOSTS)
        except ValueError:
            title = registry()[self.integration.vendor].title
            self.problems[name] = _("Это не адрес аккаунта %(vendor)s.", vendor=title)


def _not_a_domain(integration: Integration) -> str:
    return _("Это не домен аккаунта %(vendor)s.", vendor=registry()[integration.vendor].title)


@dataclass
class FieldInput:
    """«Кастомное поле для сессии»: the lead field that was chosen, or what was typed instead."""

    id: int | None = None
    text: str = ""
    error: str | None = None
    warning: str | None = None

    @classmethod
    def of(cls, integration: Integration) -> FieldInput:
        """The field that is stored, with a warning when it has gone."""
        number = (integration.options or {}).get("session_field")
        if not number:
            return cls()
        known = lead_fields(integration)
        row = next((one for one in known or () if one["id"] == number), None)
        if row is None:
            gone = known is not None
            warning = _("Этого поля в сделках больше нет. Выберите другое или создайте новое.") if gone else None
            return cls(number, f"№ {number}", warning=warning)
        connection = registry()[integration.vendor].connection
        problem = str(connection.field_problem(row["problem"])) if row["problem"] else None
        return cls(number, label(row, known), warning=problem)

    @classmethod
    def read(cls, integration: Integration, form: Mapping[str, str]) -> FieldInput:
        """What was sent. The written text decides, as in every picker; a bare number will do where no list is known."""
        text = form.get("session_field_text", "").replace("\0", "").strip()
        number, known = row_number(form.get("session_field", "")), lead_fields(integration)
        if not text:
            return cls()
        stored = cls.of(integration)
        if text == stored.text:
            return stored
        rows = known or []
        row = next((one for one in rows if one["id"] == number and label(one, rows) == text), None)
        row = row or next((one for one in rows if fold(text) in (fold(label(one, rows)), fold(str(one["id"])))), None)
        if row is not None and not row["usable"]:
            problem = registry()[integration.vendor].connection.field_problem(row["problem"])
            return cls(None, text, error=_("Это поле не подойдёт: %(problem)s.", problem=problem))
        if row is not None:
            return cls(row["id"], label(row, rows))
        typed = row_number(text.removeprefix("№").strip())
        if known is None and typed:
            return cls(typed, f"№ {typed}")
        return cls(
            None,
            text,
            error=_("Поля «%(text)s» в сделках нет. Впишите название, как там.", text=text),
        )


def lead_fields(integration: Integration) -> list[dict[str, Any]] | None:
    """The lead fields of the integration's connection as last read, None when they never were."""
    return integration.authorization.lead_fields if integration.authorization else None


def label(row: Mapping[str, Any], known: list[dict[str, Any]] | None) -> str:
    """How a field is called: by its name, and by its number too where another one has the same name."""
    twins = sum(1 for one in known or () if one["name"] == row["name"])
    return f"{row['name']} (№ {row['id']})" if twins > 1 else row["name"]


def offered_fields(integration: Integration, query: str) -> tuple[list[dict[str, Any]], int]:
    """The fields that fit what is being typed, those that may be chosen first, and how many fit in all."""
    connection, known = registry()[integration.vendor].connection, lead_fields(integration) or []
    words = fold(query[:300]).split()
    fitting = [row for row in known if all(word in fold(f"{row['name']} {row['id']} {row['kind']}") for word in words)]
    fitting.sort(key=lambda row: (not row["usable"], row["problem"] is not None))
    options = []
    for row in fitting[:OFFERED]:
        notes = [connection.field_kind(row["kind"]), connection.field_group(row["group"])]
        if row["problem"]:
            notes.append(connection.field_problem(row["problem"]))
        options.append(
            {
                "value": row["id"],
                "text": label(row, known),
                "note": " · ".join(str(note) for note in notes if note),
                "disabled": not row["usable"],
            }
        )
    return options, len(fitting)
