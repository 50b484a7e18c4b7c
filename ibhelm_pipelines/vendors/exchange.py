"""One exchange over HTTP within bounds: so many bytes and so many seconds, whatever the server does.

The timeouts of requests end a server's silence only; one that sends a byte now and then would hold us for ever. So the
socket of an exchange is shut down when its time is over, from a thread that only waits for that.

The token goes to one host and nowhere else: no redirect is followed, and what the environment says of proxies and of
.netrc is not heeded, because both could put somebody else between the vendor and us or replace our token by another.
Cookies are not kept: each request says for itself who asks.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from requests.auth import AuthBase

MAX_BYTES = 64 << 20
"""Largest answer, unpacked; a page of 500 tasks is about 1 MiB."""

MAX_SECONDS = 180.0
"""Longest exchange, from sending the request to the last byte of the answer."""

CHUNK_BYTES = 64 << 10
USER_AGENT = "ibhelm-pipelines"


class OutOfBoundsError(requests.RequestException):
    """The answer is too large, or took too long."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What came back, whole.

    Attributes:
        headers: their names in any case.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


def open_session(auth: AuthBase | tuple[str, str] | None) -> requests.Session:
    """Return a session that says who we are to the host it is asked for, or with None to nobody, and heeds nobody
    else."""
    session = requests.Session()
    session.trust_env = False
    session.auth = auth
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WatchedAdapter())
    return session


def exchange(
    session: requests.Session,
    method: str,
    url: str,
    *,
    parameters: Mapping[str, Any] | None,
    body: Mapping[str, Any] | None,
    timeout: tuple[float, float],
    max_seconds: float = MAX_SECONDS,
) -> Exchange:
    """Ask once and read the answer to its end.

    Raises:
        requests.RequestException: the server was not there, silent, too slow, sent too much, or broke off.
    """
    request = requests.Request(method, url, params=parameters, json=body)
    with receiving(session, request, timeout=timeout, max_seconds=max_seconds) as response:
        content = b"".join(_chunks(response))
    return Exchange(status=response.status_code, headers=response.headers, content=content)


@contextlib.contextmanager
def receiving(
    session: requests.Session, request: requests.Request, *, timeout: tuple[float, float], max_seconds: float
) -> Iterator[requests.Response]:
    """Ask once; the block reads the answer's body, or as much of it as it wants.

    Raises:
        requests.RequestException: as `exchange`; also at the end of the block.
    """
    with _Watch(max_seconds) as watch:
        response = session.send(session.prepare_request(request), timeout=timeout, allow_redirects=False, stream=True)
        with contextlib.closing(response):
            yield response
        watch.require_in_time()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_content(CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_BYTES:
            raise OutOfBoundsError(f"the answer is larger than {MAX_BYTES >> 20} MiB")
        yield chunk


class _Watch:
    """Shuts the socket of an exchange down when its time is over; whoever reads from it then finds it ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = False

    def __enter__(self) -> Self:
        self._token = _WATCH.set(self)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _WATCH.reset(self._token)
        with self._lock:  # the connection may be used again from here on
            self._socket = None
        if isinstance(error, requests.RequestException):
            self.require_in_time()

    def hold(self, connection: socket.socket) -> None:
        """Watch this socket, over which the request was just sent."""
        with self._lock:
            self._socket = connection
            over = self._over
        if over:
            self._end()

    def require_in_time(self) -> None:
        """Raise when what was read ended only because its time was over."""
        if self._over:
            raise OutOfBoundsError(f"the answer was not complete after {self._seconds:.0f} s")

    def _end(self) -> None:
        with self._lock:
            self._over = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own: that takes the state away under the reader's feet.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_WATCH: ContextVar[_Watch] = ContextVar("_WATCH")


class _WatchedConnection(HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _WATCH.get().hold(self.sock)


class _WatchedTlsConnection(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _WATCH.get().hold(self.sock)


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class _WatchedAdapter(HTTPAdapter):
    """The adapter of requests, with connections that tell the watch of their exchange what to shut down."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTlsPool}
