"""Configuration files for tests, and a look at everything that is in the database."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import yaml
from sqlalchemy import select

from webapp.models import Base

#: One account with something of everything.
DOCUMENT: dict[str, Any] = {
    "accounts": [
        {
            "slug": "romashka",
            "name": "Ромашка",
            "timezone": "Europe/Moscow",
            "cabinet": {"kind": "embedded"},
            "sites": [{"key": "shop", "domain": "shop.example", "name": "Магазин"}],
            "campaigns": [
                {
                    "key": "direct",
                    "site": "shop",
                    "name": "Яндекс.Директ",
                    "rules": [{"utm_source": "yandex", "utm_medium": "cpc"}],
                }
            ],
            "sources": [{"key": "tg", "name": "Telegram", "rules": []}],
            "employees": [{"key": "ivanov", "full_name": "Иванов Иван", "email": "ivanov@shop.example"}],
            "integrations": [
                {
                    "key": "jivo",
                    "vendor": "jivo",
                    "active": True,
                    "webhook_secret": "a-secret-of-more-than-thirty-two-characters",
                    "employee": "ivanov",
                    "fallback": {"kind": "campaign", "campaign": "direct"},
                    "channels": [
                        {"channel": "telegram", "kind": "source", "source": "tg", "site": "shop"},
                        {"channel": "whatsapp", "kind": "campaign", "campaign": "direct"},
                    ],
                    "widgets": {"lWrSvDecqo": "telegram"},
                }
            ],
        }
    ]
}


def document() -> dict[str, Any]:
    """A copy to be changed."""
    return deepcopy(DOCUMENT)


def as_yaml(content: Any) -> str:
    """The document as a file's text."""
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def apply(runner: Any, content: Any, *, code: int = 0) -> Any:
    """Run ``config apply`` on a document, a text or bytes."""
    text = content if isinstance(content, str | bytes) else as_yaml(content)
    result = runner.invoke(args=["config", "apply", "-"], input=text)
    assert result.exit_code == code, result.output
    return result


def everything(session: Any) -> dict[str, list[Any]]:
    """Every row of every table."""
    session.commit()
    return {
        table.name: session.execute(select(table).order_by(*table.primary_key.columns)).all()
        for table in Base.metadata.sorted_tables
    }
