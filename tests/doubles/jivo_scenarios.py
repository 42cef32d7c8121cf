"""The scenarios and faults of the Jivo contract's section 11, each a list of steps for the sender.

A step is an order as ``/_control/send`` takes it, with ``delay_s`` before it if there is one; or
``{"parallel": [orders], "within_s": seconds}``. What is expected of the receiver is the tests' business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Step = dict[str, Any]

HOUR = 3600


@dataclass(frozen=True)
class Plan:
    """What a scenario is played with. ``new_chat`` gives an unused number; ``urls`` are the webhook addresses, of which
    most scenarios use the first."""

    now: int
    urls: list[str]
    new_chat: Callable[[], int]

    def chat(self, ago: float = 0) -> Step:
        """The keys of an order that make it of one new chat, which happened this many seconds ago."""
        number = self.new_chat()
        return {"chat": number, "visitor": 1000 + number, "at": int(self.now - ago), "url": self.urls[0]}


def _of(chat: Step, *templates: str, **more: Any) -> list[Step]:
    return [{**chat, "template": template, **more} for template in templates]


def accepted_updated_finished(plan: Plan) -> list[Step]:
    """The natural order."""
    return _of(plan.chat(), "chat_accepted", "chat_updated", "chat_finished")


def finished_first(plan: Plan) -> list[Step]:
    """The end is told before the beginning."""
    return _of(plan.chat(), "chat_finished", "chat_accepted")


def updated_after_finished(plan: Plan) -> list[Step]:
    """The card changes once more after the end."""
    chat = plan.chat()
    changed = {"visitor.phone": "+7 900 000-01-09", "visitor.name": "Мария Кузнецова"}
    return [
        *_of(chat, "chat_accepted", "chat_finished"),
        *_of(chat, "chat_updated", overrides=changed),
    ]


def finished_only(plan: Plan) -> list[Step]:
    """Nobody told of the beginning."""
    return _of(plan.chat(), "chat_finished")


def accepted_only(plan: Plan) -> list[Step]:
    """The end was lost on its way."""
    return _of(plan.chat(), "chat_accepted")


def finished_twice(plan: Plan) -> list[Step]:
    """The same bytes, one after the other."""
    return _of(plan.chat(), "chat_finished", "chat_finished")


def finished_twice_in_parallel(plan: Plan) -> list[Step]:
    """The same bytes eight times at once, and the same chat in other bytes eight times more."""
    chat = plan.chat()
    same, rated = _of(chat, "chat_finished")[0], _of(chat, "chat_finished", overrides={"chat.rate": "good"})[0]
    return [{"parallel": [order for _ in range(8) for order in (same, rated)]}]


def reopened(plan: Plan) -> list[Step]:
    """The visitor writes again: a second end with the later messages added."""
    chat = plan.chat(ago=HOUR)
    again = {"message": "А можно ещё тюль?", "timestamp": plan.now - 60, "type": "visitor"}
    return [*_of(chat, "chat_finished"), *_of(chat, "chat_finished", overrides={"chat.messages[+]": again})]


def transfer(plan: Plan) -> list[Step]:
    """Another operator takes the chat over."""
    chat = plan.chat()
    second = {"id": 10102, "name": "Ольга", "email": "olga@shop.example"}
    return [
        *_of(chat, "chat_accepted"),
        *_of(chat, "chat_accepted", overrides={"agent": second}),
        *_of(chat, "chat_finished", switches={"agents": "several"}),
    ]


def two_endpoints(plan: Plan) -> list[Step]:
    """Two companies whose counters stand at the same number."""
    chat = plan.chat()
    return [{**chat, "template": "chat_finished", "url": url} for url in plan.urls[:2]]


def offline_messages(plan: Plan) -> list[Step]:
    """With contacts and a millisecond id above 2^31; without contacts and with a small id."""
    nobody = {"visitor.name": None, "visitor.phone": None, "visitor.email": None, "offline_message_id": 77}
    return [
        *_of(plan.chat(), "offline_message"),
        *_of(plan.chat(), "offline_message", overrides=nobody),
    ]


def call(plan: Plan) -> list[Step]:
    """One call, told four times."""
    chat = plan.chat()
    states = ("start", "agent_connected", "client_connected", "end")
    return [*(_of(chat, "call_event", overrides={"call.status": state})[0] for state in states)]


def nonsense(plan: Plan) -> list[Step]:
    """Everything that is no known event."""
    return _of(plan.chat(), "unknown_event", "empty body", "not JSON", "JSON array")


def too_large(plan: Plan) -> list[Step]:
    """Five megabytes."""
    return _of(plan.chat(), "5 MB")


def wrong_address(plan: Plan) -> list[Step]:
    """A wrong secret, none at all, and GET instead of POST."""
    chat, root = plan.chat(), plan.urls[0].rpartition("/")[0]
    finished = _of(chat, "chat_finished")[0]
    return [
        {**finished, "url": f"{root}/wrong-secret"},
        {**finished, "url": f"{root}/"},
        {**finished, "method": "GET"},
    ]


def half_body(plan: Plan) -> list[Step]:
    """The connection breaks in the middle of the body; then the whole of it comes."""
    chat = plan.chat()
    return [*_of(chat, "chat_finished", fault="half body"), *_of(chat, "chat_finished")]


def dropped_answer(plan: Plan) -> list[Step]:
    """Nobody waits for the answer, so the event is sent again."""
    chat = plan.chat()
    return [*_of(chat, "chat_finished", fault="drop before answer"), *_of(chat, "chat_finished", delay_s=0.5)]


def burst(plan: Plan) -> list[Step]:
    """Two hundred events within a second."""
    return [{"parallel": [_of(plan.chat(), "chat_finished")[0] for _ in range(200)], "within_s": 1}]


def late(plan: Plan) -> list[Step]:
    """The chat of five hours ago comes after the one of just now."""
    return [*_of(plan.chat(), "chat_finished"), *_of(plan.chat(ago=5 * HOUR), "chat_finished")]


def gap_then_flood(plan: Plan) -> list[Step]:
    """A chat, a day of silence, then what that day held, the latest first, all at once."""
    before = _of(plan.chat(ago=26 * HOUR), "chat_finished")
    day = [_of(plan.chat(ago=hours * HOUR), "chat_finished")[0] for hours in range(24)]
    return [*before, {"parallel": day}]


def token_late(plan: Plan) -> list[Step]:
    """No token at the beginning, one at the end."""
    chat = plan.chat()
    return [*_of(chat, "chat_accepted"), *_of(chat, "chat_finished", switches={"token": "own"})]


def token_early(plan: Plan) -> list[Step]:
    """A token at the beginning, none at the end."""
    chat = plan.chat()
    return [*_of(chat, "chat_accepted", switches={"token": "own"}), *_of(chat, "chat_finished")]


def two_tokens(plan: Plan) -> list[Step]:
    """Another session by the end; the end comes first, as it may."""
    chat, own = plan.chat(), {"token": "own"}
    return [
        *_of(chat, "chat_finished", switches=own, session="700000002"),
        *_of(chat, "chat_accepted", switches=own, session="700000001"),
    ]


def every_event(plan: Plan) -> list[Step]:
    """Each kind of event once."""
    chat = plan.chat()
    chats = ("chat_accepted", "chat_updated", "chat_assigned", "chat_finished", "offline_message")
    others = ("client_updated", "client_attribute_updated", "call_event", "unknown_event", "crm_client")
    return _of(chat, *chats, *others)


#: The scenarios by name.
SCENARIOS: dict[str, Callable[[Plan], list[Step]]] = {
    play.__name__: play
    for play in (
        *(accepted_updated_finished, finished_first, updated_after_finished, finished_only, accepted_only),
        *(finished_twice, finished_twice_in_parallel, reopened, transfer, two_endpoints, offline_messages, call),
        *(nonsense, too_large, wrong_address, half_body, dropped_answer, burst, late, gap_then_flood),
        *(token_late, token_early, two_tokens, every_event),
    )
}
