"""Looks at one object, and heals it: an earlier version of it is put back, or a file of the NAS is uploaded again.

Invariants: an object is called right only when its bytes were read back and hash to what they should, also after it
was healed. A file is believed for its bytes, never for its path or times. That the store does not answer is never
taken for an object that is missing.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ibhelm_pipelines.content.originals import send_original
from ibhelm_pipelines.content.source import Place, opened
from ibhelm_pipelines.errors import (
    ContentChangedError,
    FileUnreadableError,
    ObjectStoreUnavailableError,
    PermanentError,
    ShareUnavailableError,
)
from ibhelm_pipelines.objects.fetching import Fetched, fetch
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.objects.store import ObjectStore
    from ibhelm_pipelines.objects.versions import Version
    from ibhelm_pipelines.settings import Settings

Trouble = Literal["missing", "wrong_size", "rotten", "unreadable"]

LARGEST_COPY = 5 * 1024**3
"""What S3 copies in one request."""

FROM_VERSION = "an earlier version of the object was put back"
FROM_NAS = "uploaded again from the NAS"
NO_FILE = "no file on the NAS holds these bytes any more"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object as its row describes it."""

    key: str
    kind: str
    content_hash: str
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Healing:
    """What became of an object in trouble: whether it is right again, and how or why not."""

    healed: bool
    how: str


class _Nowhere(io.RawIOBase):
    """Takes all bytes and keeps none; what is read back is only hashed."""

    def write(self, data: object, /) -> int:
        return len(memoryview(data))  # type: ignore[arg-type]  # typeshed names no type for buffers


class Healer:
    """Looks at objects and heals originals. For several threads at once.

    Args:
        settings: of this process.
        store: the bucket.
    """

    def __init__(self, settings: Settings, store: ObjectStore) -> None:
        self._settings, self._store = settings, store

    def examine(self, stored: Stored) -> Trouble | None:
        """Read an object back; return what is wrong with it.

        Raises:
            ObjectStoreUnavailableError: the store does not answer at all.
            ConfigurationError: the credentials or the bucket are wrong.
        """
        try:
            found = fetch(self._store, stored.key, _Nowhere(), sha256=stored.sha256, size=stored.size)  # type: ignore[arg-type]
        except (ObjectStoreUnavailableError, PermanentError):
            self._store.check()  # is it this one object?
            return "unreadable"
        if found is Fetched.WHOLE:
            return None
        if found is Fetched.MISSING:
            self._store.check()  # is it this one object?
            return "missing"
        head = self._store.head(stored.key)
        return "wrong_size" if head is not None and head.size != stored.size else "rotten"

    def heal(self, stored: Stored, places: Sequence[Place]) -> Healing:
        """Put an original right.

        Args:
            stored: what it must be.
            places: live files that carry its content, best first.

        Raises:
            ObjectStoreUnavailableError, ConfigurationError: as of `examine`.
        """
        if self._put_back(stored):
            return Healing(healed=True, how=FROM_VERSION)
        reason = NO_FILE
        for place in places:
            try:
                self._send(stored, place)
            except (ContentChangedError, FileUnreadableError) as error:
                reason = self._share_is_gone() or error.problem
                continue
            if self.examine(stored) is None:
                return Healing(healed=True, how=FROM_NAS)
            reason = "it was uploaded again, and the S3 server still gives other bytes: look at its disks"
        return Healing(healed=False, how=reason)

    def _put_back(self, stored: Stored) -> bool:
        if stored.size > LARGEST_COPY:
            return False
        for version in self._store.versions.of(stored.key):
            may_be_good = version.size == stored.size and not (version.is_current or version.is_marker)
            if may_be_good and self._is_good(stored, version):
                self._store.versions.put_back(version)
                return self.examine(stored) is None
        return False

    def _is_good(self, stored: Stored, version: Version) -> bool:
        found = fetch(
            self._store,
            stored.key,
            _Nowhere(),  # type: ignore[arg-type]  # is all of BinaryIO that is used
            sha256=stored.sha256,
            size=stored.size,
            version=version.id,
        )
        return found is Fetched.WHOLE

    def _send(self, stored: Stored, place: Place) -> None:
        with opened(place) as file:
            send_original(
                self._store,
                file,
                sha256=stored.content_hash,
                size=stored.size,
                media_type=stored.media_type,
                replace=True,
            )

    def _share_is_gone(self) -> str:
        """Before a file is blamed."""
        try:
            Share.open(self._settings)
        except ShareUnavailableError as error:
            return error.problem
        return ""


def place_at(settings: Settings, row: Sequence[Any]) -> Place:
    """Return the place of a file below the NAS root, of a row of the query `places`."""
    raw_path, extension, size_bytes, mtime_ns, inode = row
    path = os.path.join(settings.root, raw_path)  # noqa: PTH118 - bytes
    return Place(path=path, extension=extension, size_bytes=size_bytes, mtime_ns=mtime_ns, inode=inode)
