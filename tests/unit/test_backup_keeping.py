"""Which backups are kept, by the calendar, whatever the clock says."""

from __future__ import annotations

import datetime as dt
import itertools
import random

import pytest

from ibhelm_pipelines.safety.backup_keeping import BERLIN, Keeping, superfluous

RULES = Keeping(days=7, weeks=5, months=12)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def daily(first: str, count: int) -> list[dt.datetime]:
    """Return backups at 05:15 of so many days in a row, by the clock of Berlin."""
    begin = dt.datetime.fromisoformat(first)
    return [(begin + dt.timedelta(days=n)).replace(hour=5, minute=15, tzinfo=BERLIN) for n in range(count)]


def kept(taken: list[dt.datetime], *, now: dt.datetime, keeping: Keeping = RULES) -> list[str]:
    return sorted(f"{moment:%Y-%m-%d}" for moment in set(taken) - superfluous(taken, keeping, now=now))


def test_a_year_and_a_half_of_daily_backups() -> None:
    taken = daily("2025-01-01", 500)  # to 2026-05-15, a Friday
    assert kept(taken, now=taken[-1]) == [
        *("2025-06-30", "2025-07-31", "2025-08-31", "2025-09-30", "2025-10-31", "2025-11-30", "2025-12-31"),
        *("2026-01-31", "2026-02-28", "2026-03-31"),
        *("2026-04-19", "2026-04-26", "2026-04-30", "2026-05-03"),
        *(f"2026-05-{day:02d}" for day in range(9, 16)),
    ]


def test_day_by_day_nothing_is_deleted_that_a_later_day_would_have_kept() -> None:
    """What is kept on the last day is the same whether the rules ran every day or once."""
    taken = daily("2025-01-01", 500)
    stock: list[dt.datetime] = []
    for moment in taken:
        stock.append(moment)
        stock = sorted(set(stock) - superfluous(stock, RULES, now=moment))
    assert set(taken) - set(stock) == superfluous(taken, RULES, now=taken[-1])


def test_of_several_backups_of_a_day_the_newest_is_kept() -> None:
    taken = [at("2026-03-01 05:15"), at("2026-03-01 11:00"), at("2026-03-02 05:15")]
    assert superfluous(taken, RULES, now=taken[-1]) == {taken[0]}


def test_days_are_those_of_berlin_on_both_sides_of_a_change_of_the_clock() -> None:
    berlin = [at("2026-03-29 00:30"), at("2026-03-29 23:30"), at("2026-03-30 00:30")]
    utc = [moment.astimezone(dt.UTC) for moment in berlin]
    assert [moment.day for moment in utc] == [28, 29, 29]
    assert superfluous(utc, Keeping(days=7, weeks=0, months=0), now=utc[-1]) == {utc[0]}
    twice = [dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC), dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)]
    assert superfluous(twice, RULES, now=twice[-1]) == {twice[0]}  # 02:30 comes twice that night


def test_a_clock_ten_years_ahead_costs_no_more_than_a_day() -> None:
    taken = daily("2026-01-01", 100)
    before = superfluous(taken, RULES, now=taken[-1])
    ahead = [*taken, taken[-1] + dt.timedelta(days=3650)]
    assert len(superfluous(ahead, RULES, now=ahead[-1]) - before) <= 3  # a day, a week and a month make room


def test_what_a_wrong_clock_made_takes_no_place_when_the_clock_is_right_again() -> None:
    taken = daily("2026-01-01", 60)
    future = daily("2036-01-01", 40)
    gone = superfluous([*taken, *future], RULES, now=taken[-1])
    assert gone == superfluous(taken, RULES, now=taken[-1])


def test_a_clock_far_behind_deletes_nothing() -> None:
    taken = daily("2026-01-01", 60)
    past = at("2016-01-01 05:15")
    assert superfluous([*taken, past], RULES, now=past) == set()


@pytest.mark.parametrize("keeping", [Keeping(days=0, weeks=0, months=0), Keeping(days=1, weeks=0, months=0)])
def test_the_newest_stays_whatever_the_rules(keeping: Keeping) -> None:
    taken = daily("2026-01-01", 3)
    assert superfluous(taken, keeping, now=taken[-1]) == set(taken[:-1])
    assert superfluous([], keeping, now=taken[-1]) == set()


def test_old_backups_of_an_office_that_stopped_making_them_stay() -> None:
    taken = daily("2020-01-01", 10)
    assert len(kept(taken, now=at("2026-01-01 12:00"))) == 7  # the Sunday of the week before is one of them


def test_at_random_times_no_rule_is_broken() -> None:
    chosen = random.Random(7)
    for _ in range(100):
        first = at("2024-01-01 00:00")
        taken = [first + dt.timedelta(minutes=chosen.randrange(600 * 1440)) for _ in range(chosen.randrange(1, 80))]
        left = set(taken) - superfluous(taken, RULES, now=max(taken))
        assert max(taken) in left
        days = sorted({moment.date() for moment in taken})[-7:]
        assert {moment.date() for moment in left} >= set(days)
        months = sorted({(m.year, m.month) for m in taken})[-12:]
        assert {(m.year, m.month) for m in left} >= set(months)
        assert len(left) <= 7 + 5 + 12


def test_it_settles() -> None:
    taken = daily("2025-01-01", 500)
    left = set(taken) - superfluous(taken, RULES, now=taken[-1])
    assert superfluous(left, RULES, now=taken[-1]) == set()
    assert all(a != b for a, b in itertools.pairwise(sorted(left)))
