"""The server behind the stand-in Jivo widget: visitors, their tokens, dialogs, and the webhooks these cause.

The bodies are those of jivo_templates, sent by the Jivo stand-in with its switches; what the page told takes the place
of what they tell by default (contract, sections 1.4, 2 and 7).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .jivo import JivoDouble
from .jivo_templates import Chat, template
from .server import Clock, Refused

#: Dialogs of the page are numbered from here, apart from those that a test sends by itself.
FIRST_CHAT, FIRST_VISITOR = 5001, 7001

MARKS = {"utm_source": "source", "utm_medium": "medium", "utm_campaign": "campaign"} | {
    "utm_content": "content",
    "utm_term": "term",
}

#: What getUtm() gives when the first page named nothing (contract, section 2.6).
DIRECT = {"source": "(direct)", "campaign": "(direct)"}

CONTACTS = ("name", "email", "phone", "description")

ANSWER = "Здравствуйте! Я Анна, уже смотрю ваш вопрос."


@dataclass
class Visitor:
    """One visitor of one widget. ``marks`` are those of the first page, ``token`` the last one that was set, and
    ``token_set`` when: the page's opening and the number of the call on it, for requests overtake each other."""

    number: int
    marks: dict[str, str]
    token: str | None = None
    token_set: tuple[float, int] = (0, 0)
    contact: dict[str, str] = field(default_factory=dict)
    chats_count: int = 0


@dataclass
class Dialog:
    """One chat. ``token`` and ``page`` are those of its latest message."""

    number: int
    widget: str
    visitor: Visitor
    page: dict[str, str]
    user_agent: str
    token: str | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False

    def told(self) -> dict[str, Any]:
        """The same for the control surface."""
        return {
            "chat": self.number,
            "widget": self.widget,
            "visitor": self.visitor.number,
            "token": self.token,
            "page": dict(self.page),
            "messages": [dict(row) for row in self.messages],
            "finished": self.finished,
        }


class JivoSide:
    """What the widget's server knows. ``hooks`` are webhook addresses by widget id; ``*`` is for every other.

    Dialogs and visitors are numbered from ``first_chat`` and ``first_visitor`` on.
    """

    def __init__(self, sender: JivoDouble, clock: Clock) -> None:
        self.sender, self._clock = sender, clock
        self.first_chat, self.first_visitor = FIRST_CHAT, FIRST_VISITOR
        self._lock = threading.RLock()
        self.hooks: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        """Nobody was here."""
        with self._lock:
            self.visitors: dict[tuple[str, int], Visitor] = {}
            self.dialogs: list[Dialog] = []
            self.calls: list[dict[str, Any]] = []
            self._chats, self._numbers = itertools.count(self.first_chat), itertools.count(self.first_visitor)

    def told(self) -> list[dict[str, Any]]:
        """Every dialog, in the order of their beginning."""
        with self._lock:
            return [dialog.told() for dialog in self.dialogs]

    def hello(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """A page with the widget was opened: who it is, what was known of them."""
        with self._lock:
            known = str(order.get("number") or "")
            visitor = self.visitors.get((order["widget"], int(known))) if known.isdecimal() else None
            if visitor is None:
                visitor = Visitor(next(self._numbers), _marks(order["url"]))
                self.visitors[order["widget"], visitor.number] = visitor
            return {
                "number": visitor.number,
                "utm": visitor.marks,
                "contact": visitor.contact,
                "chats": visitor.chats_count,
            }

    def call(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """A method of jivo_api was called: kept in order, and the token of the visitor with it."""
        with self._lock:
            self.calls.append(dict(order))
            visitor = self.visitors.get((order["widget"], order["number"] or 0))
            if visitor and order["accepted"]:
                self._obey(visitor, order)
        return {}

    def _obey(self, visitor: Visitor, order: Mapping[str, Any]) -> None:
        name, when = order["name"], (order["opened"], order["order"])
        if name in ("setUserToken", "jivo_init", "clearHistory") and when > visitor.token_set:
            visitor.token_set = when
            visitor.token = order["arguments"][0] if name == "setUserToken" else None
        if name == "clearHistory":
            visitor.contact = {}
        if name == "setContactInfo":
            self._introduce(visitor, order["arguments"][0])

    def message(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """The visitor wrote. The first message of a dialog is accepted by an operator, who answers; the dialog ends
        with it, or when it is told to. Gives what the widget shows."""
        with self._lock:
            dialog = self._dialog(order)
            begun = not dialog.messages
            now = int(self._clock.now())
            dialog.messages.append({"message": order["text"], "timestamp": now, "type": "visitor"})
            if begun:
                agent = template("chat_accepted", Chat(1, 1, now))["agent"]
                answer = {"message": ANSWER, "timestamp": now, "type": "agent", "agent_id": agent["id"]}
                dialog.messages.append(answer)
        if begun:
            self._send("chat_accepted", dialog)
        if order["ends"] == "at once":
            self.finish(dialog.number)
        return {
            "chat": dialog.number,
            "accepted": begun,
            "answer": ANSWER if begun else None,
            "finished": dialog.finished,
        }

    def introduce(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Contacts were typed: an update of the dialog that goes on, or of the client's card."""
        with self._lock:
            visitor = self._visitor(order)
            self._introduce(visitor, order["contact"])
            dialog = self._open_dialog(order["widget"], visitor)
        if dialog is not None:
            self._send("chat_updated", dialog)
        else:
            self._send("client_updated", self._passing(order, visitor))
        return {}

    def offline(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """The form for the hours when nobody works was sent."""
        with self._lock:
            visitor = self._visitor(order)
            self._introduce(visitor, order["contact"])
            dialog = self._passing(order, visitor)
            dialog.number = next(self._chats)
        self._send("offline_message", dialog, message=order["text"])
        return {}

    def end(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """The visitor ended the dialog."""
        with self._lock:
            dialog = self._open_dialog(order["widget"], self._visitor(order))
        return self.finish(dialog.number) if dialog else {}

    def finish(self, chat: int) -> dict[str, Any]:
        """End a dialog; the webhook has been answered when this returns. Raises Refused."""
        with self._lock:
            dialog = next((one for one in self.dialogs if one.number == chat and not one.finished), None)
            if dialog is None:
                raise Refused(f"no chat {chat} goes on")
            dialog.finished = True
        self._send("chat_finished", dialog)
        return {"finished": True}

    def _visitor(self, order: Mapping[str, Any]) -> Visitor:
        visitor = self.visitors.get((order["widget"], order["number"] or 0))
        if visitor is None:
            raise Refused(f"no visitor {order['number']} of {order['widget']}")
        return visitor

    def _open_dialog(self, widget: str, visitor: Visitor) -> Dialog | None:
        going = (one for one in self.dialogs if one.widget == widget and one.visitor is visitor and not one.finished)
        return next(going, None)

    def _passing(self, order: Mapping[str, Any], visitor: Visitor) -> Dialog:
        """A dialog's worth of facts for what is said outside of one."""
        token = order["token"] if order["token"] or order["life"] == "page" else visitor.token
        return Dialog(0, order["widget"], visitor, dict(order["page"]), order["user_agent"], token)

    def _dialog(self, order: Mapping[str, Any]) -> Dialog:
        visitor = self._visitor(order)
        now = self._passing(order, visitor)
        dialog = self._open_dialog(order["widget"], visitor)
        if dialog is None:
            visitor.chats_count += 1
            now.number = next(self._chats)
            self.dialogs.append(now)
            return now
        dialog.page, dialog.token = now.page, now.token
        return dialog

    def _introduce(self, visitor: Visitor, contact: Mapping[str, Any]) -> None:
        visitor.contact |= {key: str(contact[key]) for key in CONTACTS if contact.get(key)}

    def _send(self, event: str, dialog: Dialog, **more: Any) -> None:
        """Send a webhook; how it was answered is among the sender's deliveries."""
        url = self.hooks.get(dialog.widget) or self.hooks.get("*")
        if not url:
            return
        at = int(self._clock.now())
        with self._lock:
            changed = _changed(event, dialog) | more
        body = template(event, Chat(dialog.number, dialog.visitor.number, at))
        assert isinstance(body, dict)
        # A key that the event does not have is not told by it, but for the token where one was set.
        overrides = {key: value for key, value in changed.items() if key in body or key == "user_token"}
        self.sender.send(
            {
                **{"url": url, "template": event, "overrides": overrides, "at": at},
                **{"chat": dialog.number, "visitor": dialog.visitor.number},
            }
        )


def _changed(event: str, dialog: Dialog) -> dict[str, Any]:
    visitor = dialog.visitor
    session = template("chat_accepted", Chat(1, 1, 0))["session"]
    session |= {"utm": "|".join(f"{key}={value}" for key, value in visitor.marks.items()), "utm_json": visitor.marks}
    changed: dict[str, Any] = {
        "widget_id": dialog.widget,
        "visitor": {**visitor.contact, "number": visitor.number, "chats_count": visitor.chats_count},
        "session": session | {"ip_addr": "127.0.0.1", "user_agent": dialog.user_agent},
        "page": dict(dialog.page),
        "chat": {"messages": [dict(row) for row in dialog.messages], "blacklisted": False, "rate": None},
        "client_id": str(visitor.number),
    }
    # Without a token chat_finished has no such key, the others have null (contract, section 1.4).
    if dialog.token or event != "chat_finished":
        changed["user_token"] = dialog.token
    return changed


def _marks(url: str) -> dict[str, str]:
    query = dict(parse_qsl(urlsplit(url).query))
    return {MARKS[key]: value for key, value in query.items() if key in MARKS} or dict(DIRECT)
