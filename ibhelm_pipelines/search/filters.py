"""What `projekt:2301 kg:430 seit:2024` asks for: conditions on documents, by the names that people know things by.

Whatever is typed gives an answer: a name that nobody has is a problem in words, and finds nothing; it is never dropped,
because a search without its filter would look like one with it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.folding import folded, words
from ibhelm_pipelines.project_names import read_name
from ibhelm_pipelines.wording import OFFICE_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.search.query import Filter
    from ibhelm_pipelines.search.results import DocumentKind


KINDS: dict[str, tuple[DocumentKind, ...]] = {
    "Datei": ("file",),
    "Mail": ("email",),
    "Aufgabe": ("task",),
    "Kommentar": ("email_comment", "task_comment"),
}
_KIND_NAMES = {
    **dict.fromkeys(("datei", "dateien", "file", "files"), "Datei"),
    **dict.fromkeys(("mail", "mails", "email", "emails", "e mail"), "Mail"),
    **dict.fromkeys(("aufgabe", "aufgaben", "task", "tasks"), "Aufgabe"),
    **dict.fromkeys(("kommentar", "kommentare", "comment", "comments"), "Kommentar"),
}

_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})")
_ISO = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_MONTH = re.compile(r"(\d{1,2})[./](\d{4})")

Conditions = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Period:
    """From its first moment to the first one after it."""

    since: dt.datetime
    until: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What the filters of a query come to.

    Attributes:
        conditions: as search.condition (migration 0018) takes them.
        problems: what was not understood, in German.
        is_impossible: a filter names what there is not: nothing meets it.
    """

    conditions: Conditions
    problems: tuple[str, ...]
    is_impossible: bool


def resolve(connection: Connection, filters: Sequence[Filter]) -> Resolved:
    """Look up what these filters name; values of one field are alternatives, fields must all hold."""
    found: dict[str, list[Any]] = defaultdict(list)
    problems: list[str] = []
    unknown: set[str] = set()
    for each in filters:
        try:
            key, values = _conditions_of(connection, each.field, each.value)
        except _UnknownError as error:
            problems.append(str(error))
            if not each.is_excluded:
                unknown.add(_KEYS.get(each.field, each.field))
            continue
        found[f"not_{key}" if each.is_excluded else key].extend(values)
    impossible = any(key not in found for key in unknown)
    return Resolved(conditions=_joined(found), problems=tuple(problems), is_impossible=impossible)


class _UnknownError(Exception):
    """What a filter names is not there; says so in German."""


def _conditions_of(connection: Connection, field: str, value: str) -> tuple[str, list[Any]]:
    return _KEYS[field], _LOOKUPS[field](connection, value)


def _joined(found: dict[str, list[Any]]) -> Conditions:
    """Of several beginnings the latest counts, of several ends the earliest."""
    conditions: Conditions = dict(found)
    for key, choose in {"since": max, "until": min, "not_since": min, "not_until": max}.items():
        if key in found:
            conditions[key] = choose(found[key]).isoformat()
    return conditions


def period_of(text: str) -> Period | None:
    """Return the day, month or year that a text names: 2024, 2024-03, 03.2024, 1.3.2024, 1.3.24; None if it is none."""
    text = text.strip()
    if match := _DAY.fullmatch(text):
        year = int(match[3]) if len(match[3]) == 4 else 2000 + int(match[3])
        return _period(year, int(match[2]), int(match[1]))
    if match := _MONTH.fullmatch(text):
        return _period(int(match[2]), int(match[1]), None)
    if match := _ISO.fullmatch(text):
        return _period(int(match[1]), match[2] and int(match[2]), match[3] and int(match[3]))
    return None


def _period(year: int, month: int | str | None, day: int | str | None) -> Period | None:
    try:
        first = dt.datetime(year, int(month or 1), int(day or 1), tzinfo=OFFICE_TIME)
        if day:
            return Period(since=first, until=first + dt.timedelta(days=1))
        months = first.year * 12 + first.month - 1 + (1 if month else 12)
        return Period(since=first, until=first.replace(year=months // 12, month=months % 12 + 1))
    except (ValueError, OverflowError):
        return None


def _dated(value: str) -> Period:
    period = period_of(value)
    if period is None:
        raise _UnknownError(f"„{value}“ ist kein Datum: 2024, 03.2024 und 1.3.2024 sind welche.")
    return period


def _range(period: Period) -> str:
    return f"[{period.since.isoformat()},{period.until.isoformat()})"


def _named(sql: str, what: str) -> Callable[[Connection, str], list[int]]:
    """Return a look-up of names that hold all words that were typed, each from the beginning of a word."""

    def look_up(connection: Connection, value: str) -> list[int]:
        rows = connection.execute(load_queries("search")[sql]).fetchall()
        ids = [row[0] for row in rows if _holds(row[1], value)]
        exact = [row[0] for row in rows if folded(row[1]) == folded(value)]
        if not ids and not exact:
            raise _UnknownError(f"{what} „{value}“ gibt es nicht.")
        return exact or ids

    return look_up


def _holds(name: str, typed: str) -> bool:
    asked, there = words(typed), words(name)
    return bool(asked) and all(any(word.startswith(part) for word in there) for part in asked)


def _projects(connection: Connection, value: str) -> list[int]:
    rows = connection.execute(load_queries("search")["projects"]).fetchall()
    number = read_name(value).number
    if number and not read_name(value).rest:
        ids = [each for each, name, has in rows if number in (read_name(has or "").number, read_name(name).number)]
    else:
        ids = [each for each, name, _ in rows if folded(name) == folded(value)]
        ids = ids or [each for each, name, _ in rows if _holds(name, value)]
    if not ids:
        raise _UnknownError(f"Ein Projekt „{value}“ gibt es nicht.")
    return ids


def _persons(connection: Connection, value: str) -> list[int]:
    rows = connection.execute(load_queries("search")["persons"]).fetchall()
    ids = [each for each, name, email in rows if email == value.casefold().strip()]
    ids = ids or [each for each, name, _ in rows if _holds(name, value)]
    ids = ids or [each for each, _, email in rows if _holds(email, value)]
    if not ids:
        raise _UnknownError(f"Niemand heißt „{value}“.")
    return ids


def _cost_groups(_connection: Connection, value: str) -> list[int]:
    """Return all numbers within a group: 430 means 430 to 439, 400 means 400 to 499."""
    if not re.fullmatch(r"[1-9][0-9]{2}", value.strip()):
        raise _UnknownError(f"„{value}“ ist keine Kostengruppe: sie haben drei Ziffern, wie 434 oder 430.")
    number = int(value)
    last = number + 99 if number % 100 == 0 else number + 9 if number % 10 == 0 else number
    return list(range(number, last + 1))


def _kinds(_connection: Connection, value: str) -> list[str]:
    name = _KIND_NAMES.get(" ".join(words(value)))
    if name is None:
        raise _UnknownError(f"Die Art „{value}“ gibt es nicht: {', '.join(KINDS)}.")
    return list(KINDS[name])


def _extensions(_connection: Connection, value: str) -> list[str]:
    return [value.strip().lower().removeprefix(".")]


def _languages(_connection: Connection, value: str) -> list[str]:
    known = {"deutsch": "de", "englisch": "en", "franzoesisch": "fr", "italienisch": "it"}
    return [known.get(folded(value), folded(value))]


def _folders(_connection: Connection, value: str) -> list[str]:
    return [folded(value)]


_KEYS = {
    "projekt": "project_ids",
    "kg": "cost_groups",
    "typ": "type_ids",
    "art": "kinds",
    "ext": "extensions",
    "von": "person_ids",
    "an": "person_ids",
    "person": "person_ids",
    "firma": "company_ids",
    "ort": "location_ids",
    "seit": "since",
    "bis": "until",
    "jahr": "periods",
    "ordner": "folders",
    "sprache": "languages",
}
"""What each field puts a condition on."""

_LOOKUPS: dict[str, Callable[[Connection, str], list[Any]]] = {
    "projekt": _projects,
    "kg": _cost_groups,
    "typ": _named("document_types", "Den Dokumenttyp"),
    "art": _kinds,
    "ext": _extensions,
    "von": _persons,
    "an": _persons,
    "person": _persons,
    "firma": _named("companies", "Die Firma"),
    "ort": _named("locations", "Den Ort"),
    "seit": lambda _, value: [_dated(value).since],
    "bis": lambda _, value: [_dated(value).until],
    "jahr": lambda _, value: [_range(_dated(value))],
    "ordner": _folders,
    "sprache": _languages,
}
