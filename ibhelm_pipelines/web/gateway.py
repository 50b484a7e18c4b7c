"""The gateway: gives browsers previews and downloads of which they have a signed link, straight from the object store.

Invariants: it only reads, and asks no database. A wrong signature and an unknown content look the same. What it holds
of an object at any time is one chunk, however large the object and however slow the client. No byte of a content is
given before it is written down who gets it.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import structlog
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.objects.store import original_key, thumbnail_key
from ibhelm_pipelines.web.answers import Sent
from ibhelm_pipelines.web.headers import SAFETY, describe
from ibhelm_pipelines.web.ranges import Stretch, stretch_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ibhelm_pipelines.objects.links import Kind, Signer
    from ibhelm_pipelines.objects.store import ObjectStore, OpenObject, StoredObject
    from ibhelm_pipelines.web.readings import Readings

    Told = dict[str, Any]

CHUNK_BYTES = 256 * 1024
READERS = 64
"""Requests to the store that may be under way at the same moment; a chunk that waits for its client is none."""

NOCODB_SIZES = ("tiny", "small", "card_cover")
"""What NocoDB asks for below the link of a preview; its lists never ask for the link itself (0.301)."""

RETRY_SECONDS = "10"
UNAVAILABLE = "Previews and files cannot be read now; come again in a moment."

_HASH = re.compile(r"[0-9a-f]{64}")
_KEYS: dict[Kind, Callable[[str], str]] = {"thumbnail": thumbnail_key, "original": original_key}
_TOLD = "ibhelm.told"

_Result = TypeVar("_Result")


class _FileName(Convertor[str]):
    """The rest of a path, whatever signs the name has: Starlette's own ends at a line break."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("file_name", _FileName())


class Gateway:
    """The application.

    Args:
        objects: where previews and originals lie.
        signer: tells our links from others.
        readings: where is written down who gets what.
    """

    def __init__(self, objects: ObjectStore, signer: Signer, readings: Readings) -> None:
        self._objects, self._signer, self._readings = objects, signer, readings
        self._readers = anyio.CapacityLimiter(READERS)
        self.requests = 0

    def application(self) -> ASGIApp:
        """Return the routes; nothing else is answered."""
        routes = [
            Route("/thumbnails/{hash}/{signature}", self._thumbnail),
            *(Route(f"/thumbnails/{{hash}}/{{signature}}/{size}.jpg", self._thumbnail) for size in NOCODB_SIZES),
            Route("/files/{hash}/{signature}/{name:file_name}", self._original),
            Route("/healthz", self._health),
        ]
        refusals: Mapping[Any, Any] = {HTTPException: _refuse, IbhelmError: _unavailable}
        application = Starlette(routes=routes, exception_handlers=refusals)
        application.router.redirect_slashes = False
        return _Told(application, self._count)

    def problem(self) -> str | None:
        """Return why nothing can be read from the store, or None."""
        try:
            self._objects.check()
        except IbhelmError as error:
            return str(error)
        return None

    def _count(self) -> None:
        self.requests += 1

    async def _health(self, _request: Request) -> Response:
        if await anyio.to_thread.run_sync(self.problem):
            return JSONResponse({"status": "error", "problem": UNAVAILABLE}, 503)
        return JSONResponse({"status": "ok"})

    async def _thumbnail(self, request: Request) -> Response:
        return await self._answer(request, "thumbnail", "preview.webp")

    async def _original(self, request: Request) -> Response:
        return await self._answer(request, "original", request.path_params["name"])

    async def _answer(self, request: Request, kind: Kind, file_name: str) -> Response:
        content_hash = await self._signed_hash(request, kind)
        request.scope[_TOLD] |= {"kind": kind, "hash": content_hash}
        key, headers = _KEYS[kind](content_hash), request.headers
        asks_first = request.method == "HEAD" or "if-none-match" in headers or "range" in headers
        if not asks_first:
            return await self._whole(key, partial(describe, kind, content_hash, file_name=file_name), request)
        stored = await self._read(partial(self._objects.head, key))
        if stored is None:
            raise HTTPException(404)
        described = describe(kind, content_hash, stored, file_name)
        if _has_it(headers.get("if-none-match", ""), described["ETag"]):
            return Response(None, 304, _without_body(described))
        if request.method == "HEAD":
            return Response(None, 200, {**described, "Content-Length": str(stored.size)})
        stretch = _wanted(request, described, stored)
        if stretch is None:
            return await self._whole(key, partial(describe, kind, content_hash, file_name=file_name), request)
        return await self._part(key, stretch, stored.size, described, request)

    async def _signed_hash(self, request: Request, kind: Kind) -> str:
        content_hash: str = request.path_params["hash"]
        is_ours = self._signer.is_signed(kind, content_hash, request.path_params["signature"])
        if not is_ours or not _HASH.fullmatch(content_hash):
            await self._read(partial(self._readings.link_denied, request, kind, status=404))
            raise HTTPException(404)
        return content_hash

    async def _whole(self, key: str, described: Callable[[StoredObject], dict[str, str]], request: Request) -> Response:
        opened = await self._open(key)
        headers = {**described(opened.stored), "Content-Length": str(opened.stored.size)}
        return await self._stream(opened, 200, headers, request)

    async def _part(
        self, key: str, stretch: Stretch, size: int, described: dict[str, str], request: Request
    ) -> Response:
        if not stretch.length:
            nothing = {"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"}
            return PlainTextResponse("There are no such bytes.", 416, nothing)
        opened = await self._open(key, start=stretch.start, length=stretch.length)
        last = stretch.start + stretch.length - 1
        found = {"Content-Range": f"bytes {stretch.start}-{last}/{size}", "Content-Length": str(stretch.length)}
        return await self._stream(opened, 206, {**described, **found}, request)

    async def _open(self, key: str, **stretch: Any) -> OpenObject:
        opened = await self._read(partial(self._objects.open, key, **stretch))
        if opened is None:
            raise HTTPException(404)
        return opened

    async def _stream(self, opened: OpenObject, status: int, headers: dict[str, str], request: Request) -> Response:
        told = request.scope[_TOLD]
        note = partial(self._readings.of_link, request, told["kind"], told["hash"], status=status)
        with ExitStack() as stack:
            stack.callback(opened.close)  # also when this is cancelled: nobody else would let go of the object
            await self._read(note)
            stack.pop_all()
        return _Stream(opened, self._chunks(opened, told), status, headers)

    async def _chunks(self, opened: OpenObject, told: Told) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._read(partial(opened.read, CHUNK_BYTES)):
                yield chunk
        except IbhelmError as error:
            told["problem"] = str(error)
            raise _BrokenOffError from error

    async def _read(self, read: Callable[[], _Result]) -> _Result:
        return await anyio.to_thread.run_sync(read, limiter=self._readers)


class _BrokenOffError(Exception):
    """The store fell silent after the answer had begun: it must end as what it is, too short."""


class _Stream(StreamingResponse):
    """An answer that lets go of its object however it ends; a client that goes away ends it."""

    def __init__(self, opened: OpenObject, chunks: AsyncIterator[bytes], status: int, headers: dict[str, str]) -> None:
        super().__init__(chunks, status, headers)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened.close()


class _Told:
    """Adds to each answer what all must say, and logs each request without its address, which carries a signature."""

    def __init__(self, application: ASGIApp, count: Callable[[], None]) -> None:
        self._application, self._count = application, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, sent = time.perf_counter(), Sent(send, SAFETY)
        told: Told = {}
        scope[_TOLD] = told
        with suppress(_BrokenOffError):  # uvicorn closes the connection of an answer that does not come to its end
            await self._application(scope, receive, sent)
        if scope["path"] != "/healthz" or sent.status != 200:
            self._count()
            seconds = round(time.perf_counter() - started, 4)
            numbers = {"status": sent.status, "bytes": sent.bytes, "complete": sent.complete, "seconds": seconds}
            log = structlog.get_logger()
            (log.warning if "problem" in told else log.info)("request", method=scope["method"], **told, **numbers)


async def _refuse(_request: Request, error: Exception) -> Response:
    """Answer what is not there, or not allowed, in one way whatever the reason."""
    assert isinstance(error, HTTPException)
    sentence = "There is nothing here." if error.status_code == 404 else error.detail
    return PlainTextResponse(sentence, error.status_code, {"Cache-Control": "no-store", **(error.headers or {})})


async def _unavailable(request: Request, error: Exception) -> Response:
    request.scope[_TOLD]["problem"] = str(error)
    return PlainTextResponse(UNAVAILABLE, 503, {"Cache-Control": "no-store", "Retry-After": RETRY_SECONDS})


def _has_it(if_none_match: str, entity_tag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or entity_tag in tags


def _wanted(request: Request, described: dict[str, str], stored: StoredObject) -> Stretch | None:
    """Return the stretch that is asked for, if only one is, and of the very bytes that the client knows."""
    known = request.headers.get("if-range", described["ETag"])
    if described["Accept-Ranges"] == "none" or known != described["ETag"]:
        return None
    return stretch_of(request.headers.get("range", ""), stored.size)


def _without_body(described: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in described.items() if name in ("ETag", "Cache-Control")}
