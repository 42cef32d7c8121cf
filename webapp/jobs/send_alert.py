"""Sends one message about an alert; the next attempt is another job."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from webapp import queue
from webapp.alerts.messages import PAUSES, NotTold, send
from webapp.extensions import db
from webapp.models import AlertMessage, AlertSetting, utc_now

log = structlog.get_logger()

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]


def handle(row_id: int) -> None:
    """Try once. Nothing is locked while somebody else's server is spoken to."""
    session = db.session()
    message = session.get(AlertMessage, row_id)
    if message is None or message.state != "pending":
        session.rollback()
        return
    setting = session.scalar(select(AlertSetting).where(AlertSetting.account_id == message.account_id))
    way, body = message.way, dict(message.body)
    session.expunge_all()
    session.rollback()
    problem: NotTold | None = None
    try:
        if setting is None or not (setting.emails if way == "email" else setting.webhook_url):
            raise NotTold("no_address", final=True)
        send(way, row_id, body, setting)
    except NotTold as error:
        problem = error
    except Exception as error:
        # Its text may hold the address, which is a secret.
        log.error("alert_not_sent", message=row_id, error=type(error).__name__)
        problem = NotTold("error")
    message = session.get(AlertMessage, row_id, with_for_update=True)
    if message is None or message.state != "pending":
        session.rollback()
        return
    message.attempts += 1
    message.error = problem.code if problem else None
    if problem is None:
        message.state, message.sent_at = "sent", utc_now()
    elif problem.final or message.attempts > len(PAUSES):
        message.state = "failed"
    else:
        queue.enqueue(session, NAME, row_id, delay_seconds=PAUSES[message.attempts - 1])
    session.commit()
