"""The webhook receiver: takes signed posts of Teamwork and Missive, keeps them, and says so.

It answers 200 only after the row is committed, so a vendor that got its 200 may forget the event. Everybody can reach
it, so it believes nobody: what is not signed is counted and gone. It knows the two webhook secrets and the database,
and no vendor's token.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import structlog
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ibhelm_pipelines.db.connect import Pool, open_pool
from ibhelm_pipelines.db.heartbeat import INTERVAL_SECONDS, Heartbeat
from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.live.webhook_counts import Counts
from ibhelm_pipelines.live.webhook_formats import FORMATS, Format, is_signed
from ibhelm_pipelines.live.webhook_store import Storing, answers, delete_old, in_thread
from ibhelm_pipelines.local.http_server import graceful_signals, listening, new_server
from ibhelm_pipelines.local.rate_limit import RateLimit

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    import uvicorn

    from ibhelm_pipelines.settings import Settings

MAX_BODY_BYTES = 1 << 20
BODY_SECONDS = 5.0
POSTS_PER_SECOND = 50
POSTS_AT_ONCE = 1000
"""By one client to one vendor's route. A bulk edit of 500 tasks is 500 posts at once, and a vendor switches off a hook
that was refused a few times: the limit is for floods, and more than this machine stores comes through neither way."""

MAX_CLIENTS = 10_000
MAX_CLIENT_CHARS = 64
CONNECTIONS = 4
"""To the database: one stores, one looks after its health, and two stand by for those that hang."""

DAY_SECONDS = 24 * 3600.0

_REFUSALS = {
    "trial": (200, "Somebody is here. Nothing was stored, for it names nothing that changed."),
    "too_many": (429, "Too many posts; come again later."),
    "too_big": (413, "The body is larger than 1 MiB."),
    "too_slow": (408, "The body did not come in time."),
    "disconnected": (400, "The body did not come to its end."),
    "unsigned": (401, "Not signed with the secret that is set here."),
    "wrong_signature": (401, "Not signed with the secret that is set here."),
    "no_secret": (401, "Not signed with the secret that is set here."),
    "database_away": (503, "Nothing was stored, because Postgres does not answer; come again later."),
}
_CLOSING = {"too_big", "too_slow", "disconnected"}
"""Refusals after which the rest of the body is not waited for."""


class Receiver:
    """The application.

    Args:
        pool: connections to the database.
        secrets: by vendor; a vendor without one is refused.
    """

    def __init__(self, pool: Pool, secrets: Mapping[str, str]) -> None:
        self._pool, self._secrets = pool, secrets
        self._limit = RateLimit(per_second=POSTS_PER_SECOND, burst=POSTS_AT_ONCE, max_clients=MAX_CLIENTS)
        self._storing = Storing(pool)
        self.counts = Counts()

    def application(self) -> Starlette:
        """Return the routes; nothing else is answered."""
        posts = [Route(f"/webhooks/{form.vendor}", partial(self._receive, form), methods=["POST"]) for form in FORMATS]
        asked = [Route("/healthz", self._health), Route("/metrics", self._metrics)]
        application = Starlette(routes=[*posts, *asked])
        application.router.redirect_slashes = False
        return application

    async def _receive(self, form: Format, request: Request) -> Response:
        started = time.perf_counter()
        self.counts.received(form.vendor)
        reason, headers = await self._take(form, request)
        self.counts.answered(form.vendor, time.perf_counter() - started)
        if not reason:
            return PlainTextResponse("Stored.")
        self.counts.rejected(form.vendor, reason)
        status, sentence = _REFUSALS[reason]
        closing = {"Connection": "close"} if reason in _CLOSING else {}
        return PlainTextResponse(sentence, status, {**headers, **closing})

    async def _take(self, form: Format, request: Request) -> tuple[str, dict[str, str]]:
        """Do all that a post asks for; return why it is refused, if it is, and headers that tell more."""
        client = request.client.host[:MAX_CLIENT_CHARS] if request.client else ""
        if wait := self._limit.wait_seconds((form.vendor, client)):
            return "too_many", {"Retry-After": str(wait)}
        body = await _read(request)
        if isinstance(body, str):
            return body, {}
        secret = self._secrets.get(form.vendor)
        if secret is None:
            return "no_secret", {}
        signature = request.headers.get(form.signature_header)
        if not signature:
            return "trial" if form.is_trial(request.headers, body) else "unsigned", {}
        if not is_signed(body, signature, secret):
            return "wrong_signature", {}
        return await self._store(form, request, body), {}

    async def _store(self, form: Format, request: Request, body: bytes) -> str:
        delivery = form.read(request.headers, body)
        try:
            is_news = await self._storing.store(delivery)
        except DatabaseUnavailableError:
            return "database_away"
        if is_news:
            self.counts.stored(form.vendor, understood=delivery.understood)
        else:
            self.counts.duplicate(form.vendor)
        return ""

    async def _health(self, _request: Request) -> Response:
        try:
            await in_thread(partial(answers, self._pool))
        except DatabaseUnavailableError:
            problem = "Postgres does not answer, so no webhook can be stored; `ibhelm status` says more."
            return JSONResponse({"status": "error", "problem": problem}, 503)
        return JSONResponse({"status": "ok"})

    async def _metrics(self, _request: Request) -> Response:
        return Response(self.counts.as_text(), media_type=CONTENT_TYPE_LATEST)


async def _read(request: Request) -> bytes | str:
    """Return the body, or why it is refused."""
    if int(request.headers.get("content-length", "0")) > MAX_BODY_BYTES:
        return "too_big"
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return "too_big"
    except TimeoutError:
        return "too_slow"
    except ClientDisconnect:
        return "disconnected"
    return bytes(body)


def serve(settings: Settings) -> None:
    """Receive webhooks until a signal says stop.

    Raises:
        ConfigurationError: the port is taken, or no database is known.
    """
    secrets = webhook_secrets(settings)
    with (
        listening(
            settings.webhooks_port,
            memory=settings.state_dir / "webhooks.port",
            service="The webhook receiver",
            variable="IBHELM_WEBHOOKS_PORT",
            host=settings.listen_host,
        ) as listener,
        open_pool(settings.require_database_url(), application="webhooks", max_size=CONNECTIONS) as pool,
        Heartbeat(settings, kind="webhooks") as heartbeat,
    ):
        url = f"http://{settings.listen_host}:{listener.getsockname()[1]}"
        receiver = Receiver(pool, secrets)
        server = new_server(
            receiver.application(),
            on_broken=partial(receiver.counts.rejected, "", "not_http"),
            trusted_proxies=settings.trusted_proxies,
        )
        with graceful_signals(server):
            structlog.get_logger().info("webhooks_listening", url=url, vendors=sorted(secrets))
            anyio.run(_serve, server, listener, partial(_beat, heartbeat, receiver.counts, url), pool)
        structlog.get_logger().info("webhooks_stopped", **receiver.counts.as_state())


def webhook_secrets(settings: Settings) -> dict[str, str]:
    """Return the secret of each vendor that has one."""
    known = {"teamwork": settings.teamwork_webhook_secret, "missive": settings.missive_webhook_secret}
    return {vendor: secret.get_secret_value() for vendor, secret in known.items() if secret is not None}


async def _serve(server: uvicorn.Server, listener: socket.socket, beat: Callable[[], None], pool: Pool) -> None:
    """Serve until a signal says stop; a chore that fails ends the process, which is started again."""
    async with anyio.create_task_group() as chores:
        chores.start_soon(_beat_on, beat)
        chores.start_soon(_clean_daily, pool)
        await server.serve(sockets=[listener])
        chores.cancel_scope.cancel()


def _beat(heartbeat: Heartbeat, counts: Counts, url: str) -> None:
    heartbeat.beat({"url": url, **counts.as_state()})


async def _beat_on(beat: Callable[[], None]) -> None:
    while True:
        beat()
        await anyio.sleep(INTERVAL_SECONDS)


async def _clean_daily(pool: Pool) -> None:
    log = structlog.get_logger()
    while True:
        try:
            deleted = await anyio.to_thread.run_sync(delete_old, pool, abandon_on_cancel=True)
            log.info("old_deliveries_deleted", count=deleted)
        except DatabaseUnavailableError as error:
            log.warning("old_deliveries_not_deleted", reason=str(error))
        await anyio.sleep(DAY_SECONDS)
