"""Values as Missive writes them, made values as we keep them. Mails are written by strangers: anything goes.

A value that cannot be what it should be (a time far off, an address of kilobytes) is left empty or cut, so that the
mail itself is kept; ops.raw_records holds what came.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.plain_text import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.vendors.tables import Row

MAX_KEY_CHARS = 600
"""Of what is looked up by an index, whose entries hold 2,704 bytes; no address and no message id is longer."""

_FIRST, _LAST = 0.0, dt.datetime(3000, 1, 1, tzinfo=dt.UTC).timestamp()


def text(value: object) -> str | None:
    """Return what was written, as Postgres takes it; None for nothing."""
    return storable(str(value)) or None if value not in (None, "") else None


def key_text(value: object) -> str | None:
    """Return a text that is looked up: cut where it is too long for that."""
    written = text(value)
    return written[:MAX_KEY_CHARS].strip() or None if written else None


def identifier(value: object) -> str | None:
    """Return an id; of a relation `{id, ...}` its id; None for none."""
    if isinstance(value, dict):
        value = value.get("id")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def required_id(row: Row) -> str:
    """Return the id of a thing.

    Raises:
        ValueError: it has none.
    """
    found = identifier(row.get("id"))
    if found is None:
        raise ValueError("it has no id")
    return found


def seconds(value: object) -> int | None:
    """Return a time as Missive counts it, in seconds since 1970; None for none, or for no time at all."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and _FIRST < number < _LAST else None


def moment(value: object) -> dt.datetime | None:
    """Return a time in UTC; None for none, or for no time at all."""
    counted = seconds(value)
    return dt.datetime.fromtimestamp(counted, dt.UTC) if counted is not None else None


def count(value: object) -> int | None:
    """Return how many; None where it is not said."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def address(party: Mapping[str, Any]) -> str | None:
    """Return where somebody is reached, in small letters: by mail, telephone, or name of the user."""
    said = (party.get(name) for name in ("address", "phone_number", "username", "id"))
    return lower(next((value for value in said if value not in (None, "")), None))


def lower(value: object) -> str | None:
    """Return an address in the one spelling in which it is kept (lesson 23)."""
    written = key_text(value)
    return written.lower()[:MAX_KEY_CHARS] if written else None


def mappings(value: object) -> list[dict[str, Any]]:
    """Return the things of a list; what is no thing is left out."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
