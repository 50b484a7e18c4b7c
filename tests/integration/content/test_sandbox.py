"""The sandbox: one bad file costs only itself, and a reader gets nothing that it does not need."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hostile_readers
import psutil
import pytest
from hostile_readers import MEMORY_MB, SECONDS, do_connect, job, misbehave

from ibhelm_pipelines.content import workers
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(hostile_readers.__file__).parent


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, content_workers=2, content_seconds=SECONDS, content_memory_mb=MEMORY_MB)


@contextmanager
def open_sandbox(settings: Settings) -> Iterator[Sandbox]:
    with Workers(settings, perform=misbehave) as shared, Sandbox(settings, shared) as running:
        yield running


@pytest.fixture
def locked_in(settings: Settings) -> Iterator[Sandbox]:
    with open_sandbox(settings) as running:
        yield running


@pytest.mark.parametrize(
    ("behaviour", "reason", "transient"),
    [
        ("segfault", "The reader crashed (signal SIGSEGV)", False),
        ("abort", "The reader crashed (signal SIGABRT)", False),
        ("exit", "The reader crashed (exit status 3)", False),
        ("sleep", f"The reader took longer than {SECONDS} s", True),  # the disk may have stalled
        ("hang_in_c", f"The reader took longer than {SECONDS} s", True),
        ("allocate", f"The reader needed more than {MEMORY_MB} MiB", False),
        ("raise", "The reader gave up (KeyError)", False),  # and nothing of what the error says
        ("refuse", "The picture is damaged or cut off", False),
        ("connect", "The reader gave up (PermissionError)", False),
        ("fork", "The reader gave up (PermissionError)", False),
        ("write", "The reader gave up (PermissionError)", False),
    ],
)
def test_a_bad_reader_is_a_failed_outcome_and_its_neighbours_succeed(
    locked_in: Sandbox, behaviour: str, reason: str, transient: bool
) -> None:
    with ThreadPoolExecutor(4) as threads:
        bad = threads.submit(locked_in.run, job(behaviour))
        good = [threads.submit(locked_in.run, job("well")) for _ in range(20)]
        assert {future.result().state for future in good} == {"ok"}
        outcome = bad.result()
    assert (outcome.state, outcome.reason, outcome.transient) == ("failed", reason, transient)
    assert locked_in.run(job("well")).state == "ok"


def test_a_reader_that_computes_without_end_is_stopped(locked_in: Sandbox) -> None:
    outcome = locked_in.run(job("spin"))
    assert (outcome.state, outcome.reason) == ("failed", f"The reader took longer than {SECONDS} s")


def test_a_worker_cannot_reach_a_server_that_listens_on_this_machine(locked_in: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        do_connect(port)  # from here it works
        assert locked_in.run(job("connect", port)).state == "failed"
        assert locked_in.run(job("connect_in_c", port)).text == "refused"


def test_a_worker_sees_no_secrets(settings: Settings, tmp_path: Path) -> None:
    # In a process of its own: the fork server keeps the environment that it was started with.
    code = (
        "from ibhelm_pipelines.content.sandbox import Sandbox\n"
        "from ibhelm_pipelines.content.workers import Workers\n"
        "from ibhelm_pipelines.settings import Settings\n"
        "from hostile_readers import job, misbehave\n"
        "settings = Settings(_env_file=None, content_workers=1)\n"
        "if __name__ == '__main__':\n"
        "    with Workers(settings, perform=misbehave) as workers, Sandbox(settings, workers) as running:\n"
        "        print(running.run(job('environment')).text)\n"
        "        print(running.run(job('search_memory', 'eingeheim')).text)\n"
    )
    (tmp_path / "main.py").write_text(code, encoding="utf-8")
    secrets = {"IBHELM_S3_SECRET_KEY": "eingeheim1", "DAGSTER_TOKEN": "geheim2", "AWS_SECRET_ACCESS_KEY": "geheim3"}
    environment = os.environ | secrets | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "PATH" in done.stdout
    assert "geheim" not in done.stdout
    assert done.stdout.splitlines()[1] == "0"  # nor does its memory hold what it forgot
    assert done.stderr == ""


def test_workers_do_not_run_the_program_that_needs_them_once_more(tmp_path: Path) -> None:
    """That would take a quarter of a second for each, and bring into them whatever the program has."""
    code = (
        "print('begun', flush=True)\n"
        "from ibhelm_pipelines.content.workers import Worker\n"
        "if __name__ == '__main__':\n"
        "    for worker in [Worker(512), Worker(512)]:\n"
        "        worker.end()\n"
    )
    (tmp_path / "main.py").write_text(code, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, tmp_path / "main.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["begun"]


def test_a_worker_that_keeps_growing_is_replaced_before_it_harms_a_file(locked_in: Sandbox) -> None:
    assert all(locked_in.run(job("hoard")).state == "ok" for _ in range(12))


def test_a_worker_is_replaced_after_its_share_of_files(locked_in: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FILES_PER_WORKER", 5)
    processes = {locked_in.run(job("well")).text for _ in range(30)}
    assert len(processes) >= 4


def test_neither_killed_nor_stopped_workers_stay_behind(settings: Settings) -> None:
    with open_sandbox(settings) as running:
        for behaviour in ("segfault", "sleep", "exit", "well"):
            running.run(job(behaviour))
        processes = _workers()
        assert processes
        assert all(process.status() != psutil.STATUS_ZOMBIE for process in processes)
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def _workers() -> list[psutil.Process]:
    """Grandchildren: the fork server is their parent."""
    return [worker for child in psutil.Process().children() for worker in child.children()]


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "from ibhelm_pipelines.content.sandbox import Sandbox\n"
        "from ibhelm_pipelines.content.workers import Workers\n"
        "from ibhelm_pipelines.settings import Settings\n"
        "from hostile_readers import job, misbehave\n"
        "if __name__ == '__main__':\n"
        "    settings = Settings(_env_file=None, content_workers=1)\n"
        "    with Workers(settings, perform=misbehave) as workers, Sandbox(settings, workers) as running:\n"
        "        print(running.run(job('well')).text, flush=True)\n"
        "        running.run(job('sleep', seconds=600))\n"
    )
    (tmp_path / "main.py").write_text(code, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    with subprocess.Popen(
        [sys.executable, tmp_path / "main.py"], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    worker.wait(timeout=10)


def test_what_dies_in_a_worker_that_others_may_have_broken_gets_a_fresh_one(locked_in: Sandbox) -> None:
    for _ in range(6):
        assert locked_in.run(job("break_the_worker")).state == "ok"
        assert locked_in.run(job("die_if_broken")).state == "ok"


def test_closing_does_not_wait_for_a_reader_that_hangs(settings: Settings) -> None:
    with ThreadPoolExecutor(1) as threads, open_sandbox(settings) as running:
        running.run(job("well"))
        hanging = threads.submit(running.run, job("sleep", seconds=600))
        while not any(worker.status() == psutil.STATUS_SLEEPING for worker in _workers()):
            pass
    with pytest.raises(CancelledError):
        hanging.result()


def test_workers_that_die_between_files_are_replaced(locked_in: Sandbox) -> None:
    assert locked_in.run(job("well")).state == "ok"
    for worker in _workers():
        worker.kill()
    assert all(locked_in.run(job("well")).state == "ok" for _ in range(5))


@pytest.mark.timeout(60)
def test_who_comes_after_the_end_is_told_so_and_does_not_wait(settings: Settings) -> None:
    with open_sandbox(settings) as running:
        pass
    with pytest.raises(CancelledError):
        running.run(job("sleep"))


@pytest.mark.timeout(120)
def test_closing_one_sandbox_stops_its_own_jobs_and_no_one_elses(settings: Settings) -> None:
    with Workers(settings, perform=misbehave) as shared, ThreadPoolExecutor(2) as threads:
        other = Sandbox(settings, shared)
        with Sandbox(settings, shared) as mine:
            patient = (mine, job("sleep", seconds=600)), (other, job("sleep", seconds=4))
            hanging = [threads.submit(sandbox.run, each) for sandbox, each in patient]
            while not all(slot._worker and slot._worker.files for slot in shared._slots):
                pass
        with pytest.raises(CancelledError):
            hanging[0].result()
        assert other.run(job("well")).state == "ok"  # the room is free again, with a worker that nobody broke
        assert hanging[1].result().reason == "The reader took longer than 4 s"


@pytest.mark.timeout(60)
def test_who_waits_for_a_worker_is_told_when_its_sandbox_is_closed(settings: Settings) -> None:
    settings = settings.model_copy(update={"content_workers": 1})
    with ThreadPoolExecutor(2) as threads, Workers(settings, perform=misbehave) as shared:
        busy = Sandbox(settings, shared)
        holding = threads.submit(busy.run, job("sleep", seconds=600))
        while not _workers():
            pass
        with Sandbox(settings, shared) as mine:
            waiting = threads.submit(mine.run, job("well"))
        with pytest.raises(CancelledError):
            waiting.result()
        assert not holding.done()
    with pytest.raises(CancelledError):
        holding.result()
