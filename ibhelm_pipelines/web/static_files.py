"""Styles, scripts and icons of the page, which come with the package and are seen by everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ibhelm_pipelines.web.templating import STATIC

if TYPE_CHECKING:
    from starlette.requests import Request

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}

FOR_EVER, ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"
"""With `?v=` the address changes as soon as the file does."""


class StaticFiles:
    """The files of web/static, by name; there is no way to anything beside them."""

    def __init__(self) -> None:
        self._files = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}

    def routes(self) -> list[Route]:
        """Return their address."""
        return [Route("/static/{name}", self._file)]

    async def _file(self, request: Request) -> Response:
        path = self._files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        kept = FOR_EVER if "v" in request.query_params else ASK_AGAIN
        return FileResponse(path, headers={"Cache-Control": kept}, media_type=TYPES[path.suffix])
