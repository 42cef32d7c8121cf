"""Phones and e-mails: brought to one form, and recognised in what people write.

A phone in a card is taken if any reading of it is a valid number. In free text the rules are stricter, because a wrong
contact is worse than none: prices, dates, orders, tax numbers and times look like phones too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

#: Longest e-mail address (RFC 5321) and its local part, in characters.
LONGEST_EMAIL, LONGEST_LOCAL_PART = 254, 64

#: How much of a text is searched, and how many places in it are looked at closely: hostile texts must stay cheap.
LONGEST_TEXT, MOST_PLACES = 100_000, 200

#: A number as it stands in a card: digits with what people put between them.
_CARD_PHONE = re.compile(r"[\s+(]*[0-9][0-9\s().\u2010-\u2015-]*")
_LONGEST_CARD_PHONE = 64

#: "+8 (916)…": the plus belongs to +7 and the eight is the Russian long-distance prefix, not Vietnam's country code.
_PLUS_AND_EIGHT = re.compile(r"\s*\+\s*8[\s(.\u2010-\u2015-]")

_DIGITS = re.compile(r"[0-9]+")
_GAP = re.compile(r"[ \t\u00a0\u202f.()\u2010-\u2014-]{0,3}")
_LONGEST_OPENING = 3
_MOST_GROUPS = 8

#: Digits of the longest number there is (E.164).
LONGEST_NUMBER = 15

#: The words after which digits are something else.
_NOT_A_PHONE_BEFORE = re.compile(
    r"(?<!\w)(?:инн|кпп|огрн(?:ип)?|снилс|бик|окпо|р/с|к/с|артикул\w*|арт|заказ\w*|сч[её]т\w*|догов\w*|накладн\w*|трек\w*|"
    r"код\w*|карт\w*|паспорт\w*|полис\w*|заявк\w*|чек\w*|цен\w*|сумм\w*|id|order|invoice|sku|imei|vin|inn|price|isbn|"
    r"tracking)[\s:.,=-]*(?:номер\w*|number|no|n)?[\s:.=-]*$|[№#]\s*$",
    re.IGNORECASE,
)
_PHONE_WORD_BEFORE = re.compile(r"(?<!\w)(?:тел|телефон\w*|т|моб|номер|tel|phone)$", re.IGNORECASE)
_WINDOW_BEFORE, _WINDOW_AFTER = 32, 16

#: What makes the digits before it a price, a quantity, a fraction, a time or a part of some name.
_NOT_A_PHONE_AFTER = re.compile(
    r"[A-Za-z0-9_@=/%]|[.,][0-9]{1,2}(?![0-9])|[:\u2010-\u2015-][0-9]|"
    r"[ \t\u00a0\u202f]{0,2}(?:₽|\$|€|£|%|р(?:уб\w*|\.|\b)|тыс|млн|шт|кг|мм\b|см\b|usd|eur|rub)",
    re.IGNORECASE,
)

#: Numbers that a company prints, not numbers of a person.
_NOBODYS = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
    }
)

#: What may stand between the digits of a number that is known; a plus is a blank in an address.
_BETWEEN = r"[\s().+\u2010-\u2015-]{0,3}"

#: The digits that countries put before a number at home, and before the code of a country.
_TRUNKS, _ABROAD = ("0", "1", "8", "80"), ("00", "011", "810")

#: Fewer digits than these may be anything where neither a prefix nor a bracket stands before them.
_TELLING_DIGITS = 9

_LOCAL_PART = re.compile(r"[\w.+%'-]+$")
_DOMAIN = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}"
    r"(?:xn--[a-z0-9-]{2,59}|[a-z]{2,24}(?![a-z0-9_@]|-[a-z0-9])|"
    r"(?:рф|рус|москва|дети|онлайн|сайт|орг|ком|бел|укр)(?![\w@]))",
    re.IGNORECASE,
)


def normalise_phone(raw: str | None, region: str | None) -> str | None:
    """The number of a contact card in E.164, None when it is not a valid phone number.

    ``region`` (ISO 3166, two letters) is where numbers without a country code belong. In Russia ten digits get +7 and
    a leading 8 of eleven becomes +7. Words and an extension around the number do no harm.
    """
    if not raw:
        return None
    text = unicodedata.normalize("NFKC", raw[:LONGEST_TEXT])
    head = _CARD_PHONE.match(text)
    if head and head.end() <= _LONGEST_CARD_PHONE:
        number = _number(head[0], _known(region), from_card=True)
        if number:
            return _e164(number)
    return find_phone(text, region)


def within_number(digits: str, region: str | None) -> list[str]:
    """How digits of a phone, as people write them, may stand within a number in E.164: "8916" also as 7916."""
    if digits.startswith("00"):
        return [digits, digits[2:]]
    metadata = _metadata(region)
    prefix = re.match(metadata.national_prefix_for_parsing or "", digits) if metadata else None
    # What the pattern captures is a number already.
    if prefix and prefix[0] and not any(prefix.groups()):
        return [digits, f"{metadata.country_code}{digits[prefix.end() :]}"]
    return [digits]


def groups_of(phone: str) -> list[str]:
    """The digits of a number in E.164 as people group them in its country, without what stands before it there."""
    number = phonenumbers.parse(phone)
    written = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    return _DIGITS.findall(written.removeprefix(f"+{number.country_code}"))


def runs_of(phone: str) -> list[str]:
    """A number in E.164 as people write it without gaps: with its country, as dialled within it, and bare."""
    number = phonenumbers.parse(phone)
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    return sorted({phone[1:], "".join(_DIGITS.findall(national)), "".join(groups_of(phone))})


def find_phone(text: str | None, region: str | None) -> str | None:
    """The first phone number in free text, in E.164. None when there is none that is surely a person's number.

    Looks at the first 100,000 characters; takes time in proportion to them.
    """
    if not text:
        return None
    region = _known(region)
    for head in islice(_places(text[:LONGEST_TEXT], region), MOST_PLACES):
        number = _number(head, region)
        if number and phonenumbers.number_type(number) not in _NOBODYS:
            return _e164(number)
    return None


def normalise_email(raw: str | None) -> str | None:
    """The e-mail of a contact card in lower case, None when there is no address in it."""
    return find_email(raw[: LONGEST_EMAIL * 2]) if raw else None


def find_email(text: str | None) -> str | None:
    """The first e-mail address in free text, in lower case. Takes time in proportion to the text's length."""
    if not text:
        return None
    text = text[:LONGEST_TEXT]
    for at in islice(re.finditer("@", text), MOST_PLACES):
        before = _LOCAL_PART.search(text[max(0, at.start() - LONGEST_LOCAL_PART - 1) : at.start()])
        domain = _DOMAIN.match(text, at.end(), at.end() + LONGEST_EMAIL)
        if not before or not domain:
            continue
        local = before[0].lstrip(".'%")
        address = f"{local}@{domain[0]}".lower()
        if (
            local
            and len(local) <= LONGEST_LOCAL_PART
            and ".." not in local
            and local[-1] != "."
            and (len(address) <= LONGEST_EMAIL)
        ):
            return address
    return None


def phone_pattern(phone: str) -> re.Pattern[str]:
    """Finds one number, given in E.164, however people write it: with the country's code, with what is dialled at home
    before it (8, 0, Belarus: 80), with neither, and with anything usual between the digits."""
    number = phonenumbers.parse(phone)
    metadata = PhoneMetadata.metadata_for_region(phonenumbers.region_code_for_number(number) or "")
    dialled = (metadata and metadata.national_prefix_for_parsing) or ""
    trunks = {trunk for trunk in _TRUNKS if re.fullmatch(dialled, trunk)} | {metadata and metadata.national_prefix}
    trunk = _spaced(*filter(None, trunks)) or "(?!)"
    country = f"(?:{_spaced(*_ABROAD)}{_BETWEEN})?{number.country_code}"
    prefix = rf"(?:[(+]{{0,2}}(?:{country}{_BETWEEN}(?:{trunk}{_BETWEEN})?|{trunk}{_BETWEEN}))"
    digits = phonenumbers.national_significant_number(number)
    bare = "?" if len(digits) >= _TELLING_DIGITS else r"|(?=\()"
    return re.compile(rf"(?<!\d)(?:{prefix}{bare})\(?{_spaced(digits)}(?!\d)")


def _spaced(*numbers: str) -> str:
    """Any of these numbers, the longest first, with the usual between the digits."""
    written = (_BETWEEN.join(number) for number in sorted(numbers, key=len, reverse=True))
    return f"(?:{'|'.join(written)})" if numbers else ""


def _known(region: str | None) -> str | None:
    """The region in capitals, None when there is no such one."""
    region = (region or "").upper()
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


def _metadata(region: str | None) -> PhoneMetadata | None:
    known = _known(region)
    return PhoneMetadata.metadata_for_region(known) if known else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _number(head: str, region: str | None, *, from_card: bool = False) -> phonenumbers.PhoneNumber | None:
    """The first reading of these digits that is a valid number."""
    for reading in _readings(head, region, from_card):
        try:
            number = phonenumbers.parse(reading, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return number
    return None


def _readings(head: str, region: str | None, from_card: bool) -> Iterator[str]:
    """How these digits may be meant, the likeliest first. Only in a card may a foreign number lack its plus."""
    digits = "".join(_DIGITS.findall(head))
    plus = "+" in head
    if _is_seven(region):
        if len(digits) == 11 and digits[0] == "8":
            if plus and not _PLUS_AND_EIGHT.match(head):
                yield "+" + digits
            yield "+7" + digits[1:]
            return
        if len(digits) == 12 and digits.startswith("789"):
            yield "+7" + digits[2:]
            return
        if not plus and len(digits) == 10:
            yield "+7" + digits
            return
    yield "+" + digits if plus else digits
    if from_card and not plus and len(digits) >= 11:
        yield "+" + digits.removeprefix("00")


def _is_seven(region: str | None) -> bool:
    """True for the countries that share +7 and the prefix 8: Russia and Kazakhstan."""
    return region is not None and phonenumbers.country_code_for_region(region) == 7


def _places(text: str, region: str | None) -> Iterator[str]:
    """The runs of digits that are laid out and surrounded like a phone number, as they stand in the text."""
    groups = [found.span() for found in _DIGITS.finditer(text)]
    #: Whether nothing but a phone's separators stands between a group and the one before it.
    joined = [index > 0 and _is_gap(text, groups[index - 1][1], start) for index, (start, _) in enumerate(groups)]
    for first, (start, _) in enumerate(groups):
        opening, plus = _opening(text, start)
        for sizes, end in reversed(_extents(groups, joined, first)):
            if not 7 <= sum(sizes) <= LONGEST_NUMBER:
                continue
            digits = "".join(_DIGITS.findall(text, opening, end))
            if not _laid_out(digits, sizes, plus, "(" in text[opening:start], region):
                continue
            if joined[first] and not _stands_alone(text, groups[first - 1][1], opening, sizes):
                continue
            if _surrounded(text, opening, end, plus):
                yield text[opening:end]


def _opening(text: str, start: int) -> tuple[int, bool]:
    """Where the number with its first digit at ``start`` begins, bracket and plus included; whether it has a plus."""
    opening = start
    while opening > 0 and start - opening < _LONGEST_OPENING and text[opening - 1] in "(+":
        opening -= 1
    return opening, "+" in text[opening:start]


def _is_gap(text: str, end: int, start: int) -> bool:
    return _GAP.fullmatch(text, end, start) is not None


def _extents(groups: list[tuple[int, int]], joined: list[bool], first: int) -> list[tuple[tuple[int, ...], int]]:
    """How far a number that begins with this group may reach: sizes of its groups and the end, the shortest first."""
    extents = []
    sizes: tuple[int, ...] = ()
    total = 0
    for index in range(first, min(first + _MOST_GROUPS, len(groups))):
        start, end = groups[index]
        total += end - start
        if (index > first and not joined[index]) or total > LONGEST_NUMBER:
            break
        sizes += (end - start,)
        extents.append((sizes, end))
    return extents


def _laid_out(digits: str, sizes: tuple[int, ...], plus: bool, bracket: bool, region: str | None) -> bool:
    """True when people write phones in groups like these, and hardly ever anything else."""
    if plus:
        return len(digits) == 11 if digits[0] == "7" else len(digits) >= 8
    if _is_seven(region):
        if len(digits) == 11:
            glued = sizes[0] >= 4
            return digits[0] in "78" and (glued or (sizes[0] == 1 and sizes[1] >= 3))
        mobile = digits[0] == "9" and sizes[0] in (3, 10)
        return len(digits) == 10 and (mobile or (bracket and 3 <= sizes[0] <= 5) or sizes == (3, 3, 2, 2))
    if sizes[:3] in ((4, 2, 2), (2, 2, 4)):
        return False
    metadata = _metadata(region)
    prefix = metadata.national_prefix if metadata else None
    if prefix in (None, "1"):
        return bracket or len(sizes) >= 3
    return digits.startswith(prefix)


def _stands_alone(text: str, end: int, opening: int, sizes: tuple[int, ...]) -> bool:
    """True when digits stand right before, with a space between, and the number is whole without them."""
    spaced = any(sign.isspace() for sign in text[end:opening])
    return spaced and (len(sizes) == 1 or sizes[:2] == (1, 3) or text[opening] == "(")


def _surrounded(text: str, opening: int, end: int, plus: bool) -> bool:
    """True when neither what stands before nor what stands after makes the digits something else."""
    before = text[max(0, opening - _WINDOW_BEFORE) : opening].rpartition("\n")[2]
    if _NOT_A_PHONE_AFTER.match(text, end, end + _WINDOW_AFTER) or _NOT_A_PHONE_BEFORE.search(before):
        return False
    last = before[-1:]
    if plus:
        return not last.isdigit()
    if last.isalnum():
        return bool(_PHONE_WORD_BEFORE.search(before))
    if last in (".", ",", ":") and before[-2:-1].isdigit():
        return False
    if last == "-" and before[-2:-1].isalnum():
        return bool(_PHONE_WORD_BEFORE.search(before[:-1]))
    return last not in tuple("/=_%&?@$€₽£¥")
