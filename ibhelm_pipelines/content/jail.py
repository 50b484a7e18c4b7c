"""The inside of a worker process: how it begins, and the one edge where a reader's errors become results.

A file is input from strangers and its reader is a large C library. So the process that opens it is locked in first
(confinement.py), has a bounded address space and a bounded processor time, and dies with its parent. It gets the open
file and never its name. What a reader raises ends here, as an outcome without document text.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import math
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ibhelm_pipelines.content.confinement import (
    Fence,
    clear_environment,
    die_with_parent,
    keep_descriptors,
    limit,
    lock_in,
)
from ibhelm_pipelines.content.families import load_reader, reader_modules
from ibhelm_pipelines.content.limits import Limits, is_memory_shortage
from ibhelm_pipelines.content.line import Line, encode
from ibhelm_pipelines.content.outcome import Outcome, failed, unread
from ibhelm_pipelines.content.programs import PROGRAMS, Conversion, convert
from ibhelm_pipelines.content.scratch import SCRATCH_BYTES
from ibhelm_pipelines.content.source import cannot_read
from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError, SuspectFileError

if TYPE_CHECKING:
    import socket

EXIT_OUT_OF_MEMORY = 71

CPU_SHARE = 0.8
"""Part of the wall time limit that may be processor time:

A bomb meets this limit, a stalled disk only the wall clock.
"""

WORN_SHARE = 0.5
"""A worker that has grown by this part of its room between files is replaced; the next file must not pay for it."""

_PAGE = resource.getpagesize()


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker is told to do with the open file that comes with it.

    Attributes:
        reader: `module:function`, as in families.py.
        arguments: what the reader is given beside the file and its limits.
        conversion: the program that is to be run instead of a reader.
    """

    reader: str
    limits: Limits
    arguments: tuple[Any, ...] = ()
    conversion: Conversion | None = None


Perform = Callable[[Order, BinaryIO], Outcome]
"""What a worker does with an order: `perform`, or hostile code of a test."""


def serve(end: socket.socket, memory_mb: int, perform: Perform) -> None:
    """The life of a worker: lock itself in, say that it is ready, do what comes until the parent hangs up."""
    line = Line(end)
    _begin(line)
    line.send(json.dumps(asdict(lock_in(Fence()))).encode())
    size = _AddressSpace(memory_mb)
    while (taken := line.take()) is not None:
        _answer(line, perform, taken, size)


def serve_one(end: socket.socket, _: int, perform: Perform) -> None:
    """The life of a worker for a single content: it is locked in with that file and its scratch folder."""
    line = Line(end)
    taken = line.take()
    if taken is None:
        return
    order: Order = pickle.loads(taken[0])  # noqa: S301 - from the pipeline
    as_group = order.conversion is not None
    if as_group:
        os.setsid()  # the group that the pipeline kills, and the kernel when the pipeline is gone
    _begin(line, taken[1], as_group=as_group)
    line.send(json.dumps(asdict(lock_in(_fence(order, taken[1])))).encode())
    _answer(line, perform if order.conversion is None else _convert, taken, _AddressSpace(order.limits.memory_mb))
    line.take()  # the pipeline hangs up when it has killed what the program left running


def guard(perform: Perform, order: Order, file: BinaryIO) -> Outcome:
    """Do a job; every way in which it can fail, short of the death of the process, is an outcome."""
    limit_processor_time(order.limits.seconds)
    return run_guarded(lambda: perform(order, file))


def limit_processor_time(seconds: float) -> None:
    """Allow this process so much wall time from now on, of which a part may be processor time."""
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(spent + seconds * CPU_SHARE), hard))


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


def perform(order: Order, file: BinaryIO) -> Outcome:
    """Hand the file to its reader."""
    reader = load_reader(order.reader)
    outcome = run_guarded(lambda: reader(file, order.limits, *order.arguments))
    if outcome.state == "failed":
        _read_through(file)
    return outcome


def _begin(line: Line, *descriptors: int, as_group: bool = False) -> None:
    gc.freeze()  # else the first collection would touch, and so copy, all that is shared with the fork server
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us in its own time
    for module in reader_modules():
        importlib.import_module(module)
    clear_environment()
    keep_descriptors([line.fileno(), *descriptors])
    die_with_parent(as_group=as_group)


def _fence(order: Order, descriptor: int) -> Fence:
    """What a worker for a single content keeps: that file, and the scratch folder of its tool or program."""
    scratch = order.limits.scratch
    bytes_of_files = SCRATCH_BYTES if scratch else 0
    if order.conversion is None:
        return Fence(readable=descriptor, scratch=scratch, scratch_bytes=bytes_of_files)
    folder = str(Path(order.conversion.executable).resolve().parent)
    return Fence(
        readable=descriptor,
        scratch=scratch,
        scratch_bytes=bytes_of_files,
        programs=True,
        program_folders=(folder, order.conversion.executable, *PROGRAMS[order.conversion.key].folders),
    )


def _convert(order: Order, file: BinaryIO) -> Outcome:
    assert order.conversion is not None
    return convert(order.conversion, file, order.limits.scratch)


def _answer(line: Line, perform: Perform, taken: tuple[bytes, int], size: _AddressSpace) -> None:
    data, descriptor = taken
    order = pickle.loads(data)  # noqa: S301 - from the pipeline
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.seek(0)
        outcome = guard(perform, order, file)
    try:
        line.send(encode(outcome, worn_out=size.is_worn_out()))
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)


class _AddressSpace:
    """This process's address space: bounded from now on, and looked at after each file.

    The file of the kernel that tells is opened once, while that is allowed and cheap.
    """

    def __init__(self, memory_mb: int) -> None:
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC) if sys.platform == "linux" else None
        limit(resource.RLIMIT_AS, memory_mb << 20)
        base = self._now()
        self._worn_out_at = int(base + ((memory_mb << 20) - base) * WORN_SHARE)

    def is_worn_out(self) -> bool:
        return self._now() > self._worn_out_at

    def _now(self) -> int:
        """Bytes; 0 where the system does not say."""
        return int(os.pread(self._statm, 64, 0).split()[0]) * _PAGE if self._statm is not None else 0


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
