"""Processes on record: only ours are ever stopped, politely first; logs do not grow without end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from ibhelm_pipelines.local import process
from ibhelm_pipelines.local.process import ProcessRecord, start_process, tail, trim_log, wait_until

if TYPE_CHECKING:
    from pathlib import Path

_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)
_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


_FIRST_THREAD_ENDED = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def _start(code: str, folder: Path) -> ProcessRecord:
    """Start a program and wait until it says something."""
    log = folder / "log"
    record = start_process([sys.executable, "-c", code], env=os.environ, log=log, cwd=folder)
    assert wait_until(lambda: tail(log) != "", seconds=30)
    return record


def test_a_recycled_pid_is_not_ours_and_is_left_alone(tmp_path: Path) -> None:
    ours = _start("import time; print(1, flush=True); time.sleep(600)", tmp_path)
    recycled = ProcessRecord(pid=ours.pid, create_time=ours.create_time - 60)
    assert not recycled.alive()
    recycled.terminate(seconds=1)
    assert ours.alive()
    assert ours.terminate(seconds=10)
    assert not ours.alive()


def test_a_killed_process_counts_as_gone_even_as_a_zombie(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    record = ProcessRecord.of(child.pid)
    assert record is not None
    os.kill(child.pid, signal.SIGKILL)
    assert wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, seconds=10)
    assert not record.alive()
    child.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process with threads is a zombie")
def test_a_child_is_gone_when_its_last_thread_is_and_leaves_no_zombie(tmp_path: Path) -> None:
    record = _start(_FIRST_THREAD_ENDED, tmp_path)
    assert wait_until(lambda: psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE, seconds=30)
    assert record.alive()
    assert record.terminate(seconds=30)
    assert not psutil.pid_exists(record.pid)


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    record = _start(_STUBBORN, tmp_path)
    assert not record.terminate(seconds=0.5)
    assert not record.alive()


def test_a_group_ends_with_its_children(tmp_path: Path) -> None:
    record = _start(_PARENT, tmp_path)
    child = ProcessRecord.of(int(tail(tmp_path / "log")))
    assert child is not None
    assert record.terminate(seconds=10, group=True, children_first=True)
    assert not child.alive()


def test_a_grown_log_is_put_aside_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "log"
    with log.open("a", encoding="utf-8") as writer:
        for line in ("first line\n", "second line\n"):
            writer.write(line)
            writer.flush()
            trim_log(log)
        writer.write("third")
    assert (log.read_text("utf-8"), (tmp_path / "log.1").read_text("utf-8")) == ("third", "second line\n")
