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
    overwrite_foreign_token = BooleanField(
        _("Заменять метку другого счётчика"),
        default=False,
        description=_(
            "В Jivo у посетителя одна метка, и её может занять Roistat или другой сервис. Выключено: чужую метку "
            "скрипт не трогает и узнаёт посетителя по его номеру в Jivo. Включено: сессию видно точнее, но тот сервис "
            "свою метку потеряет."
        ),
    )
    jwt_channel = BooleanField(
        _("В канале Jivo включена подпись JWT"),
        default=False,
        description=_(
            "Отметьте, если в Jivo заполнено «Настройки JWT»: такой канал принимает только подписанную метку, и скрипт "
            "её не ставит. Посетителя он узнаёт по номеру; точнее будет, если ваш сервер добавит в токен session_id."
        ),
    )
