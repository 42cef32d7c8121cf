"""The words under which the inverted index finds a communication.

Each word begins with the account and the month: the index of one account's month is a range of its own, and what other
accounts and other years hold is never touched. Behind them stands a letter for the kind of word: w a word of the text,
p the end of a phone number, others a value that the list filters by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

#: What is indexed of a text; a word beyond it is found by reading only.
MOST_WORDS, LONGEST_WORD = 600, 40

#: A number is found by any run of so many digits in it.
SHORTEST_DIGITS = 4

#: How many words of a question are asked of the index, and how long they are. The rest is compared with the text.
MOST_ASKED, SHORTEST_ASKED = 8, 3

#: The columns that are indexed, and the letter of each. Only what also stands in the filters is of use here.
VALUES = {
    "type": "t",
    "rule": "u",
    "channel": "h",
    "integration_id": "i",
    "site_id": "d",
    "campaign_id": "c",
    "source_id": "s",
    "employee_id": "e",
    "has_visit": "v",
    "is_repeat": "r",
}

_WORD = re.compile(r"[^\W_]+")
_NOT_IN_A_TOKEN = re.compile(r"[\W_]")


def prefix(account: int, month: date) -> str:
    """How the words of an account's month begin. Months are those of UTC."""
    return f"{account:x}_{month.year % 100:02d}{month.month:02d}_"


def words_of(text: str) -> list[str]:
    """The distinct words of a folded text, in their order: runs of letters and digits."""
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in _WORD.findall(text)))


def value_token(name: str, value: Any) -> str:
    """The word for a value of a column, without account and month. None is a value: it is looked for, too."""
    if isinstance(value, bool):
        value = int(value)
    return VALUES[name] + ("" if value is None else _NOT_IN_A_TOKEN.sub("x", str(value)))


def document(account: int, started_at: datetime, text: str, phone: str | None, values: Mapping[str, Any]) -> str:
    """All the words of one communication, with blanks between them."""
    kept = [f"w{word}" for word in words_of(text)[:MOST_WORDS]]
    digits = "".join(filter(str.isdecimal, phone or ""))
    kept += [f"p{digits[start:]}" for start in range(len(digits) - SHORTEST_DIGITS + 1)]
    kept += [value_token(name, value) for name, value in values.items()]
    beginning = prefix(account, started_at)
    return " ".join(beginning + word for word in kept)


#: What must hold: each is a choice, of which one must; that is words that must all be there, with True where only the
#: beginning of one is given.
Wanted = list[list[list[tuple[str, bool]]]]


@dataclass(frozen=True)
class Sought:
    """One part of what is looked for: words that must each begin a word of the communication.

    In place of any of them one of these does: a beginning of ``instead`` (a number as a phone, not as a text), or the
    words of one of ``forms``, whole (a number in the ways to group it).
    """

    words: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    forms: tuple[tuple[str, ...], ...] = ()


class Asked:
    """What is asked of the index: values that a communication must have, and parts, all of which it must have.

    Of many words the longest are asked, and short ones only where there are no others: half of all texts have a word
    that begins with one given letter.
    """

    def __init__(self, values: Iterable[str] = (), parts: Iterable[Sought] = ()) -> None:
        self.values, self.parts = list(values), [part for part in parts if part != Sought()]

    def __bool__(self) -> bool:
        return bool(self.values or self.parts)

    def query(self, dialect: str, account: int, months: Iterable[date]) -> str:
        """The question in the database's own language."""
        write = _fts5 if dialect == "sqlite" else _tsquery
        return write([self._of_month(prefix(account, month)) for month in months])

    def _words(self) -> list[tuple[str, Sought]]:
        words = [(word, part) for part in self.parts for word in part.words]
        telling = [one for one in words if len(one[0]) >= SHORTEST_ASKED]
        wordless = any(not part.words for part in self.parts)
        chosen = telling if telling or wordless else words
        return sorted(chosen, key=lambda one: -len(one[0]))[:MOST_ASKED]

    def _of_month(self, beginning: str) -> Wanted:
        def in_place(part: Sought) -> list[list[tuple[str, bool]]]:
            ways = [[(beginning + one, True)] for one in part.instead]
            return ways + [[(f"{beginning}w{word}", False) for word in form] for form in part.forms]

        wanted = [[[(beginning + value, False)]] for value in self.values]
        wanted += [in_place(part) for part in self.parts if not part.words]
        return wanted + [[*in_place(part), [(f"{beginning}w{word}", True)]] for word, part in self._words()]


def _fts5(months: list[Wanted]) -> str:
    return _written(months, " AND ", " OR ", lambda text, begins: f'"{text}"' + (" *" if begins else ""))


def _tsquery(months: list[Wanted]) -> str:
    return _written(months, " & ", " | ", lambda text, begins: f"'{text}'" + (":*" if begins else ""))


def _written(months: list[Wanted], both: str, either: str, word: Callable[[str, bool], str]) -> str:
    def way(words: list[tuple[str, bool]]) -> str:
        written = both.join(word(*one) for one in words)
        return f"({written})" if len(words) > 1 else written

    parts = [both.join(f"({either.join(map(way, choice))})" for choice in wanted) for wanted in months]
    return either.join(f"({part})" for part in parts)
