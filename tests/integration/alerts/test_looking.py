"""What is looked at, how often, and that `ops.health` counts what the results of steps say."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import psycopg
from alert_office import START, TICK, rows

from ibhelm_pipelines.alerts.conditions import check_key, look
from ibhelm_pipelines.alerts.evaluate import evaluate
from ibhelm_pipelines.db.checks import QUESTIONS

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

SLOW = [question for question in QUESTIONS if question.slow]

MISSING_ORIGINAL = """
insert into contents (hash, size_bytes, first_seen_at) values (repeat('a', 64), 1, now() - interval '2 days');
insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url, content_hash)
values ('a', 'A/a', 'A/a', '', 'A', 1, now(), 'file:///a', repeat('a', 64));
"""

RESULTS = """
insert into contents (hash, size_bytes) select repeat(c, 64), 1 from unnest('{a,b,c,d,e,f}'::text[]) as c;
insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url, content_hash, deleted_at)
select c, c, c::bytea, '', 'A', 1, now(), '', repeat(c, 64), case when c in ('e', 'f') then now() end
from unnest('{a,b,c,d,e,f}'::text[]) as c;
insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url, content_hash)
select 'copy', 'copy', 'copy', '', 'A', 1, now(), '', repeat('a', 64);
insert into ops.step_results (content_hash, step, tool_version, state, reason, permanent, took_ms) values
    (repeat('a', 64), 'text', '1', 'ok', null, false, 1),
    (repeat('a', 64), 'text', '2', 'failed', 'crashed', true, 1),      -- beside the good one of an earlier tool
    (repeat('b', 64), 'text', '2', 'empty', 'no text', false, 1),
    (repeat('c', 64), 'text', '2', 'unsupported', 'no tool', false, 1),
    (repeat('e', 64), 'text', '2', 'failed', 'crashed', true, 1),      -- no live file has it
    (repeat('e', 64), 'text', '1', 'ok', null, false, 1);
"""


def _do(settings: Settings, statements: str) -> None:
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(statements)  # type: ignore[arg-type]


def test_of_the_slow_questions_one_is_asked_at_a_time_each_within_ten_minutes(settings: Settings) -> None:
    turn = len(SLOW)
    assert turn * TICK <= dt.timedelta(minutes=10)
    asked: dict[str, list[int]] = {check_key(question): [] for question in SLOW}
    with psycopg.connect(settings.require_database_url(), autocommit=True) as connection:
        for tick in range(30):
            found = look(connection, START + tick * TICK)
            for key, ticks in asked.items():
                if key not in found.unasked:
                    ticks.append(tick)
    assert asked == {check_key(question): list(range(n, 30, turn)) for n, question in enumerate(SLOW)}


def test_an_alert_of_a_slow_question_stays_open_while_it_is_not_asked_and_goes_when_it_is(settings: Settings) -> None:
    _do(settings, MISSING_ORIGINAL)
    opened = [evaluate(settings, runs=(), now=START + tick * TICK).opened for tick in range(10)]
    assert [keys for keys in opened if keys] == [("check:contents_not_stored",)]

    _do(settings, "delete from files")
    closed = [evaluate(settings, runs=(), now=START + tick * TICK).closed for tick in range(10, 20)]
    assert [keys for keys in closed if keys] == [("check:contents_not_stored",)]


def test_the_counts_of_a_step_are_those_of_the_contents_of_live_files(settings: Settings) -> None:
    _do(settings, RESULTS)
    query = "select contents, ok, empty, unsupported, failed, missing from ops.step_counts where step = '{}'"
    assert rows(settings, query.format("text")) == [(4, 1, 1, 1, 1, 1)]  # d has no result
    assert rows(settings, query.format("store")) == [(4, 0, 0, 0, 0, 4)]


def test_health_is_ready_before_anything_was_scanned(settings: Settings) -> None:
    assert rows(settings, "select state, detail from ops.health where subject = 'whole scan'") == [
        ("warning", "none has ended yet")
    ]
    assert rows(settings, "select count(*) from ops.health where state = 'error'") == [(0,)]
