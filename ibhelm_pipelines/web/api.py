"""The JSON API: what the page shows, for scripts. `/api` says how to use it, `/api/openapi.json` tells programs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ibhelm_pipelines.search.results import Detail, Results
from ibhelm_pipelines.web.openapi import MOST_HITS, Completions, NewSavedSearch, SavedList, Similar, description
from ibhelm_pipelines.web.saved import SavedSearch
from ibhelm_pipelines.web.sessions import csrf_token
from ibhelm_pipelines.web.templating import render

if TYPE_CHECKING:
    from starlette.requests import Request

    from ibhelm_pipelines.web.desk import Desk
    from ibhelm_pipelines.web.saved import SavedSearches

NO_QUERY = "Es fehlt, was gesucht wird: q."
NO_LIMIT = f"Für limit gilt eine Zahl von 1 bis {MOST_HITS}."
NO_SUCH_SEARCH = "Diese gespeicherte Suche gibt es nicht, oder nicht mehr."
NO_JSON = 'Erwartet wird JSON: {"name": "...", "query": "..."}.'

_ANSWERS: dict[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Results, Detail, Similar, Completions, SavedList, SavedSearch)
}
_NEW_SAVED_SEARCH = TypeAdapter(NewSavedSearch)


class _RowId(Convertor[int]):
    """A number of a row; Python refuses to read those of thousands of digits, with an error."""

    regex = "[0-9]{1,19}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("row_id", _RowId())


class Api:
    """The addresses below `/api`.

    Args:
        desk: answers searches.
        saved: the searches that the office keeps.
    """

    def __init__(self, desk: Desk, saved: SavedSearches) -> None:
        self._desk, self._saved = desk, saved

    def routes(self) -> list[Route]:
        """Return them; the last takes whatever is none of them."""
        return [
            Route("/api", self._page),
            Route("/api/openapi.json", self._description),
            Route("/api/search", self._search),
            Route("/api/documents/{id:row_id}", self._detail),
            Route("/api/documents/{id:row_id}/similar", self._similar),
            Route("/api/suggest", self._suggest),
            Route("/api/saved", self._list),
            Route("/api/saved", self._save, methods=["POST"]),
            Route("/api/saved/{id:row_id}", self._delete, methods=["DELETE"]),
            Route("/api/{rest:path}", self._unknown),
        ]

    async def _page(self, request: Request) -> Response:
        return render(request, "api.html", paths=description()["paths"], csrf=csrf_token(request))

    async def _description(self, _request: Request) -> Response:
        return JSONResponse(description())

    async def _search(self, request: Request) -> Response:
        limit, cursor = _limit(request, 20), request.query_params.get("cursor")
        return _answer(await self._desk.search(request, _typed(request), limit=limit, cursor=cursor))

    async def _detail(self, request: Request) -> Response:
        return _answer(await self._desk.detail(request, request.path_params["id"]))

    async def _similar(self, request: Request) -> Response:
        hits = await self._desk.similar(request, request.path_params["id"], limit=_limit(request, 10))
        return _answer(Similar(hits=hits))

    async def _suggest(self, request: Request) -> Response:
        return _answer(Completions(completions=await self._desk.completions(request, _typed(request))))

    async def _list(self, _request: Request) -> Response:
        return _answer(SavedList(searches=await self._desk.run(self._saved.listed)))

    async def _save(self, request: Request) -> Response:
        wanted = _new_saved_search(await request.body())
        return _answer(await self._desk.run(partial(self._saved.save, wanted.name, wanted.query)), 201)

    async def _delete(self, request: Request) -> Response:
        if not await self._desk.run(partial(self._saved.delete, request.path_params["id"])):
            raise HTTPException(404, NO_SUCH_SEARCH)
        return Response(status_code=204)

    async def _unknown(self, _request: Request) -> Response:
        raise HTTPException(404)


def _answer(value: object, status: int = 200) -> Response:
    return Response(_ANSWERS[type(value)].dump_json(value), status, media_type="application/json")


def _typed(request: Request) -> str:
    text = request.query_params.get("q")
    if text is None:
        raise HTTPException(422, NO_QUERY)
    return text


def _limit(request: Request, default: int) -> int:
    text = request.query_params.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_HITS)) and 1 <= int(text) <= MOST_HITS):
        raise HTTPException(422, NO_LIMIT)
    return int(text)


def _new_saved_search(body: bytes) -> NewSavedSearch:
    try:
        return _NEW_SAVED_SEARCH.validate_json(body, strict=True)
    except ValidationError as error:
        raise HTTPException(422, NO_JSON) from error
