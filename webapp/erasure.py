"""Erases a person: everything kept under a phone or an e-mail, and the mentions of it in what is kept of others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from webapp.contacts import normalise_email, normalise_phone, phone_pattern
from webapp.models import Account, Communication, VendorClient, Visit, VisitTie, event_communication

MASK = "***"

#: Rows named in one query.
CHUNK = 500

#: An address may stand encoded within an address, and that one in a form.
_MOST_LAYERS = 3

_ENCODED = re.compile("(?:%[0-9a-f]{2})+", re.IGNORECASE)


@dataclass(frozen=True)
class Person:
    """Whom to erase: a phone in E.164, or an e-mail in lower case."""

    phone: str | None = None
    email: str | None = None

    @classmethod
    def read(cls, text: str, region: str) -> Person | None:
        """A phone in any form, or an e-mail; None when it is neither."""
        text = text.strip()[:254]
        if "@" in text:
            email = normalise_email(text)
            return cls(email=email) if email else None
        phone = normalise_phone(text, region)
        return cls(phone=phone) if phone else None

    def owns(self, phone: Any, email: Any) -> ColumnElement[bool]:
        """True, in SQL, where these columns are this person's."""
        return phone == self.phone if self.phone else email == self.email

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds the contact in free text, however it is written there."""
        if self.email:
            return re.compile(rf"(?<![\w.+-]){re.escape(self.email)}(?![\w-])", re.IGNORECASE)
        return phone_pattern(self.phone or "")


class Mentions:
    """Finds and masks a person's contact in texts, JSON values and bodies of requests, percent-encoded or not."""

    def __init__(self, person: Person) -> None:
        self._pattern = person.pattern

    def there(self, value: Any) -> bool:
        """True when a text, or anything within a JSON value, mentions the contact."""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return bool(self._places(str(value)))
        if isinstance(value, dict):
            return any(self.there(key) or self.there(item) for key, item in value.items())
        return isinstance(value, list) and any(map(self.there, value))

    def masked(self, value: Any) -> Any:
        """The same without the contact."""
        if isinstance(value, str):
            return _without(value, self._places(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if self.there(value) else value
        if isinstance(value, dict):
            return {self.masked(key): self.masked(item) for key, item in value.items()}
        return [self.masked(item) for item in value] if isinstance(value, list) else value

    def masked_body(self, body: bytes) -> bytes | None:
        """A request's body without the contact, None when it is not in it. JSON stays JSON; of any other body every
        byte stays that is not the contact's, so that others' values in a form keep their encoding."""
        text = body.decode("utf-8", "surrogateescape")
        value = _json(text)
        if value is not None:
            # The text as well: of two values of one name only the last is read.
            found = self.there(value) or self.there(text)
            return json.dumps(self.masked(value), ensure_ascii=False).encode("utf-8", "replace") if found else None
        places = self._places(text, is_form=True)
        return _without(text, places).encode("utf-8", "surrogateescape") if places else None

    def _places(self, text: str, is_form: bool = False) -> list[tuple[int, int]]:
        """Where the contact begins and ends in a text, also under its percent-encoding."""
        found, stands = [one.span() for one in self._pattern.finditer(text)], None
        for _layer in range(_MOST_LAYERS):
            if not (is_form or _ENCODED.search(text)):
                break
            stands, is_form = stands or range(len(text) + 1), False
            text, stands = _decoded(text.replace("+", " "), stands)
            found += [(stands[one.start()], stands[one.end()]) for one in self._pattern.finditer(text)]
        return found


def _decoded(text: str, stands: Sequence[int]) -> tuple[str, Sequence[int]]:
    """The text without one layer of percent-encoding; for each of its signs, and for its end, where it stands in the
    original. ``stands`` says so of the signs that are given."""
    parts, places, end = [], [], 0
    for run in _ENCODED.finditer(text):
        parts.append(text[end : run.start()])
        places += stands[end : run.start()]
        end = run.start()
        parts.append(bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "surrogateescape"))
        for sign in parts[-1]:
            places.append(stands[end])
            end += len("%00") * len(sign.encode("utf-8", "surrogateescape"))
    return "".join(parts) + text[end:], [*places, *stands[end:]]


def _without(text: str, places: list[tuple[int, int]]) -> str:
    """The text with the mask in these places, which may overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    kept = pairwise([0, *(place for span in merged for place in span), len(text)])
    return MASK.join(text[start:end] for start, end in list(kept)[::2])


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


#: A person as an integration's vendor knows them.
Known = tuple[int, str]


@dataclass(frozen=True)
class Preview:
    """How much there is of a person. ``others`` of the communications have another contact, or none, but the same
    visitor at the vendor's."""

    communications: int
    others: int
    events: int
    clients: int
    visits: int
    examples: tuple[Communication, ...]

    @property
    def anything(self) -> bool:
        """True when there is something to erase that an index finds."""
        return bool(self.communications or self.clients)


def known_as(session: Session, account: Account, person: Person) -> list[Known]:
    """The vendors' numbers of the person: of their cards and of their conversations."""
    cards = select(VendorClient.integration_id, VendorClient.client).where(
        VendorClient.account_id == account.id, person.owns(VendorClient.phone, VendorClient.email)
    )
    told = select(Communication.integration_id, Communication.client).where(
        _of(account, person), Communication.client.is_not(None)
    )
    return [(integration, client) for integration, client in session.execute(cards.union(told))]


def communications_of(session: Session, account: Account, person: Person, known: Iterable[Known]) -> list[int]:
    """The numbers of the person's communications, the oldest first."""
    found = set(session.scalars(select(Communication.id).where(_of(account, person))))
    for integration, clients in _by_integration(known):
        found |= set(
            session.scalars(
                select(Communication.id).where(
                    Communication.integration_id == integration, Communication.client.in_(clients)
                )
            )
        )
    return sorted(found)


def visits_of(session: Session, account: Account, communications: Iterable[int], known: Iterable[Known]) -> list[int]:
    """The numbers of the visits that are tied to these, and before them of the same visitors' other ones: once the tied
    ones are gone, nothing tells whose the others were."""
    visits: set[int] = set()
    for part in chunks(sorted(communications)):
        visits |= set(session.scalars(select(Communication.visit_id).where(Communication.id.in_(part))))
    for integration, clients in _by_integration(known):
        visits |= set(
            session.scalars(
                select(VisitTie.visit_id).where(VisitTie.integration_id == integration, VisitTie.client.in_(clients))
            )
        )
    visits.discard(None)
    visitors: set[str] = set()
    for part in chunks(sorted(visits)):
        visitors |= set(session.scalars(select(Visit.visitor_id).where(Visit.id.in_(part))))
    visitors.discard(None)
    others: set[int] = set()
    for part in chunks(sorted(visitors)):
        others |= set(
            session.scalars(select(Visit.id).where(Visit.account_id == account.id, Visit.visitor_id.in_(part)))
        )
    return [*sorted(others - visits), *sorted(visits)]


def preview(session: Session, account: Account, person: Person, most_examples: int = 5) -> Preview:
    """Counts of what erasing would delete at once. Mentions elsewhere are looked for by the job, in everything."""
    known = known_as(session, account, person)
    numbers = communications_of(session, account, person, known)
    own = session.scalar(select(func.count()).select_from(Communication).where(_of(account, person))) or 0
    events = sum(
        session.scalar(
            select(func.count(event_communication.c.event_id.distinct())).where(
                event_communication.c.communication_id.in_(part)
            )
        )
        or 0
        for part in chunks(numbers)
    )
    clients = sum(
        session.scalar(
            select(func.count())
            .select_from(VendorClient)
            .where(VendorClient.integration_id == integration, VendorClient.client.in_(part))
        )
        or 0
        for integration, part in _by_integration(known)
    )
    examples = session.scalars(
        select(Communication)
        .where(Communication.id.in_(numbers[-most_examples:]), Communication.account_id == account.id)
        .order_by(Communication.started_at.desc(), Communication.id.desc())
    )
    return Preview(
        len(numbers),
        len(numbers) - own,
        events,
        clients,
        len(visits_of(session, account, numbers, known)),
        tuple(examples),
    )


def chunks(numbers: list[Any]) -> Iterator[list[Any]]:
    """Parts that one query takes."""
    return (numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK))


def _of(account: Account, person: Person) -> ColumnElement[bool]:
    return (Communication.account_id == account.id) & person.owns(
        Communication.contact_phone, Communication.contact_email
    )


def _by_integration(known: Iterable[Known]) -> Iterator[tuple[int, list[str]]]:
    clients: dict[int, list[str]] = {}
    for integration, client in known:
        clients.setdefault(integration, []).append(client)
    for integration, all_of_them in clients.items():
        for part in chunks(all_of_them):
            yield integration, part
