"""Проверка правил: an address and a referrer are pasted, and the page says what they lead to and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, g, request
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from webapp.arrival import LONGEST_ADDRESS, MARKS, arrival_facts, host_of
from webapp.attribution import catalogue
from webapp.extensions import db
from webapp.models import KINDS, Role
from webapp.resolution import Entry, Explanation, Verdict, explain

from .access import member
from .partial import page_or_block

blueprint = Blueprint("rules_check", __name__, url_prefix="/a/<slug>/directory/check")

#: How many campaigns, and how many sources, are shown with their conditions.
MOST_SHOWN = 6

KINDS_ASKED = {"campaigns": _l("Рекламная кампания"), "sources": _l("Источник")}


@dataclass(frozen=True)
class Judged:
    """An entry with the rule that speaks for it: (condition as stored, whether it holds, what the arrival has)."""

    row: Any
    verdict: Verdict
    conditions: list[tuple[dict[str, str], bool, str]]


@dataclass(frozen=True)
class Answer:
    """What the arrival leads to in one of the lists."""

    title: Any
    kind: str
    rules: int
    others: int
    winner: Judged | None
    also: list[Judged]
    near: list[Judged]


@blueprint.get("")
@member(Role.VIEWER)
def index() -> Any:
    """The form and, when something was pasted, the answer. GET, so that an answer can be sent on as a link."""
    url, referrer = (request.args.get(name, "").replace("\0", "").strip() for name in ("url", "referrer"))
    context: dict[str, Any] = {"url": url, "referrer": referrer, "asked": bool(url or referrer)}
    if context["asked"]:
        facts = arrival_facts(url, referrer)
        rules = catalogue(db.session, g.account)
        context |= {
            "facts": [(name, facts[name]) for name in MARKS if name in facts],
            "internal": bool(host_of(referrer)) and "referrer" not in facts,
            "answers": [_answer("campaigns", rules.campaigns, facts), _answer("sources", rules.sources, facts)],
        }
    return page_or_block("directory/check.html", "check_answer", **context, longest=LONGEST_ADDRESS)


def _answer(kind: str, entries: Sequence[Entry], facts: dict[str, str]) -> Answer:
    explained: Explanation = explain(entries, facts, MOST_SHOWN)
    table = KINDS[kind]
    wanted = [verdict.entry.id for verdict in explained.verdicts]
    rows = {row.id: row for row in db.session.scalars(select(table).where(table.id.in_(wanted)))}
    judged = [_judged(rows[verdict.entry.id], verdict, facts) for verdict in explained.verdicts]
    matching = [one for one in judged if one.verdict.matches]
    return Answer(
        title=KINDS_ASKED[kind],
        kind=kind,
        rules=len(entries),
        others=explained.others,
        winner=matching[0] if matching else None,
        also=matching[1:],
        near=[one for one in judged if not one.verdict.matches],
    )


def _judged(row: Any, verdict: Verdict, facts: dict[str, str]) -> Judged:
    stored = row.rules[verdict.rule]
    return Judged(
        row,
        verdict,
        [(one, held, facts.get(one["mark"], "")) for one, held in zip(stored, verdict.held, strict=True)],
    )
