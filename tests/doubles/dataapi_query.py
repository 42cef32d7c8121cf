"""Filters, sorting, columns and pages of the Data API stand-in's reads (contract, section 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .dataapi_errors import ApiError, missed, wrong_value
from .dataapi_methods import COMMON, Asked
from .dataapi_shapes import DATETIME, NUMBER, Reader, Shape, is_number, one_of
from .dataapi_world import Row

LARGEST_PAGE, FURTHEST_OFFSET, USUAL_PAGE = 10_000, 100_000, 1000

PAGING: Mapping[str, Shape] = COMMON | {
    "limit": NUMBER,
    "offset": NUMBER,
    "filter": Shape("object"),
    "sort": Shape("list", inside={"field": Shape("string", required=True), "order": one_of("asc", "desc")}),
    "fields": Shape("strings"),
}
DATES: Mapping[str, Shape] = {"date_from": DATETIME.needed, "date_till": DATETIME.needed}

_FEW = frozenset({"=", "!=", "<", ">", "<=", ">=", "like", "regexp"})
_NOT_NUMBERS = frozenset({"ext_id", "ua_client_id", "ym_client_id", "ef_id", "cm_id"})
_NUMBERS = frozenset({"id", "visitor_phone_number", "costs", "visits_count", "sale_cost", "communication_number"})

Value = Callable[[Row, str], Any]


@dataclass(frozen=True)
class Columns:
    """What a read can show. ``usual`` come by themselves, ``more`` when they are named; ``filterable`` are of both."""

    usual: tuple[str, ...]
    more: tuple[str, ...]
    filterable: frozenset[str]

    @classmethod
    def of(cls, usual: str, more: str = "") -> Columns:
        """Names parted by blanks; a star behind one allows to filter by it."""
        both = f"{usual} {more}".split()
        stars = frozenset(name[:-1] for name in both if name.endswith("*"))
        return cls(tuple(usual.replace("*", "").split()), tuple(more.replace("*", "").split()), stars)

    def known(self, name: str, where: str) -> str:
        """The name of a column. Raises ApiError."""
        if name not in self.usual and name not in self.more:
            raise ApiError("unexpected_parameters", f'Unexpected column "{name}"', field=where, value=name)
        return name


def page(asked: Asked, columns: Columns, found: Iterable[Row], value: Value) -> dict[str, Any]:
    """The result: the rows that the filter leaves, sorted, one page of them, with their number. Raises ApiError."""
    params = asked.params
    limit, offset = params.get("limit", USUAL_PAGE), params.get("offset", 0)
    if not 1 <= limit <= LARGEST_PAGE:
        raise wrong_value("limit", limit, f"1 to {LARGEST_PAGE}")
    if not 0 <= offset <= FURTHEST_OFFSET:
        raise wrong_value("offset", offset, f"0 to {FURTHEST_OFFSET}")
    names = [columns.known(name, "fields") for name in params["fields"]] if "fields" in params else columns.usual
    matches = _matcher(params["filter"], columns, value, asked) if params.get("filter") else lambda _row: True
    rows = [row for row in found if matches(row)]
    for order in reversed(params.get("sort", ())):
        field = columns.known(order["field"], "sort.field")

        def key(row: Row, field: str = field) -> tuple[bool, Any]:
            what = value(row, field)
            return what is None, what

        try:
            rows.sort(key=key, reverse=order.get("order") == "desc")
        except TypeError as error:
            raise ApiError("sort_prohibited", field="sort.field", value=field) from error
    told = [{name: value(row, name) for name in names} for row in rows[offset : offset + limit]]
    return {"data": told, "metadata": {"total_items": len(rows)}}


def _matcher(tree: Mapping[str, Any], columns: Columns, value: Value, asked: Asked) -> Callable[[Row], bool]:
    """What a filter says of a row. Raises ApiError."""
    if "filters" in tree or "condition" in tree:
        shapes = {"filters": Shape("list", required=True), "condition": one_of("and", "or")}
        Reader({**asked.switches, "nulls": "refused"}).read(tree, shapes, "filter")
        inner = [_matcher(one, columns, value, asked) for one in tree["filters"]]
        every = tree.get("condition", "and") == "and"
        return lambda row: (all if every else any)(one(row) for one in inner)
    shapes = {
        "field": Shape("string", required=True),
        "operator": Shape("string", required=True),
        "value": Shape("any"),
    }
    Reader({**asked.switches, "nulls": "refused"}).read(tree, shapes, "filter")
    field, operator, wanted = columns.known(tree["field"], "filter.field"), tree["operator"], tree.get("value")
    if field not in columns.filterable:
        raise ApiError("filter_prohibited", field="filter.field", value=field)
    few = asked.switches["filter_operators"] == "few"
    if operator not in _TESTS or (few and operator not in _FEW):
        raise wrong_value("filter.operator", operator)
    _check_type(field, operator, wanted)
    test = _TESTS[operator]
    return lambda row: test(value(row, field), wanted)


def _check_type(field: str, operator: str, wanted: Any) -> None:
    """A number where the column has numbers, a text elsewhere, a list for the operators of lists."""
    if operator in ("is_null", "is_not_null"):
        if wanted is not None:
            raise wrong_value("filter.value", wanted, "null is expected")
        return
    listed = operator in ("in", "not_in", "overlap", "not_overlap")
    if listed != isinstance(wanted, list):
        raise ApiError("data_type_error", field="filter.value", value=wanted)
    if operator in ("regexp",):
        try:
            re.compile(wanted)
        except (re.error, TypeError) as error:
            raise wrong_value("filter.value", wanted) from error
    numeric = field in _NUMBERS or (field.endswith("_id") and field not in _NOT_NUMBERS)
    for one in wanted if listed else [wanted]:
        fits = one is None or isinstance(one, bool) or (is_number(one) or isinstance(one, float)) == numeric
        if not fits:
            raise ApiError("data_type_error", field="filter.value", value=wanted)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda has, wanted: has is not None and wanted is not None and test(has, wanted)


def _like(has: Any, wanted: Any, flags: int = 0) -> bool:
    pattern = ".*".join(re.escape(part) for part in str(wanted).split("%"))
    return has is not None and re.fullmatch(pattern, str(has), flags | re.DOTALL) is not None


def _overlap(has: Any, wanted: Any) -> bool:
    return bool(set(has or ()) & set(wanted))


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda has, wanted: has == wanted,
    "!=": lambda has, wanted: has != wanted,
    "<": _ordered(lambda has, wanted: has < wanted),
    ">": _ordered(lambda has, wanted: has > wanted),
    "<=": _ordered(lambda has, wanted: has <= wanted),
    ">=": _ordered(lambda has, wanted: has >= wanted),
    "like": _like,
    "not_like": lambda has, wanted: not _like(has, wanted),
    "ilike": lambda has, wanted: _like(has, wanted, re.IGNORECASE),
    "not_ilike": lambda has, wanted: not _like(has, wanted, re.IGNORECASE),
    "regexp": lambda has, wanted: has is not None and re.search(wanted, str(has)) is not None,
    "in": lambda has, wanted: has in wanted,
    "not_in": lambda has, wanted: has not in wanted,
    "overlap": _overlap,
    "not_overlap": lambda has, wanted: not _overlap(has, wanted),
    "is_null": lambda has, _wanted: has is None,
    "is_not_null": lambda has, _wanted: has is not None,
}


def between(asked: Asked, days: int) -> tuple[float, float]:
    """The window of a report in unix seconds, ends included. Raises ApiError."""
    params = asked.params
    for name in DATES:
        if name not in params:
            raise missed(name)
    begin, end = asked.local(params["date_from"]), asked.local(params["date_till"])
    if begin > end:
        raise ApiError("invalid_parameters_combination", "date_from is later than date_till", field="date_from")
    if end - begin > days * 86_400:
        raise ApiError("date_interval_limit_reached", field="date_till", value=params["date_till"])
    return begin, end
