"""Who may call the API of the amoCRM stand-in and how often, and how lists are cut into pages (contract, 3.4)."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .amocrm_faults import invalid, problem, too_many, unauthorized
from .amocrm_http import JSON, Reply, Request
from .amocrm_oauth import OAuthPart
from .amocrm_state import Grant, Tenant, User

#: 429 that are counted towards a ban, and how long that lasts.
BAN_WINDOW_SECONDS, BAN_SECONDS = 600, 3600

MOST_A_PAGE = 250

#: What HTTP libraries call themselves where nobody told them a name.
NAMELESS = re.compile(r"^(python-|python/|urllib|aiohttp|curl|okhttp|go-http|$)", re.IGNORECASE)


class Denied(Exception):
    """A call ends with this answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True)
class Access:
    """A call that was let in. ``link`` is the beginning of the addresses in answers."""

    request: Request
    tenant: Tenant
    grant: Grant
    user: User
    kind: str
    link: str

    def admin_only(self) -> None:
        """Raise Denied unless an admin granted this."""
        if not self.grant.as_admin:
            raise Denied(problem(403, "Forbidden", "Only for admins", code=244))

    def known(self, *names: str) -> None:
        """Raise Denied for a parameter that is not documented: ``filter[type]`` allows its lists and ranges as well."""
        for key, _value in self.request.query:
            if not any(key == name or key.startswith(f"{name}[") for name in names):
                raise Denied(invalid(("FieldNotExpected", key, "Unknown parameter.")))

    def extras(self, *allowed: str) -> set[str]:
        """The parts of ``with``. Raises Denied for one that is not documented."""
        told = {part for part in (self.request.one("with") or "").split(",") if part}
        if told - set(allowed):
            raise Denied(invalid(("NotSupportedChoice", "with", f"{', '.join(sorted(told - set(allowed)))}?")))
        return told

    def json(self) -> Any:
        """The body. Raises Denied unless it is JSON and says so."""
        if self.request.headers.get("content-type", "").partition(";")[0].strip() != JSON:
            raise Denied(problem(415, "Unsupported Media Type", "application/json is wanted"))
        try:
            return json.loads(self.request.body)
        except ValueError:
            raise Denied(problem(400, "Bad Request", "The body is not JSON")) from None

    def number(self, name: str, otherwise: int, least: int = 1, most: int = 10**9) -> int:
        """A whole number of the query. Raises Denied."""
        told = self.request.one(name, str(otherwise)) or ""
        if not told.isdecimal() or not least <= int(told) <= most:
            raise Denied(invalid(("InvalidValue", name, f"From {least} to {most}.")))
        return int(told)

    def between(self, name: str) -> tuple[float, float]:
        """A filter by time: ``filter[name][from]`` and ``[to]``, or one moment."""
        exact = self.request.one(f"filter[{name}]")
        first, last = self.request.one(f"filter[{name}][from]", exact), self.request.one(f"filter[{name}][to]", exact)
        for told in (first, last):
            if told is not None and not told.isdecimal():
                raise Denied(invalid(("InvalidValue", f"filter[{name}]", "Unix seconds.")))
        return (float(first) if first else 0, float(last) if last else float("inf"))


class AccessPart(OAuthPart):
    """See the module. ``steady`` gives the seconds by which rates are counted: the clock of a test may stand still."""

    steady = staticmethod(time.monotonic)

    def forget_rates(self) -> None:
        """Nobody called yet, nobody is banned."""
        self._recent: dict[tuple[int, str], deque[float]] = defaultdict(deque)
        self._refused: dict[int, deque[float]] = defaultdict(deque)
        self.banned_until: dict[int, float] = {}

    def let_in(self, request: Request, tenant: Tenant | None) -> Access:
        """Check a call to /api/v4. Raises Denied."""
        now = self.clock.now()
        if tenant is None or not tenant.exists:
            raise Denied(unauthorized(101))
        if self.banned_until.get(tenant.id, 0) > now:
            words = "Аккаунт заблокирован, за неоднократное превышение количества запросов в секунду"
            raise Denied(problem(403, "Forbidden", words))
        if tenant.ip_filter:
            raise Denied(problem(403, "Forbidden", "IP address is not allowed", code=113))
        if self.switches["user_agent"] == "own" and NAMELESS.match(request.headers.get("user-agent", "")):
            raise Denied(problem(403, "Forbidden", "Say who you are by User-Agent"))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.state.by_access.get(token) if scheme == "Bearer" else None
        if grant is None or grant.revoked or grant.access_revoked or now >= grant.access_until:
            raise Denied(unauthorized())
        if grant.tenant != tenant.id:
            raise Denied(unauthorized(101))
        user = tenant.users[grant.user]
        if not user.is_active and not grant.as_admin:
            raise Denied(unauthorized(112))
        self._count(tenant, grant)
        if not tenant.paid:
            raise Denied(problem(402, "Payment Required", "The account is not paid"))
        grant.used = True
        other = request.headers.get("x-context-user-id")
        if other is not None:
            named = tenant.users.get(int(other)) if other.isdecimal() else None
            if named is None or named.is_free or not grant.as_admin:
                raise Denied(problem(403, "Forbidden", "No such user"))
            user = named
        return Access(request, tenant, grant, user, self.state.integrations[grant.integration].kind, tenant.link)

    def _count(self, tenant: Tenant, grant: Grant) -> None:
        """Two rates, by a steady clock: of the integration in the account, and of the account."""
        now = self.steady()
        limits = (
            (self._recent[tenant.id, grant.integration], self.switches["rate_limit"]),
            (self._recent[tenant.id, ""], self.switches["account_rate_limit"]),
        )
        for recent, _limit in limits:
            while recent and now - recent[0] >= 1:
                recent.popleft()
        if all(not limit or len(recent) < limit for recent, limit in limits):
            for recent, _limit in limits:
                recent.append(now)
            return
        self.recorder.note(f"over_rate:{tenant.id}")
        refused = self._refused[tenant.id]
        refused.append(now)
        while now - refused[0] > BAN_WINDOW_SECONDS:
            refused.popleft()
        if self.switches["ban_after"] and len(refused) >= self.switches["ban_after"]:
            self.banned_until[tenant.id] = self.clock.now() + BAN_SECONDS
        raise Denied(too_many(self.switches["retry_after"], self.switches["retry_after_s"]))

    def absent(self) -> Reply:
        """Nothing is found."""
        typed = self.switches["absent"] != "204"
        return Reply(204, headers={"Content-Type": "application/hal+json"} if typed else {}, kind="")

    def paged(
        self,
        access: Access,
        key: str,
        items: Sequence[Any],
        told: Callable[[Any], Any],
        most: int = MOST_A_PAGE,
        counted: bool = False,
        usual: int = 50,
    ) -> Reply:
        """One page of a list by ``page`` and ``limit``. ``counted`` lists tell how many there are."""
        request = access.request
        limit, page = access.number("limit", min(usual, most), most=int(most)), access.number("page", 1)
        largest = self.switches["timeout_above_limit"]
        if largest and limit > largest:
            raise Denied(problem(504, "Gateway Timeout", "Ask for fewer"))
        part = items[(page - 1) * limit : page * limit]
        if not part:
            return self.absent()
        pages = -(-len(items) // limit)
        full = len(part) == limit
        goes_on = page < pages or (full and self.switches["last_page"] == "empty")
        links = (
            {"self": page}
            | ({"next": page + 1} if goes_on else {})
            | ({"first": 1, "prev": page - 1} if page > 1 else {})
        )
        rest = [(name, value) for name, value in request.query if name not in ("page", "limit")]
        about: dict[str, Any] = {"_page": page}
        if counted:
            wrong = self.switches["page_count"] == "wrong"
            about |= {"_total_items": len(items), "_page_count": 1 if wrong else pages}
            links["last"] = pages
        return Reply(
            200,
            {
                **about,
                "_links": {
                    name: {
                        "href": f"{access.link}{request.path}?{urlencode([*rest, ('limit', limit), ('page', number)])}"
                    }
                    for name, number in links.items()
                },
                "_embedded": {key: [told(item) for item in part]},
            },
        )
