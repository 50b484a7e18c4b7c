"""What every source of a vendor's things must do, whatever the vendor: see tests/vendor_sources.py for what one is."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import time
from dataclasses import replace
from itertools import cycle
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest
import tables
from killed_child import run_in_child
from tampering_proxy import Given
from teamwork_office import in_haste
from vendor_sources import NOT_WHAT_VENDORS_SAY, SOURCES, TASKS, teamwork

from ibhelm_pipelines.errors import VendorUnavailableError
from ibhelm_pipelines.vendors import reply
from ibhelm_pipelines.vendors.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tampering_proxy import Asked
    from vendor_sources import Source

    from ibhelm_pipelines.settings import Settings

NUL, HALF = "@@NUL@@", "@@HALF@@"
"""Stand in names for what no JSON library would write."""

NAMES = {
    "umlauts of two characters": "Lu\u0308ftungsgera\u0308t",
    "umlauts of one character": "Lüftungsgerät",
    "emoji": "Prüfen 🔥👩🏽‍🔧🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "right to left": "שלום עולם \u202eمرحبا",
    "NUL": f"vor{NUL}nach",
    "half of a surrogate pair": f"vor{HALF}nach",
    "long": "ä" * 10_000,
    "like something else": "'; drop table tasks; -- %s {0} \\u0000 null",
    "lines": "Zeile 1\r\nZeile 2\tTabulator\u2028",
}


@pytest.fixture(params=list(SOURCES))
def source(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    in_haste(monkeypatch)
    with SOURCES[request.param](settings) as found:
        yield found


def some(count: int, what: str = "Ding") -> list[str]:
    return [f"{what} {number}" for number in range(count)]


def assert_equal(source: Source) -> None:
    """Our live rows are the vendor's, by id and name."""
    stored = source.stored()
    assert {number: row.name for number, row in stored.items() if not row.deleted} == source.names()


def listings(source: Source) -> list[Asked]:
    return [asked for asked in source.proxy.asked if source.is_listing(asked)]


def on_page(source: Source, page: int, given: Given) -> Callable[[Asked], Given | None]:
    """Answer the page of this number of the list in this way, again and again."""
    asked_before = len(listings(source))

    def before(asked: Asked) -> Given | None:
        is_due = source.is_listing(asked) and len(listings(source)) - asked_before >= page
        return given if is_due else None

    return before


def written_rows(source: Source) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, and which transaction wrote it."""
    url = source.settings.require_database_url()
    names = tables.ask(
        url, "select schemaname, tablename from pg_tables where schemaname in ('public', 'ops') order by 1, 2"
    )
    return {
        table: tables.ask(url, f"select t.ctid, t.xmin, t::text from {schema}.{table} t order by 1")
        for schema, table in names
        if table not in NOT_WHAT_VENDORS_SAY
    }


def members(source: Source) -> dict[str, set[tuple[Any, ...]]]:
    """All rows of the bridges, and which transaction wrote them."""
    url = source.settings.require_database_url()
    return {bridge: set(tables.ask(url, f"select xmin, t::text from {bridge} t")) for bridge in source.bridges}


@pytest.mark.parametrize(("pages", "more"), [(0, 0), (0, 1), (1, -1), (1, 0), (1, 1), (2, 0)])
def test_a_list_is_read_to_its_end_in_as_many_requests_as_it_has_pages(source: Source, pages: int, more: int) -> None:
    count = pages * source.page_rows + more
    source.add(*some(count))
    source.sync()
    assert len(source.stored()) == count
    assert_equal(source)
    assert len(listings(source)) == source.requests_for(count)


def test_an_empty_list_is_empty_however_the_vendor_says_so(source: Source) -> None:
    for said in source.empties.values():
        source.proxy.after = lambda asked, given, said=said: (  # type: ignore[misc]
            said(given) if source.is_listing(asked) else None
        )
        source.sync()
        source.sync(full=True)
        assert source.stored() == {}
    source.proxy.calm()
    source.add("eins")
    source.sync()
    assert_equal(source)


def test_a_thing_keeps_its_own_id_and_its_members_whatever_happens_to_it(source: Source) -> None:
    first, second, third = source.add("eins", "zwei", "drei")
    source.sync()
    own_ids = {number: row.own_id for number, row in source.stored().items()}
    before = members(source)
    assert all(before.values()), "there are members to lose"
    source.sync(full=True)
    source.rename(first, "umbenannt")
    source.sync()
    source.delete(second)
    source.sync()
    assert source.stored()[second].deleted
    source.sync(full=True)
    assert source.stored()[second].deleted
    assert_equal(source)
    source.restore(second)
    source.sync()
    assert_equal(source)
    source.delete(third)
    source.restore(third)
    source.sync(full=True)
    assert_equal(source)
    assert {number: row.own_id for number, row in source.stored().items()} == own_ids
    assert members(source) == before, "no member was deleted to be inserted again"


def test_a_reading_without_changes_writes_no_row(source: Source) -> None:
    deleted, *_ = source.add(*some(7))
    source.sync()
    source.delete(deleted)
    source.sync(full=True)
    before = written_rows(source)
    source.sync()
    source.sync(full=True)
    assert written_rows(source) == before
    assert sum(map(len, before.values())) > 50


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("is_first", [True, False], ids=["first reading", "later reading"])
def test_rows_that_move_between_pages_are_not_lost(source: Source, seed: int, *, is_first: bool) -> None:
    dice = random.Random(f"{seed} pages")
    old = source.add(*some(source.page_rows * 2 + dice.randrange(5)))
    deletions = iter(dice.sample(old, 9))
    if not is_first:
        source.sync()
        for number in old:
            source.rename(number, f"neu {number}")
    source.wait()

    def after(asked: Asked, _given: Given) -> None:
        if source.is_listing(asked):
            for number in dice.sample(old, dice.randrange(4)):
                source.rename(number, f"anders {number} {dice.random()}")
            if (doomed := next(deletions, None)) is not None:
                source.delete(doomed)
            source.add(*some(dice.randrange(3), "später"))

    source.proxy.after = after
    source.sync()
    source.proxy.calm()
    source.sync()
    assert_equal(source)
    if not is_first:  # what was gone before we came may be in no list
        assert {number for number, row in source.stored().items() if row.deleted} == set(old) - set(source.names())


def test_what_never_stops_moving_is_read_again_a_few_times_only(source: Source) -> None:
    old = source.add(*some(source.page_rows + 1))

    def after(asked: Asked, _given: Given) -> None:
        if source.is_listing(asked):
            source.rename(old[0], f"anders {len(source.proxy.asked)}")
            source.add("noch eins")

    source.proxy.after = after
    source.sync()
    assert len(listings(source)) <= 10
    source.proxy.calm()
    source.sync()
    assert_equal(source)


@pytest.mark.parametrize("page", [1, 3])
@pytest.mark.parametrize("is_first", [True, False], ids=["first reading", "later reading"])
def test_an_error_on_a_page_moves_no_cursor_and_the_next_reading_completes(
    source: Source, page: int, *, is_first: bool
) -> None:
    gone: int | None = None
    if not is_first:
        gone, *_ = source.add(*some(5))
        source.sync()
        source.delete(gone)
    source.add(*some(source.page_rows * 2 + 1))
    before, stored = source.cursor(), len(source.stored())
    source.proxy.before = on_page(source, page, Given(500, b"Oops"))
    with pytest.raises(VendorUnavailableError):
        source.sync()
    assert source.cursor() == before
    # A later reading begins with the old ones that changed, or with all of them.
    read = (page - 1) * source.page_rows
    assert max(0, read - stored) <= len(source.stored()) - stored <= read
    source.proxy.calm()
    source.sync()
    assert_equal(source)
    assert gone is None or source.stored()[gone].deleted


def test_an_answer_that_only_looks_like_an_empty_page_concludes_nothing(source: Source) -> None:
    source.add(*some(source.page_rows + 5))
    source.sync()
    stored = source.stored()
    for page, (name, given) in zip(cycle((1, 2)), source.refusals.items(), strict=False):
        before = source.cursor()
        source.proxy.before = on_page(source, page, given)
        with pytest.raises(VendorUnavailableError):
            source.sync(full=True)
        assert source.cursor() == before, name
        assert source.stored() == stored, name
    source.proxy.calm()
    source.sync(full=True)
    assert source.stored() == stored


@pytest.mark.parametrize("what", ["the same", "nothing"])
def test_a_page_that_brings_nothing_new_and_says_that_there_is_more_is_no_end(source: Source, what: str) -> None:
    """Or a reading would end before the list does, or never."""
    source.add(*some(source.page_rows + 5))
    pages: list[Given] = []

    def after(asked: Asked, given: Given) -> Given | None:
        if not source.is_listing(asked):
            return None
        pages.append(source.unfinished(given))
        return pages[0] if what == "the same" or len(pages) == 1 else source.without_rows(pages[0])

    source.proxy.after = after
    if source.says_more or what == "the same":  # else an empty page cannot say so
        with pytest.raises(VendorUnavailableError):
            source.sync()
        assert source.cursor() is None
    source.proxy.calm()
    source.sync()
    assert_equal(source)


def test_a_reading_that_is_killed_anywhere_keeps_what_it_read_and_the_next_one_completes(source: Source) -> None:
    source.sync()
    source.add(*some(source.page_rows * 2 + 10))
    before = source.cursor()
    die_at, kept = 20, [0]
    while run_in_child(source.sync, die_at=die_at) is None:
        stored = source.stored()
        assert {number: row.name for number, row in stored.items()}.items() <= source.names().items()
        assert source.cursor() == before or len(stored) == len(source.names()), "the cursor is ahead of the rows"
        kept.append(len(stored))
        die_at += 60
    assert kept == sorted(kept)
    source.sync()
    assert_equal(source)


def test_a_reading_that_is_killed_between_two_pages_keeps_the_first_and_the_next_one_completes(source: Source) -> None:
    source.sync()
    source.add(*some(source.page_rows * 2 + 10))
    asked_before, child = len(listings(source)), Queue[int]()

    def before(asked: Asked) -> None:
        if source.is_listing(asked) and len(listings(source)) - asked_before == 3:
            os.kill(child.get(timeout=60), signal.SIGKILL)

    source.proxy.before = before
    assert run_in_child(source.sync, die_at=None, begun=child.put) is None
    assert len(source.stored()) == source.page_rows * 2
    source.proxy.calm()
    source.sync()
    assert_equal(source)


@pytest.mark.parametrize("headers", [{"Retry-After": "2"}, {"x-ratelimit-reset": "2"}, {}])
def test_a_vendor_that_is_asked_too_often_gets_its_pause(
    source: Source, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply, "PAUSE_SECONDS", 2.0)
    source.add("eins")
    source.proxy.before = lambda asked: Given(429, b"{}", headers) if len(source.proxy.asked) == 3 else None
    source.sync()
    times = [asked.at for asked in source.proxy.asked]
    assert times[3] - times[2] >= 1.9
    assert_equal(source)


def test_names_stay_what_they_are(source: Source) -> None:
    source.add(*NAMES.values())
    source.proxy.after = lambda _asked, given: replace(
        given, content=given.content.replace(NUL.encode(), rb"\u0000").replace(HALF.encode(), rb"\ud83d")
    )
    source.sync()
    wanted = {name.replace(NUL, "").replace(HALF, "") for name in NAMES.values()}
    assert {row.name for row in source.stored().values()} == wanted
    before = written_rows(source)
    source.sync(full=True)
    assert written_rows(source) == before


class Hours:
    """Sleep that lets time pass for the budget in Postgres, and for the vendor that counts our requests."""

    def __init__(self, url: str) -> None:
        self._url, self._passed = url, 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._passed

    def sleep(self, seconds: float) -> None:
        self._passed += seconds
        tables.ask(
            self._url,
            "update ops.request_budgets set refilled_at = refilled_at - %s, paused_until = paused_until - %s",
            *[dt.timedelta(seconds=seconds)] * 2,
        )


def test_teamwork_never_gets_more_requests_in_a_minute_than_it_allows(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 10
    hours = Hours(settings.require_database_url())
    assert Budget.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(Budget.__init__.__kwdefaults__, "sleep", hours.sleep)
    with teamwork(settings, TASKS, rate_limit=limit, monotonic=hours.monotonic) as source:
        source.settings = source.settings.model_copy(update={"teamwork_requests_per_minute": limit})
        source.add(*some(501))
        log = source.simulator.requests
        while log.total < 3 * limit:
            source.sync(full=True)
        assert (log.refused, log.by_status[429]) == (0, 0)
        assert limit / 2 < log.most_in_a_window <= limit
        assert_equal(source)
