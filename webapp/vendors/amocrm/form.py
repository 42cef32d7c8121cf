"""The settings that only an amoCRM integration has, besides authorization and session field."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Form


class OptionsForm(Form):
    """Stored in Integration.options under the fields' names."""

    clear_session_field = BooleanField(
        _("Очищать поле сессии после передачи заявки"),
        default=False,
        description=_(
            "amoCRM не заменяет заполненное поле. Если человек напишет в ту же сделку снова, в ней останется прежняя "
            "сессия; очищенное поле примет новую."
        ),
    )
