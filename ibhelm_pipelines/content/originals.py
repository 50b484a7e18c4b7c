"""Originals: each distinct content once into the object store, streamed, under its hash.

The bytes are hashed while they are read, and the store checks them again, so that nothing can lie under a hash that
is not its own. An object that a killed run left without its row is recognised by its checksum and not sent twice.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.content.ledger import Done, StoredRow
from ibhelm_pipelines.content.outcome import EMPTY_FILE, Outcome, empty
from ibhelm_pipelines.content.reading import elapsed_ms, read_somewhere
from ibhelm_pipelines.content.sniff import HEAD_BYTES, Kind, sniff
from ibhelm_pipelines.content.source import opened
from ibhelm_pipelines.errors import ContentChangedError
from ibhelm_pipelines.objects.multipart import PART_BYTES
from ibhelm_pipelines.objects.store import original_key

if TYPE_CHECKING:
    from ibhelm_pipelines.content.ledger import Work
    from ibhelm_pipelines.content.source import Place
    from ibhelm_pipelines.objects.store import ObjectStore
    from ibhelm_pipelines.settings import Settings

ROTTEN = "The bytes are not those that the scan hashed"


class Storing:
    """Stores one content at a time; one instance serves any number of threads."""

    def __init__(self, settings: Settings, objects: ObjectStore) -> None:
        self._settings = settings
        self._objects = objects

    def __call__(self, work: Work) -> Done:
        """Store the content.

        Raises:
            ShareUnavailableError: the share is gone; nothing was concluded from that.
            ObjectStoreUnavailableError: the store does not answer.
        """
        started = time.monotonic()
        kind, outcome = read_somewhere(work, self._settings, lambda place: self._send(work, place))
        stored = _row(work, kind) if kind is not None and outcome.state in ("ok", "empty") else None
        return Done(work=work, outcome=outcome, took_ms=elapsed_ms(started), kind=kind, stored=stored)

    def _send(self, work: Work, place: Place) -> tuple[Kind, Outcome]:
        with opened(place) as file:
            kind = sniff(file.read(HEAD_BYTES), place.extension)
            if not self._is_there(work):
                send_original(self._objects, file, sha256=work.hash, size=work.size_bytes, media_type=kind.media_type)
        return kind, Outcome(state="ok") if work.size_bytes else empty(EMPTY_FILE)

    def _is_there(self, work: Work) -> bool:
        found = self._objects.head(original_key(work.hash))
        return found is not None and (found.sha256, found.size) == (work.hash, work.size_bytes)


def send_original(
    objects: ObjectStore, file: BinaryIO, *, sha256: str, size: int, media_type: str, replace: bool = False
) -> None:
    """Store the bytes of a file as the original of a content, and nothing that hashes to something else.

    Raises:
        ContentChangedError: the file holds other bytes; nothing of them lies under the content's key.
        ObjectStoreUnavailableError, ConfigurationError: as of `ObjectStore.put_file`.
    """
    # Large files are hashed part by part on their way (objects.multipart); small ones here, out of the page cache's
    # hands.
    file.seek(0)
    if size <= PART_BYTES and hashlib.file_digest(file, "sha256").hexdigest() != sha256:  # type: ignore[arg-type]  # see typeshed
        raise ContentChangedError(ROTTEN, next_step="The next deep scan looks at this file again.")
    key = original_key(sha256)
    objects.put_file(key, file, sha256=sha256, size=size, media_type=media_type, replace=replace)


def _row(work: Work, kind: Kind) -> StoredRow:
    return StoredRow(
        key=original_key(work.hash), kind="original", sha256=work.hash, size=work.size_bytes, media_type=kind.media_type
    )
