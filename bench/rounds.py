"""An endpoint of the product against two limits of the same run: doing nothing, and one durable row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy.orm import Session

from bench.servers import JSON, gunicorn, load
from webapp.models import Account, Campaign

CLIENTS = 16
SECONDS = 8.0
ROUNDS = 3
CAMPAIGNS = 200


def against_limits(
    environment: dict[str, str],
    path: str,
    bodies: Callable[[int], bytes],
    title: str,
    name: str,
    headers: Mapping[str, str] = JSON,
) -> list[str]:
    """A table of the limits and of the product's endpoint: its ``title``, and the ``name`` of the column of ratios.

    Rounds are interleaved, so that a noisy minute of the machine falls on all three alike; the median counts.
    """
    limits = {"/nothing": "(a) an endpoint that does nothing", "/row": "(b) one row by plain sqlite3, synchronous=FULL"}
    rates: dict[str, list[tuple[float, float, float]]] = {one: [] for one in (*limits, path)}
    for number in range(ROUNDS):
        with gunicorn("bench.limits:app", environment) as port:
            for limit in limits:
                rates[limit].append(load(port, limit, bodies, CLIENTS, SECONDS / 2, headers))
        with gunicorn("wsgi:app", environment) as port:
            rates[path].append(load(port, path, _Unsent(bodies, number), CLIENTS, SECONDS, headers))
    middle = {one: sorted(found)[len(found) // 2] for one, found in rates.items()}
    rows = [
        "| {} | {:.0f} | {:.1f} | {:.1f} | {:.2f} |".format(text, *middle[one], middle[path][0] / middle[one][0])
        for one, text in {**limits, path: title}.items()
    ]
    return [f"| endpoint | requests/s | median ms | 99 % ms | {name} ÷ this |", "|---|--:|--:|--:|--:|", *rows, ""]


class _Unsent:
    """Bodies that no earlier round has sent."""

    def __init__(self, bodies: Callable[[int], bytes], number: int) -> None:
        self._bodies, self._first = bodies, number * 100_000_000

    def __call__(self, number: int) -> bytes:
        return self._bodies(self._first + number)


def account_with_rules(session: Session) -> Account:
    """An account whose campaigns have rules, as a marketer would have them."""
    account = Account(slug="bench", name="Bench")
    session.add(account)
    session.flush()
    for number in range(CAMPAIGNS):
        rule = [
            {"mark": "utm_source", "op": "equals", "value": "yandex"},
            {"mark": "utm_campaign", "op": "equals", "value": f"campaign-{number}"},
        ]
        session.add(Campaign(account_id=account.id, key=f"c{number}", name=f"Campaign {number}", rules=[rule]))
    return account
