"""The search page: one address for every state of it, as a whole page or, when htmx asks, as the part that changes.

Invariant: without JavaScript the same links and forms lead to the same states.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ibhelm_pipelines.web.detail_view import show
from ibhelm_pipelines.web.showing import SearchPage
from ibhelm_pipelines.web.templating import render, wants_part, web_address
from ibhelm_pipelines.web.wishes import Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from ibhelm_pipelines.search.results import Results
    from ibhelm_pipelines.web.desk import Desk
    from ibhelm_pipelines.web.detail_view import Shown
    from ibhelm_pipelines.web.saved import SavedSearches

PAGE_HITS = 20
GALLERY_HITS = 48
SIMILAR = 6

SEE_OTHER = 303


class SearchPages:
    """The routes of the page; the application lets only those in who signed in, and checks every form.

    Args:
        desk: searches.
        saved: searches that the office keeps.
        address: of the gateway as browsers reach it; links to previews begin with it.
        csrf: returns what a form must bring along.
    """

    def __init__(self, desk: Desk, saved: SavedSearches, *, address: str, csrf: Callable[[Request], str]) -> None:
        self._desk, self._saved, self._address, self._csrf = desk, saved, address, csrf

    def routes(self) -> list[Route]:
        """Return what is answered."""
        return [
            Route("/", self._page),
            Route("/saved-searches", self._save, methods=["POST"]),
            Route("/saved-searches/{id:row_id}/delete", self._delete, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        wish = Wish.of(request.query_params)
        wanted = request.headers.get("hx-target") if wants_part(request) else None
        if wanted == "detail":
            return await self._detail(request, wish)
        if wanted == "more":
            results = await self._search(request, wish, facets=False)
            page = SearchPage(wish, results, saved=(), shown=None, address=self._address)
            return self._render(request, "_hits.html", page)
        results = await self._search(request, wish)
        saved = await self._desk.run(self._saved.listed)
        shown = None if wanted else await self._shown(request, wish)
        page = SearchPage(wish, results, saved=saved, shown=shown, address=self._address)
        return self._render(request, "_results.html" if wanted else "search.html", page)

    async def _detail(self, request: Request, wish: Wish) -> Response:
        shown = await self._shown(request, wish)
        if shown is None:
            return HTMLResponse("")
        page = SearchPage(wish, None, saved=(), shown=shown, address=self._address)
        return self._render(request, "_detail.html", page)

    async def _search(self, request: Request, wish: Wish, *, facets: bool = True) -> Results | None:
        if not wish.text:
            return None
        limit = GALLERY_HITS if wish.is_gallery else PAGE_HITS
        return await self._desk.search(request, wish.text, limit=limit, cursor=wish.after, facets=facets)

    async def _shown(self, request: Request, wish: Wish) -> Shown | None:
        if wish.open_id is None:
            return None
        detail = await self._desk.detail(request, wish.open_id)
        similar = await self._desk.similar(request, wish.open_id, limit=SIMILAR)
        return await self._desk.run(partial(show, detail, similar, wish, self._address))

    async def _save(self, request: Request) -> Response:
        form = await request.form()
        await self._desk.run(partial(self._saved.save, str(form.get("name", "")), str(form.get("query", ""))))
        return _back(str(form.get("back", "")))

    async def _delete(self, request: Request) -> Response:
        form = await request.form()
        await self._desk.run(partial(self._saved.delete, request.path_params["id"]))
        return _back(str(form.get("back", "")))

    def _render(self, request: Request, name: str, page: SearchPage) -> Response:
        return render(request, name, page=page, csrf=self._csrf(request))


def _back(address: str) -> Response:
    """Return to where the form stood; never to another server."""
    is_ours = address.startswith("/?") and web_address(address) is not None
    return RedirectResponse(address if is_ours else "/", SEE_OTHER)
