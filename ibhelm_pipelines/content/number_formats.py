"""Numbers and dates of spreadsheets as people in a German office see them: 1.234,50 €, 03.10.2009, 2,5 %.

A cell holds 40089.85 and a format code such as `dd/mm/yyyy hh:mm`; Excel shows the two together in the manner of the
country. This does the same for the codes that occur: sections by sign, thousands, percent, exponents, fractions,
dates, times and durations, literals. A code that makes no sense shows the plain number: nothing is lost.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: '#,##0 "€"', 6: '#,##0 "€"', 7: '#,##0.00 "€"', 8: '#,##0.00 "€"',
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "dd.mm.yyyy", 15: "dd. mmm yy", 16: "dd. mmm", 17: "mmm yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
    20: "hh:mm", 21: "hh:mm:ss", 22: "dd.mm.yyyy hh:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00",
    41: "#,##0", 42: '#,##0 "€"', 43: "#,##0.00", 44: '#,##0.00 "€"',
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
"""The formats that files name by number alone, as a German Excel shows them."""

_MONTHS = {
    "de": [
        "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
        "Dezember",
    ],
    "en": [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ],
}  # fmt: skip
_DAYS = {
    "de": ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
}
_AMERICAN_DATE = re.compile(r"^m{1,2}[/-]d{1,2}[/-]y{2,4}", re.IGNORECASE)
"""Without a country it is a program's idea of a plain date, not a person's."""

_SYSTEM_DATE, _SYSTEM_TIME = "f800", "f400"
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>General|Standard)|(?P<half>AM/PM|A/P)|(?P<exponent>[eE][+-])|(?P<date>y+|m+|d+|h+|s+)"
    r"|(?P<digits>[0#?.,]+)|(?P<percent>%)|(?P<slash>/)|(?P<text>@)|(?P<literal>.)",
    re.IGNORECASE | re.DOTALL,
)
Token = tuple[str, str]

MAX_DAYS = 2_958_465
"""31 December 9999."""

GENERAL_DIGITS = 15
MAX_SECONDS_DIGITS = 3


def show(value: float, code: str, *, from_1904: bool = False) -> str:
    """Return a number as its cell shows it.

    Args:
        value: what the cell holds.
        code: its format code, as files write it (with English letters and signs).
        from_1904: whether the workbook counts its days from 1904 on.
    """
    section, negated = _section(value, code)
    tokens = _tokens(section)
    names = _names(tokens)
    try:
        if "date" in names or "elapsed" in names:
            return _show_date(value, tokens, from_1904=from_1904)
        if "digits" in names:
            return _show_number(abs(value) if negated else value, tokens)
    except (ValueError, OverflowError, InvalidOperation):  # a date beyond the calendar, a number beyond all places
        return general(value)
    return _show_literals(value, tokens)


def general(value: float) -> str:
    """Return a number in full, without a format."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 10**GENERAL_DIGITS:
        return str(int(value))
    return f"{value:.{GENERAL_DIGITS}g}".replace(".", ",")


@lru_cache(maxsize=1000)
def _sections(code: str) -> tuple[str, ...]:
    parts, current = [], ""
    for match in _TOKEN.finditer(_AMERICAN_DATE.sub("dd.mm.yyyy", code)):
        if match["literal"] == ";":
            parts.append(current)
            current = ""
        else:
            current += match[0]
    return (*parts, current)


def _section(value: float, code: str) -> tuple[str, bool]:
    """The section for a number of this sign, and whether that section says the sign itself."""
    sections = _sections(code)
    if value < 0 and len(sections) > 1:
        return sections[1], True
    if value == 0 and len(sections) > 2:
        return sections[2], False
    return sections[0], False


@lru_cache(maxsize=1000)
def _tokens(section: str) -> tuple[Token, ...]:
    found: list[Token] = []
    for match in _TOKEN.finditer(section):
        name, value = str(match.lastgroup), match[str(match.lastgroup)]
        if name == "bracket":
            name, value = _bracket(value)
        if name == "space":
            value = " "
        if name != "fill":
            found.append((name, value.lower() if name == "date" else value))
    return tuple(_minutes(found))


@lru_cache(maxsize=1000)
def _names(tokens: tuple[Token, ...]) -> frozenset[str]:
    return frozenset(name for name, _ in tokens)


def _bracket(value: str) -> Token:
    if re.fullmatch(r"h+|m+|s+", value, re.IGNORECASE):
        return "elapsed", value.lower()
    if value.startswith("$"):
        symbol, _, locale = value[1:].partition("-")
        return ("locale", locale.lower()) if not symbol else ("literal", symbol)
    return "literal", ""  # a colour or a condition


def _minutes(tokens: list[Token]) -> list[Token]:
    """An m next to hours or seconds means minutes, not months."""
    parts = [index for index, (name, _) in enumerate(tokens) if name in ("date", "elapsed")]
    for place, index in enumerate(parts):
        name, value = tokens[index]
        if name != "date" or value[0] != "m":
            continue
        before = tokens[parts[place - 1]][1] if place else ""
        after = tokens[parts[place + 1]][1] if place + 1 < len(parts) else ""
        if before.startswith("h") or after.startswith("s"):
            tokens[index] = ("date", value.replace("m", "n"))
    return tokens


def _show_literals(value: float, tokens: tuple[Token, ...]) -> str:
    if not tokens:
        return ""  # an empty section hides the number
    shown = "".join(general(value) if name in ("general", "text") else _literal(name, text) for name, text in tokens)
    return shown.strip()


def _literal(name: str, text: str) -> str:
    return "" if name in ("locale", "percent", "exponent", "half") else text


def _show_number(value: float, tokens: tuple[Token, ...]) -> str:
    numeric = [index for index, (name, _) in enumerate(tokens) if name in ("digits", "slash", "exponent")]
    first, last = numeric[0], numeric[-1]
    percents = sum(1 for name, _ in tokens if name == "percent")
    body = _digits(value * 100**percents, tokens[first : last + 1])
    before = "".join(_literal(name, text) for name, text in tokens[:first])
    after = "".join("%" if name == "percent" else _literal(name, text) for name, text in tokens[last + 1 :])
    sign, body = ("-", body[1:]) if body.startswith("-") else ("", body)
    return f"{sign}{before}{body}{after}".strip()


def _digits(value: float, tokens: tuple[Token, ...]) -> str:
    template = "".join(text for name, text in tokens if name == "digits")
    kinds = {name for name, _ in tokens}
    if "slash" in kinds:
        return _fraction(value, len(tokens[-1][1]))
    if "exponent" in kinds:
        mantissa = next(text for name, text in tokens if name == "digits")
        return f"{value:.{_places(mantissa)}E}".replace(".", ",")
    scale = len(template) - len(template.rstrip(","))
    return _grouped(value / 1000**scale, template.rstrip(","))


def _grouped(value: float, template: str) -> str:
    whole, _, decimals = template.partition(".")
    rounded = _rounded(value, len(decimals))
    shown = f"{rounded:{',' if ',' in whole else ''}f}"
    head, _, tail = shown.partition(".")
    optional = len(decimals) - len(decimals.rstrip("#?"))
    while optional and tail.endswith("0"):
        tail, optional = tail[:-1], optional - 1
    width = whole.replace(",", "").count("0")
    sign, head = ("-", head[1:]) if head.startswith("-") else ("", head)
    head = head.replace(",", ".").rjust(width, "0") if width or head != "0" or not tail else ""
    if not (head + tail).strip("0.,"):
        sign = ""  # no minus before what is shown as nothing
    return sign + head + ("," + tail if tail else "")


def _rounded(value: float, places: int) -> Decimal:
    """A half goes up, and what counts are the fifteen digits that Excel keeps."""
    return Decimal(f"{value:.{GENERAL_DIGITS}g}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _places(template: str) -> int:
    return len(template.partition(".")[2])


def _fraction(value: float, digits: int) -> str:
    part = Fraction(abs(value)).limit_denominator(10 ** min(digits, 4) - 1)
    whole, rest = divmod(part, 1)
    sign = "-" if value < 0 else ""
    shown = f"{rest.numerator}/{rest.denominator}" if rest else ""
    return sign + " ".join(filter(None, [str(whole) if whole or not rest else "", shown]))


def _show_date(value: float, tokens: tuple[Token, ...], *, from_1904: bool) -> str:
    digits = sum(len(text) - 1 for name, text in tokens if name == "digits" and text.startswith("."))
    moment = _moment(value, from_1904=from_1904, digits=min(digits, MAX_SECONDS_DIGITS))
    locale = next((text for name, text in tokens if name == "locale"), "")
    if locale == _SYSTEM_DATE:
        tokens = _tokens("dddd, d. mmmm yyyy")
    if locale == _SYSTEM_TIME:
        return moment.strftime("%H:%M:%S")
    language = "en" if locale.endswith("09") else "de"
    half = any(name == "half" for name, _ in tokens)
    return "".join(_date_token(token, value, moment, language, half=half) for token in tokens).strip()


def _moment(value: float, *, from_1904: bool, digits: int) -> dt.datetime:
    if not 0 <= value <= MAX_DAYS:
        raise ValueError
    begin = dt.datetime(1904, 1, 1) if from_1904 else dt.datetime(1899, 12, 30 if value >= 60 else 31)  # noqa: DTZ001 - sheets know no zones
    step = 10**digits
    return begin + dt.timedelta(seconds=round(value * 86_400 * step) / step)


def _date_token(token: Token, value: float, moment: dt.datetime, language: str, *, half: bool) -> str:
    name, text = token
    if name == "date":
        return _part(text, moment, language, half=half)
    if name == "elapsed":
        unit = {"h": 24, "m": 1440, "s": 86_400}[text[0]]
        return f"{int(value * unit + 1e-6):0{len(text)}d}"
    if name == "half":
        return "AM" if moment.hour < 12 else "PM"
    if name == "slash":
        return "."  # stands for the sign between the parts of a date, which is this one here
    if name == "digits":
        places = len(text) - 1
        return f",{moment.microsecond:06d}"[: places + 1] if text.startswith(".") and places else text
    return "" if name == "text" else _literal(name, text)


def _part(text: str, moment: dt.datetime, language: str, *, half: bool) -> str:
    letter, length = text[0], len(text)
    if letter == "y":
        return f"{moment.year:04d}" if length > 2 else f"{moment.year % 100:02d}"
    if letter == "m" and length > 2:
        return _month(moment, language, length)
    if letter == "d" and length > 2:
        day = _DAYS[language][moment.weekday()]
        return day if length > 3 else day[: 2 if language == "de" else 3]
    hour = (moment.hour % 12 or 12) if half else moment.hour
    number = {"m": moment.month, "d": moment.day, "h": hour, "n": moment.minute, "s": moment.second}[letter]
    return f"{number:0{min(length, 2)}d}"


def _month(moment: dt.datetime, language: str, length: int) -> str:
    name = _MONTHS[language][moment.month - 1]
    return {3: name[:3], 5: name[:1]}.get(length, name)
