"""`ibhelm mcp`: the server through which an assistant asks (docs/mcp.md)."""

from __future__ import annotations

import click

from ibhelm_pipelines.logs import configure_logging
from ibhelm_pipelines.mcp_server.serving import serve_http, serve_stdio
from ibhelm_pipelines.settings import load_settings


@click.command("mcp")
@click.option(
    "--http", "port", type=click.IntRange(0, 65535), help="Serve HTTP on this port of 127.0.0.1; 0 for a free one."
)
def mcp_command(port: int | None) -> None:
    """Let an assistant (MCP client) search and read: over standard input and output, or over HTTP with a token.

    Nothing is ever written. See docs/mcp.md for how to connect Claude and others.
    """
    settings = load_settings()
    configure_logging("mcp", settings)
    if port is None:
        serve_stdio(settings)
    else:
        serve_http(settings, port)
