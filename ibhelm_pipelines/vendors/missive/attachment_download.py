"""Fetches one attachment from where Missive keeps it: a signed address on a host of somebody else.

Nothing that says who we are goes there: the session has no token, keeps no cookies and follows no redirect. The bytes
are never held together in memory, and what came counts only when all of it came and it is as large as Missive says.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from ibhelm_pipelines.errors import PermanentError, TransientError, VendorMissingError, VendorUnavailableError
from ibhelm_pipelines.vendors.exchange import CHUNK_BYTES, open_session, receiving
from ibhelm_pipelines.vendors.http import TIMEOUT_SECONDS, what_broke

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

MAX_BYTES = 2 << 30
"""Largest attachment; mail servers stop at 25 to 150 MB, and Missive's own links at 500."""

MAX_SECONDS = 900.0
"""Longest download: 25 MB at 30 KB/s."""

EXPIRED = {401, 403, 404, 410}
"""What a host of signed addresses says when the signature is too old; it does not say which of them."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came, whole."""

    sha256: str
    size: int


class Downloads:
    """Fetches over one session; not for several threads at once.

    Args:
        site: address of Missive; where it is https, attachments must come that way too.
        timeout: seconds to connect, and of silence.
    """

    def __init__(
        self, site: str, *, timeout: tuple[float, float] = TIMEOUT_SECONDS, max_seconds: float = MAX_SECONDS
    ) -> None:
        self._schemes = {"https"} if site.startswith("https:") else {"https", "http"}
        self._timeout, self._max_seconds = timeout, max_seconds
        self._session = open_session(None)
        # Bytes as they are: what is packed on the way would not be as large as Missive says.
        self._session.headers.update({"Accept": "*/*", "Accept-Encoding": "identity"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def fetch(self, url: str, *, size: int | None, write: Callable[[bytes], object]) -> Fetched:
        """Fetch the bytes and hand them over piece by piece.

        Args:
            url: signed; is never logged or put into a reason.
            size: as Missive says, where it does.
            write: takes the next piece; its own errors pass through.

        Raises:
            VendorMissingError: the address does not serve it (any more).
            VendorUnavailableError: the host cannot be reached, is overloaded, or broke off.
            TransientError: what came is not as large as Missive says.
            PermanentError: the address is none that may be asked, or it is too large.
        """
        self._require_good(url, size)
        sink = _Sink(write, MAX_BYTES if size is None else size)
        try:
            self._receive(url, sink)
        except (requests.RequestException, HTTPError) as error:
            raise VendorUnavailableError(
                f"The host of Missive's attachments {what_broke(error)}.", next_step="It is tried again."
            ) from error
        _require_size(sink.received, size)
        return Fetched(sha256=sink.digest.hexdigest(), size=sink.received)

    def _receive(self, url: str, sink: _Sink) -> None:
        request = requests.Request("GET", url)
        with receiving(self._session, request, timeout=self._timeout, max_seconds=self._max_seconds) as response:
            _require_ok(response.status_code)
            for piece in response.iter_content(CHUNK_BYTES):
                if not sink.take(piece):
                    return

    def _require_good(self, url: str, size: int | None) -> None:
        scheme, host = _parts(url)
        if scheme not in self._schemes or not host:
            raise PermanentError(f"Missive names an address for it that is not asked ({scheme or 'no'} scheme).")
        if size is not None and size > MAX_BYTES:
            raise PermanentError(f"It is larger than {MAX_BYTES >> 30} GiB: {size} bytes.")


class _Sink:
    """Takes the pieces of one body, up to the bytes that it may have."""

    def __init__(self, write: Callable[[bytes], object], max_bytes: int) -> None:
        self._write, self._max_bytes = write, max_bytes
        self.digest, self.received = hashlib.sha256(), 0

    def take(self, piece: bytes) -> bool:
        """Return whether there may be more."""
        self.received += len(piece)
        if self.received > self._max_bytes:
            return False
        self.digest.update(piece)
        self._write(piece)
        return True


def _parts(url: str) -> tuple[str, str | None]:
    """Return scheme and host; nothing where it is no address at all."""
    if re.search(r"[\s\x00-\x1f\\]", url):
        return "", None
    try:
        split = urlsplit(url)
    except ValueError:
        return "", None
    return split.scheme.lower(), split.hostname


def _require_ok(status: int) -> None:
    if status in EXPIRED:
        raise VendorMissingError(f"The host of Missive's attachments does not serve it ({status}).")
    if status != 200:
        raise VendorUnavailableError(
            f"The host of Missive's attachments answered {status}.", next_step="It is tried again."
        )


def _require_size(received: int, size: int | None) -> None:
    if size is None and received > MAX_BYTES:
        raise PermanentError(f"It is larger than {MAX_BYTES >> 30} GiB.")
    if size is not None and received != size:
        more = "more than " if received > size else ""
        raise TransientError(
            f"What came is not as large as Missive says: {more}{size if more else received} instead of {size} bytes.",
            next_step="It is tried again with growing pauses; nothing of it was kept.",
        )
