"""Folders of servers in memory, which a killed test run cannot remove: the next one does, and ends what runs in them.

Each folder has a file that its run keeps locked; the kernel lets go of it when the run is gone, however it went. A
folder without that file, or with a locked one, is nobody's but its owner's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "ibhelm-"
OWNER = "owner"
MEMORY = Path("/dev/shm")
ROOM_BYTES = 6 * 1024**3
PATIENCE_SECONDS = 30


@contextmanager
def servers_folder(prefix: str) -> Iterator[Path]:
    """A folder that the servers' user can reach (pytest's own tmp_path is 0700).

    In memory, where there is room: a database is 600 files, and to make them costs a busy disk ten times as much as the
    test. A kill -9 takes nothing from either.
    """
    has_room = MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if has_room else None))
    folder.chmod(0o711)
    with (folder / "being made").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        Path(owner.name).rename(folder / OWNER)  # under this name it is locked from the first moment
        yield folder
        shutil.rmtree(folder)


def remove_left_folders() -> None:
    """Remove the folders of runs that are gone."""
    places = {place for place in (MEMORY, Path(tempfile.gettempdir())) if place.is_dir()}
    for owner in [owner for place in places for owner in place.glob(f"{PREFIX}*/{OWNER}")]:
        # another user's, one that its owner or another run is removing now, or one of a living run
        with suppress(PermissionError, FileNotFoundError, BlockingIOError), owner.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_what_runs_in(owner.parent)
            shutil.rmtree(owner.parent)


def end_what_runs_in(folder: Path) -> None:
    """End the processes that work in a folder, or keep their state there."""
    left = [process for process in psutil.process_iter() if _runs_in(process, folder)]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=PATIENCE_SECONDS)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _runs_in(process: psutil.Process, folder: Path) -> bool:
    try:
        places = [process.cwd(), process.environ().get("IBHELM_STATE_DIR", "")]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return process.pid != os.getpid() and any(folder in (Path(place), *Path(place).parents) for place in places)
