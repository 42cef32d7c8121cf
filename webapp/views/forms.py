"""What our forms share: the CSRF base, messages in the user's language, and the checks that WTForms lacks."""

from __future__ import annotations

from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import Field, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length

#: Zones offered first: where our users work.
USUAL_TIMEZONES = (
    "Europe/Kaliningrad",
    "Europe/Moscow",
    "Europe/Samara",
    "Asia/Yekaterinburg",
    "Asia/Omsk",
    "Asia/Novosibirsk",
    "Asia/Krasnoyarsk",
    "Asia/Irkutsk",
    "Asia/Yakutsk",
    "Asia/Vladivostok",
    "Asia/Magadan",
    "Asia/Kamchatka",
    "Europe/Minsk",
    "Asia/Almaty",
    "Asia/Tashkent",
    "Asia/Bishkek",
    "Asia/Yerevan",
    "Asia/Baku",
    "Asia/Tbilisi",
    "Europe/Istanbul",
    "Europe/Berlin",
    "Europe/London",
    "Asia/Dubai",
    "UTC",
)

SHORTEST_PASSWORD = 10


class PageForm(FlaskForm):
    """The parent of the page's forms."""


def required(message: Any) -> DataRequired:
    """The field must not be empty."""
    return DataRequired(message=message)


def at_most(limit: int) -> Length:
    """The text must fit its column."""
    return Length(max=limit, message=_l("Не длиннее %(max)d знаков."))


def stripped(value: Any) -> Any:
    """A filter: text without blanks around it and without characters a database refuses."""
    return value.replace("\0", "").strip() if isinstance(value, str) else value


class Email:
    """Checks an e-mail address without asking the network, and folds its case."""

    def __call__(self, form: Any, field: Field) -> None:
        if not field.data:
            return
        try:
            checked = validate_email(field.data, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            raise ValidationError(_l("Это не адрес почты. Нужен вид name@company.ru.")) from None
        field.data = checked.normalized.casefold()


def password_rules() -> list[Any]:
    """The rules for a new password."""
    return [
        required(_l("Придумайте пароль.")),
        Length(min=SHORTEST_PASSWORD, message=_l("Пароль должен быть не короче %(min)d знаков.")),
        at_most(200),
    ]


def timezone_choices(current: str | None = None) -> list[SelectChoice]:
    """Zones for a select: the usual ones, and the current one whatever it is."""
    zones = [*USUAL_TIMEZONES]
    if current and current not in zones:
        zones.insert(0, current)
    return [SelectChoice(zone, zone.replace("_", " ")) for zone in zones]
