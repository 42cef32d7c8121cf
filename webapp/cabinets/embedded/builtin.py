"""The sources that everybody has: search engines, social networks, messengers, advertising systems.

The facts stand in builtin_sources.yaml; an account gets them as ordinary sources of its own, to be changed like any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import Account, Source

from .rules import Rules, rules_from_config

#: After everything that people set up themselves (100 unless they say otherwise).
FIRST_PRIORITY = 9000

#: What utm_medium says where somebody paid for the click.
PAID_MEDIUMS = ("cp*", "ppc*", "paid*")

_FACTS = Path(__file__).with_name("builtin_sources.yaml")


@dataclass(frozen=True)
class BuiltinSource:
    """One source; ``kind`` is ads, mail, messengers, social, listings, assistants or search."""

    kind: str
    key: str
    names: Mapping[str, str]
    priority: int
    rules: Rules


@cache
def builtin_sources() -> tuple[BuiltinSource, ...]:
    """All of them, in the order of asking."""
    facts = yaml.safe_load(_FACTS.read_text(encoding="utf-8"))
    named = [(kind, name, told) for kind, sources in facts.items() for name, told in sources.items()]
    return tuple(
        BuiltinSource(
            kind,
            f"{kind}-{name}",
            {"ru": told["name"], "en": told.get("english", told["name"])},
            FIRST_PRIORITY + place,
            rules_from_config(list(_rules(told))),
        )
        for place, (kind, name, told) in enumerate(named)
    )


def missing_sources(session: Session, account: Account) -> list[BuiltinSource]:
    """Those whose key the account has not, archived ones counted: what was put away stays away."""
    known = set(session.scalars(select(Source.key).where(Source.account_id == account.id)))
    return [source for source in builtin_sources() if source.key not in known]


def add_missing_sources(session: Session, account: Account, language: str) -> int:
    """Give the account the built-in sources it has not, named in this language; how many there were."""
    missing = missing_sources(session, account)
    for source in missing:
        row = Source(
            account_id=account.id,
            key=source.key,
            name=source.names.get(language, source.names["ru"]),
            priority=source.priority,
            rules=[[dict(condition) for condition in rule] for rule in source.rules],
        )
        row.refresh_search_text()
        session.add(row)
    return len(missing)


def _rules(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rules that the facts of a source mean, as written in a configuration file."""
    for name in told.get("ids", ()):
        yield {name: {"present": True}}
    for service in told.get("openstat", ()):
        yield {"openstat_service": {"contains": service}}
    for value in told.get("utm", ()):
        yield {"utm_source": value}
    for value in told.get("paid_utm", ()):
        yield from ({"utm_source": value, "utm_medium": {"matches": medium}} for medium in PAID_MEDIUMS)
    elsewhere = [{"not_domain": domain} for domain in told.get("except", ())]
    for domain in told.get("domains", ()):
        yield {"referrer_host": [{"domain": domain}, *elsewhere]}
