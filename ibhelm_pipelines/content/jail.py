"""The inside of a worker process: what it may not do, and the one edge where a reader's errors become results.

A file is input from strangers and its reader is a large C library. So the process that opens it has no network, no
secrets in its environment, a bounded address space, a bounded processor time, writes no files, and dies with its
parent. What a reader raises ends here, as an outcome without document text.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import math
import multiprocessing
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from ibhelm_pipelines.content.families import load_reader, reader_modules
from ibhelm_pipelines.content.limits import Limits, is_memory_shortage
from ibhelm_pipelines.content.outcome import Outcome, failed, unread
from ibhelm_pipelines.content.source import Place, cannot_read, opened
from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError, SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

READY = "ready"
EXIT_OUT_OF_MEMORY = 71

KEPT_ENVIRONMENT = frozenset(
    {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH"}
)
"""Everything else might be a password."""

REFUSED_EVENTS = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.kill")
CPU_SHARE = 0.8
"""Part of the wall time limit that may be processor time:

A bomb meets this limit, a stalled disk only the wall clock.
"""

WORN_SHARE = 0.5
"""A worker that has grown by this part of its room between files is replaced; the next file must not pay for it."""

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_NO_NEW_PRIVS = 38
_PAGE = resource.getpagesize()
_ENVIRONMENT_FIELDS = slice(
    47, 49
)  # env_start and env_end of /proc/self/stat, counted after the name in brackets (proc(5))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One reader on one content at one place."""

    reader: str
    place: Place
    limits: Limits


def serve(pipe: Connection, memory_mb: int) -> None:
    """The life of a worker: lock itself in, say that it is ready, do what comes until the parent hangs up."""
    enter()
    pipe.send(READY)
    _limit(resource.RLIMIT_AS, memory_mb << 20)
    worn_out_at = _worn_out_size(memory_mb << 20)
    while True:
        try:
            perform, job = pipe.recv()
        except EOFError:
            return
        outcome = guard(perform, job)
        try:
            pipe.send((outcome, _address_space() > worn_out_at))
        except MemoryError:
            os._exit(EXIT_OUT_OF_MEMORY)


def enter() -> None:
    """Lock this process in, for good. Order matters: what needs rights or files comes first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us in its own time
    for module in reader_modules():
        importlib.import_module(module)
    _clear_environment()
    if sys.platform == "linux":
        _leave_network()
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _die_with_parent()
    _silence()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    sys.addaudithook(_refuse)


def guard(perform: Callable[[Job], Outcome], job: Job) -> Outcome:
    """Do a job; every way in which it can fail, short of the death of the process, is an outcome."""
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(spent + job.limits.seconds * CPU_SHARE), hard))
    return run_guarded(lambda: perform(job))


def run_guarded(work: Callable[[], Outcome]) -> Outcome:
    """The edge: turn a reader's errors into outcomes.

    After a refused allocation the process ends itself, because nobody knows what state the library is in.
    """
    try:
        return work()
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)
    except (ContentChangedError, FileUnreadableError) as error:
        return unread(error)
    except SuspectFileError as error:
        return failed(error.problem)
    except Exception as error:  # noqa: BLE001 - readers are strangers' code and may raise anything; it is recorded
        return _unforeseen(error)


def perform(job: Job) -> Outcome:
    """Open the file and hand it to the reader."""
    reader = load_reader(job.reader)
    with opened(job.place) as file:
        outcome = run_guarded(lambda: reader(file, job.limits))
        if outcome.state == "failed":
            _read_through(file)
    return outcome


def _read_through(file: BinaryIO) -> None:
    """Before a file is condemned: if the disk cannot even deliver its bytes, the file is innocent."""
    file.seek(0)
    try:
        while file.read(1 << 20):
            pass
    except OSError as error:
        raise cannot_read(error) from error


def _unforeseen(error: Exception) -> Outcome:
    if getattr(error, "errno", None) == errno.ENOMEM or is_memory_shortage(error):
        os._exit(EXIT_OUT_OF_MEMORY)
    return failed(f"The reader gave up ({type(error).__name__})")


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(REFUSED_EVENTS):
        raise PermissionError(f"{event} is not allowed while a file is open")


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _leave_network() -> None:
    """Into a network namespace with nothing in it: as root directly, else through a user namespace of our own.

    Where the kernel allows neither, the audit hook is what is left.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _die_with_parent() -> None:
    """Have the kernel end this process when the pipeline's own process is gone, however busy the reader is.

    The sentinel is a pipe whose other end only the parent holds: when it closes, SIGIO comes, and nobody catches it.
    PR_SET_PDEATHSIG would not do: the parent by birth is the fork server, which lives on while its children do.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel
    assert isinstance(sentinel, int)
    fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)


def _clear_environment() -> None:
    """Forget all but the harmless variables, also in the block that /proc/self/environ shows."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT_ENVIRONMENT}
    os.environ.clear()
    os.environ.update(kept)
    if sys.platform == "linux":
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - nothing to gain from a Path
            fields = file.read().rpartition(b")")[2].split()
        start, end = (int(field) for field in fields[_ENVIRONMENT_FIELDS])
        ctypes.memset(start, 0, end - start)


def _silence() -> None:
    """Libraries complain about broken files on stderr; a thousand such lines would hide the one that matters."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _worn_out_size(limit: int) -> int:
    base = _address_space()
    return int(base + (limit - base) * WORN_SHARE)


def _address_space() -> int:
    """This process's address space in bytes; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - read for every file; must be cheap
        return int(file.read().split()[0]) * _PAGE
