"""A closed talk as amoCRM would tell of it, for the test button."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

from flask_babel import gettext as _

from .payload import TEST_PREFIX


def sample_talk(now: datetime, mark: str) -> bytes:
    """The body of a talk that was closed just now, with one message. ``mark`` is in its number.

    The number is no number, so nothing about it is asked of amoCRM; there is no account, so that it is taken whichever
    one is connected.
    """
    began = int((now - timedelta(minutes=3)).timestamp())
    talk_id = f"{TEST_PREFIX}{mark}"
    talk = {
        "talk_id": talk_id,
        "created_at": began,
        "updated_at": int(now.timestamp()),
        "rate": 0,
        "is_in_work": 0,
        "is_read": 1,
        "origin": "onlinechat",
    }
    pairs = [(f"talk[update][0][{key}]", str(value)) for key, value in talk.items()]
    message = {
        "id": f"message-{mark}",
        "talk_id": talk_id,
        "text": _("Здравствуйте! Это проверка интеграции. Моя почта test@example.com"),
        "created_at": began,
        "type": "incoming",
        "author][type": "external",
        "author][name": _("Проверка"),
        "origin": "onlinechat",
    }
    pairs += [(f"message[add][0][{key}]", str(value)) for key, value in message.items()]
    return urlencode(pairs).encode()
