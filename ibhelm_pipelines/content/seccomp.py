"""seccomp: system calls that no reader of files has any business with are refused, whoever in the process makes them.

Works in containers and on kernels since 3.5, so it is what holds where Landlock does not: no sockets, no other
programs, no new processes, no signals to others, no looking into other processes. Reading by name is not refused here:
a filter sees numbers, not names. The numbers are those of the kernel's headers for x86-64 and arm64; elsewhere there is
no filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_PR_GET_SECCOMP = 21

_LOAD, _EQUALS, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000

_CLONE_THREAD = 0x10000
_SET_OWNER = (8, 10, 15)
"""fcntl's F_SETOWN, F_SETSIG, F_SETOWN_EX: a signal to another process by a detour."""

_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# name: (x86-64, arm64); None where the processor never had it
_CONNECT = (42, 203)
_SOCKETS_OF_ONES_OWN = {"bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242)}
_SOCKET = (41, 198)
_ACCESS, _FACCESSAT = (21, None), (269, 48)
_UNIX, _NOT_STREAM = 1, 2 | 4
"""AF_UNIX; and the bits that tell SOCK_DGRAM, SOCK_RAW and SOCK_SEQPACKET from SOCK_STREAM."""

_PROCESSES = {"fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281)}
_GROUPS = {"setsid": (112, 157), "setpgid": (109, 154)}
_OTHERS = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
}
_KERNEL = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
}
_NAMES = {
    "truncate": (76, 45),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "link": (86, None),
    "linkat": (265, 37),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "creat": (85, None),
}
_ATTRIBUTES = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_OPEN, _OPENAT, _OPENAT2 = (2, None), (257, 56), (437, 437)
_KILL, _TGKILL, _FCNTL = (62, 129), (234, 131), (72, 25)

_PROCESSORS = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""By the machine's name: which column of the tables, and AUDIT_ARCH of linux/audit.h."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """What a process may not do, beyond what none may.

    Attributes:
        programs: start processes or programs, or make a socket even if it cannot be connected with anything.
        writing: change files or the names of files, anywhere.
    """

    programs: bool
    writing: bool


@cache
def is_known() -> bool:
    """Whether this kernel filters system calls, and we know its numbers."""
    if sys.platform != "linux" or platform.machine() not in _PROCESSORS:
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)


def refuse(refusals: Refusals) -> bool:
    """Refuse these calls to this process and all that it starts, for good; return whether the kernel does so."""
    if not is_known():
        return False
    lines = _Filter(*_PROCESSORS[platform.machine()]).lines(refusals)
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    program = _Program(len(lines), instructions)
    return bool(ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


_Line = tuple[int, int, int, int]
_Numbers = tuple[int | None, int | None]


class _Filter:
    """Writes the filter: for each call a comparison and what to return, and at the end that the rest is allowed."""

    def __init__(self, column: int, architecture: int) -> None:
        self._column = column
        self._architecture = architecture

    def lines(self, refusals: Refusals) -> list[_Line]:
        lines = [
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_EQUALS, 1, 0, self._architecture),
            _give(errno.EPERM),
            (_LOAD, 0, 0, _NUMBER),
            (_AT_LEAST, 0, 1, _X32),
            _give(errno.EPERM),
            *self._always(),
        ]
        if refusals.programs:
            lines += self._one(_SOCKET, errno.EPERM) + self._all(_SOCKETS_OF_ONES_OWN)
            lines += (
                self._all(_PROCESSES) + self._unless_bit(_CLONE, 0, _CLONE_THREAD) + self._one(_CLONE3, errno.ENOSYS)
            )
            lines += self._unless_equal(_KILL, 0, os.getpid()) + self._unless_equal(_TGKILL, 0, os.getpid())
        else:  # LibreOffice wants to have a socket in its folder, though nobody may connect to it
            lines += self._unless_equal(_SOCKET, 0, _UNIX) + self._if_bit(_SOCKET, 1, _NOT_STREAM)
            # It would have it in /tmp, unless it is told that nobody can write there (access() knows no Landlock).
            lines += self._if_equal(_ACCESS, 1, os.W_OK) + self._if_equal(_FACCESSAT, 2, os.W_OK)
        if refusals.writing:
            lines += self._all(_NAMES) + self._all(_ATTRIBUTES) + self._one(_OPENAT2, errno.ENOSYS)
            lines += self._if_bit(_OPEN, 1, _CHANGING) + self._if_bit(_OPENAT, 2, _CHANGING)
        return [*lines, (_RETURN, 0, 0, _ALLOW)]

    def _always(self) -> list[_Line]:
        lines = self._one(_CONNECT, errno.EPERM) + self._all(_OTHERS) + self._all(_KERNEL)
        lines += [line for numbers in _GROUPS.values() for line in self._one(numbers, 0)]  # they believe that they left
        return lines + [line for command in _SET_OWNER for line in self._if_equal(_FCNTL, 1, command)]

    def _all(self, calls: Mapping[str, _Numbers]) -> list[_Line]:
        return [line for numbers in calls.values() for line in self._one(numbers, errno.EPERM)]

    def _one(self, numbers: _Numbers, error: int) -> list[_Line]:
        return self._call(numbers, [_give(error)])

    def _call(self, numbers: _Numbers, body: list[_Line]) -> list[_Line]:
        number = numbers[self._column]
        return [] if number is None else [(_EQUALS, 0, len(body), number), *body]

    def _if_bit(self, numbers: _Numbers, argument: int, bits: int) -> list[_Line]:
        return self._argument(numbers, argument, (_HAS_BIT, 0, 1, bits))

    def _unless_bit(self, numbers: _Numbers, argument: int, bits: int) -> list[_Line]:
        return self._argument(numbers, argument, (_HAS_BIT, 1, 0, bits))

    def _if_equal(self, numbers: _Numbers, argument: int, value: int) -> list[_Line]:
        return self._argument(numbers, argument, (_EQUALS, 0, 1, value))

    def _unless_equal(self, numbers: _Numbers, argument: int, value: int) -> list[_Line]:
        return self._argument(numbers, argument, (_EQUALS, 1, 0, value))

    def _argument(self, numbers: _Numbers, argument: int, test: _Line) -> list[_Line]:
        load = (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
        return self._call(numbers, [load, test, _give(errno.EPERM), (_LOAD, 0, 0, _NUMBER)])


def _give(error: int) -> _Line:
    return (_RETURN, 0, 0, _ERROR | error)
