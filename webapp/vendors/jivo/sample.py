"""A chat as Jivo would tell of it, for the test button."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from flask_babel import gettext as _


def sample_chat(now: datetime, mark: str) -> bytes:
    """The body of a chat that ended just now. ``mark`` is in its chat_id, so that no two tests are one chat.

    It has no token and no marks, because it is to show the mapping and the default at work; and no widget_id, because
    a made-up one would be offered for mapping.
    """
    began = now - timedelta(minutes=3)
    lines = [
        (0, "visitor", _("Здравствуйте! Это проверка интеграции.")),
        (40, "agent", _("Здравствуйте! Проверка дошла.")),
        (95, "visitor", _("Спасибо!")),
    ]
    messages = []
    for seconds, kind, said in lines:
        message = {"message": said, "timestamp": int((began + timedelta(seconds=seconds)).timestamp()), "type": kind}
        messages.append(message | {"agent_id": 1} if kind == "agent" else message)
    visitor = {"name": _("Проверка"), "email": "test@example.com", "number": f"test-{mark}", "chats_count": 1}
    body = {
        "event_name": "chat_finished",
        "chat_id": f"test-{mark}",
        "visitor": visitor,
        "organization": None,
        "status": None,
        "assigned_agent": None,
        "tags": [],
        "session": {"geoip": None, "utm": None, "utm_json": None},
        "page": {"url": "https://example.com/", "title": _("Проверка")},
        "analytics": None,
        "agents": [{"id": 1, "name": _("Оператор"), "email": "operator@example.com"}],
        "chat": {"messages": messages, "blacklisted": False, "rate": None},
        "plain_messages": "",
        "html_messages": "",
    }
    return json.dumps(body, ensure_ascii=False).encode()
