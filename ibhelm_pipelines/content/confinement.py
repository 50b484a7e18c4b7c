"""Locks the calling process in, with everything that this kernel has for it, and says what of it holds.

Several fences stand behind each other, because none is there on every kernel: Landlock (files, ports, signals), a
filter of system calls, an empty network, no capabilities, resource limits, Python's audit hook. docs/security.md says
what each one keeps from whom.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import multiprocessing
import os
import resource
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.content import landlock, seccomp
from ibhelm_pipelines.content.clean_start import harmless_environment
from ibhelm_pipelines.content.landlock import CHANGE, READ, READ_FILE, RUN, WRITE_FILE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

REFUSED_EVENTS = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.kill")

SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share", "/usr/local/lib", "/usr/local/share")
SYSTEM_FILES = (
    "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/mime.types", "/dev/urandom", "/dev/random",
    "/dev/zero", "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu",
)  # fmt: skip
"""What the C library, fonts and language data are read from; none of it is anybody's secret."""

PROGRAM_FOLDERS = ("/usr/bin", "/usr/libexec", "/usr/local/bin", "/bin", "/opt", "/etc/alternatives")

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_NO_NEW_PRIVS = 38
_CAP_DAC_READ_SEARCH = 1 << 2
_CAPABILITY_VERSION = 0x20080522
_F_SETSIG = 10
_SIGKILL = 9
_ENVIRONMENT_FIELDS = slice(47, 49)
"""env_start and env_end of /proc/self/stat, counted after the name in brackets (proc(5))."""


@dataclass(frozen=True, kw_only=True)
class Fence:
    """What a process keeps when it is locked in.

    Attributes:
        readable: a descriptor of a file that may be opened again, where there is one.
        scratch: a folder that may be written into; empty for none.
        scratch_bytes: how long a file in it may become.
        programs: whether other programs may be started, with the system's folders to run them from.
        program_folders: where else such programs lie.
    """

    readable: int | None = None
    scratch: str = ""
    scratch_bytes: int = 0
    programs: bool = False
    program_folders: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Protections:
    """What holds in a process that was locked in.

    Attributes:
        landlock: version of Landlock that refuses files; 0 for none.
        seccomp: whether system calls are filtered.
        network: whether it sits in a network of its own with nothing in it.
    """

    landlock: int
    seccomp: bool
    network: bool


def lock_in(fence: Fence) -> Protections:
    """Lock this process in, for good. Order matters: what needs rights or files comes first."""
    sys.dont_write_bytecode = True
    network = sys.platform == "linux" and _leave_network()
    if sys.platform == "linux":
        _drop_capabilities(keep=_CAP_DAC_READ_SEARCH if fence.readable is not None else 0)
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, fence.scratch_bytes)
    landlocked = landlock.restrict(_rules(fence))
    filtered = seccomp.refuse(seccomp.Refusals(programs=not fence.programs, writing=not fence.scratch))
    if not filtered and not fence.programs:
        limit(resource.RLIMIT_NPROC, 0)  # refuses threads too, which the filter does not
    if not fence.programs:
        sys.addaudithook(_refuse)
    return Protections(landlock=landlock.version() if landlocked else 0, seccomp=filtered, network=network)


def limit(kind: int, value: int) -> None:
    """Lower a resource limit of this process, for good."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def clear_environment() -> None:
    """Forget all but the harmless variables, also in the block that /proc/self/environ shows.

    Of a fork server that began without them there is nothing to forget; another part of the program may have started
    it earlier.
    """
    kept = harmless_environment()
    os.environ.clear()
    os.environ.update(kept)
    if sys.platform == "linux":
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - nothing to gain from a Path
            fields = file.read().rpartition(b")")[2].split()
        start, end = (int(field) for field in fields[_ENVIRONMENT_FIELDS])
        ctypes.memset(start, 0, end - start)


def die_with_parent(*, as_group: bool = False) -> None:
    """Have the kernel kill this process, or its whole group, when the pipeline's own process is gone.

    The sentinel is a pipe whose other end only the parent holds: when it closes, the signal comes, however busy the
    reader is. PR_SET_PDEATHSIG would not do: the parent by birth is the fork server, which lives on while its children
    do.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel
    assert isinstance(sentinel, int)
    fcntl.fcntl(sentinel, fcntl.F_SETOWN, -os.getpgrp() if as_group else os.getpid())
    if sys.platform == "linux":
        fcntl.fcntl(sentinel, _F_SETSIG, _SIGKILL)  # SIGIO, which it would be otherwise, can be ignored
    fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)


def keep_descriptors(kept: Iterable[int]) -> None:
    """Close everything that was inherited but these; silence the three that every process has.

    Libraries complain about broken files on stderr; a thousand such lines would hide the one that matters.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    wanted = {*kept, int(parent.sentinel)}
    with suppress(FileNotFoundError):  # not on Linux
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - nothing to gain from Paths
            if int(name) > 2 and int(name) not in wanted:
                with suppress(OSError):  # the listing's own
                    os.close(int(name))
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _rules(fence: Fence) -> list[Rule]:
    rules = [Rule(place=place, rights=READ) for place in (*SYSTEM_FOLDERS, *SYSTEM_FILES, *_python_folders())]
    rules.append(Rule(place=os.devnull, rights=READ_FILE | WRITE_FILE))
    if fence.readable is not None:
        rules.append(Rule(place=fence.readable, rights=READ_FILE))
    if fence.scratch:
        rules.append(Rule(place=fence.scratch, rights=CHANGE))
    if fence.programs:
        places = (*PROGRAM_FOLDERS, *SYSTEM_FOLDERS, *fence.program_folders)
        rules += [Rule(place=place, rights=RUN) for place in places]
    return rules


def _python_folders() -> set[str]:
    """Where the interpreter and its libraries lie, and this package; not the folder that a program was started in."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages", "lib-dynload")}
    for prefix in {sys.prefix, sys.base_prefix} - {"/usr", "/usr/local", "/"}:
        folders |= {f"{prefix}/lib", f"{prefix}/lib64"}
    return {*folders, f"{sys.prefix}/share", str(Path(__file__).resolve().parents[1])}


def _leave_network() -> bool:
    """Into a network namespace with nothing in it: as root directly, else through a user namespace of our own.

    Neither is allowed in most containers; then the filter of system calls is what keeps from the network.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _drop_capabilities(*, keep: int) -> None:
    """What makes root more than another user; an ordinary user has none to drop."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    now = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.capget(header, now)
    low = now[1] & keep  # permitted, first 32; effective, permitted, inheritable in turns
    libc.capset(header, (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0))


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(REFUSED_EVENTS):
        raise PermissionError(errno.EPERM, f"{event} is not allowed while a file is open")
