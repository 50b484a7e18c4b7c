"""Moments as an admin in Germany writes and reads them: on the clock at the wall, unless an offset is said."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from ibhelm_pipelines.errors import ConfigurationError

BERLIN = ZoneInfo("Europe/Berlin")


def parse_moment(text: str, *, now: dt.datetime) -> dt.datetime:
    """Return the moment that somebody means, in UTC.

    Args:
        text: ISO 8601, such as 2026-03-01T12:00, 2026-03-01 (its beginning) or 2026-03-01T12:00+01:00.
        now: nothing is known of what comes after it.

    Raises:
        ConfigurationError: it is none, was twice, was never, or has not come yet; says what to write instead.
    """
    try:
        read = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is no time.", next_step="Write it as 2026-03-01T12:00 (clock at the wall in Germany)."
        ) from error
    moment = read if read.tzinfo is not None else _on_the_wall(text, read)
    if moment > now:
        raise ConfigurationError(
            f"{shown(moment)} has not come yet; it is {shown(now)}.", next_step="Give a time that is past, or none."
        )
    return moment.astimezone(dt.UTC)


def _on_the_wall(text: str, read: dt.datetime) -> dt.datetime:
    first, second = (read.replace(tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    # An hour that was left out reads differently there and back; one that came twice reads the same.
    back = first.astimezone(dt.UTC).astimezone(BERLIN).replace(tzinfo=None)
    if back == read:
        raise ConfigurationError(
            f"The clocks were set back: {text} was twice.",
            next_step=f"Write {first.isoformat()} for the first (summer time) or {second.isoformat()} for the second.",
        )
    raise ConfigurationError(
        f"The clocks were set forward: {text} was never.",
        next_step="Give a time before or after the hour that was left out.",
    )


def shown(moment: dt.datetime) -> str:
    """Return a moment as the clock at the wall had it, with the name of the zone (CET or CEST)."""
    return f"{moment.astimezone(BERLIN):%Y-%m-%d %H:%M:%S %Z}"
