"""Decisions in a marketer's words: the trail, the rules, the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import phonenumbers
from flask_babel import format_datetime, ngettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

#: The channel that is no messenger.
SITE = "site"

#: The names of the channels; a vendor's own word for a channel is shown as it is.
CHANNEL_NAMES = {
    "site": _l("Сайт"),
    "telegram": "Telegram",
    "whatsapp": "WhatsApp",
    "viber": "Viber",
    "vk": _l("ВКонтакте"),
    "facebook": "Facebook",
    "instagram": "Instagram",
    "ok": _l("Одноклассники"),
    "avito": "Avito",
    "max": "MAX",
    "email": _l("Почта"),
    "other": _l("Другой"),
}

#: Each rule in one or two words, for lists and filters.
RULE_NAMES = {
    "visit": _l("сессия"),
    "beacon": _l("сессия по маяку"),
    "contact": _l("по контакту"),
    "utm": _l("UTM чата"),
    "channel": _l("мессенджер"),
    "default": _l("по умолчанию"),
    "none": _l("без атрибуции"),
}

TYPE_NAMES = {"chat": _l("Чат"), "offline_message": _l("Заявка")}

#: How the hand-over of a communication to an outside cabinet stands.
DELIVERY_NAMES = {
    "pending": _l("в очереди"),
    "delivered": _l("передано"),
    "held": _l("задержано"),
    "failed": _l("не передано"),
}


def channel_name(channel: str | None) -> str:
    """The channel as the screen shows it."""
    return str(CHANNEL_NAMES.get(channel, channel)) if channel else "—"


def rule_name(rule: str) -> str:
    """The rule in one or two words."""
    return str(RULE_NAMES.get(rule, rule))


def type_name(kind: str) -> str:
    """Chat or request."""
    return str(TYPE_NAMES.get(kind, kind))


def yes_or_no(value: bool) -> str:
    """A fact that is or is not."""
    return _("да") if value else _("нет")


def without(kind: str, elsewhere: bool = False) -> str:
    """What those are called that have no campaign, source or channel; ``elsewhere``: an outside cabinet may know it."""
    if elsewhere and kind in ("campaign", "source"):
        return _("Определит кабинет или нет совсем")
    names = {"campaign": _("Без кампании"), "source": _("Без источника"), "channel": _("Канал неизвестен")}
    return names.get(kind) or _("Не указано")


def removed(number: int) -> str:
    """What stands for an entry that is no more."""
    return _("№ %(number)s (удалено)", number=number)


def phone_number(phone: str | None) -> str:
    """An E.164 number as people write it: +7 916 123-45-67."""
    if not phone:
        return ""
    try:
        return phonenumbers.format_number(phonenumbers.parse(phone), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return phone


@dataclass(frozen=True)
class Sentence:
    """One line of the trail. ``state``: answered (it decided), passed (it had nothing), problem (mend something)."""

    rule: str
    outcome: str
    state: str
    text: str


class Names:
    """The names behind the ids in a trail: ``names("campaign", 7)``."""

    def __init__(self, known: Mapping[str, Mapping[int, str]] | None = None) -> None:
        self._known = known or {}

    def __call__(self, kind: str, number: int | None) -> str:
        if number is None:
            return "—"
        return self._known.get(kind, {}).get(number) or removed(number)


Writer = Callable[[Mapping[str, Any], Names], str]


def trail(
    steps: Iterable[Mapping[str, Any]], names: Names, channel: str | None = None, details: Any = None
) -> list[Sentence]:
    """The trail of a communication (with its ``channel`` and ``details``) as sentences, in the current language."""
    where = {"channel": channel, "details": details or {}}
    return [_sentence(step, names, where) for step in steps]


def _sentence(step: Mapping[str, Any], names: Names, where: Mapping[str, Any]) -> Sentence:
    rule, outcome, facts = step["rule"], step["outcome"], {**where, **(step.get("facts") or {})}
    write = _WORDS.get((rule, outcome)) or _WORDS.get(("visits", outcome))
    text = write(facts, names) if write else f"{rule}: {outcome}"
    # The site is no messenger: nothing is to be mended when the messengers' table does not have it.
    to_mend = outcome in _PROBLEMS and not (outcome == "unmapped" and facts["channel"] == SITE)
    state = "answered" if outcome == "answered" else "problem" if to_mend else "passed"
    return Sentence(rule, outcome, state, text)


#: Outcomes that somebody may want to mend.
_PROBLEMS = {"refused", "other_account", "later", "too_old", "unmapped", "not_set", "foreign", "unknown"}


def _moment(facts: Mapping[str, Any]) -> str:
    return format_datetime(datetime.fromisoformat(facts["started_at"]), "d MMMM HH:mm")


def _arrival(marks: Mapping[str, str]) -> str:
    """«пришла с yandex / cpc / shtory»: source, medium, campaign, where they are known, else whatever mark is."""
    plain = {name.removeprefix("utm_"): value for name, value in marks.items() if value}
    parts = [plain[key] for key in ("source", "medium", "campaign") if key in plain] or list(plain.values())
    return _("пришла с %(marks)s", marks=" / ".join(parts)) if parts else _("без меток")


def _found(facts: Mapping[str, Any], names: Names) -> str:
    if facts.get("unchecked"):
        return _(
            "В чате названа сессия %(session)s. Проверить её может только кабинет: передаём с ней.",
            session=facts["session"],
        )
    where = _("Сессия найдена: %(moment)s, %(arrival)s.", moment=_moment(facts), arrival=_arrival(facts["marks"]))
    return f"{where} {_meaning(facts, names)}{_age(facts)}"


def _age(facts: Mapping[str, Any]) -> str:
    """How old the session was when the person wrote, where that is worth a word: a field keeps the first one."""
    days = facts.get("age_days")
    if not days:
        return ""
    return " " + ngettext("К началу разговора ей %(num)s день.", "К началу разговора ей %(num)s дней.", days)


def _by_beacon(facts: Mapping[str, Any], names: Names) -> str:
    if facts.get("unchecked"):
        return _(
            "Скрипт связал посетителя с сессией %(session)s. Проверить её может только кабинет: передаём с ней.",
            session=facts["session"],
        )
    where = _(
        "Сессия найдена по маяку скрипта: %(moment)s, %(arrival)s.",
        moment=_moment(facts),
        arrival=_arrival(facts["marks"]),
    )
    return f"{where} {_meaning(facts, names)}"


def _by_contact(facts: Mapping[str, Any], names: Names) -> str:
    where = _(
        "Сессия того же человека, по телефону или почте: %(moment)s, %(arrival)s.",
        moment=_moment(facts),
        arrival=_arrival(facts["marks"]),
    )
    return f"{where} {_meaning(facts, names)}"


def _meaning(facts: Mapping[str, Any], names: Names) -> str:
    campaign, source = facts.get("campaign"), facts.get("source")
    if campaign and source:
        return _(
            "Кампания «%(campaign)s», источник «%(source)s».",
            campaign=names("campaign", campaign),
            source=names("source", source),
        )
    if campaign:
        return _("Кампания «%(campaign)s».", campaign=names("campaign", campaign))
    if source:
        return _("Источник «%(source)s», кампания не определена.", source=names("source", source))
    return _("Ни одна кампания ей не подошла.")


def _no_campaign(facts: Mapping[str, Any], names: Names) -> str:
    return _(
        "Сессия найдена: %(moment)s, %(arrival)s, но кампании у неё нет. По настройке такие чаты идут дальше.",
        moment=_moment(facts),
        arrival=_arrival(facts["marks"]),
    )


def _no_token(facts: Mapping[str, Any], names: Names) -> str:
    if facts["details"].get("lead_url"):
        return _("Метки сессии нет: поле сессии в сделке пустое или не выбрано в настройках.")
    if facts["details"].get("talk"):
        return _("Метки сессии нет: она бывает в поле сделки, а сделки у беседы нет или она не прочитана.")
    if facts.get("page"):
        return _("В чате нет метки сессии: скрипт на этой странице не стоит или не успел её передать.")
    if facts["channel"] not in (None, SITE):
        return _("Метки сессии нет: человек писал не с сайта (%(channel)s).", channel=channel_name(facts["channel"]))
    return _("В чате нет метки сессии: скрипт на этой странице не стоит или человек писал не с сайта.")


def _foreign(facts: Mapping[str, Any], names: Names) -> str:
    kinds = {
        "digits": _("В чате только число. Так пишут и другие счётчики, поэтому без вашего разрешения мы его не берём."),
        "jwt": _("В чате подпись JWT без номера сессии: её поставил ваш сайт, а не наш скрипт."),
        "too_long": _("Метка в чате слишком длинная для сессии, её поставил другой скрипт."),
    }
    return kinds.get(facts.get("kind", "")) or _("Метку в чате поставил другой скрипт на сайте, сессии в ней нет.")


def _too_old(facts: Mapping[str, Any], names: Names) -> str:
    days, limit = int(facts["days"]), int(facts["limit"])
    return ngettext(
        "Сессия не принята: ей %(num)s день, а кабинет принимает не старше %(limit)s.",
        "Сессия не принята: ей %(num)s дней, а кабинет принимает не старше %(limit)s.",
        days,
        limit=limit,
    )


def _utm_answered(facts: Mapping[str, Any], names: Names) -> str:
    marks = ", ".join(f"{name} = {value}" for name, value in facts["marks"].items())
    if facts.get("unchecked"):
        return _(
            "Метки в самом чате: %(marks)s. Передаём их сессией на сайт %(site)s, кампанию определит кабинет.",
            marks=marks,
            site=names("site", facts.get("site")),
        )
    return _("Метки в самом чате: %(marks)s.", marks=marks) + " " + _meaning(facts, names)


def _session_refused(facts: Mapping[str, Any], names: Names) -> str:
    return _(
        "Кабинет не принял сессию %(session)s: %(why)s. Решают следующие правила.",
        session=facts["session"],
        why=refusal(facts.get("why")),
    )


def _marks_refused(facts: Mapping[str, Any], names: Names) -> str:
    return _(
        "Сделать сессию из меток чата кабинет не дал: %(why)s. Решают следующие правила.", why=refusal(facts.get("why"))
    )


#: Why an outside cabinet did not take a session; its own word where none is known.
_REFUSALS = {
    "entity_not_found": _l("такой в нём нет"),
    "invalid_parameter_value": _l("номер не подходит"),
    "invalid_date_time": _l("она старше 180 дней или позже чата"),
    "invalid_parameters_combination": _l("она с другого сайта"),
    "not_a_session": _l("это не номер сессии этого кабинета"),
    "method_component_disabled": _l("в нём не подключена «Загрузка сессий из внешней системы»"),
    "forbidden": _l("у ключа нет на это права"),
}


def refusal(mnemonic: Any) -> str:
    """Why a session was not taken, in words."""
    return str(_REFUSALS.get(str(mnemonic), mnemonic))


def _utm_unmatched(facts: Mapping[str, Any], names: Names) -> str:
    marks = ", ".join(f"{name} = {value}" for name, value in facts["marks"].items())
    return _("Метки в чате есть (%(marks)s), но правила кампаний и источников их не знают.", marks=marks)


def _target(facts: Mapping[str, Any], names: Names) -> str:
    if facts.get("campaign"):
        return _("кампания «%(name)s»", name=names("campaign", facts["campaign"]))
    source = _("источник «%(name)s»", name=names("source", facts.get("source")))
    if facts.get("site"):
        return _("%(source)s, сайт %(site)s", source=source, site=names("site", facts["site"]))
    return source


def _channel_answered(facts: Mapping[str, Any], names: Names) -> str:
    return _(
        "Канал %(channel)s: %(target)s по таблице мессенджеров.",
        channel=channel_name(facts["channel"]),
        target=_target(facts, names),
    )


def _default_answered(facts: Mapping[str, Any], names: Names) -> str:
    return _("По умолчанию: %(target)s.", target=_target(facts, names))


def _adds_nothing(write: Writer) -> Writer:
    """What the rule would have given, and why it did not."""
    return lambda facts, names: write(facts, names) + " " + _("Источник уже известен из сессии, он и остаётся.")


def _channel_absent(facts: Mapping[str, Any], names: Names) -> str:
    if facts.get("widget"):
        return _("Канал неизвестен: виджет %(widget)s ещё не подписан.", widget=facts["widget"])
    return _("Канал неизвестен: его нет ни в адресе вебхука, ни в самом чате.")


def _unmapped(facts: Mapping[str, Any], names: Names) -> str:
    if facts["channel"] == SITE:
        return _("Писали на сайте: таблица мессенджеров к этому не относится.")
    return _("Канал %(channel)s в таблице мессенджеров не задан.", channel=channel_name(facts["channel"]))


_WORDS: dict[tuple[str, str], Writer] = {
    ("visit", "answered"): _found,
    ("visit", "absent"): _no_token,
    ("visit", "foreign"): _foreign,
    ("visit", "unknown"): lambda facts, names: _(
        "Сессия в чате названа, но такой мы не видели: %(session)s.", session=facts["session"]
    ),
    ("visit", "other_account"): lambda facts, names: _("Сессия в чате относится к другому кабинету и не принята."),
    ("beacon", "answered"): _by_beacon,
    ("beacon", "absent"): lambda facts, names: _("Маяк скрипта не связывал этого посетителя ни с одной сессией."),
    ("contact", "answered"): _by_contact,
    ("contact", "off"): lambda facts, names: _(
        "Поиск прошлой сессии по телефону и почте выключен в настройках кабинета."
    ),
    ("contact", "absent"): lambda facts, names: (
        _("По этому телефону или почте сессий не найдено.")
        if facts.get("contact")
        else _("Нет ни телефона, ни почты, чтобы искать прошлые сессии.")
    ),
    ("utm", "answered"): _utm_answered,
    ("utm", "adds_nothing"): _adds_nothing(_utm_answered),
    ("utm", "absent"): lambda facts, names: _("UTM-меток в чате нет."),
    ("utm", "no_match"): _utm_unmatched,
    ("channel", "answered"): _channel_answered,
    ("channel", "adds_nothing"): _adds_nothing(_channel_answered),
    ("channel", "absent"): _channel_absent,
    ("channel", "unmapped"): _unmapped,
    ("default", "answered"): _default_answered,
    ("default", "adds_nothing"): _adds_nothing(_default_answered),
    ("default", "not_set"): lambda facts, names: _("Кампания или источник по умолчанию не заданы."),
    ("visits", "no_campaign"): _no_campaign,
    ("visits", "refused"): _session_refused,
    ("utm", "refused"): _marks_refused,
    ("visits", "later"): lambda facts, names: _(
        "Сессия не принята: она началась %(moment)s, уже после чата.", moment=_moment(facts)
    ),
    ("visits", "too_old"): _too_old,
}
