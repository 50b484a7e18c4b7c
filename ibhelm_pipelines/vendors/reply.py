"""What a vendor's reply says: its object, its own words, its clock, its limit, and how long it wants to be left alone.

Nothing of it is trusted further than it can be meant: headers differ between the vendors and between what they document
and what they send, so whatever cannot be read counts as not said, and times are reckoned by the vendor's clock.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ibhelm_pipelines.vendors.exchange import Exchange

PAUSE_SECONDS = 60.0
"""Pause after a 429 that names none: Teamwork's "sin bin"."""

LONGEST_PAUSE_SECONDS = 900.0
"""Missive's longer window; a vendor that asks for more is not believed."""

SHORTEST_PAUSE_SECONDS = 1.0

EPOCH_FROM = 10**6
"""A reset above this is a time, below it a number of seconds (which of the two Teamwork means is not documented)."""

LOWEST_LIMIT = 10
"""A limit below this counts something else than requests a minute."""

MESSAGE_CHARS = 200

_LIMIT_HEADERS = ("X-Rate-Limit-Limit", "X-RateLimit-Limit")
_RESET_HEADERS = ("X-Rate-Limit-Reset", "X-RateLimit-Reset")
_LAST_EPOCH = dt.datetime(9999, 1, 1, tzinfo=dt.UTC).timestamp()


def json_object(reply: Exchange) -> dict[str, Any] | None:
    """Return the JSON object that came, None where it is none."""
    try:
        body = json.loads(reply.content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def vendor_time(reply: Exchange) -> dt.datetime | None:
    """Return when the vendor answered, by its own clock."""
    return _moment(reply.headers.get("Date"))


def vendor_words(reply: Exchange) -> str:
    """Return why the vendor refuses, in its own words, cut short; nothing where it says nothing.

    Teamwork's v1 has {"MESSAGE"}, its v3 {"errors": [{title, detail}]}, Missive {"error": {"message"}}.
    """
    body = json_object(reply) or {}
    errors = body.get("errors")
    several = errors if isinstance(errors, list) else [errors]
    words = map(_words, (body.get("MESSAGE"), body.get("message"), body.get("error"), *several))
    return "; ".join(filter(None, words))[:MESSAGE_CHARS]


def minute_limit(reply: Exchange) -> int | None:
    """Return how many requests a minute the vendor allows, None where it does not say."""
    limits = [_number(reply.headers.get(name)) for name in _LIMIT_HEADERS]
    return next((int(limit) for limit in limits if limit is not None and limit >= LOWEST_LIMIT), None)


def pause_seconds(reply: Exchange) -> float:
    """Return for how long the vendor wants to be left alone, within what can be meant."""
    said = (_retry_after(reply), *(_until_reset(reply, name) for name in _RESET_HEADERS))
    seconds = next((seconds for seconds in said if seconds is not None), PAUSE_SECONDS)
    return min(max(seconds, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def _retry_after(reply: Exchange) -> float | None:
    value = reply.headers.get("Retry-After")
    seconds = _number(value)
    return seconds if seconds is not None else _seconds_until(_moment(value), reply)


def _until_reset(reply: Exchange, name: str) -> float | None:
    value = _number(reply.headers.get(name))
    if value is None or value <= EPOCH_FROM:
        return value
    return _seconds_until(dt.datetime.fromtimestamp(min(value, _LAST_EPOCH), dt.UTC), reply)


def _seconds_until(moment: dt.datetime | None, reply: Exchange) -> float | None:
    """Return how far away a time of the vendor's is, by the vendor's clock; ours may differ."""
    now = vendor_time(reply)
    return None if moment is None or now is None else (moment - now).total_seconds()


def _moment(text: str | None) -> dt.datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.replace(tzinfo=moment.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _words(part: object) -> str:
    if isinstance(part, dict):
        part = " ".join(each for key in ("title", "detail", "message") if isinstance(each := part.get(key), str))
    return " ".join(part.split()) if isinstance(part, str) else ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
