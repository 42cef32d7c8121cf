"""Structured logs without personal data or secrets."""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog

MASK = "***"

#: Keys whose values are never written, whatever they hold.
SECRET_KEYS = re.compile(
    r"token|secret|password|authorization|cookie|api_?key|phone|email|contact|text|body", re.IGNORECASE
)

#: What structlog keeps in a line for itself and takes out before it is written.
STRUCTLOG_KEYS = ("_record", "_from_structlog")

_PATTERNS = (
    (re.compile(r"(/hooks/[\w-]{1,32}/)[^\s/?\"']+"), rf"\g<1>{MASK}"),
    (re.compile(r"(/(?:welcome|invitation)/)[^\s/?\"']+"), rf"\g<1>{MASK}"),
    (re.compile(r"(?i)(bearer\s+)[\w.~+/=-]+"), rf"\g<1>{MASK}"),
    # name=value and "name": "value"
    (
        re.compile(r"""(?i)((?:token|secret|password|api_?key)(?:=|["']\s*[:=]\s*)["']?)[^\s"'&,;)}\]]+"""),
        rf"\g<1>{MASK}",
    ),
    # The password of a URL may hold slashes and colons.
    (re.compile(r"(://[^\s:/@]*:)[^\s@\"']+@"), rf"\g<1>{MASK}@"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), MASK),
    (re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63})+"), MASK),
    # With a plus (%2B in an address), or in the forms of a country that writes 8 or 7 before ten digits.
    (
        re.compile(
            r"(?:(?<![\w.-])\+|%2[Bb])\d[\d\s()-]{8,18}\d(?![\w-])"
            r"|(?<![\w.-])(?<!\d:)[78][\s(-]{0,2}\d{3}[\s)-]{0,2}\d{3}[\s-]?\d{2}[\s-]?\d{2}(?![\w-])"
        ),
        MASK,
    ),
)


def redact(text: str) -> str:
    """The same text without webhook secrets, tokens, e-mails and phone numbers."""
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    return text


def _redact_value(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: MASK if SECRET_KEYS.search(str(key)) else _redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(item) for item in value]
    # Whatever would print itself: an error, bytes, a row.
    return redact(repr(value) if isinstance(value, BaseException | bytes) else str(value))


def redact_event(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """The structlog processor that applies the redaction to every field of a log line."""
    own = {key: event[key] for key in STRUCTLOG_KEYS if key in event}
    return _redact_value({key: value for key, value in event.items() if key not in own}) | own


def configure(log_format: str, level: str) -> None:
    """Send our own and the libraries' log lines through one formatter to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("dbos", "alembic", "werkzeug", "apscheduler"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
