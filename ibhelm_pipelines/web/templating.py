"""Renders the pages of `ibhelm web` with Jinja2.

Invariants: everything that a template says is escaped, for names and texts come from strangers' files and mails; signs
that hide or turn what is written are shown as what they are; an address leads to where such an address may lead, or
nowhere. A value that a template misses is an error, never an empty place.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from ibhelm_pipelines.wording import day, is_hidden, minute, number, size, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

HERE = Path(__file__).parent
STATIC = HERE / "static"

WEB_SCHEMES = frozenset({"http", "https"})
FOLDER_SCHEMES = frozenset({"smb", "file"})


def render(
    request: Request, name: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> HTMLResponse:
    """Return a page, or a part of one, as an answer.

    Args:
        request: that is answered; its page is left as it is where htmx asks for a part (`is_part`).
        name: of the template, such as `search.html`.
        status: of HTTP.
        headers: more than the usual ones.
        values: what it shows.
    """
    shown = {"is_part": wants_part(request), "csrf": "", **values}
    return HTMLResponse(_environment().get_template(name).render(shown), status, dict(headers or {}))


def wants_part(request: Request) -> bool:
    """Return whether htmx asks for a part of the page; when somebody goes back, it asks for the whole one."""
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def web_address(url: str | None) -> str | None:
    """Return an address of the web, or of this server; None for all else, such as `javascript:`."""
    return _checked(url, WEB_SCHEMES) or (url if url and url.startswith("/") and _is_local(url) else None)


def folder_address(url: str | None) -> str | None:
    """Return an address of a folder on the NAS; None for all else."""
    return _checked(url, FOLDER_SCHEMES)


def _checked(url: str | None, schemes: frozenset[str]) -> str | None:
    if url is None or any(is_hidden(sign) or sign in "\n\t\f" for sign in url):
        return None
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    return url if scheme in schemes else None


def _is_local(url: str) -> bool:
    return not url.startswith(("//", "/\\")) and not any(is_hidden(sign) or sign in "\n\t\f" for sign in url)


@cache
def _static(name: str) -> str:
    """Return the address of a file in static/, which changes with the file, so that browsers may keep it."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "day": day, "minute": minute, "number": number, "size": size}
    environment.filters |= {"web_address": web_address, "folder_address": folder_address}
    environment.globals["static"] = _static
    return environment
