"""Brings one file from the bucket to its name in the target.

Invariants: a file has its name only when all its bytes are verified and on the disk, with its time; nothing that
differs is overwritten unasked; what is there whole and right is not fetched again. A store that is away is waited for.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.errors import ObjectStoreUnavailableError
from ibhelm_pipelines.objects.fetching import Fetched, fetch
from ibhelm_pipelines.objects.store import original_key
from ibhelm_pipelines.safety.placing import look, place, replace, set_time
from ibhelm_pipelines.safety.restore_report import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from ibhelm_pipelines.objects.store import ObjectStore
    from ibhelm_pipelines.safety.past import PastFile
    from ibhelm_pipelines.safety.placing import Standing
    from ibhelm_pipelines.safety.target import Target

EMPTY = hashlib.sha256(b"").hexdigest()
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Bringing:
    """Brings files, any number of threads at the same time.

    Args:
        store: where the originals lie.
        target: where they go.
        overwrite: whether files that differ are replaced.
        pauses: seconds to wait for a store that does not answer, one for each attempt.
        stop: set when nobody wants the files any more.
        on_bytes: told of bytes that came, with a minus of those that were of no use.
    """

    def __init__(
        self,
        store: ObjectStore,
        target: Target,
        *,
        overwrite: bool,
        pauses: Sequence[float],
        stop: Event,
        on_bytes: Callable[[int], None],
    ) -> None:
        self._store, self._target, self._overwrite = store, target, overwrite
        self._pauses, self._stop, self._on_bytes = pauses, stop, on_bytes

    def bring(self, number: int, wanted: PastFile, fd: int, raw_name: bytes) -> Outcome:
        """Bring one file.

        Args:
            number: no other file under way has it.
            wanted: what was there; its content is known.
            fd: of the folder where it goes.
            raw_name: its name there.

        Raises:
            ObjectStoreUnavailableError: the store was away for too long.
            ConfigurationError: the credentials or the bucket are wrong.
            OSError: the target does not take it.
        """
        standing = look(fd, raw_name, size=wanted.size)
        if standing is not None and standing.sha256 == wanted.sha256:
            self._on_bytes(wanted.size)
            return Outcome(state="present", reason=set_time(fd, raw_name, wanted.mtime_ns))
        if standing is not None and not (self._overwrite and standing.is_file):
            return Outcome(state="differs", reason=_what_stands(standing))
        temporary = b"%d" % number
        try:
            return self._fetched(wanted, temporary) or self._named(wanted, temporary, fd, raw_name, standing)
        finally:
            self._discard(temporary)

    def _named(
        self, wanted: PastFile, temporary: bytes, fd: int, raw_name: bytes, standing: Standing | None
    ) -> Outcome:
        working = self._target.working_fd
        reason = set_time(working, temporary, wanted.mtime_ns)
        if standing is None:
            done = place(working, temporary, fd, raw_name)
        else:
            done = replace(working, temporary, fd, raw_name, standing=standing)
        if not done:
            return Outcome(state="differs", reason="somebody changed what stands there meanwhile")
        return Outcome(state="replaced" if standing else "restored", reason=reason, fetched=wanted.size)

    def _fetched(self, wanted: PastFile, temporary: bytes) -> Outcome | None:
        """Fill a file with the content; return what is in the way, None where it is done."""
        for pause in self._pauses:
            try:
                return self._try(wanted, temporary)
            except ObjectStoreUnavailableError:
                if self._stop.wait(pause):
                    raise
        return self._try(wanted, temporary)

    def _try(self, wanted: PastFile, temporary: bytes) -> Outcome | None:
        found = self._fill(wanted, temporary)
        if found is Fetched.ROTTEN:  # perhaps a line or a cache is to blame
            found = self._fill(wanted, temporary)
        if found is Fetched.MISSING:
            if wanted.unstored:
                return Outcome(state="not_stored", reason=wanted.unstored)
            return Outcome(state="missing", reason="there is no such object in the bucket")
        if found is Fetched.ROTTEN:
            return Outcome(state="rotten", reason="the bytes of its object are not those that were stored")
        return None

    def _fill(self, wanted: PastFile, temporary: bytes) -> Fetched:
        assert wanted.sha256 is not None
        with self._created(temporary) as file:
            if wanted.sha256 == EMPTY:
                return Fetched.WHOLE
            with _counted(self._on_bytes) as count:
                key = original_key(wanted.sha256)
                found = fetch(self._store, key, file, sha256=wanted.sha256, size=wanted.size, on_bytes=count.add)
                if found is Fetched.WHOLE:
                    count.keep()
        return found

    @contextmanager
    def _created(self, temporary: bytes) -> Iterator[BinaryIO]:
        """Give an empty file whose bytes are on the disk when the block ends."""
        self._discard(temporary)
        with os.fdopen(os.open(temporary, _CREATE, 0o666, dir_fd=self._target.working_fd), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def _discard(self, temporary: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=self._target.working_fd)


class _Count:
    """Bytes of one attempt."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        self._on_bytes, self._useless = on_bytes, 0

    def add(self, size: int) -> None:
        """Tell of bytes that came."""
        self._useless += size
        self._on_bytes(size)

    def keep(self) -> None:
        """They are what was wanted."""
        self._useless = 0

    def take_back(self) -> None:
        """Say how many were of no use."""
        if self._useless:
            self._on_bytes(-self._useless)


@contextmanager
def _counted(on_bytes: Callable[[int], None]) -> Iterator[_Count]:
    count = _Count(on_bytes)
    try:
        yield count
    finally:
        count.take_back()


def _what_stands(standing: Standing) -> str:
    if not standing.is_file:
        return "something that is no file stands there"
    return f"a file of {standing.stat.st_size} bytes with other content stands there"
