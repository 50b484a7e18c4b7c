"""How much room is left where the state folder lies; on one machine Postgres and S3 lie there, too.

Looked at long before the disk is full: then Postgres could not even write down that somebody is to be told.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ibhelm_pipelines.alerts.conditions import Condition

if TYPE_CHECKING:
    from pathlib import Path

FILLING_KEY = "machine:disk_filling"

FILLING_BYTES = 5 * 1024**3
"""Less than so much free is told. An office that is read for the first time writes a gigabyte within an hour."""


def look_for_room(folder: Path) -> tuple[Condition, ...]:
    """Return the condition that the disk of this folder fills, if it does."""
    disk = shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists()))
    if disk.free >= FILLING_BYTES:
        return ()
    body = (
        f"{disk.free / 1024**3:.1f} of {disk.total / 1024**3:.1f} GiB are free on the disk of {folder}."
        " When it is full, nothing is lost, but nothing new is stored and no alert can be written down."
        " Make room; `ibhelm status` says what the platform itself takes."
    )
    return (Condition(key=FILLING_KEY, severity="warning", title="The disk fills", body=body),)
