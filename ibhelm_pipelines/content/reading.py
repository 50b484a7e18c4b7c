"""Thumbnails and text: one content from its file on the NAS to an outcome, and a good preview into the object store.

Runs in threads of the parent. The parent looks at the first bytes only; whatever parses a file does so in the sandbox.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.families import tool_for
from ibhelm_pipelines.content.ledger import Done, StoredRow
from ibhelm_pipelines.content.outcome import EMPTY_FILE, Outcome, empty, failed, unread
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.sniff import HEAD_BYTES, Kind, sniff
from ibhelm_pipelines.content.source import opened
from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError
from ibhelm_pipelines.language import language_of
from ibhelm_pipelines.objects.store import thumbnail_key
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.content.families import ReadStep
    from ibhelm_pipelines.content.ledger import Work
    from ibhelm_pipelines.content.source import Place
    from ibhelm_pipelines.content.workers import Workers
    from ibhelm_pipelines.objects.store import ObjectStore
    from ibhelm_pipelines.settings import Settings

UNREADABLE = "No file with this content can be read now"
PREVIEW_MEDIA_TYPE = "image/webp"


class Reading:
    """Does one of the two reading steps on one content at a time; one instance serves any number of threads."""

    def __init__(self, step: ReadStep, settings: Settings, sandbox: Sandbox, objects: ObjectStore) -> None:
        self._step: ReadStep = step
        self._settings = settings
        self._sandbox = sandbox
        self._objects = objects

    def __call__(self, work: Work) -> Done:
        """Do the step.

        Raises:
            ShareUnavailableError: the share is gone; nothing was concluded from that.
            ObjectStoreUnavailableError: a preview could not be stored.
        """
        started = time.monotonic()
        kind, outcome = read_somewhere(work, self._settings, partial(read_place, self._step, self._sandbox))
        stored = self._store(work, outcome.preview) if outcome.preview is not None else None
        return Done(work=work, outcome=outcome, took_ms=elapsed_ms(started), kind=kind, stored=stored)

    def _store(self, work: Work, preview: bytes) -> StoredRow:
        key, sha256 = thumbnail_key(work.hash), hashlib.sha256(preview).hexdigest()
        self._objects.put_bytes(key, preview, sha256=sha256, media_type=PREVIEW_MEDIA_TYPE)
        return StoredRow(key=key, kind="thumbnail", sha256=sha256, size=len(preview), media_type=PREVIEW_MEDIA_TYPE)


@contextmanager
def open_reading(step: ReadStep, settings: Settings, workers: Workers, objects: ObjectStore) -> Iterator[Reading]:
    """Provide a run of the step with its sandbox for the length of the block; its end stops what still runs."""
    with Sandbox(settings, workers) as sandbox:
        yield Reading(step, settings, sandbox, objects)


def read_place(step: ReadStep, sandbox: Sandbox, place: Place) -> tuple[Kind, Outcome]:
    """Tell what lies at a place, and what a step makes of it.

    Raises:
        ContentChangedError, FileUnreadableError: it is not what was expected there, or cannot be read now.
    """
    with opened(place) as file:
        kind = sniff(file.read(HEAD_BYTES), place.extension)
    if place.size_bytes == 0:
        return kind, empty(EMPTY_FILE)
    outcome = sandbox.read(tool_for(kind.family, step), place, kind.name)
    return kind, _with_language(outcome) if outcome.text else outcome


def read_somewhere(
    work: Work, settings: Settings, read: Callable[[Place], tuple[Kind, Outcome]]
) -> tuple[Kind | None, Outcome]:
    """Read a content from the first of its files that is still what the scan saw.

    Raises:
        ShareUnavailableError: a file could not be read, and indeed the whole share is gone.
    """
    kind, outcome = None, failed(UNREADABLE, transient=True)
    for place in work.places:
        try:
            kind, outcome = read(place)
        except (ContentChangedError, FileUnreadableError) as error:
            outcome = unread(error)
        if outcome.transient:
            Share.open(settings)  # before a file is blamed
        if not outcome.unread:
            break
    return kind, outcome


def _with_language(outcome: Outcome) -> Outcome:
    """Tell the language of a text by its beginning, or by its middle where it begins with numbers and names."""
    text = outcome.text or ""
    language = outcome.facts.language or language_of(text) or language_of(text[len(text) // 2 :])
    return replace(outcome, facts=replace(outcome.facts, language=language))


def elapsed_ms(started: float) -> int:
    """Return the milliseconds since a reading of the monotonic clock."""
    return int((time.monotonic() - started) * 1000)
