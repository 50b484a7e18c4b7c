"""The process behind `ibhelm mcp`: over standard input and output of a client that starts it, or over HTTP.

Over standard output goes the protocol and nothing else: logs go to standard error. Over HTTP nothing is answered
without the token, nor to a name other than this machine's (a web page that had its name point here would be one).
"""

from __future__ import annotations

import hmac
import os
import pwd
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import structlog
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware

from ibhelm_pipelines.access_log.storing import open_access_log
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.http_server import graceful_signals, listening, new_server
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.mcp_server import server as tools
from ibhelm_pipelines.mcp_server.archive import open_archive
from ibhelm_pipelines.mcp_server.projects import Projects
from ibhelm_pipelines.mcp_server.questions import Reader
from ibhelm_pipelines.mcp_server.readings import OVER_HTTP, Readings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import uvicorn
    from mcp.server import MCPServer

    from ibhelm_pipelines.settings import Settings

PATH = "/mcp"


def serve_stdio(settings: Settings) -> None:
    """Serve the client that started this process, until it closes the input.

    Raises:
        ConfigurationError: there is no database URL.
    """
    with _open_server(settings, _account()) as server:
        server.run("stdio")


def serve_http(settings: Settings, port: int) -> None:
    """Serve on 127.0.0.1 until a signal says stop.

    Raises:
        ConfigurationError: the port is taken, or there is no token or no database URL.
    """
    if settings.api_token is None:
        raise ConfigurationError(
            "Assistants cannot be let in over HTTP: IBHELM_API_TOKEN is not set.",
            next_step="Set it to at least 32 characters that nobody guesses, and give it to the clients.",
        )
    token = _Token(settings.api_token.get_secret_value())
    memory = settings.state_dir / "mcp.port"
    with (
        _open_server(settings, OVER_HTTP) as server,
        listening(port, memory=memory, service="The MCP server", variable="--http") as listener,
    ):
        application = server.streamable_http_app(
            streamable_http_path=PATH, json_response=True, stateless_http=True, host=HOST
        )
        http = new_server(_guarded(application, token), on_broken=lambda: None)
        with graceful_signals(http):
            url = f"http://{HOST}:{listener.getsockname()[1]}{PATH}"
            structlog.get_logger().info("mcp_listening", url=url)
            anyio.run(_serve, server, http, listener)
        structlog.get_logger().info("mcp_stopped")


@contextmanager
def _open_server(settings: Settings, who: str) -> Iterator[MCPServer[None]]:
    reader = Reader(settings)
    with open_archive(settings) as archive, open_access_log(settings) as accesses:
        yield tools.new_server(archive, Projects(archive), reader, Readings(accesses, who, reader))


def _account() -> str:
    """Return who started this process, and so asks: everybody who logs in over SSH is one."""
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


def _guarded(application: Starlette, token: _Token) -> Starlette:
    """Let nobody in without the token, whatever is asked for."""
    guard = Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(token))
    guarded = Starlette(middleware=[guard])
    guarded.mount("/", RequireAuthMiddleware(application, required_scopes=[]))
    return guarded


async def _serve(server: MCPServer[None], http: uvicorn.Server, listener: socket.socket) -> None:
    async with server.session_manager.run():  # uvicorn is told not to: of all our servers only this one has a lifespan
        await http.serve(sockets=[listener])


class _Token:
    """The one token that is let in.

    Args:
        token: IBHELM_API_TOKEN.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose token it is, in a time that does not tell how much of it is right."""
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._token):
            return None
        return AccessToken(token=token, client_id="ibhelm", scopes=[])
