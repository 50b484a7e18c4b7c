"""Bookkeeping that is over goes after its time; what anything still refers to, and what is not over, stays."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import psycopg
import pytest
from alert_office import rows

from ibhelm_pipelines.db.cleanup import delete_old_rows

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

NOW = dt.datetime.now(dt.UTC)

SCAN = (
    "insert into ops.scans (deep, state, started_at, paths) values (false, %s, now() - make_interval(days => %s), %s)"
)


def _do(settings: Settings, *statements: str) -> None:
    with psycopg.connect(settings.require_database_url()) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "days", "paths", "left"),
    [
        ("complete", 15, 3, 0),
        ("incomplete", 15, 3, 0),
        ("failed", 15, 3, 0),
        ("complete", 13, 3, 1),
        ("running", 15, 3, 1),
        ("complete", 400, None, 1),  # whole scans are few, and the history of the share
    ],
)
def test_live_scans_go_after_two_weeks(settings: Settings, state: str, days: int, paths: int | None, left: int) -> None:
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(SCAN, [state, days, paths])
    delete_old_rows(settings, now=NOW)
    assert rows(settings, "select count(*) from ops.scans") == [(left,)]


REFERRERS = {
    "the last scan of a folder": "insert into ops.folders (folder, last_scan_id) select 'a', id from ops.scans",
    "a path that cannot be read": (
        "insert into ops.path_problems (raw_path_digest, raw_path, path, folder, kind, reason, scan_id)"
        " select '\\x00', 'a', 'a', 'a', 'unreadable_file', 'denied', id from ops.scans"
    ),
    "bytes that rot": (
        "insert into ops.bit_rot (file_id, path, expected_hash, found_hash, scan_id)"
        " select f.id, 'a', repeat('a', 64), repeat('b', 64), s.id from files f, ops.scans s"
    ),
    "deletions that were refused": "insert into ops.refused_deletions select s.id, f.id from files f, ops.scans s",
}


def test_a_scan_that_something_refers_to_stays(settings: Settings, subtests: pytest.Subtests) -> None:
    _do(
        settings,
        "insert into contents (hash, size_bytes) values (repeat('a', 64), 1)",
        "insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url)"
        " values ('a', 'a', 'a', '', 'a', 1, now(), 'file:///a')",
        "insert into ops.scans (deep, state, started_at, paths)"
        " values (false, 'incomplete', now() - interval '1 year', 1)",
    )
    for what, refer in REFERRERS.items():
        table = refer.split()[2]
        with subtests.test(what):
            _do(settings, refer)
            assert delete_old_rows(settings, now=NOW)["old_live_scans"] == 0
            assert rows(settings, f"select count(*) from {table}") == [(1,)]
            _do(settings, f"delete from {table}")
    assert delete_old_rows(settings, now=NOW)["old_live_scans"] == 1


def test_closed_alerts_go_after_a_year_and_open_ones_never(settings: Settings) -> None:
    insert = (
        "insert into ops.alerts (key, severity, title, body, opened_at, closed_at) values ('{}', 'error', '', '', {})"
    )
    year = "now() - interval '400 days'"
    _do(
        settings,
        insert.format("over", f"{year}, {year}"),
        insert.format("over lately", f"{year}, now()"),
        insert.format("open", f"{year}, null"),
    )
    assert delete_old_rows(settings, now=NOW)["old_alerts"] == 1
    assert rows(settings, "select key from ops.alerts order by key") == [("open",), ("over lately",)]


def test_what_was_given_up_goes_only_when_a_scan_has_made_up_for_it(settings: Settings) -> None:
    _do(
        settings,
        "insert into ops.inbox (source, kind, key, label, error, poisoned_at)"
        " values ('nas', 'path', 'a', 'a', 'Denied.', now() - interval '20 days'),"
        " ('teamwork', 'task', 'a', 'a', 'Denied.', now() - interval '20 days')",
    )
    assert delete_old_rows(settings, now=NOW)["made_up_for"] == 0
    _do(settings, "insert into ops.scans (deep, state) values (false, 'complete')")
    assert delete_old_rows(settings, now=NOW)["made_up_for"] == 1
    assert rows(settings, "select source from ops.inbox") == [("teamwork",)]
