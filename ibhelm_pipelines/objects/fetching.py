"""One object of the store, streamed into an open file and verified on the way: for restores and exports.

Invariant: WHOLE is said only of a file that holds exactly the bytes that were asked for. Whatever else comes of it, the
caller's file holds rubbish, and nothing that a person will open may be made of it. No more than 1 MiB is in memory.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.errors import ObjectRottenError, ObjectStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.objects.store import ObjectStore

READ_BYTES = 1024 * 1024

ATTEMPTS = 4
"""Connections in a row that break without having brought a byte; what came is kept, and the next goes on behind it."""


class Fetched(Enum):
    """What came of fetching an object."""

    #: The file holds its bytes.
    WHOLE = "whole"
    #: The store has no such object.
    MISSING = "missing"
    #: It is there, but its bytes are not those that were put there.
    ROTTEN = "rotten"


def fetch(
    store: ObjectStore,
    key: str,
    into: BinaryIO,
    *,
    sha256: str,
    size: int,
    version: str | None = None,
    on_bytes: Callable[[int], object] = lambda _: None,
) -> Fetched:
    """Write an object into a file, from the file's present position on, and say whether it is what it should be.

    Args:
        store: where it lies.
        key: the object.
        into: open for writing; stays open, and is not flushed.
        sha256: what its bytes must hash to, as hex.
        size: how many there must be.
        version: of an earlier version; without it, the current one is read.
        on_bytes: told of each piece how many bytes it has.

    Raises:
        ObjectStoreUnavailableError: the store does not answer, or breaks off again and again.
        ConfigurationError: the credentials or the bucket are wrong.
        OSError: the file cannot be written.
    """
    fetching = _Fetching(into, size, version, on_bytes)
    attempt = 1
    while True:
        before = fetching.done
        try:
            found = fetching.go_on(store, key)
        except ObjectStoreUnavailableError:
            attempt = 1 if fetching.done > before else attempt + 1
            if attempt > ATTEMPTS:
                raise
        except ObjectRottenError:
            return Fetched.ROTTEN
        else:
            is_other = found is Fetched.WHOLE and fetching.digest.hexdigest() != sha256
            return Fetched.ROTTEN if is_other else found


class _Fetching:
    """How far one object has come."""

    def __init__(self, into: BinaryIO, size: int, version: str | None, on_bytes: Callable[[int], object]) -> None:
        self.done, self.digest = 0, hashlib.sha256()
        self._into, self._size, self._version, self._on_bytes = into, size, version, on_bytes

    def go_on(self, store: ObjectStore, key: str) -> Fetched:
        """Read on to the end; WHOLE says that there were as many bytes as there should be."""
        length = self._size - self.done
        stretch = {"start": self.done, "length": length} if self.done else {}
        opened = store.open(key, version=self._version, **stretch)
        if opened is None:
            return Fetched.MISSING
        with closing(opened):
            if opened.stored.size != length:
                return Fetched.ROTTEN
            while piece := opened.read(READ_BYTES):
                self._into.write(piece)
                self.digest.update(piece)
                self.done += len(piece)
                self._on_bytes(len(piece))
        return Fetched.WHOLE if self.done == self._size else Fetched.ROTTEN
