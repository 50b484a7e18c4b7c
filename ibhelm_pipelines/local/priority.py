"""Lower priority for runs that take long and can wait, so that nobody who searches or saves a file waits for them.

Linux with autogroups shares the processor out among sessions before it looks at niceness, and each of our processes
has a session of its own: there a nice run takes as much from them as any other (measured). So the run gets a session
of its own, too, and that is made nice.
"""

from __future__ import annotations

import multiprocessing
import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""About a tenth of what a process gets that is not nice, where both want the same core."""

_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Leave the processor to whoever else wants it, for as long as this process lives.

    Only where it is a run's own, which Dagster starts as a child: any other process has other things to do as well.
    """
    if multiprocessing.parent_process() is None:
        return
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(PermissionError):  # it leads a group already
        os.setsid()
    if os.getsid(0) == os.getpid() and _AUTOGROUP.exists():
        with suppress(OSError):  # a kernel that refuses leaves it nice, which is all that there was to have
            _AUTOGROUP.write_text(str(NICENESS), encoding="ascii")
