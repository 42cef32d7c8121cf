"""What the Data API stand-in refuses, in the words of the contract (Data API, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The code of each mnemonic.
CODES: dict[str, int] = {
    "parse_error": -32700,
    "invalid_request": -32600,
    "method_not_found": -32601,
    **dict.fromkeys(
        (
            *("data_type_error", "required_parameter_missed", "invalid_parameter_value", "unexpected_parameters"),
            *("invalid_parameters_combination", "error", "entity_not_found", "duplicate_entity"),
            *("campaign_is_inactive", "invalid_date_time", "data_limit_exceeded", "tariff_restrictions"),
            *("already_in_use", "dependency_error", "sort_prohibited", "filter_prohibited"),
            "date_interval_limit_reached",
        ),
        -32602,
    ),
    **dict.fromkeys(("access_token_expired", "access_token_blocked", "access_token_invalid", "auth_error"), -32001),
    "ip_not_whitelisted": -32003,
    "forbidden": -32003,
    "method_component_disabled": -32008,
    "parameter_component_disabled": -32008,
    "account_inactive": -32009,
    "limit_exceeded": -32029,
    "batch_opreations_not_supported": -32099,
    "notifications_not_supported": -32099,
    "internal_error": -32603,
}

#: The HTTP status of an error where the switch error_http_status says "by kind".
STATUSES = {-32001: 401, -32003: 403, -32008: 403, -32009: 403, -32029: 429, -32603: 500, -32601: 404}

MESSAGES = {
    "parse_error": "Parse error",
    "invalid_request": "Invalid request",
    "method_not_found": "Method not found",
    "access_token_expired": "Access token has been expired",
    "access_token_blocked": "Access token has been blocked",
    "access_token_invalid": "Access token is invalid",
    "auth_error": "Login or password is wrong",
    "forbidden": "Permission denied",
    "account_inactive": "Account is inactive",
    "internal_error": "Internal server error",
    "campaign_is_inactive": "Campaign is inactive",
    "duplicate_entity": "Entity already exists",
    "batch_opreations_not_supported": "Batch operations are not supported",
    "notifications_not_supported": "Notifications are not supported",
}


class ApiError(Exception):
    """A refusal. ``field`` is dotted, ``value`` what was sent, ``params`` the parts that the message was made of."""

    def __init__(
        self,
        mnemonic: str,
        message: str | None = None,
        *,
        field: str | None = None,
        value: Any = None,
        params: Mapping[str, Any] | None = None,
        code: int | None = None,
    ) -> None:
        self.code = CODES.get(mnemonic, -32602) if code is None else code
        self.mnemonic, self.field, self.value, self.params = mnemonic, field, value, params
        self.message = message or MESSAGES.get(mnemonic) or mnemonic.replace("_", " ").capitalize()
        super().__init__(self.message)

    def told(self, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
        """The ``error`` of an answer; ``metadata`` goes into its data where there is any."""
        data: dict[str, Any] = {"mnemonic": self.mnemonic}
        if self.field is not None:
            data["field"] = self.field
        if self.value is not None:
            data["value"] = self.value
        if self.params is not None:
            data["params"] = dict(self.params)
        if metadata is not None:
            data["metadata"] = dict(metadata)
        return {"code": self.code, "message": self.message, "data": data}


def ip_not_whitelisted(ip: str) -> ApiError:
    """The caller's address is not on the account's list."""
    return ApiError("ip_not_whitelisted", f"Your IP {ip} is not whitelisted", params={"ip": ip})


def component_disabled(components: str, what: str = "method") -> ApiError:
    """None of the components that a method or a parameter needs was bought."""
    message = f"You need at least on of the following components to access this {what}: {components}"
    return ApiError(f"{what}_component_disabled", message, params={"components": components})


def limit_exceeded(kind: str, most: int) -> ApiError:
    """The points of the day or of the minute are used up."""
    message = f"Limit per {kind} has been exceeded. Value of current limit per {kind} is {most}"
    return ApiError("limit_exceeded", message, params={"limit_type": kind, "limit_max_value": most})


def missed(field: str, message: str | None = None) -> ApiError:
    """A required parameter is not there."""
    return ApiError("required_parameter_missed", message or f'Parameter "{field}" is required', field=field)


def not_found(field: str, value: Any) -> ApiError:
    """Nothing has this id."""
    return ApiError("entity_not_found", f'Entity with "{field}" {value} has not been found', field=field, value=value)


def wrong_value(field: str, value: Any, why: str = "") -> ApiError:
    """A value outside what is allowed."""
    message = f'Invalid value of parameter "{field}"' + (f": {why}" if why else "")
    return ApiError("invalid_parameter_value", message, field=field, value=value)
