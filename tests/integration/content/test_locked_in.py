"""What a reader that a hostile file took over can reach: its file, the libraries, and nothing else.

The attempts are made through ctypes, past Python and its audit hook, as a C library would make them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hostile_readers
import pytest
from hostile_readers import EVIDENCE, MEMORY_MB, SECONDS, job, misbehave

from ibhelm_pipelines.content import protection, scratch, source
from ibhelm_pipelines.content.confinement import Protections
from ibhelm_pipelines.content.landlock import version as landlock_version
from ibhelm_pipelines.content.protection import describe_protection
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.scratch import open_scratch
from ibhelm_pipelines.content.seccomp import is_known
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNAL_SCOPE = 6
"""The version of Landlock that refuses signals."""

needs_landlock = pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not is_known(), reason="this kernel does not filter system calls")

SECRET = "Kontonummer DE12 3456"


@pytest.fixture(scope="module")
def locked_in() -> Iterator[Sandbox]:
    settings = Settings(_env_file=None, content_workers=1, content_seconds=SECONDS, content_memory_mb=MEMORY_MB)
    with Workers(settings, perform=misbehave) as workers, Sandbox(settings, workers) as sandbox:
        yield sandbox


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that is not copied: its reader gets the real one, in a process of its own."""
    path = tmp_path / "large.bin"
    path.write_bytes(b"x" * (source.COPIED_BYTES + 1))
    return path


@needs_landlock
@pytest.mark.parametrize("alone", [False, True], ids=["of many files", "of one large file"])
def test_a_reader_opens_nothing_but_its_file(locked_in: Sandbox, large: Path, tmp_path: Path, alone: bool) -> None:
    neighbour, pgpass = tmp_path / "neighbour.txt", Path.home() / ".pgpass"
    neighbour.write_text(SECRET, encoding="utf-8")
    own = large if alone else hostile_readers.__file__
    names = ["/etc/passwd", neighbour, f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/maps", "/proc/1/environ"]
    names += [f"/proc/self/root{neighbour}", f"/proc/{os.getpid()}/root{neighbour}", large.parent / "." / "large.bin"]
    names += [pgpass, "/etc/shadow", "/dev/sda", "/dev/mem", f"{Path(__file__).parents[3]}/pyproject.toml"]
    expected = {str(name): "refused" for name in names}
    if alone:
        expected[str(large)] = "x" * 100
    else:
        expected[str(large)] = "refused"
    assert {name: locked_in.run(job("open_in_c", name, file=own)).text for name in expected} == expected
    assert locked_in.run(job("list_in_c", tmp_path, file=own)).text == "refused"


@pytest.mark.parametrize("alone", [False, True], ids=["of many files", "of one large file"])
def test_its_own_file_can_be_opened_again_and_not_changed(locked_in: Sandbox, large: Path, alone: bool) -> None:
    own = large if alone else Path(hostile_readers.__file__)
    assert locked_in.run(job("read_its_file", file=own)).text == f"True {own.stat().st_size}"
    assert locked_in.run(job("write_its_file", file=own)).text == "refused"


@needs_seccomp
@pytest.mark.parametrize("behaviour", ["write_in_c", "remove_in_c", "truncate_in_c"])
def test_a_reader_changes_no_file(locked_in: Sandbox, tmp_path: Path, behaviour: str) -> None:
    path = tmp_path / "Plan.txt"
    path.write_text(SECRET, encoding="utf-8")
    assert locked_in.run(job(behaviour, path)).text == "refused"
    assert path.read_text(encoding="utf-8") == SECRET


@needs_seccomp
def test_a_reader_has_no_sockets(locked_in: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as database:
        database.bind(str(path))
        database.listen()
        port = server.getsockname()[1]
        assert hostile_readers.do_connect_in_c(str(port)) == "connected"  # from here both are reached
        assert hostile_readers.do_unix_socket_in_c(str(path)) == "connected"
        assert locked_in.run(job("connect_in_c", port)).text == "refused"
        assert locked_in.run(job("unix_socket_in_c", path)).text == "refused"
        assert locked_in.run(job("socket_in_c")).text == "-1"


@needs_seccomp
def test_a_reader_starts_threads_but_no_process_and_no_program(locked_in: Sandbox) -> None:
    assert locked_in.run(job("start_thread")).text == "a thread"
    assert locked_in.run(job("fork_in_c")).text == "-1"
    assert locked_in.run(job("vfork_by_number")).text == "-1"
    assert locked_in.run(job("execute_in_c", "/bin/true")).text == "-1"


@needs_seccomp
@pytest.mark.parametrize("behaviour", ["kill_in_c", "send_signal_by_pipe", "trace_in_c", "peek_in_c"])
def test_a_reader_cannot_touch_other_processes(locked_in: Sandbox, behaviour: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        for pid in (os.getpid(), victim.pid, os.getppid()):
            assert locked_in.run(job(behaviour, pid)).text == "refused"
        victim.kill()


def test_a_reader_has_no_rights_that_another_user_has_not(locked_in: Sandbox) -> None:
    assert locked_in.run(job("capabilities")).text == "none none"
    assert locked_in.run(job("lift_limits")).text == "refused"


@needs_landlock
@needs_seccomp
def test_the_doctor_says_what_holds_here() -> None:
    said = describe_protection(Settings(_env_file=None))
    assert said.startswith("Readers are kept in by: Landlock (files), system call filter (processes, sockets)")


def test_the_doctor_says_what_is_missing() -> None:
    said = protection._fences(Protections(landlock=0, seccomp=True, network=False))
    assert said.endswith("not here: Landlock (files), empty network (docs/security.md)")


@needs_landlock
@needs_seccomp
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="cannot become another user here")
def test_all_this_holds_for_an_ordinary_user_too() -> None:
    """In production the pipeline is not root. This user may read what root may, so as to find the interpreter."""
    code = (
        "import os\n"
        "from hostile_readers import job, misbehave\n"
        "from ibhelm_pipelines.content.sandbox import Sandbox\n"
        "from ibhelm_pipelines.content.workers import Workers\n"
        "from ibhelm_pipelines.settings import Settings\n"
        "settings = Settings(_env_file=None, content_workers=1)\n"
        "attempts = [('open_in_c', '/etc/passwd'), ('open_in_c', f'/proc/{os.getpid()}/environ'), ('socket_in_c', 0),\n"
        "    ('fork_in_c', 0), ('execute_in_c', '/bin/true'), ('kill_in_c', os.getpid()), ('start_thread', 0)]\n"
        "assert os.geteuid() == 65534\n"
        "with Workers(settings, perform=misbehave) as workers, Sandbox(settings, workers) as running:\n"
        "    print([running.run(job(*attempt)).text for attempt in attempts])\n"
    )
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    user += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    tests = Path(__file__).parents[2]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{tests.parent}:{tests}"}
    done = subprocess.run(
        [*user, sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.stdout.strip() == "['refused', 'refused', '-1', '-1', '-1', 'refused', 'a thread']", done.stderr


def test_a_scratch_folder_is_there_for_one_file_only(locked_in: Sandbox) -> None:
    folders = []
    for _ in range(2):
        with open_scratch() as mine:
            folders.append(locked_in.run(job("use_scratch", 1, scratch=mine)).text)
            assert (mine.folder / "deeper" / "renamed").stat().st_size == 1 << 20
    assert folders[0] != folders[1]
    assert not any(Path(str(folder)).exists() for folder in folders)
    assert locked_in.run(job("use_scratch", 1)).state == "failed"  # without one


def test_a_scratch_folder_is_bounded(locked_in: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LOOK_SECONDS", 0.05)
    with open_scratch() as mine:
        outcome = locked_in.run(job("use_scratch", 5000, scratch=mine, seconds=30))
    assert outcome.reason == f"The reader wrote more than {scratch.SCRATCH_BYTES >> 20} MiB of files"
    with open_scratch() as mine:
        outcome = locked_in.run(job("fill_one_file", scratch=mine, seconds=30))
        assert (mine.folder / "long").stat().st_size == scratch.SCRATCH_BYTES
    assert outcome.reason == "The reader gave up (OSError)"


@needs_landlock
def test_a_reader_with_a_scratch_folder_writes_nowhere_else(locked_in: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "Plan.txt"
    path.write_text(SECRET, encoding="utf-8")
    with open_scratch() as mine, open_scratch() as other:
        for behaviour in ("write_in_c", "remove_in_c", "truncate_in_c", "open_in_c"):
            assert locked_in.run(job(behaviour, path, scratch=mine)).text == "refused"
        assert locked_in.run(job("write_in_c", other.folder / "x", scratch=mine)).text == "refused"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pickle", "The reader answered with what no reader may say"),
        ("endless", "The reader answered with what no reader may say"),
        ("slow", f"The reader took longer than {SECONDS} s"),
    ],
)
def test_a_reader_that_was_taken_over_runs_nothing_in_the_pipeline(locked_in: Sandbox, kind: str, reason: str) -> None:
    outcome = locked_in.run(job("answer", kind))
    assert outcome.state == "failed"
    assert (outcome.reason or "").startswith(reason)
    assert not EVIDENCE.exists()
    assert locked_in.run(job("well")).state == "ok"


def test_a_file_that_changes_while_it_is_read_gives_no_result(locked_in: Sandbox, large: Path) -> None:
    held = job("read_its_file", file=large)
    large.write_bytes(b"y" * (source.COPIED_BYTES + 1))
    os.utime(large, ns=(1, 1))
    outcome = locked_in.run(held)
    assert outcome.changed
    assert outcome.unread
