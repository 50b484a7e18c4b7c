"""The first thing that the fork server loads: it begins anew without the pipeline's secrets.

Its workers are copies of it, memory and all. Whatever of the environment it had seen would lie about in theirs, in
places that nobody can find and overwrite (seen: a password in what a library's copy of the environment had left). So it
replaces itself, before anything else is loaded, by the same command with the harmless variables only. Its workers do
not import the program's main module either, with whatever that would bring.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import spawn

KEPT_ENVIRONMENT = frozenset(
    {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH"}
)
"""Everything else might be a password."""


def harmless_environment() -> dict[str, str]:
    """Return the variables that a process which opens strangers' files may have."""
    return {name: value for name, value in os.environ.items() if name in KEPT_ENVIRONMENT}


def _need_no_main_module(_: str) -> None:
    """What workers are told is named by its module; importing the program's main module took 250 ms for each."""


if any("multiprocessing.forkserver" in argument for argument in sys.orig_argv):
    if set(os.environ) - KEPT_ENVIRONMENT:
        os.execve(sys.executable, sys.orig_argv, harmless_environment())  # noqa: S606 - itself, that is the point
    # Python offers no other way: its workers import the main module before they learn what they are to do.
    vars(spawn).update(_fixup_main_from_name=_need_no_main_module, _fixup_main_from_path=_need_no_main_module)
