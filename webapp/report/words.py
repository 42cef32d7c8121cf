"""What is typed into the search, taken apart: words, phones and e-mails, all of which must be there, in any order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_

from webapp.contacts import groups_of, normalise_email, normalise_phone, runs_of, within_number
from webapp.models import Communication, fold, like

from .tokens import SHORTEST_DIGITS, Sought, words_of

#: A comma parts words, but not the digits of a number.
_BETWEEN = re.compile(r"[\s;]+|(?<!\d),|,(?!\d)")

#: What a phone may be a row of: digits with the signs that people put between them.
_LIKE_DIGITS = re.compile(r"(?=.*\d)[\d+().\u2010-\u2015-]+")

#: A part of a phone number.
_LIKE_A_PHONE = re.compile(r"\+?(?=(?:[\s()-]*\d){4})[\d\s()-]+")

#: Digits of a whole phone, as typed, and the groups that people make of them.
SHORTEST_PHONE, LONGEST_PHONE, MOST_GROUPS = 10, 18, 8


#: What is dialled before a country's code.
ABROAD = ("00", "011", "810")


@dataclass(frozen=True)
class Part:
    """One part: ``text`` anywhere in the text of a communication, or what else it may mean.

    ``numbers`` are runs of digits within a phone; ``phone`` a whole one in E.164, ``email`` a whole address.
    """

    text: str
    numbers: tuple[str, ...] = ()
    phone: str | None = None
    email: str | None = None

    def contact(self) -> ColumnElement[bool] | None:
        """The condition of a whole phone or e-mail, which has an index of its own."""
        if self.phone:
            return Communication.contact_phone == self.phone
        return Communication.contact_email == self.email if self.email else None

    def condition(self) -> ColumnElement[bool]:
        """The condition on a communication."""
        found = [_in_text(self.text)]
        contact = self.contact()
        if contact is not None:
            found.append(contact)
        found += [Communication.contact_phone.like(like(digits)) for digits in self.numbers]
        if self.phone:
            code, *rest = groups = groups_of(self.phone)
            # One pattern leaves out nearly every text, and the others are tried on what it leaves.
            loose = Communication.search_text.like(f"%{'%'.join(groups)}%")
            forms = {sign.join(groups) for sign in ("", " ", "-")}
            forms |= {f"{code}{after}{sign.join(rest)}" for after in (" ", ") ", ")") for sign in ("", " ", "-")}
            found.append(and_(loose, or_(*(_in_text(form) for form in sorted(forms)))))
        return or_(*found)

    def sought(self) -> Sought:
        """What the inverted index is asked."""
        if self.phone:
            # The groups of a number are short, and many words begin with them: they are asked for as they are.
            code, *rest = groups = groups_of(self.phone)
            return Sought(
                instead=(f"p{self.phone[1:]}", *(f"w{run}" for run in runs_of(self.phone))),
                forms=(tuple(groups), (code, "".join(rest))) if rest else (tuple(groups),),
            )
        return Sought(tuple(words_of(self.text)), tuple(f"p{digits}" for digits in self.numbers))


def parts_of(query: str, region: str | None) -> list[Part]:
    """The parts of what was typed. Signs between words do not count; where there is nothing else, they do.

    ``region`` (ISO 3166, two letters) is where phones without a country code belong.
    """
    written = [word for word in _BETWEEN.split(query) if any(character.isalnum() for character in word)]
    if not written:
        return [Part(fold(query))] if query else []
    parts: list[Part] = []
    row: list[str] = []
    for word in [*written, ""]:
        if _LIKE_DIGITS.fullmatch(word):
            row.append(word)
            continue
        parts += _of_digits(row, region)
        row = []
        if word:
            parts.append(Part(fold(word), email=normalise_email(word)))
    return list(dict.fromkeys(parts))


def _of_digits(row: list[str], region: str | None) -> Iterable[Part]:
    """The parts of words that are nothing but digits and signs: whole phones, and what stands around them."""
    for start in range(len(row)):
        for end in range(min(len(row), start + MOST_GROUPS), start, -1):
            phone = _whole(row[start:end], region)
            if phone:
                yield from _numbers(row[:start], region)
                yield Part(" ".join(row[start:end]), phone=phone)
                yield from _of_digits(row[end:], region)
                return
    yield from _numbers(row, region)


def _whole(row: list[str], region: str | None) -> str | None:
    """The phone that these digits are, all of them."""
    written = " ".join(row)
    # "+49 (0) 30 …": the zero is dialled at home only.
    digits = _digits_of(written.replace("(0)", ""))
    if not SHORTEST_PHONE <= len(digits) <= LONGEST_PHONE:
        return None
    phone = normalise_phone(written, region)
    if phone is None:
        return None
    known = {*runs_of(phone), *(before + phone[1:] for before in ABROAD)}
    return phone if digits in known or phone[1:] in within_number(digits, region) else None


def _numbers(row: list[str], region: str | None) -> Iterable[Part]:
    """Numbers: each of them stands in the text or in the phone, or all together are a part of the phone."""
    together = _within(" ".join(row), region)
    for word in row:
        yield Part(fold(word), tuple(dict.fromkeys([*together, *_within(word, region)])))


def _within(written: str, region: str | None) -> list[str]:
    """The digits of what looks like a part of a phone number, in each way in which they may be meant."""
    digits = _digits_of(written) if _LIKE_A_PHONE.fullmatch(written) else ""
    return within_number(digits, region) if len(digits) >= SHORTEST_DIGITS else []


def _digits_of(written: str) -> str:
    return "".join(filter(str.isdecimal, written))


def _in_text(text: str) -> ColumnElement[bool]:
    return Communication.search_text.like(like(text), escape="\\")
