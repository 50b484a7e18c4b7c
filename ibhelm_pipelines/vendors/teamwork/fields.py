"""Values as Teamwork writes them, made values as we keep them. Every spelling that was ever seen is understood.

Zero ids, Go's zero time and empty strings mean nothing; ids of the v1 API are strings; lists may be null or missing.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.plain_text import html_to_text, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Row = dict[str, Any]

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_GO_ZERO = "0001-01-01"
_GO_ZERO_TIME = f"{_GO_ZERO}T00:00:00Z"


def first(row: Mapping[str, Any], *names: str) -> Any:
    """Return the value of the first of these fields that says anything; Go's zero time says nothing."""
    return next((row[name] for name in names if row.get(name) not in (None, "", _GO_ZERO_TIME)), None)


def identifier(value: object) -> int | None:
    """Return an id; of a relation `{id, type}` its id; None for none.

    Raises:
        ValueError, TypeError: it is no number.
    """
    if isinstance(value, dict):
        value = value.get("id")
    if value in (None, "", 0, "0"):
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"{value!r} is no id")
    return int(value)


def reference(row: Mapping[str, Any], *names: str) -> int | None:
    """Return the id of another thing, by the first of these fields that says anything."""
    return identifier(first(row, *names))


def identifiers(values: Iterable[object] | None) -> Iterator[int]:
    """Yield the ids of a list of ids or relations, each once."""
    yield from dict.fromkeys(filter(None, map(identifier, values or ())))


def text(value: object) -> str | None:
    """Return what was written, as Postgres takes it; None for nothing."""
    return storable(str(value)) or None if value is not None else None


def number(value: object) -> int | None:
    """Return a whole number; None for none.

    Raises:
        ValueError: it is none.
    """
    return None if value in (None, "") else int(float(str(value)))


def flag(value: object) -> bool:
    """Return whether it is so: true, 1, "1" or "true" (isPrivate may be 2)."""
    return value not in (None, "", False, 0, "0", "false", "no")


def moment(value: object) -> dt.datetime | None:
    """Return a time in UTC; None for none and for Go's zero time.

    Raises:
        ValueError: it is none.
    """
    if value in (None, "") or str(value).startswith(_GO_ZERO):
        return None
    when = dt.datetime.fromisoformat(str(value))
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


def day(value: object) -> dt.date | None:
    """Return a day: dates come as such or as midnight of some day, and mean the day.

    Raises:
        ValueError: it is none.
    """
    if value in (None, "") or str(value).startswith(_GO_ZERO):
        return None
    written = str(value)
    if len(written) == 8 and written.isdigit():  # v1
        return dt.date(int(written[:4]), int(written[4:6]), int(written[6:]))
    return dt.date.fromisoformat(written[:10])


def formatted(value: object, content_type: object) -> tuple[str | None, str | None]:
    """Return a description as plain text, and as HTML where it is HTML."""
    written = text(value)
    if written is None:
        return None, None
    is_html = str(content_type).upper() == "HTML" if content_type else bool(_TAG.search(written))
    return (html_to_text(written) or None, written) if is_html else (written, None)
