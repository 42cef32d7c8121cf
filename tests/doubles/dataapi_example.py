"""The account that the Data API stand-in begins with: a curtain shop as in docs/demo.yaml, invented from end to end."""

from __future__ import annotations

from typing import Any

APP_ID, NAME, TIMEZONE = 4101, "Ромашка", "Europe/Moscow"

#: Its key and its user; no secret, they open nothing but this stand-in.
KEY, LOGIN, PASSWORD = "example-key", "admin@romashka-shtory.example", "example-password"

SHOP, KARNIZ, OLD_SITE = 43501, 43502, 43503

#: The two last names are ours: of these components the contract knows the titles only.
COMPONENTS = (
    *("call_tracking", "consultant", "lead", "sitephone", "upload_chats", "upload_offline_messages"),
    *("sales_funnel", "data_api_settings", "upload_sessions"),
)

_ALL = ("select", "insert", "update", "delete")
RIGHTS = {unit: _ALL for unit in ("site_selected", "ac_undefined", "ac", "ac_ext", "employees", "tag_management")}

#: The lists of a directory.
LISTS = ("sites", "campaigns", "channels", "groups", "sources", "employees", "tags", "user_fields")

WITHOUT_CAMPAIGN = "Посетители без рекламной кампании"


def directory() -> dict[str, list[dict[str, Any]]]:
    """The rows of each list, made anew. ``marks`` of a campaign are its conditions, unseen by callers."""
    return {
        "sites": [
            site(SHOP, "romashka-shtory.example", "Ромашка. Шторы", sales_enabled=True),
            site(KARNIZ, "romashka-karniz.example", "Ромашка. Карнизы"),
            site(OLD_SITE, "romashka-2015.example", "Ромашка (старый сайт)", state="disable"),
        ],
        "campaigns": [
            campaign(268101, "Яндекс.Директ — бренд", SHOP, utm_source="yandex", utm_campaign="brand"),
            campaign(268102, "Яндекс.Директ — блэкаут", SHOP, utm_source="yandex", utm_campaign="blackout"),
            campaign(268103, "VK Реклама — каталог", SHOP, utm_source="vk", utm_medium="cpc"),
            campaign(268104, "Telegram Ads", SHOP, utm_source="telegram", utm_medium="cpm"),
            campaign(268105, "Рассылка «Новая коллекция»", SHOP, utm_medium="email"),
            campaign(268106, "Распродажа 2024", SHOP, status="inactive", utm_campaign="sale2024"),
            campaign(268107, "Мастер кампаний — шторы", SHOP, type="integrated", engine="yandex.direct"),
            campaign(268201, "Яндекс.Директ — карнизы", KARNIZ, utm_source="yandex", utm_campaign="karniz"),
            campaign(268202, "Листовки у новостроек", KARNIZ, utm_source="flyer", utm_medium="qr"),
        ],
        "channels": [
            channel(-1, "Контекстная реклама", "context", default_source_id=-2),
            channel(-2, "Социальные сети", "social", default_source_id=-5),
            channel(-3, "Мессенджеры", "messenger"),
            channel(3, "Партнёры", "partners", is_custom=True, default_source_id=815),
        ],
        "groups": [
            group(-2, "Яндекс.Директ", -1, "Контекстная реклама", "context"),
            group(-1, "Google Ads", -1, "Контекстная реклама", "context"),
            group(-5, "ВКонтакте", -2, "Социальные сети", "social"),
            group(-6, "Мессенджеры", -3, "Мессенджеры", "messenger"),
            group(31, "Сайты партнёров", 3, "Партнёры", "partners", is_custom=True),
        ],
        "sources": [
            source(-2, "Яндекс.Директ", -2, "Яндекс.Директ", -1, "Контекстная реклама", "context", is_custom=False),
            source(-5, "ВКонтакте", -5, "ВКонтакте", -2, "Социальные сети", "social", is_custom=False),
            source(811, "Telegram-канал «Ромашка дома»", -6, "Мессенджеры", -3, "Мессенджеры", "messenger"),
            source(812, "WhatsApp с визитки", -6, "Мессенджеры", -3, "Мессенджеры", "messenger"),
            source(813, "Viber (закрыт)", -6, "Мессенджеры", -3, "Мессенджеры", "messenger", state="removed"),
            source(814, "Avito", 31, "Сайты партнёров", 3, "Партнёры", "partners", state="off"),
            source(815, "Сайты партнёров", 31, "Сайты партнёров", 3, "Партнёры", "partners"),
        ],
        "employees": [
            employee(5501, "Соколова", "Анна", "anna@romashka-shtory.example"),
            employee(5502, "Лебедева", "Ольга", "olga@romashka-shtory.example"),
            employee(5503, "Гареев", "Тимур", "timur@romashka-shtory.example"),
            employee(5504, "Соколова", "Анна (вечер)", "anna@romashka-shtory.example"),
            employee(5505, "Дежурный", "менеджер", None),
        ],
        "tags": [
            {"id": 515101, "name": "Замер", "is_system": False},
            {"id": 515102, "name": "Повторный клиент", "is_system": False},
            {"id": 515103, "name": "Спам", "is_system": False},
            {"id": 515001, "name": "Продажа", "is_system": True},
        ],
        "user_fields": [{"ext_id": "window_width", "name": "Ширина окна", "data_type": "numeric"}],
    }


def site(row_id: int, domain_name: str, name: str, **values: Any) -> dict[str, Any]:
    """A row of get.sites."""
    return {
        "id": row_id,
        "domain_name": domain_name,
        "name": name,
        "state": "work",
        "site_key": f"{row_id:x}".rjust(32, "K"),
        "app_key": "A" * 32,
        "creation_date": "2021-03-01 10:00:00",
        "cookie_lifetime": 90,
        "campaign_lifetime": 90,
        "second_communication_period": 7,
        "track_subdomains": True,
        "sales_enabled": False,
        "services_enabled": True,
        "is_editable": True,
        "target_call_min_duration": 30,
        "site_blocks": [],
        "connected_integrations": [],
        **values,
    }


def campaign(row_id: int, name: str, site_id: int, **values: Any) -> dict[str, Any]:
    """A row of get.campaigns. Values that begin with ``utm_`` are the marks by which it is found."""
    marks = {key: value for key, value in values.items() if key.startswith("utm_")}
    return {
        "id": row_id,
        "name": name,
        "description": None,
        "status": "active",
        "creation_time": "2023-09-12 11:30:00",
        "type": "basic",
        "engine": None,
        "site_id": site_id,
        "costs": 0,
        "cost_ratio": None,
        "cost_ratio_operator": "wo_changes",
        "site_blocks": [],
        "dynamic_call_tracking": None,
        "marks": marks,
        **{key: value for key, value in values.items() if key not in marks},
    }


def channel(row_id: int, name: str, mnemonic: str, **values: Any) -> dict[str, Any]:
    """A row of get.sources_channels."""
    own = {"is_custom": False, "state": "active", "default_source_id": None}
    return {"id": row_id, "name": name, "mnemonic": mnemonic, **own, **values}


def group(row_id: int, name: str, channel_id: int, channel_name: str, mnemonic: str, **values: Any) -> dict[str, Any]:
    """A row of get.sources_groups."""
    above = {"channel_id": channel_id, "channel_name": channel_name, "channel_mnemonic": mnemonic}
    return {"id": row_id, "name": name, **above, "is_custom": False, "state": "active", **values}


def source(
    row_id: int, name: str, group_id: int, group_name: str, channel_id: int, channel_name: str, mnemonic: str,
    **values: Any,
) -> dict[str, Any]:  # fmt: skip
    """A row of get.sources."""
    above = {"group_id": group_id, "group_name": group_name, "channel_id": channel_id, "channel_name": channel_name}
    own = {"filter": None, "priority": 1, "is_custom": True, "state": "active", "icon_mnemonic": "custom"}
    more = {"static_parameters": None, "description": None, "creation_date": "2023-10-19T23:12:09+03:00"}
    return {"id": row_id, "name": name, **above, "channel_mnemonic": mnemonic, **own, **more, **values}


def employee(row_id: int, last_name: str, first_name: str, email: str | None, **values: Any) -> dict[str, Any]:
    """A row of get.employees."""
    return {
        "id": row_id,
        "login": f"user{row_id}",
        "first_name": first_name,
        "last_name": last_name,
        "patronymic": None,
        "full_name": f"{last_name} {first_name}",
        "email": email,
        "status": "available",
        "groups": [],
        "phone_numbers": [],
        "extension": None,
        "operator": {"operator_login": f"user{row_id}", "operator_display_name": first_name, "operator_sites": []},
        "schedule_id": None,
        "schedule_name": None,
        "coach": None,
        **values,
    }
