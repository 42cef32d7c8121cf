"""The one way out for mail: SMTP as SMTP_URL says, by TLS wherever the server can."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from webapp.settings import Settings

#: Seconds for each answer of the server.
TIMEOUT_SECONDS = 20


class NotSent(RuntimeError):
    """The mail was not taken. The text is a code: no_server, unreachable, no_tls, refused."""


def send(settings: Settings, to: Sequence[str], subject: str, text: str) -> None:
    """Send one mail to these addresses, none of which sees the others. Raises NotSent.

    A password is never sent in clear: without TLS the mail is not sent at all.
    """
    if not settings.SMTP_URL:
        raise NotSent("no_server")
    parts = urlsplit(settings.SMTP_URL)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    try:
        with _connect(parts.scheme, parts.hostname or "", parts.port, secret=bool(password)) as server:
            if user:
                server.login(user, password)
            server.send_message(_message(settings.MAIL_FROM, subject, text), settings.MAIL_FROM, list(to))
    except NotSent:
        raise
    except smtplib.SMTPResponseException as error:
        raise NotSent("refused") from error
    except smtplib.SMTPRecipientsRefused as error:
        raise NotSent("refused") from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent("unreachable") from error


def _connect(scheme: str, host: str, port: int | None, *, secret: bool) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(host, port or (587 if secret else 25), timeout=TIMEOUT_SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()
    elif secret:
        server.close()
        raise NotSent("no_tls")
    return server


def _message(sender: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = sender, "undisclosed-recipients:;"
    message["Subject"] = " ".join(subject.split())
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2].strip(" >"))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message
