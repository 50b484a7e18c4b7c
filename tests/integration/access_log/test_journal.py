"""The journal of accesses: nothing that was read is missing from the log, whatever is away, full, killed or broken."""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import signal
import threading
from pathlib import Path

import psycopg
import pytest
import tables
from webhook_sender import wait_for

from ibhelm_pipelines.access_log import journal as journals
from ibhelm_pipelines.access_log.entries import Access, client_digest
from ibhelm_pipelines.access_log.journal import Journal, taken, waiting_files
from ibhelm_pipelines.access_log.storing import FOLDER, AccessLog, open_access_log, store
from ibhelm_pipelines.db.cleanup import delete_old_rows
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.errors import AccessNotLoggedError, ConfigurationError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings

NOBODY = "postgresql://ibhelm@127.0.0.1:1/nothing"


def read(number: int, **more: object) -> Access:
    return Access(way="page", action="read", who="lena@buero.de", items=(f"file:{number}",), **more)  # type: ignore[arg-type]


def logged(url: str) -> list[str]:
    return [items[0] for (items,) in tables.ask(url, "select items from ops.access_log order by at, id")]


def delivered(folder: Path, url: str) -> int:
    with connect(url, application="test") as connection:
        return store(folder, connection)


def test_what_was_read_is_in_the_table(settings: Settings, database_url: str) -> None:
    with open_access_log(settings) as log:
        log.record(read(1))
        log.record(Access(way="mcp", action="sql", who="a\0b\ud800", items=("table:files",), row_count=7))
        wait_for(lambda: logged(database_url) == ["file:1", "table:files"])
    assert tables.ask(database_url, "select who, row_count from ops.access_log where way = 'mcp'") == [("ab?", 7)]
    assert waiting_files(settings.state_dir / FOLDER) == []
    assert oct((settings.state_dir / FOLDER).stat().st_mode)[-3:] == "700"


def test_what_is_read_again_within_a_minute_is_written_once(settings: Settings, database_url: str) -> None:
    now = [0.0]
    log = AccessLog(settings, clock=lambda: now[0])
    for at in (0.0, 59.9, 60.0, 60.1):
        now[0] = at
        log.record(read(1))
    for number in range(3):  # of what is denied, one a minute from one place, whatever was tried
        log.record(Access(way="link", action="download", client="x", outcome="denied", content_hash=str(number)))
    log.start()
    log.close()
    found = tables.ask(database_url, "select outcome, count(*)::int from ops.access_log group by 1 order by 1")
    assert found == [("allowed", 2), ("denied", 1)]


def test_how_much_is_remembered_is_bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibhelm_pipelines.access_log.storing.MOST_REMEMBERED", 3)
    log = AccessLog(settings)
    for number in (1, 2, 3, 4, 4, 1):
        log.record(read(number))
    [file] = waiting_files(settings.state_dir / FOLDER)
    assert len(file.read_bytes().splitlines()) == 5, "1 was forgotten, 4 was not"


def test_while_postgres_is_away_it_waits_and_somebody_is_told(settings: Settings, database_url: str) -> None:
    away = Settings.model_validate({**settings.model_dump(), "database_url": NOBODY})
    with open_access_log(away) as log:
        log.record(read(1))
        wait_for(lambda: log.problem is not None)
        log.record(read(2))
    assert len(waiting_files(settings.state_dir / FOLDER)) >= 1
    with open_access_log(settings) as log:
        wait_for(lambda: logged(database_url) == ["file:1", "file:2"])
        wait_for(lambda: log.problem is None)


def test_it_comes_through_when_postgres_is_back(settings: Settings, private_postgres: EmbeddedPostgres) -> None:
    url = private_postgres.url()
    migrate(url)
    behind = Settings.model_validate({**settings.model_dump(), "database_url": url})
    with open_access_log(behind) as log:
        log.record(read(1))
        wait_for(lambda: logged(url) == ["file:1"])
        tables.close()
        private_postgres.stop()
        log.record(read(2))
        wait_for(lambda: log.problem is not None)
        private_postgres.start()
        wait_for(lambda: logged(url) == ["file:1", "file:2"])


def test_a_killed_process_loses_nothing_of_what_it_gave(settings: Settings, database_url: str) -> None:
    folder = settings.state_dir / FOLDER
    Journal(folder)
    child = os.fork()
    if child == 0:
        written = Journal(folder)
        for number in range(500):
            written.append(read(number))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert delivered(folder, database_url) == 500
    assert set(logged(database_url)) == {f"file:{number}" for number in range(500)}


def test_half_a_line_was_never_given_and_a_broken_one_is_kept_for_a_person(tmp_path: Path, database_url: str) -> None:
    whole, half = read(1).line(), read(2).line()[:-20]
    (tmp_path / "a.jsonl").write_bytes(b"no line of ours\n[]\n" + whole + half)
    assert delivered(tmp_path, database_url) == 1
    assert logged(database_url) == ["file:1"]
    assert (tmp_path / "a.unreadable").read_bytes() == b"no line of ours\n[]\n"
    assert waiting_files(tmp_path) == []


def test_a_line_that_is_delivered_twice_is_stored_once(tmp_path: Path, database_url: str) -> None:
    line = read(1).line()
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_bytes(line)
    assert delivered(tmp_path, database_url) == 2
    assert logged(database_url) == ["file:1"]


def test_nobody_takes_what_is_still_written(tmp_path: Path, database_url: str) -> None:
    journal = Journal(tmp_path)
    journal.append(read(1))
    assert delivered(tmp_path, database_url) == 0
    journal.hand_over()
    assert delivered(tmp_path, database_url) == 1
    with taken(tmp_path / "gone.jsonl") as file:
        assert file is None


def test_a_new_file_that_somebody_stored_before_it_was_locked_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, removed = journals.fcntl.flock, []

    def lock_late(file: int, how: int) -> None:
        if not removed:
            removed.extend(waiting_files(tmp_path))
            removed[0].unlink()
        lock(file, how)

    monkeypatch.setattr(journals.fcntl, "flock", lock_late)
    journal = Journal(tmp_path)
    journal.append(read(1))
    [file] = waiting_files(tmp_path)
    assert file.read_bytes().endswith(b"\n")


def test_a_full_journal_refuses_until_it_has_room_again(tmp_path: Path, database_url: str) -> None:
    journal = Journal(tmp_path, most_bytes=3 * len(read(1).line()))
    for number in (1, 2, 3):
        journal.append(read(number))
    with pytest.raises(AccessNotLoggedError, match="journal is full"):
        journal.append(read(4))
    journal.hand_over()
    with pytest.raises(AccessNotLoggedError, match="journal is full"):
        journal.append(read(4))
    assert delivered(tmp_path, database_url) == 3
    journal.note_stored()
    journal.append(read(4))


def test_a_full_disk_refuses_and_leaves_no_half_line(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal(tmp_path)
        journal.append(read(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(read(1).line()) + 20, resource.RLIM_INFINITY))
        try:
            journal.append(read(2))
        except AccessNotLoggedError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    [file] = waiting_files(tmp_path)
    assert [json.loads(line)["items"] for line in file.read_bytes().splitlines()] == [["file:1"]]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be kept"):
        Journal(tmp_path / "file" / "journal")


def test_many_threads_write_each_line_whole(settings: Settings, database_url: str) -> None:
    with open_access_log(settings) as log:
        threads = [
            threading.Thread(target=lambda at=at: [log.record(read(number)) for number in range(at, 400, 4)])
            for at in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(logged(database_url)) == sorted(f"file:{number}" for number in range(400))


def test_a_network_address_cannot_be_read_nor_followed_over_days() -> None:
    day = dt.date(2026, 3, 1)
    digest = client_digest("secret", "10.0.0.7", day)
    assert digest == client_digest("secret", "10.0.0.7", day)
    others = [("another", "10.0.0.7", day), ("secret", "10.0.0.8", day), ("secret", "10.0.0.7", dt.date(2026, 3, 2))]
    assert digest not in {client_digest(*other) for other in others}


def test_it_goes_after_its_time(settings: Settings, database_url: str) -> None:
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    with open_access_log(settings) as log:
        for days in (1, 89, 91, 400):
            log.record(read(days, at=now - dt.timedelta(days=days)))
    assert delete_old_rows(settings, now=now)["old_accesses"] == 2
    assert logged(database_url) == ["file:89", "file:1"]
    short = Settings.model_validate({**settings.model_dump(), "access_log_days": 7})
    assert delete_old_rows(short, now=now)["old_accesses"] == 1


@pytest.mark.parametrize("role", ["ibhelm_reader", "ibhelm_nocodb"])
@pytest.mark.parametrize(
    "statement",
    [
        "select 1 from ops.access_log",
        "select who from ops.access_log limit 1",
        "insert into ops.access_log (id, at, way, action, outcome, status)"
        " values (gen_random_uuid(), now(), 'api', 'read', 'allowed', 200)",
        "update ops.access_log set who = 'somebody else'",
        "delete from ops.access_log",
        "truncate ops.access_log",
        "copy ops.access_log to stdout",
        "create view public.mine as select * from ops.access_log",
        "select * from ops.paths_to_forget",
        "select query_to_xml('select * from ops.access_log', true, true, '')",
    ],
)
def test_no_reader_sees_or_changes_it(owner_database_url: str, role: str, statement: str) -> None:
    with psycopg.connect(owner_database_url) as connection:
        connection.execute(f"set role {role}")  # type: ignore[arg-type]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]


def test_no_view_of_the_office_shows_it(owner_database_url: str) -> None:
    found = tables.ask(
        owner_database_url,
        """select v.oid::regclass::text from pg_depend d join pg_rewrite r on r.oid = d.objid
           join pg_class v on v.oid = r.ev_class
           where d.refobjid = 'ops.access_log'::regclass and v.oid <> d.refobjid""",
    )
    assert found == []
