"""A time on the clock at the wall is one moment, or nobody guesses which."""

from __future__ import annotations

import datetime as dt

import pytest

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.safety.moments import parse_moment, shown

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01T12:00", "2026-03-01T11:00:00"),
        (" 2026-03-01 12:00:30 ", "2026-03-01T11:00:30"),
        ("2026-03-01", "2026-02-28T23:00:00"),
        ("2026-07-01T12:00", "2026-07-01T10:00:00"),
        ("2026-03-01T12:00Z", "2026-03-01T12:00:00"),
        ("2026-03-01T12:00-05:00", "2026-03-01T17:00:00"),
        ("2026-10-25T02:30+02:00", "2026-10-25T00:30:00"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30:00"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59"),
        ("2026-10-25T03:00", "2026-10-25T02:00:00"),
        ("2026-03-29T03:00", "2026-03-29T01:00:00"),
    ],
)
def test_a_time_is_read_as_the_clock_in_germany_has_it(text: str, utc: str) -> None:
    moment = parse_moment(text, now=NOW)
    assert (moment.isoformat(), moment.tzinfo) == (f"{utc}+00:00", dt.UTC)


def test_an_hour_that_was_twice_is_asked_back_with_both_choices() -> None:
    with pytest.raises(ConfigurationError, match="was twice") as caught:
        parse_moment("2026-10-25T02:30", now=NOW)
    assert "2026-10-25T02:30:00+02:00" in str(caught.value)
    assert "2026-10-25T02:30:00+01:00" in str(caught.value)


@pytest.mark.parametrize("text", ["2026-03-29T02:00", "2026-03-29T02:59:59"])
def test_an_hour_that_was_never_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="was never"):
        parse_moment(text, now=NOW)


@pytest.mark.parametrize("text", ["", "gestern", "12:00", "01.03.2026", "2026-02-30"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no time"):
        parse_moment(text, now=NOW)


def test_what_has_not_come_yet_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="2026-11-23 13:00:01 CET has not come yet"):
        parse_moment("2026-11-23T13:00:01", now=NOW)
    assert parse_moment("2026-11-23T13:00", now=NOW) == NOW


def test_both_hours_are_shown_apart() -> None:
    first, second = (dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC) for hour in (0, 1))
    assert [shown(first), shown(second)] == ["2026-10-25 02:30:00 CEST", "2026-10-25 02:30:00 CET"]
