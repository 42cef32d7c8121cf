"""The settings that only a Jivo integration has."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Form


class OptionsForm(Form):
    """Stored in Integration.options under the fields' names; the parser reads them there."""

    accept_digit_tokens = BooleanField(
        _("Считать номером сессии метку из одних цифр"),
        default=False,
        description=_(
            "Включите, только если ваш собственный скрипт передаёт в setUserToken номер сессии кабинета без пометки. "
            "Номера Roistat и Яндекс Метрики выглядят так же и привели бы к чужим сессиям."
        ),
    )
