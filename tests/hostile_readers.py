"""Readers that misbehave, for the sandbox's tests; a module of its own, because worker processes import it."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from pathlib import Path

from ibhelm_pipelines.content.jail import Job
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome
from ibhelm_pipelines.content.source import Place
from ibhelm_pipelines.errors import SuspectFileError

SECONDS = 2
MEMORY_MB = 512
LIBC = ctypes.CDLL(None)


def job(name: str, port: int = 0) -> Job:
    """A job whose place says to `misbehave` what to do."""
    place = Place(path=os.fsencode(name), extension=str(port), size_bytes=0, mtime_ns=0, inode=0)
    return Job(reader="", place=place, limits=Limits(seconds=SECONDS, memory_mb=MEMORY_MB, text_chars=1000))


def misbehave(work: Job) -> Outcome:
    """What hostile readers do; runs in the worker."""
    behaviour = globals()[f"do_{os.fsdecode(work.place.path)}"]
    return Outcome(state="ok", text=str(behaviour(int(work.place.extension))))


def do_well(_: int) -> int:
    return os.getpid()


def do_segfault(_: int) -> None:
    ctypes.string_at(0)


def do_abort(_: int) -> None:
    LIBC.abort()


def do_exit(_: int) -> None:
    os._exit(3)


def do_sleep(_: int) -> None:
    time.sleep(600)


def do_spin(_: int) -> None:
    while True:
        pass


def do_hang_in_c(_: int) -> None:
    LIBC.sleep(600)


def do_allocate(_: int) -> int:
    return sum(len(block) for block in [bytes(64 << 20) for _ in range(1000)])


def do_raise(_: int) -> None:
    raise KeyError("Kontonummer DE12 3456")


def do_refuse(_: int) -> None:
    raise SuspectFileError("The picture is damaged or cut off")


def do_connect(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


def do_connect_in_c(port: int) -> str:
    """Past Python and its audit hook, straight to the kernel."""
    descriptor = LIBC.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    address = socket.AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    return "connected" if LIBC.connect(descriptor, address, len(address)) == 0 else "refused"


def do_environment(_: int) -> str:
    return str(dict(os.environ)) + Path("/proc/self/environ").read_bytes().decode("utf-8", "replace")


def do_write(_: int) -> None:
    Path("/tmp/ibhelm-written-by-a-worker").write_text("x" * 10, encoding="utf-8")


def do_fork(_: int) -> int:
    return os.fork()


def do_print(_: int) -> None:
    os.write(2, b"MuPDF error: noise\n")


def do_break_the_worker(_: int) -> None:
    _HOARD.append(bytearray(1))


def do_die_if_broken(_: int) -> None:
    if _HOARD:
        LIBC.abort()


_HOARD: list[bytearray] = []


def do_hoard(_: int) -> int:
    """Leak a sixth of the room with every file."""
    _HOARD.append(bytearray(MEMORY_MB // 6 << 20))
    return len(_HOARD)
