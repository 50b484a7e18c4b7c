"""Hashes files of the share as they are at one moment, in threads.

A file may be written to while it is read (lesson 34). So: stat, hash, stat again through the same descriptor; what
changed in between is read again, and after some tries reported as changing. The hash that is returned always
belongs to one state that the file really had, and the stat that comes with it is that state's.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat as stat_module
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.share import signed64, storable_time_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Outcome = Literal["hashed", "gone", "unreadable", "changing"]

READ_BYTES = 1 << 20
TRIES = 3
RETRY_SECONDS = 0.3
FILES_PER_TASK = 32
"""Small files take less time than handing them to a thread, so they are handed over in slices."""

CLOCK_TICK_NS = 20_000_000
"""Two writes within one tick of the file system's clock (1-10 ms on Linux) leave the same mtime. A file is read
only when its last write is older."""

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # NONBLOCK: a pipe put in its place must not hang us


@dataclass(frozen=True, kw_only=True)
class HashResult:
    """What became of one file.

    Attributes:
        sha256: hex digest; only with outcome `hashed`, as are the stat fields.
        mtime_ns: nanoseconds since 1970.
        inode: as a signed 64-bit number.
        birth_ns: creation time of the inode, None where the file system does not tell.
        reason: why there is no hash, in words.
    """

    outcome: Outcome
    sha256: str | None = None
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    birth_ns: int | None = None
    reason: str | None = None


class Hasher:
    """A pool of threads with a read buffer each."""

    def __init__(self, threads: int, *, on_bytes: Callable[[int], None] | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hash")
        self._local = threading.local()
        self._on_bytes = on_bytes or (lambda _: None)

    @classmethod
    @contextmanager
    def open(cls, threads: int, *, on_bytes: Callable[[int], None] | None = None) -> Iterator[Hasher]:
        """Run a hasher for the length of the block."""
        hasher = cls(threads, on_bytes=on_bytes)
        try:
            yield hasher
        finally:
            hasher._pool.shutdown(cancel_futures=True)

    def hash_all(self, paths: Sequence[bytes]) -> list[HashResult]:
        """Hash files and return the results in the order of the paths; one file's failure is its own."""
        slices = [paths[i : i + FILES_PER_TASK] for i in range(0, len(paths), FILES_PER_TASK)]
        return [result for part in self._pool.map(self._hash_slice, slices) for result in part]

    def _hash_slice(self, paths: Sequence[bytes]) -> list[HashResult]:
        return [self.hash_file(path) for path in paths]

    def hash_file(self, path: bytes) -> HashResult:
        """Hash one file, again when it changes meanwhile."""
        try:
            for attempt in range(TRIES):
                result = self._hash_once(path)
                if result is not None:
                    return result
                time.sleep(RETRY_SECONDS * (attempt + 1))
        except FileNotFoundError:
            return HashResult(outcome="gone", reason="it is gone since the folder was read")
        except OSError as error:
            return HashResult(outcome="unreadable", reason=error.strerror or type(error).__name__)
        return HashResult(outcome="changing", reason=f"it was being written to at each of {TRIES} tries")

    def _hash_once(self, path: bytes) -> HashResult | None:
        fd = os.open(path, _OPEN)
        try:
            return self._hash_open(fd)
        finally:
            os.close(fd)

    def _hash_open(self, fd: int) -> HashResult | None:
        before = os.fstat(fd)
        if not stat_module.S_ISREG(before.st_mode):
            return HashResult(outcome="gone", reason="it is not a file any more")
        age = time.time_ns() - before.st_mtime_ns
        if 0 <= age < CLOCK_TICK_NS:
            time.sleep((CLOCK_TICK_NS - age) / 1e9)
        digest, size = self._read(fd, before.st_size)
        after = os.fstat(fd)
        if (before.st_size, before.st_mtime_ns, size) != (after.st_size, after.st_mtime_ns, after.st_size):
            return None
        return HashResult(
            outcome="hashed",
            sha256=digest,
            size=size,
            mtime_ns=storable_time_ns(after.st_mtime_ns),
            inode=signed64(after.st_ino),
            birth_ns=birth_time_ns(fd),
        )

    def _read(self, fd: int, expected_size: int) -> tuple[str, int]:
        """Read to the end, or past the expected end: a log may grow faster than it can be read."""
        buffer = self._buffer()
        sha256, size = hashlib.sha256(), 0
        while size <= expected_size and (count := os.readv(fd, [buffer])):
            sha256.update(buffer[:count])
            size += count
            self._on_bytes(count)
        return sha256.hexdigest(), size

    def _buffer(self) -> memoryview:
        buffer: memoryview | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = memoryview(bytearray(READ_BYTES))
        return buffer


# statx(2): os.stat tells no birth time on Linux before Python 3.15. Offsets from <linux/stat.h>: stx_mask at 0,
# stx_btime at 80 (s64 seconds, u32 ns).
_STATX_SIZE, _STATX_BTIME, _AT_EMPTY_PATH, _BTIME_OFFSET = 256, 0x800, 0x1000, 80
_statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)


def birth_time_ns(fd: int) -> int | None:
    """Return when the inode of an open file was created, or None where that is not known."""
    if _statx is None:
        return None
    result = ctypes.create_string_buffer(_STATX_SIZE)
    if _statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, result) != 0:
        return None
    (mask,) = struct.unpack_from("=I", result, 0)
    if not mask & _STATX_BTIME:
        return None
    seconds, nanoseconds = struct.unpack_from("=qI", result, _BTIME_OFFSET)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
