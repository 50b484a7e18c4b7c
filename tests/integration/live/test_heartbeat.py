"""Signs of life: who lives beats, who ended in good order says so, who died is seen by his silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import tables
from pydantic import SecretStr

from ibhelm_pipelines.db.heartbeat import Heartbeat
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings

PROCESS = """
import sys, time
from ibhelm_pipelines.db.heartbeat import Heartbeat
from ibhelm_pipelines.settings import Settings
with Heartbeat(Settings(_env_file=None, database_url=sys.argv[1]), kind="worker", interval_seconds=0.1):
    print("beating", flush=True)
    time.sleep(600)
"""


def rows(settings: Settings, query: str = "select * from ops.heartbeats", *values: Any) -> list[tuple[Any, ...]]:
    return tables.ask(settings.require_database_url(), query, *values)


def becomes(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


def state_of(settings: Settings, heartbeat: Heartbeat) -> tuple[Any, ...]:
    [row] = rows(settings, "select state, stopped_at from ops.heartbeats where process = %s", heartbeat.process)
    return row


def start(settings: Settings) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, settings.require_database_url()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "beating\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_process_is_there_from_the_first_moment_says_what_it_does_and_says_when_it_ends(settings: Settings) -> None:
    with Heartbeat(settings, kind="watcher", interval_seconds=0.1) as heartbeat:
        [(kind, pid)] = rows(settings, "select kind, pid from ops.heartbeats")
        assert (kind, pid) == ("watcher", os.getpid())
        assert state_of(settings, heartbeat) == ({}, None)
        heartbeat.beat({"mode": "inotify", "problem": None})
        becomes(lambda: state_of(settings, heartbeat) == ({"mode": "inotify", "problem": None}, None))
    assert state_of(settings, heartbeat)[1] is not None


def test_the_last_state_is_beaten_again_and_again_by_itself(settings: Settings) -> None:
    with Heartbeat(settings, kind="worker", interval_seconds=0.1) as heartbeat:
        heartbeat.beat({"done": 7})
        becomes(lambda: state_of(settings, heartbeat)[0] == {"done": 7})
        [(before,)] = rows(settings, "select beat_at from ops.heartbeats")
        becomes(lambda: rows(settings, "select from ops.heartbeats where beat_at > %s", before))
        assert state_of(settings, heartbeat) == ({"done": 7}, None)


def test_a_process_that_breaks_does_not_say_that_it_ended_in_good_order(settings: Settings) -> None:
    with pytest.raises(ZeroDivisionError), Heartbeat(settings, kind="worker") as heartbeat:
        raise ZeroDivisionError
    assert state_of(settings, heartbeat) == ({}, None)


def test_a_process_outlives_a_restart_of_postgres_and_beats_again(
    private_postgres: EmbeddedPostgres, settings: Settings
) -> None:
    migrate(private_postgres.url())
    settings = settings.model_copy(update={"database_url": SecretStr(private_postgres.url())})
    private_postgres.stop()
    with Heartbeat(settings, kind="worker", interval_seconds=0.1) as heartbeat:  # not even the start needs it
        private_postgres.start()
        becomes(lambda: rows(settings))
        private_postgres.stop()
        heartbeat.beat({"done": 1})
        private_postgres.start()
        becomes(lambda: state_of(settings, heartbeat) == ({"done": 1}, None))


def test_a_killed_process_stays_visible_until_another_one_takes_its_place(settings: Settings) -> None:
    killed, other = start(settings), start(settings)
    kill(killed)
    kill(other)
    rows(settings, "update ops.heartbeats set beat_at = beat_at - interval '1 minute' where pid = %s", killed.pid)
    assert rows(settings, "select count(*) from ops.heartbeats where stopped_at is null") == [(2,)]

    with Heartbeat(settings, kind="watcher"):  # of another kind: replaces none of them
        assert rows(settings, "select count(*) from ops.heartbeats where kind = 'worker'") == [(2,)]
    with Heartbeat(settings, kind="worker") as heartbeat:
        left = rows(settings, "select pid from ops.heartbeats where kind = 'worker' order by started_at")
        assert left == [(killed.pid,), (os.getpid(),)], heartbeat.process


def test_rows_of_the_dead_go_after_a_day_and_those_of_the_living_and_of_other_hosts_stay(settings: Settings) -> None:
    dead = [start(settings) for _ in range(3)]
    living = start(settings)
    for process in dead:
        kill(process)
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(
            "update ops.heartbeats set beat_at = now() - interval '25 hours' where pid <> %s", [living.pid]
        )
        connection.execute(
            """insert into ops.heartbeats (process, kind, host, pid, beat_at)
               values ('worker/elsewhere/1', 'worker', 'elsewhere', 999999, now() - interval '9 days')"""
        )
    with Heartbeat(settings, kind="worker"):
        pids = {pid for (pid,) in rows(settings, "select pid from ops.heartbeats")}
    kill(living)
    assert pids == {living.pid, os.getpid(), 999_999}


def test_a_pid_that_belongs_to_another_process_by_now_counts_as_dead(settings: Settings) -> None:
    living = start(settings)
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute("update ops.heartbeats set started_at = now() - interval '2 days'")
    living.send_signal(signal.SIGSTOP)  # so that it does not beat again in between
    with Heartbeat(settings, kind="worker"):
        assert rows(settings, "select pid from ops.heartbeats") == [(os.getpid(),)]
    kill(living)
