"""Landlock: the kernel itself refuses a process every file, port and signal that it was not promised.

Unlike a hook in Python it also binds the C libraries, it needs no rights to be entered, works in a container, and
cannot be left. Linux 5.13 brought the files, 6.7 TCP ports, 6.12 signals and abstract sockets; what a kernel does not
know is left out, and `version` says how much holds. The constants are those of linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every processor since 5.13
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_REMOVE, _MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 4 | 1 << 5, 1 << 7, 1 << 8, 1 << 12
_MAKE_SOCK, _REFER, _TRUNCATE = 1 << 9, 1 << 13, 1 << 14

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
CHANGE = READ | WRITE_FILE | _TRUNCATE | _REMOVE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _MAKE_SOCK | _REFER
"""All that a program may want in a folder of its own, except to run what it put there."""

_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | 1 << 15
"""Rights that a rule on a single file may carry."""

_FILE_RIGHTS_BY_VERSION = {0: 0, 1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_FILE_RIGHTS = (1 << 16) - 1
_PORTS = 1 << 0 | 1 << 1
_PORTS_SINCE = 4
_OTHERS = 1 << 0 | 1 << 1  # abstract sockets and signals
_OTHERS_SINCE = 6


class _Attributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("others", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Rights on a file or a folder and all below it.

    Attributes:
        place: a path, or an open descriptor.
    """

    place: str | int
    rights: int


@cache
def version() -> int:
    """Return which version of Landlock this kernel has; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def restrict(rules: list[Rule]) -> bool:
    """Refuse this thread and all that it starts every file but these, for good; return whether the kernel does so.

    TCP, and signals and abstract sockets of others, are refused where this kernel's version knows how.
    """
    if not version():
        return False
    files = _FILE_RIGHTS_BY_VERSION.get(version(), _ALL_FILE_RIGHTS)
    ports, others = _PORTS * (version() >= _PORTS_SINCE), _OTHERS * (version() >= _OTHERS_SINCE)
    attributes = _Attributes(files, ports, others)
    size = 24 if others else 16 if ports else 8  # older kernels know fewer fields
    ruleset = _libc().syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    for rule in rules:
        _add(ruleset, rule, files)
    entered = _libc().syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return bool(entered)


def _add(ruleset: int, rule: Rule, handled: int) -> None:
    """Add a rule; a place that does not exist on this machine needs none."""
    if isinstance(rule.place, int):
        _add_open(ruleset, rule.place, rule.rights & handled)
        return
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(rule.place, os.O_PATH | os.O_CLOEXEC)
        _add_open(ruleset, descriptor, rule.rights & handled)
        os.close(descriptor)


def _add_open(ruleset: int, descriptor: int, rights: int) -> None:
    is_folder = os.path.isdir(f"/proc/self/fd/{descriptor}")  # noqa: PTH112 - a Path gains nothing here
    beneath = _PathBeneath(rights if is_folder else rights & _ON_FILES, descriptor)
    # A rule that the kernel does not take allows less than we meant, never more.
    _libc().syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(beneath), 0)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
