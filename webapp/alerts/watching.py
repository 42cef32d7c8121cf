"""Looks at an account, remembers what was found, and opens and closes alerts without a flood of messages."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import Account, Alert, AlertSetting
from webapp.models.alert import USUAL_UNATTRIBUTED_LIMIT

from .checks import CHECKS, Look
from .messages import tell

#: Looks in a row that must find something before it is an alert, and that must not before it is over.
OPENS_AFTER, CLOSES_AFTER = 2, 3

#: What comes back within this time is shown, and nobody is told again, unless it then stays for so long: the last that
#: was told is that it is well.
TOLD_AGAIN_AFTER, RELAPSE = timedelta(hours=24), timedelta(hours=1)


def look_at(session: Session, account: Account, now: datetime) -> None:
    """One look at an account with all its checks. The caller commits."""
    setting = settings_of(session, account)
    known = {
        (alert.name, alert.subject): alert
        for alert in session.scalars(select(Alert).where(Alert.account_id == account.id).with_for_update())
    }
    for check in CHECKS:
        mine = {subject: alert for (name, subject), alert in known.items() if name == check.name}
        if check.name in setting.off:
            for alert in mine.values():
                _give_up(alert, now)
            continue
        is_open = frozenset(subject for subject, alert in mine.items() if alert.is_open)
        for finding in check.find(session, account, Look(now, setting.unattributed_limit, is_open)):
            alert = mine.pop(finding.subject, None)
            if alert is None:
                alert = Alert(account_id=account.id, name=check.name, subject=finding.subject, present=0)
                session.add(alert)
            alert.integration_id, alert.facts = finding.integration_id, dict(finding.facts)
            _found(session, account, setting, alert, now)
        for alert in mine.values():
            if alert.integration is not None and not alert.integration.runs:
                _give_up(alert, now)
            else:
                _not_found(session, account, setting, alert, now)


def settings_of(session: Session, account: Account) -> AlertSetting:
    """What the account has chosen, else what is usual, which is not stored."""
    found = session.scalar(select(AlertSetting).where(AlertSetting.account_id == account.id))
    return found or AlertSetting(
        account_id=account.id, off=[], emails=[], unattributed_limit=USUAL_UNATTRIBUTED_LIMIT, language="ru"
    )


def _found(session: Session, account: Account, setting: AlertSetting, alert: Alert, now: datetime) -> None:
    alert.present, alert.absent = alert.present + 1, 0
    if not alert.is_open:
        if alert.present < OPENS_AFTER:
            return
        alert.opened_at, alert.closed_at, alert.hidden_at = now, None, None
    if _is_told(alert):
        return
    if alert.told_at is None or now - alert.told_at >= TOLD_AGAIN_AFTER or now - alert.opened_at >= RELAPSE:
        alert.told_at = now
        tell(session, account, setting, "opened", alert)


def _not_found(session: Session, account: Account, setting: AlertSetting, alert: Alert, now: datetime) -> None:
    alert.present, alert.absent = 0, (alert.absent or 0) + 1
    if not alert.is_open or alert.absent < CLOSES_AFTER:
        return
    alert.closed_at = now
    if _is_told(alert):
        tell(session, account, setting, "closed", alert)


def _is_told(alert: Alert) -> bool:
    """True when somebody was told of this opening, and not only of an earlier one."""
    return alert.told_at is not None and alert.told_at >= alert.opened_at


def _give_up(alert: Alert, now: datetime) -> None:
    """Nobody looks any more: it closes without a word, for nothing was mended."""
    alert.present, alert.closed_at = 0, alert.closed_at or now
