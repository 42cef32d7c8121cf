"""The lists of the Data API stand-in: account, sites, campaigns, sources, employees, tags (contract, 9.1 to 9.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import dataapi_example as example
from .dataapi_errors import not_found
from .dataapi_methods import Asked, Method
from .dataapi_query import PAGING, Columns, Value, page
from .dataapi_shapes import NUMBER, Shape
from .dataapi_world import Account, Row

#: One of these is needed to read what a counter sees; upload_chats is none of them.
COUNTER = ("call_tracking", "consultant", "lead", "sitephone")
SETTINGS = ("data_api_settings",)

#: The lists whose published samples lack columns that their tables have.
_SAMPLED = frozenset({"sources", "groups", "channels"})

_UTM = "static_utm_source* static_utm_medium* static_utm_campaign* static_utm_term* static_utm_content*"
COLUMNS = {
    "sites": Columns.of(
        "id* domain_name* name* state site_key app_key creation_date cookie_lifetime campaign_lifetime"
        " second_communication_period track_subdomains sales_enabled services_enabled is_editable"
        " default_phone_number default_scenario target_call_min_duration site_blocks connected_integrations"
        " industry_id industry_name widget_link show_visitor_id replacement_dynamical_block_enabled"
        " is_support_web_directory parent_id* child_customer_id*"
    ),
    "campaigns": Columns.of(
        "id* name* description status* creation_time* type* engine* site_id* site_domain_name* costs* cost_ratio"
        " cost_ratio_operator campaign_conditions site_blocks dynamic_call_tracking",
        f"{_UTM} static_utm_referrer* static_utm_expid*",
    ),
    "sources": Columns.of(
        "id* name* filter priority is_custom* state* channel_name channel_mnemonic icon_mnemonic static_parameters",
        "description group_id* group_name channel_id*",
    ),
    "groups": Columns.of("id* name* channel_id* channel_name channel_mnemonic is_custom* state*"),
    "channels": Columns.of("id* name* mnemonic is_custom* state* default_source_id"),
    "employees": Columns.of(
        "id* login* first_name* last_name* patronymic full_name* email* status* groups phone_numbers extension"
        " operator schedule_id schedule_name coach"
    ),
    "tags": Columns.of("id* name* is_system*", "is_include_rating"),
    "user_fields": Columns.of("ext_id name data_type"),
}


def _plain(row: Row, name: str) -> Any:
    return row.get(name)


def _list(kind: str, rows: Callable[[Asked], Iterable[Row]] | None = None) -> Callable[[Asked], dict[str, Any]]:
    """A method that reads a list of the directory."""
    value: Value = _plain

    def run(asked: Asked) -> dict[str, Any]:
        found = rows(asked) if rows else asked.account.directory[kind].values()
        result = page(asked, COLUMNS[kind], found, value)
        if kind in _SAMPLED and asked.switches["sources_state"] == "absent":
            untold = ("state", "default_source_id")
            result["data"] = [{key: part for key, part in row.items() if key not in untold} for row in result["data"]]
        return result

    return run


def campaigns(asked: Asked) -> Iterable[Row]:
    """The campaigns as they are shown: the system one is there once for each site, under the same id."""
    sites = asked.account.directory["sites"]
    for site in sites.values():
        system = example.campaign(-1, example.WITHOUT_CAMPAIGN, site["id"], type="system")
        yield {**system, "site_domain_name": site["domain_name"], "campaign_conditions": None}
    for row in asked.account.directory["campaigns"].values():
        yield {
            **row,
            "site_domain_name": sites.get(row["site_id"], {}).get("domain_name"),
            "campaign_conditions": _conditions(row) if row["type"] == "basic" else None,
        }


def _conditions(row: Row) -> dict[str, Any]:
    one = {"type": "include", "operator": "sub"}
    told = [{**one, "campaign_parameter": key, "value": value} for key, value in row.get("marks", {}).items()]
    return {"group_conditions": [{"conditions": told}]}


def _get_account(asked: Asked) -> dict[str, Any]:
    account = asked.account
    return {"data": [{"app_id": account.app_id, "name": account.name, "timezone": account.timezone}], "metadata": {}}


def _getobj_account(asked: Asked) -> dict[str, Any]:
    account = asked.account
    rights = [
        {"unit_id": unit, **{f"is_{action}": action in actions for action in ("select", "insert", "update", "delete")}}
        for unit, actions in account.rights.items()
    ]
    data = {
        "lang": "ru",
        "app_id": account.app_id,
        "app_name": account.name,
        "project": account.project or "comagic",
        "timezone": account.timezone,
        "app_state": account.state,
        "crm_type": None,
        "user_type": "admin",
        "user_login": next(iter(account.users), None),
        "customer_id": account.app_id + 100_000,
        "components": sorted(account.components),
        "permissions": rights,
        "is_agent_app": False,
    }
    return {"data": data, "metadata": {}}


def _getobj_source(asked: Asked) -> dict[str, Any]:
    row = asked.account.directory["sources"].get(asked.params["id"])
    if row is None:
        raise not_found("id", asked.params["id"])
    return {"data": {key: value for key, value in row.items() if key != "icon_mnemonic"}, "metadata": {}}


def _read(kind: str, rows: Callable[[Asked], Iterable[Row]] | None = None, **needs: Any) -> Method:
    return Method(_list(kind, rows), common=PAGING, **needs)


METHODS = {
    "get.account": Method(_get_account, clients_only=True, common={"access_token": Shape("string", required=True)}),
    "getobj.account": Method(_getobj_account, all_of=SETTINGS),
    "get.sites": _read("sites", any_of=COUNTER, rights=("site_selected:select",)),
    "get.campaigns": _read(
        "campaigns", campaigns, any_of=COUNTER, rights=("ac_undefined:select", "ac:select", "ac_ext:select")
    ),
    "get.sources": _read("sources", all_of=SETTINGS),
    "get.sources_groups": _read("groups", all_of=SETTINGS),
    "get.sources_channels": _read("channels", all_of=SETTINGS),
    "getobj.source": Method(_getobj_source, {"id": NUMBER.needed}, all_of=SETTINGS),
    "get.employees": _read("employees", rights=("employees:select",)),
    "get.tags": _read("tags", rights=("tag_management:select",)),
    "get.offline_message_user_fields": _read("user_fields"),
}


def name_of(account: Account, kind: str, row_id: Any, key: str = "name") -> Any:
    """A value of a row of the directory, None where there is no such row."""
    return account.directory[kind].get(row_id, {}).get(key)
