"""The Jivo stand-in and the product on one stage: what the end-to-end tests say and look at."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import requests
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.factories import make_account, make_integration
from webapp.models import Communication, Integration, WebhookEvent

from .jivo import JivoDouble

#: The one answer Jivo must get: more would change what its operators see.
OK = '{"result":"ok"}'


@contextmanager
def on_stage(server: str, session: Session) -> Iterator[Stage]:
    """An account with an active Jivo integration, and a stand-in beside the product.

    At the end every good answer is looked at (contract, section 3): it must say ok and nothing else.
    """
    integration = make_integration(session, make_account(session))
    with JivoDouble() as double:
        stage = Stage(double.url, server, session, integration)
        yield stage
        for delivery in stage.deliveries():
            if delivery["status"] == 200:
                assert delivery["answer"] == OK
                assert delivery["answer_headers"]["Content-Type"] == "application/json; charset=utf-8"
                assert "Set-Cookie" not in delivery["answer_headers"]


class Stage:
    """Drives the stand-in through its control surface, and reads what the product made of it from the database."""

    def __init__(self, double: str, server: str, session: Session, integration: Integration) -> None:
        self.double, self.server, self.session, self.integration = double, server, session, integration
        self.hook = server + integration.hook_path()
        self.control("reset")
        self.control("config", switches={"time_factor": 0.05, "timeout_s": 10})

    def control(self, what: str, **order: Any) -> dict[str, Any]:
        """Call a control endpoint."""
        answer = requests.post(f"{self.double}/_control/{what}", json=order, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, **order: Any) -> dict[str, Any]:
        """Send one event; gives its last attempt."""
        return self.control("send", **{"url": self.hook, **order})

    def play(self, name: str, **order: Any) -> list[dict[str, Any]]:
        """Play a scenario that must go well; gives the last attempt of each of its sends."""
        results = self.play_badly(name, **order)
        for result in results:
            assert (result["status"], result["answer"]) == (200, OK), result
        return results

    def play_badly(self, name: str, **order: Any) -> list[dict[str, Any]]:
        """Play a scenario whose ends are looked at by the test."""
        return self.control("scenario", **{"name": name, "url": self.hook, **order})["results"]

    def deliveries(self) -> list[dict[str, Any]]:
        """Every attempt, its body as bytes."""
        told = requests.get(f"{self.double}/_control/deliveries", timeout=30).json()["deliveries"]
        return [{**one, "body": base64.b64decode(one["body_base64"])} for one in told]

    def communications(self) -> list[Communication]:
        """What was recorded, in the order of recording."""
        self.session.rollback()
        return list(self.session.scalars(select(Communication).order_by(Communication.id)))

    def communication(self) -> Communication:
        """The only one."""
        [found] = self.communications()
        return found

    def events(self) -> list[WebhookEvent]:
        """What was stored, in the order of arrival."""
        self.session.rollback()
        return list(self.session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))


def whole(chat: Communication) -> None:
    """Everything that the stand-in's finished chat tells is there."""
    assert chat.type == "chat"
    assert (chat.contact_name, chat.contact_phone) == ("Мария", "+79000000101")
    assert chat.contact_email == "maria@mail.example"
    assert [row["from"] for row in chat.messages] == ["visitor", "operator"] * 2
    assert chat.messages[1]["author"] == "Анна"
    assert chat.finished_at is not None
    assert chat.finished_at - chat.started_at == timedelta(seconds=270)
    assert (chat.channel, chat.utm["term"]) == ("site", "шторы блэкаут")
