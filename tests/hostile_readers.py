"""Readers that misbehave, for the sandbox's tests; a module of its own, because worker processes import it."""

from __future__ import annotations

import ctypes
import os
import pickle
import platform
import re
import resource
import socket
import stat
import struct
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ibhelm_pipelines.content.jail import Order, perform
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome
from ibhelm_pipelines.content.sandbox import Job
from ibhelm_pipelines.content.source import Place
from ibhelm_pipelines.errors import SuspectFileError

SECONDS = 2
MEMORY_MB = 512
LIBC = ctypes.CDLL(None)


def job(name: str, argument: object = 0, *, file: str | Path = __file__, seconds: float = SECONDS, **more: Any) -> Job:
    """A job whose reader says to `misbehave` what to do."""
    limits = Limits(seconds=seconds, memory_mb=MEMORY_MB, text_chars=100_000)
    return Job(reader=f"{name}:{argument}", place=place(file), limits=limits, **more)


def place(file: str | Path) -> Place:
    status = Path(file).stat()
    return Place(
        path=os.fsencode(file),
        extension="",
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
    )


def misbehave(order: Order, file: BinaryIO) -> Outcome:
    """What hostile readers do; runs in the worker."""
    name, _, argument = order.reader.partition(":")
    OPEN.update(file=file, limits=order.limits)
    return Outcome(state="ok", text=str(globals()[f"do_{name}"](argument)))


def misbehave_as_the_file_says(order: Order, file: BinaryIO) -> Outcome:
    """As a reader whom its file took over: some texts say what to do, all other files are read as ever."""
    command = file.read(200).decode("latin-1")
    file.seek(0)
    if order.reader != "text:text" or not command.startswith("misbehave "):
        return perform(order, file)
    return misbehave(replace(order, reader=command.split()[1]), file)


OPEN: dict[str, Any] = {}
"""The file and the limits of the order that is being done."""


def do_well(_: str) -> int:
    return os.getpid()


def do_segfault(_: str) -> None:
    ctypes.string_at(0)


def do_abort(_: str) -> None:
    LIBC.abort()


def do_exit(_: str) -> None:
    os._exit(3)


def do_sleep(_: str) -> None:
    time.sleep(600)


def do_spin(_: str) -> None:
    while True:
        pass


def do_hang_in_c(_: str) -> None:
    LIBC.sleep(600)


def do_allocate(_: str) -> int:
    return sum(len(block) for block in [bytes(64 << 20) for _ in range(1000)])


def do_raise(_: str) -> None:
    raise KeyError("Kontonummer DE12 3456")


def do_refuse(_: str) -> None:
    raise SuspectFileError("The picture is damaged or cut off")


def do_connect(port: str) -> None:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=1):
        pass


def do_connect_in_c(port: str) -> str:
    """Past Python and its audit hook, straight to the kernel."""
    descriptor = LIBC.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    address = struct.pack("=HHBBBB8x", socket.AF_INET, socket.htons(int(port)), 127, 0, 0, 1)
    return "connected" if LIBC.connect(descriptor, address, len(address)) == 0 else "refused"


def do_unix_socket_in_c(path: str) -> str:
    """As one would reach a database on this machine: no network keeps from a socket that has a name on the disk."""
    descriptor = LIBC.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0)
    address = struct.pack("=H108s", socket.AF_UNIX, path.encode())
    return "connected" if LIBC.connect(descriptor, address, len(address)) == 0 else "refused"


def do_socket_in_c(_: str) -> int:
    return LIBC.socket(socket.AF_INET, socket.SOCK_STREAM, 0)


def do_fork_in_c(_: str) -> int:
    child = LIBC.fork()
    if child == 0:
        LIBC._exit(0)
    return child


def do_vfork_by_number(_: str) -> int:
    """By the number of the system call (clone, as fork is made of), past the C library too."""
    numbers = {"x86_64": 56, "aarch64": 220}
    return LIBC.syscall(numbers[platform.machine()], 17, 0, 0, 0, 0)  # SIGCHLD, no memory shared


def do_start_thread(_: str) -> str:
    heard: list[str] = []
    thread = threading.Thread(target=heard.append, args=["a thread"])
    thread.start()
    thread.join()
    return heard[0]


def do_execute_in_c(program: str) -> int:
    arguments = (ctypes.c_char_p * 2)(program.encode(), None)
    return LIBC.execve(program.encode(), arguments, None)


def do_open_in_c(path: str) -> str:
    descriptor = LIBC.open(path.encode(), os.O_RDONLY)
    return os.read(descriptor, 100).decode("latin-1") if descriptor >= 0 else "refused"


def do_list_in_c(path: str) -> str:
    LIBC.opendir.restype = ctypes.c_void_p
    return "listed" if LIBC.opendir(path.encode()) else "refused"


def do_write_in_c(path: str) -> str:
    return "written" if LIBC.open(path.encode(), os.O_WRONLY | os.O_CREAT, 0o600) >= 0 else "refused"


def do_remove_in_c(path: str) -> str:
    return "removed" if LIBC.unlink(path.encode()) == 0 else "refused"


def do_truncate_in_c(path: str) -> str:
    return "truncated" if LIBC.truncate(path.encode(), 0) == 0 else "refused"


def do_kill_in_c(pid: str) -> str:
    return "allowed" if LIBC.kill(int(pid), 0) == 0 else "refused"


def do_send_signal_by_pipe(pid: str) -> str:
    """A descriptor that signals another process when something happens: the way round kill()."""
    set_owner = 8
    reading, _ = os.pipe()
    return "allowed" if LIBC.fcntl(reading, set_owner, int(pid)) == 0 else "refused"


def do_trace_in_c(pid: str) -> str:
    attach = 16
    return "allowed" if LIBC.ptrace(attach, int(pid), 0, 0) == 0 else "refused"


def do_peek_in_c(pid: str) -> str:
    """Read another process's memory; a refused call says -1 and EPERM, an empty one 0."""
    return "allowed" if LIBC.process_vm_readv(int(pid), None, 0, None, 0, 0) == 0 else "refused"


def do_lift_limits(_: str) -> str:
    return "lifted" if LIBC.setrlimit(resource.RLIMIT_AS, struct.pack("QQ", 1 << 60, 1 << 60)) == 0 else "refused"


def do_capabilities(_: str) -> str:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return " ".join(line.split()[1].lstrip("0") or "none" for line in lines if line.startswith(("CapEff", "CapPrm")))


def do_read_its_file(_: str) -> str:
    """Both ways: by the descriptor, and opened again by its number, as MuPDF does."""
    file = OPEN["file"]
    again = Path(f"/dev/fd/{file.fileno()}").read_bytes()
    return f"{file.read() == again} {len(again)}"


def do_write_its_file(_: str) -> str:
    file = OPEN["file"]
    descriptor = LIBC.open(f"/dev/fd/{file.fileno()}".encode(), os.O_RDWR)
    return "opened" if descriptor >= 0 and os.pwrite(descriptor, b"x", 0) else "refused"


def do_use_scratch(megabytes: str) -> str:
    """Write so many files of 50 MB, and say where."""
    folder = Path(OPEN["limits"].scratch)
    for number in range(max(1, int(megabytes) // 50)):
        (folder / f"{number}.tmp").write_bytes(bytes(min(int(megabytes), 50) << 20))
        time.sleep(0.05)
    (folder / "deeper").mkdir()
    (folder / "0.tmp").rename(folder / "deeper" / "renamed")
    return str(folder)


def do_fill_one_file(_: str) -> None:
    with (Path(OPEN["limits"].scratch) / "long").open("wb") as file:
        for _ in range(1000):
            file.write(bytes(10 << 20))


def do_answer(kind: str) -> None:
    """Speak to the pipeline past all our code, as one who took the process over would; then hang."""
    (descriptor,) = (each for each in map(int, os.listdir("/proc/self/fd")) if _is_socket(each))
    head = {"pickle": b"", "endless": (1 << 62).to_bytes(8, "big"), "slow": (1000).to_bytes(8, "big")}[kind]
    body = pickle.dumps(Evil())
    os.write(descriptor, head or len(body).to_bytes(8, "big") + body)
    time.sleep(600)


class Evil:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.fspath(EVIDENCE),)


EVIDENCE = Path("/tmp/ibhelm-a-worker-ran-code-in-its-parent")


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def do_environment(_: str) -> str:
    block = Path("/proc/self/environ").read_bytes().replace(b"\0", b"").decode("utf-8", "replace")
    return str(dict(os.environ)) + block


def do_search_memory(beginning: str) -> int:
    """How often what begins so, and goes on with a 1, lies anywhere in this process's memory."""
    wanted = re.compile(re.escape(beginning.encode()) + b"[1]")  # so that it does not find itself
    found = 0
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            bounds, rights = line.split()[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                found += len(wanted.findall(memory.read(end - start)))
    return found


def do_write(_: str) -> None:
    Path("/tmp/ibhelm-written-by-a-worker").write_text("x" * 10, encoding="utf-8")


def do_fork(_: str) -> int:
    return os.fork()


def do_print(_: str) -> None:
    os.write(2, b"MuPDF error: noise\n")


def do_break_the_worker(_: str) -> None:
    _HOARD.append(bytearray(1))


def do_die_if_broken(_: str) -> None:
    if _HOARD:
        LIBC.abort()


_HOARD: list[bytearray] = []


def do_hoard(_: str) -> int:
    """Leak a sixth of the room with every file."""
    _HOARD.append(bytearray(MEMORY_MB // 6 << 20))
    return len(_HOARD)
