"""What each part of a configuration file may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import phonenumbers
from flask import current_app
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from webapp.alerts.checks import BY_NAME
from webapp.alerts.ways import LONGEST_HOOK, MOST_ADDRESSES, check_hook, clean_email
from webapp.cabinets.dataapi.hosts import HOSTS, address_of, clean_address
from webapp.cabinets.embedded.rules import storable
from webapp.intake import normalise_channel
from webapp.models import clean_domain


def _mistake(text: str) -> PydanticCustomError:
    return PydanticCustomError("mistake", "{text}", {"text": text})


def _text(longest: int) -> Any:
    def check(value: str) -> str:
        if not value.strip():
            raise _mistake("must not be empty")
        if len(value) > longest:
            raise _mistake(f"must be at most {longest} characters long")
        if not storable(value):
            raise _mistake("must be plain text without control characters")
        return value

    return Annotated[str, AfterValidator(check)]


def _shaped(pattern: str, words: str) -> Any:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise _mistake(words)
        return value

    return Annotated[str, AfterValidator(check)]


def _domain(value: str) -> str:
    try:
        return clean_domain(value)
    except ValueError:
        raise _mistake("must be a domain, such as shop.example") from None


def _email(value: str) -> str:
    if len(value) > 254 or not re.fullmatch(r"[^@\s]+@[^@\s]+", value) or not storable(value):
        raise _mistake("must be an e-mail address")
    return value


def _channel(value: str) -> str:
    if len(value) > 50:
        raise _mistake("must be at most 50 characters long")
    channel = normalise_channel(value)
    if channel is None:
        raise _mistake("must be a channel's name, such as telegram")
    return channel


def _token(value: str) -> str:
    if not value.strip() or len(value) > 500 or not storable(value):
        raise _mistake("must be the key, as the cabinet showed it")
    return value.strip()


def _timezone(value: str) -> str:
    if value not in available_timezones():
        raise _mistake("must be a time zone, such as Europe/Moscow")
    return value


def _region(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise _mistake("must be a country's two letters, such as RU")
    return value


def _days(most: int) -> Any:
    """A number of days, as the settings page takes it."""

    def check(value: int | None) -> int | None:
        if value is not None and not 1 <= value <= most:
            raise _mistake(f"must be a number of days from 1 to {most}, or null")
        return value

    return Annotated[int | None, AfterValidator(check)]


def _priority(value: int) -> int:
    if not 0 <= value <= 100_000:
        raise _mistake("must be a number from 0 to 100000")
    return value


def _moment(value: Any) -> Any:
    """A moment as ISO 8601 or as Unix seconds; without a zone it is UTC."""
    if value is None or isinstance(value, datetime):
        return value
    text = str(value).strip()
    try:
        if text.isascii() and text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC)
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        raise _mistake("must be a moment, such as 2026-11-21T14:02:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(value: int | None) -> int | None:
    if value is not None and not 0 < value < 2**63:
        raise _mistake("must be a positive whole number")
    return value


def _meaning(value: Any) -> Any:
    """A vendor's option as YAML understands it."""
    return getattr(value, "meaning", value)


def _options(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        str(key): [_meaning(one) for one in item] if isinstance(item, list) else _meaning(item)
        for key, item in value.items()
    }


Slug = _shaped(r"[a-z0-9-]{1,64}", "must be 1–64 characters of a-z 0-9 -")
Key = _shaped(r"[A-Za-z0-9._-]{1,100}", "must be 1–100 characters of A-Z a-z 0-9 . _ -")
Secret = _shaped(r"[A-Za-z0-9._~-]{8,200}", "must be 8–200 characters of A-Z a-z 0-9 . _ ~ -")
Channel = Annotated[str, AfterValidator(_channel)]


class Part(BaseModel):
    """A part of the file. What is not given keeps its present value, so defaults here mean nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def given(self, *names: str) -> dict[str, Any]:
        """Those of these fields that the file names, with their values."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


def _address(value: str) -> str:
    try:
        return clean_address(value, current_app.config["SETTINGS"].EXTRA_VENDOR_HOSTS)
    except ValueError:
        known = ", ".join(address_of(host) for host in HOSTS)
        raise _mistake(f"must be {known}, or an address listed in EXTRA_VENDOR_HOSTS") from None


class CabinetEntry(Part):
    """Where communications go. ``url`` and ``access_token`` belong to the outside kind."""

    kind: Literal["embedded", "dataapi"]
    url: Annotated[str, AfterValidator(_address)] | None = None
    access_token: Annotated[str, AfterValidator(_token)] | None = None


class VisitsEntry(Part):
    """The manners of the account's visit counter."""

    need_consent: bool = False
    respect_do_not_track: bool = True
    keep_full_ip: bool = False
    retention_days: _days(3650) = None


def _check_name(value: str) -> str:
    if value not in BY_NAME:
        raise _mistake(f"must be one of {', '.join(BY_NAME)}")
    return str(value)


def _percent(value: int) -> int:
    if not 1 <= value <= 100:
        raise _mistake("must be a number from 1 to 100")
    return value


def _told_email(value: str) -> str:
    try:
        return clean_email(value)
    except ValueError:
        raise _mistake("must be an e-mail address") from None


def _few(value: list[str]) -> list[str]:
    if len(value) > MOST_ADDRESSES:
        raise _mistake(f"must be at most {MOST_ADDRESSES} addresses")
    return value


def _hook(value: str) -> str:
    try:
        check_hook(value, current_app.config["SETTINGS"].EXTRA_VENDOR_HOSTS)
    except ValueError as error:
        words = "must be without a name and a password" if str(error) == "password" else "must be an https address"
        raise _mistake(words) from None
    return value


class AlertsEntry(Part):
    """Which alerts an account wants (``off`` names those it does not) and where they are told."""

    off: list[Annotated[str, AfterValidator(_check_name)]] = []
    unattributed_limit: Annotated[int, AfterValidator(_percent)] = 0
    emails: Annotated[list[Annotated[str, AfterValidator(_told_email)]], AfterValidator(_few)] = []
    language: Literal["ru", "en"] = "ru"
    webhook_url: Annotated[_text(LONGEST_HOOK), AfterValidator(_hook)] | None = None
    webhook_secret: Secret = ""


class AccountEntry(Part):
    """An account's own settings. Its lists are read apart."""

    slug: Slug
    name: _text(200) = ""
    timezone: Annotated[str, AfterValidator(_timezone)] = ""
    region: Annotated[str, AfterValidator(_region)] = ""
    contact_window_days: _days(180) = None
    event_retention_days: _days(3650) = None
    communication_retention_days: _days(3650) = None
    visits: VisitsEntry | None = None
    alerts: AlertsEntry | None = None
    cabinet: CabinetEntry | None = None


class SiteEntry(Part):
    """A site."""

    key: Key
    domain: Annotated[str, AfterValidator(_domain)] = ""
    name: _text(255) = ""


class SourceEntry(Part):
    """An advertising source. ``rules`` are checked apart."""

    key: Key
    name: _text(255) = ""
    priority: Annotated[int, AfterValidator(_priority)] = 0
    rules: Any = None


class CampaignEntry(SourceEntry):
    """An advertising campaign."""

    site: Key | None = None


class EmployeeEntry(Part):
    """A person of the company."""

    key: Key
    full_name: _text(255) = ""
    email: Annotated[str, AfterValidator(_email)] | None = None


class TargetEntry(Part):
    """Where chats without a session go: a campaign, or a source and a site. Always set as a whole."""

    kind: Literal["campaign", "source"]
    campaign: Key | None = None
    source: Key | None = None
    site: Key | None = None


class ChannelEntry(TargetEntry):
    """The same for the chats of one channel."""

    channel: Channel


class AuthorizationEntry(Part):
    """A connection to an account on a vendor's side. ``domain`` and addresses are checked where they are applied."""

    key: Key
    vendor: _text(32) = ""
    name: _text(200) = ""
    domain: _text(300) = ""
    url: _text(500) = ""
    token_url: _text(500) = ""
    client_id: _text(200) = ""
    client_secret: _text(500) = ""
    access_token: _text(10_000) = ""
    refresh_token: _text(10_000) = ""
    expires_at: Annotated[datetime | None, BeforeValidator(_moment)] = None
    long_lived_token: _text(10_000) = ""


class IntegrationEntry(Part):
    """A connection of a vendor. Its default and its channels are read apart."""

    key: Key
    vendor: _text(32) = ""
    name: _text(200) = ""
    active: bool = False
    webhook_secret: Secret = ""
    employee: Key | None = None
    authorization: Key | None = None
    session_field: Annotated[int | None, AfterValidator(_number)] = None
    fill_without_campaign: bool = False
    tag: Key | None = None
    upload_sessions: bool = False
    widgets: dict[_text(100), Channel | None] | None = None
    options: Annotated[dict[str, Any] | None, BeforeValidator(_options)] = None
