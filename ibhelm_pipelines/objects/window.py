"""A stretch of an open file as a stream of its own, so that any size is uploaded without being held in memory."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.objects.client import changed_content

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 1024 * 1024


class FileWindow(io.RawIOBase):
    """`length` bytes of a file from `start`: never one more (the file may grow), an error when there are fewer.

    Windows on one file share its position: use one after the other.
    """

    def __init__(self, file: BinaryIO, *, start: int, length: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._length = length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        rest = max(0, self._length - self._position)
        wanted = rest if size is None or size < 0 else min(size, rest)
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        if wanted and not data:
            raise changed_content("The file became shorter while it was read.")
        self._position += len(data)
        return data

    def sha256(self, update: Callable[[bytes], None]) -> bytes:
        """Return the SHA-256 of the window, feeding its bytes to another hash on the way; rewinds."""
        digest = hashlib.sha256()
        self.seek(0)
        while chunk := self.read(READ_BYTES):
            digest.update(chunk)
            update(chunk)
        self.seek(0)
        return digest.digest()
