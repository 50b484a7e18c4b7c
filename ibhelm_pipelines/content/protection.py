"""What holds in the processes that open files on this machine, in a sentence for `ibhelm doctor`; see docs/security.md.

One of them is started and asked: what a kernel has and what a container lets through are two things.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.content.programs import PROGRAMS, find_program
from ibhelm_pipelines.content.workers import Worker

if TYPE_CHECKING:
    from ibhelm_pipelines.content.confinement import Protections
    from ibhelm_pipelines.settings import Settings


def describe_protection(settings: Settings) -> str:
    """Say which protections hold here, which do not, and which programs convert files.

    Raises:
        TransientError: processes that open files cannot be started here.
    """
    worker = Worker(settings.content_memory_mb)
    protections = worker.protections
    worker.end()
    assert protections is not None
    return f"{_fences(protections)}. {_programs(settings)}."


def _fences(protections: Protections) -> str:
    fences = {
        "Landlock (files)": protections.landlock > 0,
        "system call filter (processes, sockets)": protections.seccomp,
        "empty network": protections.network,
    }
    kept = ", ".join(name for name, holds in fences.items() if holds) or "limits of time and memory only"
    missing = ", ".join(name for name, holds in fences.items() if not holds)
    return f"Readers are kept in by: {kept}" + (f"; not here: {missing} (docs/security.md)" if missing else "")


def _programs(settings: Settings) -> str:
    found = [installed.version for key in PROGRAMS if (installed := find_program(key, settings)) is not None]
    return f"Programs that convert: {', '.join(found) or 'none'}"
