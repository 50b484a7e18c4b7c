"""Shows what the readers make of the files of any folder, without a database: for `ibhelm coverage`, the contact sheet
and the tests over the corpus.

The same sniffing, the same sandbox and the same limits as in the pipeline; nothing is stored.
Invariant: every file below the folder gives one result, whatever it does to its reader; links are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.outcome import Outcome, unread
from ibhelm_pipelines.content.reading import read_place
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.sniff import OTHER, Kind
from ibhelm_pipelines.content.source import Place
from ibhelm_pipelines.content.steps import READING_THREADS_PER_WORKER, open_threads
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.errors import ConfigurationError, ContentChangedError, FileUnreadableError
from ibhelm_pipelines.share import signed64, storable_time_ns
from ibhelm_pipelines.wording import visible

if TYPE_CHECKING:
    from ibhelm_pipelines.content.families import ReadStep
    from ibhelm_pipelines.settings import Settings

BEGINNING = 600
"""Characters of a text that are kept: 300,000 whole texts would not fit."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of one file.

    Attributes:
        name: its path below the folder, fit to be shown.
        thumbnail: with the preview.
        text: with the beginning of the text.
        text_chars: length of all of it.
    """

    name: str
    size_bytes: int
    kind: Kind
    thumbnail: Outcome
    text: Outcome
    text_chars: int


def try_folder(
    folder: Path, settings: Settings, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> list[Tried]:
    """Try both steps on every file of a folder, and return what came of them, by name.

    Args:
        folder: any folder of this machine.
        settings: number of workers, and their limits.
        progress: told how many of how many files are done.

    Raises:
        ConfigurationError: it is no folder.
        TransientError: worker processes cannot be started on this machine.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder.", next_step="Name a folder of this machine.")
    places = dict(_places(os.fsencode(folder)))
    threads = settings.content_workers * READING_THREADS_PER_WORKER
    tried: list[Tried] = []
    # The sandbox closes first, so that an error or Ctrl-C waits for nobody.
    with (
        Workers(settings) as workers,
        open_threads(threads, name="try") as executor,
        Sandbox(settings, workers) as sandbox,
    ):
        futures = [executor.submit(partial(_try, sandbox, *named)) for named in places.items()]
        for future in as_completed(futures):
            tried.append(future.result())
            progress(len(tried), len(places))
    return sorted(tried, key=lambda each: each.name)


def _places(folder: bytes) -> Iterator[tuple[str, Place]]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for raw_name in sorted(names):
            path = os.path.join(parent, raw_name)  # noqa: PTH118 - bytes
            status = os.lstat(path)
            if S_ISREG(status.st_mode):
                yield os.fsdecode(os.path.relpath(path, folder)), _place(path, status)


def _place(path: bytes, status: os.stat_result) -> Place:
    return Place(
        path=path,
        extension=os.fsdecode(os.path.splitext(path)[1][1:]).lower(),  # noqa: PTH122 - bytes
        size_bytes=status.st_size,
        mtime_ns=storable_time_ns(status.st_mtime_ns),
        inode=signed64(status.st_ino),
    )


def _try(sandbox: Sandbox, name: str, place: Place) -> Tried:
    kind, thumbnail = _read("thumbnail", sandbox, place)
    _, text = _read("text", sandbox, place)
    return Tried(
        name=visible(name.encode("utf-8", "replace").decode()),
        size_bytes=place.size_bytes,
        kind=kind,
        thumbnail=thumbnail,
        text=replace(text, text=text.text and text.text[:BEGINNING]),
        text_chars=len(text.text or ""),
    )


def _read(step: ReadStep, sandbox: Sandbox, place: Place) -> tuple[Kind, Outcome]:
    try:
        return read_place(step, sandbox, place)
    except (ContentChangedError, FileUnreadableError) as error:
        return OTHER, unread(error)
